"""Somebody acts for a patient: only where the clinic allows it, known by a code of their own, and named by what they are to
the patient wherever a yes or a disclosure is written down."""

import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.offers import helping
from ehrcommerce.commerce.offers.models import Helper, Offer, PurchaseLink
from ehrcommerce.commerce.offers.services import NobodyToRecognize
from ehrcommerce.disclosure import consent_export, receipts
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import BORN, CHILD, EMAIL, HTML, METER, METFORMIN, PHONE, Cy, Shop, words
from tests.commerce.checkout.screens import SITE, phone

DEE = {"acts": "helper", "helper_name": "Dee Rivera", "relation": "parent"}
NAMED = {"name": "Roberto Díaz", "relation": "partner", "reach": "(206) 555-0177"}


@dataclass
class Dee(Cy):
    """Who acts for Cy, on a phone of their own."""

    says: dict[str, str] = field(default_factory=lambda: dict(DEE))
    child: dict[str, str] = field(default_factory=dict)

    @property
    def born(self) -> dict[str, str]:
        """Of whom this one acts for."""
        return self.child or (CHILD if self.link.offer.needs_helper else BORN)

    def prove(self) -> HTML:
        assert self.answer(**self.says).status_code == 302
        return self.post("/c/code/", code=self.shop.outside.code)


@dataclass
class Adult(Cy):
    """Cy at a clinic that lets helpers act: the page asks."""

    def answer(self, **changes: str) -> HTML:
        return super().answer(**{"acts": "patient", **changes})


def switch(shop: Shop, on: bool = True, private: str = "") -> None:
    with walls.organization(shop.clinic.pk):
        shop.clinic.helpers, shop.clinic.minor_private = on, private
        shop.clinic.save()


@pytest.fixture
def dee(shop: Shop) -> Dee:
    """The parent of a minor, at a clinic that lets helpers act."""
    switch(shop)
    return Dee(shop, shop.offer(needs_helper=True))


@pytest.fixture
def adult(shop: Shop) -> Cy:
    switch(shop)
    return Adult(shop, shop.offer())


def actions(shop: Shop) -> dict[str, AuditEvent]:
    with walls.organization(shop.clinic.pk):
        return {event.action: event for event in AuditEvent.objects.order_by("pk")}


# -- off -----------------------------------------------------------------------------------------------------------------
def test_off_is_what_a_clinic_begins_with(shop: Shop) -> None:
    assert shop.clinic.helpers is False


def test_while_off_nothing_is_offered_to_a_minor_and_the_refusal_says_who_can_change_that(shop: Shop) -> None:
    with pytest.raises(helping.HelpersOff) as refused:
        shop.offer(needs_helper=True)
    assert "An administrator can" in " ".join(str(refused.value.__doc__).split())
    assert 'Organizations, "Who may act for a patient"' in " ".join(str(refused.value.__doc__).split())
    with walls.organization(shop.clinic.pk):
        assert not Offer.objects.exists()


def test_while_off_the_page_asks_nobody_who_they_act_for_and_takes_no_such_answer(cy: Cy) -> None:
    assert "I am the patient" not in words(cy.get(cy.address))
    cy.answer(**DEE)
    with walls.organization(cy.shop.clinic.pk):
        assert CheckoutSession.objects.get().helper is None
        assert not Helper.objects.exists()


def test_while_off_an_adult_names_nobody(cy: Cy) -> None:
    cy.choose()
    assert "Let someone help me" not in words(cy.get("/c/price/"))
    assert cy.post("/c/helper/", **NAMED).headers["Location"] == "/c/price/"
    with walls.organization(cy.shop.clinic.pk):
        assert not Helper.objects.exists()


def test_switched_off_later_it_ends_at_once_for_who_is_under_way_and_for_who_comes(dee: Dee) -> None:
    dee.choose()
    switch(dee.shop, on=False)
    assert dee.get("/c/price/").status_code == 403
    page = Dee(dee.shop, dee.link).answer()
    assert page.status_code == 409
    assert "parent or guardian must order this" in words(page)


# -- minors ---------------------------------------------------------------------------------------------------------------
def test_the_page_asks_who_acts_and_in_what_relation_and_does_not_say_that_it_is_a_minor(dee: Dee) -> None:
    one = words(dee.get(dee.address))
    adult = Adult(dee.shop, dee.shop.offer())
    other = words(adult.get(adult.address))
    assert "I am the patient" in one
    assert "Parent" in one
    assert one == other


@pytest.mark.parametrize("left_out", ["acts", "helper_name", "relation"])
def test_what_is_left_out_costs_no_try(dee: Dee, left_out: str) -> None:
    assert dee.answer(**{**DEE, left_out: ""}).status_code == 422
    with walls.organization(dee.shop.clinic.pk):
        assert PurchaseLink.objects.get(pk=dee.link.pk).tries_left == 5
        assert not CheckoutSession.objects.exists()


def test_a_minor_alone_is_told_to_give_the_link_to_a_parent_and_no_code_goes_out(dee: Dee) -> None:
    page = dee.answer(acts="patient")
    assert page.status_code == 409
    assert "Give them this link" in words(page)
    assert dee.shop.outside.messenger.sent == []


@pytest.mark.parametrize("relation", ["friend", "partner", "caregiver"])
def test_not_everybody_may_act_for_a_minor(dee: Dee, relation: str) -> None:
    page = dee.answer(**{**DEE, "relation": relation})
    assert page.status_code == 403
    assert "a parent or guardian must do this" in words(page)
    refused = actions(dee.shop)["helper.refused"]
    assert (refused.outcome, refused.reason) == ("refused", relation)
    assert dee.shop.outside.messenger.sent == []


def test_a_wrong_birth_date_costs_a_helper_a_try_like_anybody(dee: Dee) -> None:
    page = dee.answer(**DEE, year="1969")
    assert page.status_code == 422
    assert "You have 4 tries left" in words(page)


def test_the_code_goes_to_a_contact_that_the_clinic_has(dee: Dee) -> None:
    dee.answer(**DEE)
    (message,) = dee.shop.outside.messenger.sent
    assert message.to in (PHONE.value, EMAIL.value)


def test_each_yes_names_in_what_relation_it_was_said_and_the_audit_who_acted(dee: Dee) -> None:
    dee.choose()
    assert "You do this for the patient, as: Parent." in words(dee.get("/c/price/"))
    dee.post("/c/price/", **dee.boxes(), quote=dee.quote())
    with walls.organization(dee.shop.clinic.pk):
        (yes,) = Consent.objects.select_related("text", "organization").all()
        helper = Helper.objects.get()
        assert helper.name == "Dee Rivera"
        assert yes.acting == "parent"
        assert "You say this for the patient, as: Parent." in yes.text.text
        assert "Rivera" not in yes.text.text
        assert consent_export.resource(yes)["performer"][0]["type"] == "RelatedPerson"
    told = actions(dee.shop)
    assert told["consent.given"].actor == f"helper:{helper.public_id}"
    assert told["consent.given"].reason == "parent"
    assert told["checkout.verified"].reason == "level 2 parent"


def test_what_was_shared_says_who_agreed_to_it(dee: Dee) -> None:
    dee.ship()
    dee.post("/c/pay/")
    with walls.organization(dee.shop.clinic.pk):
        session = CheckoutSession.objects.select_related("link__offer").get()
        session.stage = "follow"
        session.save()
        row = receipts.plan(
            organization_id=dee.shop.clinic.pk, customer_key="customer-cy", subject=str(dee.link.offer.public_id),
            purpose="prescription", recipient=dee.shop.outside.rows["pharmacy"].party, recipient_name="Lakeside Pharmacy",
            elements=["MedicationRequest.status"], payload_digest=b"d" * 32, at=dee.link.created_at, acting="parent",
        )  # fmt: skip
        receipts.mark_sent(row, dee.link.created_at)
    page = words(dee.get("/c/shared/"))
    assert "Agreed for the patient, as: Parent." in page
    assert "Said for the patient, as: Parent." in page
    assert actions(dee.shop)["disclosure.planned"].reason == "parent"


@pytest.mark.parametrize("private", ["prescription", "met", "kit\n  MET  "])
def test_what_a_minor_decides_alone_is_not_sold_by_link(shop: Shop, private: str) -> None:
    switch(shop, private=private)
    with pytest.raises(helping.MinorPrivate):
        shop.offer(("GLU", METER), ("MET", METFORMIN), needs_helper=True)
    shop.offer(("GLU", METER), needs_helper=True)
    shop.offer(("MET", METFORMIN))  # an adult's is nobody's business


def test_what_becomes_private_after_the_link_was_sent_is_hidden_from_the_helper_on_every_page(dee: Dee) -> None:
    dee.choose()
    switch(dee.shop, private="MET")
    for path in ("/c/check/", "/c/price/"):
        page = dee.get(path)
        assert page.status_code == 403
        assert "Only the patient may see this" in words(page)
        assert "etformin" not in page.content.decode()
    hidden = actions(dee.shop)["helper.hidden"]
    assert (hidden.outcome, hidden.reason, hidden.actor.split(":")[0]) == ("refused", "parent", "helper")


@pytest.mark.parametrize("path", ["/c/data/", "/c/data/read/", "/c/data/file/", "/c/data/paper/", "/c/data/erase/"])
def test_all_that_is_kept_of_a_patient_is_not_a_helpers(dee: Dee, path: str) -> None:
    dee.prove()
    page = dee.get(path)
    assert page.status_code == 403
    assert "call the clinic" in words(page)
    assert actions(dee.shop)["data.refused"].reason == "helper"


def test_a_printed_link_takes_no_helper_since_no_code_could_go_out(shop: Shop) -> None:
    switch(shop)
    with pytest.raises(NobodyToRecognize):
        shop.offer(contacts=(), needs_helper=True)
    on_paper = Cy(shop, shop.offer(contacts=()))
    assert "I am the patient" not in words(on_paper.get(on_paper.address))


# -- adults ---------------------------------------------------------------------------------------------------------------
def name_bob(cy: Cy, **changes: str) -> HTML:
    cy.choose()
    assert "Let someone help me" in words(cy.get("/c/price/"))
    return cy.post("/c/helper/", **{**NAMED, **changes})


def bob(cy: Cy, **changes: str) -> Dee:
    return Dee(cy.shop, cy.link, Client(), {**DEE, "helper_name": "Bob Diaz", "relation": "partner", **changes})


def test_an_adult_names_a_helper_by_a_consent_that_names_nobody(adult: Cy) -> None:
    assert name_bob(adult, reach="12").status_code == 422
    assert adult.post("/c/helper/", **NAMED).headers["Location"] == "/c/helper/?done=1"
    assert "...0177" in words(adult.get("/c/helper/?done=1"))
    with walls.organization(adult.shop.clinic.pk):
        yes = Consent.objects.select_related("text").get(purpose="helper")
        assert "Díaz" not in yes.text.text + yes.recipient_name
        assert yes.recipient == Helper.objects.get().party
    assert actions(adult.shop)["helper.named"].reason == "partner"


def test_the_code_goes_to_the_contact_that_the_patient_wrote_down_and_to_nobody_else(adult: Cy) -> None:
    name_bob(adult)
    adult.shop.outside.messenger.sent.clear()
    helper = bob(adult)
    assert helper.prove().headers["Location"] == "/c/check/"
    assert [message.to for message in adult.shop.outside.messenger.sent] == ["+12065550177"]
    assert "as: Husband, wife or partner" in words(helper.get("/c/check/"))
    assert helper.agree().headers["Location"] == "/c/where/"
    with walls.organization(adult.shop.clinic.pk):
        assert Consent.objects.get(purpose="prescription").acting == "partner"


@pytest.mark.parametrize("changes", [{"helper_name": "Eve Stone"}, {"relation": "friend"}])
def test_whom_the_patient_did_not_name_gets_no_code(adult: Cy, changes: dict[str, str]) -> None:
    name_bob(adult)
    adult.shop.outside.messenger.sent.clear()
    page = bob(adult, **changes).answer(**{**DEE, "helper_name": "Bob Diaz", "relation": "partner", **changes})
    assert page.status_code == 403
    assert adult.shop.outside.messenger.sent == []


def test_nobody_acts_for_an_adult_who_named_nobody(adult: Cy) -> None:
    assert bob(adult).answer(**DEE).status_code == 403


def test_taken_back_the_helper_is_out_with_the_next_page(adult: Cy) -> None:
    name_bob(adult)
    helper = bob(adult)
    helper.choose()
    with walls.organization(adult.shop.clinic.pk):
        party = Helper.objects.get().party
    adult.ship()
    adult.post("/c/pay/")
    with walls.organization(adult.shop.clinic.pk):
        CheckoutSession.objects.filter(helper=None).update(stage="follow")
    assert "Your helper: Husband, wife or partner" in words(adult.get("/c/shared/"))
    adult.post("/c/shared/back/", recipient=party)
    assert helper.get("/c/pay/").status_code == 403
    assert bob(adult).answer(**{**DEE, "helper_name": "Bob Diaz", "relation": "partner"}).status_code == 403


def test_another_helper_takes_the_place_of_the_first(adult: Cy) -> None:
    name_bob(adult)
    adult.post("/c/helper/", name="Eve Stone", relation="friend", reach="eve@mail.example")
    assert bob(adult).answer(**{**DEE, "helper_name": "Bob Diaz", "relation": "partner"}).status_code == 403
    assert bob(adult, helper_name="Eve Stone", relation="friend").prove().headers["Location"] == "/c/check/"


def test_a_helper_names_no_other_helper(adult: Cy) -> None:
    name_bob(adult)
    helper = bob(adult)
    helper.choose()
    assert helper.post("/c/helper/", **NAMED).headers["Location"] == "/c/price/"


def test_names_and_contacts_of_helpers_are_sealed_and_stand_in_no_audit_row(adult: Cy) -> None:
    name_bob(adult)
    with walls.organization(adult.shop.clinic.pk):
        told = " ".join(str(vars(event)) for event in AuditEvent.objects.all())
    assert not [one for one in ("2065550177", "(206) 555", "555-0177") if one in told]
    assert "Díaz" not in told


# -- how it looks -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", ["en", "es"])
def test_the_pages_fit_a_phone_in_both_languages(shop: Shop, browser: Browser, language: str) -> None:
    switch(shop)
    dee = Dee(shop, shop.offer(needs_helper=True))
    pages: dict[str, Any] = {
        "who": dee.get(f"{dee.address}?lang={language}").content,
        "wrong": dee.browser.post(f"{dee.address}?lang={language}", {"acts": "helper"}).content,
        "minor": dee.browser.post(f"{dee.address}?lang={language}", {**CHILD, "acts": "patient"}).content,
    }  # fmt: skip
    dee.choose()
    pages["price"] = dee.get(f"/c/price/?lang={language}").content
    adult = Adult(shop, shop.offer())
    name_bob(adult)
    pages["name"] = adult.get(f"/c/helper/?lang={language}").content
    pages["named"] = adult.get("/c/helper/?done=1").content
    for name in pages:
        with phone(browser, pages) as page:
            page.goto(f"{SITE}/{name}/")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
            assert page.evaluate("document.documentElement.lang") == language
            if folder := os.environ.get("EHRC_LOOK"):
                page.screenshot(path=f"{folder}/{name}-{language}.png", full_page=True)
