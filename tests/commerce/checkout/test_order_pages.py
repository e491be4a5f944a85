"""What was ordered, the price, the consents, the address."""

import re
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.catalog import codes
from ehrcommerce.commerce.catalog.models import ProductCode
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.disclosure.models import Consent, Disclosure
from ehrcommerce.outbox.handlers import handler_of
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Halt, Refused
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import EligibilityAnswer
from ehrcommerce.vault import walls
from tests import factories
from tests.commerce.checkout.conftest import METER, METFORMIN, Cy, Shop, words
from tests.commerce.checkout.doubles import Chart


def purposes(cy: Cy) -> list[tuple[str, str]]:
    with walls.organization(cy.shop.clinic.pk):
        return sorted(Consent.objects.filter(withdrawn_at=None).values_list("purpose", "recipient_name"))


def test_the_order_is_shown_with_who_ordered_it_the_price_and_the_trust_phrase(cy: Cy) -> None:
    cy.prove()
    text = words(cy.get("/c/check/"))
    for word in (
        "Metformin 500 mg tablets",
        "Dr. Okafor",
        "$48.00",
        "Take 1 tablet by mouth twice a day",
        cy.link.offer.trust_phrase,
    ):
        assert word in text


def test_nothing_is_ticked_or_chosen_beforehand(cy: Cy) -> None:
    cy.prove()
    assert b" checked" not in cy.get("/c/check/").content
    cy.post("/c/check/", pay_with="full")
    assert b" checked" not in cy.get("/c/price/").content


def test_the_full_price_asks_no_plan_and_reads_no_chart(cy: Cy) -> None:
    cy.choose()
    assert Chart.asked == []
    assert cy.shop.outside.payer.asked == []
    text = words(cy.get("/c/price/"))
    assert "Your plan pays Not used" in text
    assert "You pay $48.00" in text


def test_a_plan_is_asked_only_with_a_yes(cy: Cy) -> None:
    cy.prove()
    page = cy.post("/c/check/", pay_with="plan")
    assert page.status_code == 422
    assert "tick the box" in words(page)
    assert Chart.asked == []
    assert purposes(cy) == []


def test_a_plan_that_pays_gives_three_numbers(cy: Cy) -> None:
    cy.choose(plan=True)
    text = words(cy.get("/c/price/"))
    assert "Full price $48.00 Your plan pays \N{MINUS SIGN}$36.00 You pay $12.00" in text
    assert purposes(cy) == [("eligibility", "Plan desk")]
    (asked,) = cy.shop.outside.payer.asked
    assert asked.person is None
    assert asked.lines[0].code == "code-MET"
    with walls.organization(cy.shop.clinic.pk):
        receipt = Disclosure.objects.get()
        assert (receipt.state, receipt.recipient_name) == ("sent", "Plan desk")
        assert "Coverage.subscriberId" in receipt.elements
        kept = CheckoutSession.objects.get().eligibility
    assert "M-77-1234" not in str(kept)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (EligibilityAnswer("unknown", "2026-11-21"), "We do not know what your plan pays"),
        (EligibilityAnswer("unreachable", ""), "Your plan did not answer"),
        (EligibilityAnswer("not_covered", "2026-11-21"), "Your plan does not pay for this"),
    ],
)
def test_what_a_plan_does_not_say_is_never_a_zero_and_never_blocks_cash(
    cy: Cy, answer: EligibilityAnswer, said: str
) -> None:
    cy.shop.outside.payer.answer = answer
    cy.choose(plan=True)
    text = words(cy.get("/c/price/"))
    assert said in text
    assert "You pay $48.00" in text
    assert "You pay $0.00" not in text
    assert ("Not known" in text) == (answer.state != "not_covered")
    assert cy.post("/c/price/", **cy.boxes(), quote=cy.quote()).headers["Location"] == "/c/where/"


def test_a_covered_answer_without_an_amount_is_not_known(cy: Cy) -> None:
    cy.shop.outside.payer.pays_cents = None
    cy.choose(plan=True)
    text = words(cy.get("/c/price/"))
    assert "Your plan pays Not known" in text
    assert "You pay $48.00" in text


@pytest.mark.parametrize("trouble", ["down", "no plan"])
def test_a_chart_that_cannot_tell_the_plan_leaves_the_full_price(cy: Cy, trouble: str) -> None:
    if trouble == "down":
        Chart.down = True
    else:
        Chart.plans = ()
    cy.choose(plan=True)
    assert "You pay $48.00" in words(cy.get("/c/price/"))
    assert cy.shop.outside.payer.asked == []


def test_the_plan_can_be_asked_again(cy: Cy) -> None:
    cy.shop.outside.payer.answer = EligibilityAnswer("unreachable", "")
    cy.choose(plan=True)
    cy.shop.outside.payer.answer = None
    cy.post("/c/plan/")
    assert "You pay $12.00" in words(cy.get("/c/price/"))


def test_no_step_without_the_yes_and_the_no_is_a_button(cy: Cy) -> None:
    cy.choose()
    page = cy.post("/c/price/", quote=cy.quote())
    assert page.status_code == 422
    assert "Tick the box for Lakeside Pharmacy if you agree" in words(page)
    assert purposes(cy) == []
    assert Chart.asked == []
    assert cy.post("/c/no/").headers["Location"] == "/c/no/"
    assert "You were not charged" in words(cy.get("/c/no/"))
    assert cy.get("/c/price/").status_code == 403
    assert cy.prove().headers["Location"] == "/c/check/"


def test_each_recipient_of_the_order_gets_its_own_yes_with_the_words_that_were_shown(shop: Shop) -> None:
    cy = Cy(shop, shop.offer(("MET", METFORMIN), ("GLU", METER)))
    cy.choose()
    text = words(cy.get("/c/price/"))
    assert "It fills your medicine. It gets: your name, your birth date, your address, what was ordered" in text
    assert "It sends your device. It gets: your name, your address, which item to send, and how many, and its size or side" in text
    assert "We do not share your notes" in text
    cy.post("/c/price/", **cy.boxes(), quote=cy.quote())
    assert purposes(cy) == [("device", "Harbor Devices"), ("prescription", "Lakeside Pharmacy")]
    with walls.organization(shop.clinic.pk):
        kept = [consent.text.text for consent in Consent.objects.select_related("text")]
        assert {consent.identity_level for consent in Consent.objects.all()} == {2}
    for line in "\n".join(kept).split("\n"):
        assert " ".join(line.split()) in text


def test_the_address_on_file_is_read_after_the_yes_and_is_a_choice(cy: Cy) -> None:
    cy.agree()
    assert Chart.asked == ["ship_to"]
    page = cy.get("/c/where/")
    assert "12 Elm St" in words(page)
    assert re.findall(r'value="(\w+)"[^>]* checked', page.content.decode()) == ["file"]
    assert cy.post("/c/where/", place="file").headers["Location"] == "/c/pay/"
    assert "12 Elm St" in words(cy.get("/c/pay/"))


def test_without_an_address_on_file_it_is_typed(cy: Cy) -> None:
    Chart.home = None
    cy.agree()
    assert "Type it, please" in words(cy.get("/c/where/"))
    typed = {"name": "Cy Rivera", "line": "9 Oak Ave", "city": "Portland", "state": "OR", "postal_code": "97201"}
    assert cy.post("/c/where/", **typed).headers["Location"] == "/c/pay/"
    assert "9 Oak Ave" in words(cy.get("/c/pay/"))


def test_a_bad_address_keeps_what_was_typed_and_links_each_mistake(cy: Cy) -> None:
    cy.agree()
    page: Any = cy.post("/c/where/", place="other", name="Cy", line="", city="Portland", state="XX", postal_code="12")
    text = page.content.decode()
    assert page.status_code == 422
    assert 'value="Portland"' in text
    for field in ("id_line", "id_state", "id_postal_code"):
        assert f'href="#{field}"' in text
        assert f'id="{field}"' in text
    assert "Type the ZIP code" in words(page)


def test_a_state_that_nobody_may_send_to_is_said_at_the_field(cy: Cy) -> None:
    cy.agree()
    typed = {"place": "other", "name": "Cy", "line": "1 Sand Rd", "city": "Reno", "state": "NV", "postal_code": "89501"}
    page = cy.post("/c/where/", **typed)
    assert page.status_code == 422
    assert "We cannot send this to NV" in words(page)


def test_another_supplier_for_another_state_needs_another_yes(cy: Cy) -> None:

    with walls.organization(cy.shop.clinic.pk):
        desert = Supplier.objects.create(
            organization=cy.shop.clinic, port="pharmacy", adapter="x", name="Desert Pharmacy",
            base_url="https://partner.example", licensed_states="NV",
        )  # fmt: skip
        factories.agreement(cy.shop.clinic, desert.party)
    cy.agree()
    typed = {"place": "other", "name": "Cy", "line": "1 Sand Rd", "city": "Reno", "state": "NV", "postal_code": "89501"}
    assert cy.post("/c/where/", **typed).headers["Location"] == "/c/price/"
    assert "Desert Pharmacy" in words(cy.get("/c/price/"))
    cy.post("/c/price/", **cy.boxes(), quote=cy.quote())
    assert cy.post("/c/where/", **typed).headers["Location"] == "/c/pay/"
    assert ("prescription", "Desert Pharmacy") in purposes(cy)


# ---------------------------------------------------------------------------------------------------- who is asked
def test_the_charts_own_words_do_not_go_to_the_plan(cy: Cy) -> None:
    with walls.organization(cy.shop.clinic.pk):
        product = cy.shop.products["MET"]
        product.codes.all().delete()
        ProductCode.objects.create(
            organization=cy.shop.clinic, product=product, system=codes.DISPLAY_SYSTEM, code="words of the chart"
        )
    cy.choose(plan=True)
    (asked,) = cy.shop.outside.payer.asked
    assert (asked.lines[0].system, asked.lines[0].code) == ("", "MET")


def test_the_plan_that_was_agreed_to_is_asked_and_no_other(cy: Cy) -> None:
    cy.choose(plan=True)
    with walls.organization(cy.shop.clinic.pk):
        first = cy.shop.outside.rows["eligibility"]
        assert CheckoutSession.objects.get().payer == first
        event = AuditEvent.objects.get(action="coverage.sent")
        assert event.recipient == first.party
        assert "Coverage.subscriberId" in event.elements
        Supplier.objects.filter(pk=first.pk).update(active=False)
        other = Supplier.objects.create(
            organization=cy.shop.clinic, port="eligibility", adapter="x", name="Other",
            base_url="https://partner.example",
        )  # fmt: skip
        factories.agreement(cy.shop.clinic, other.party)
    cy.post("/c/plan/")
    assert len(cy.shop.outside.payer.asked) == 1
    assert "Your plan did not answer" in words(cy.get("/c/price/"))


def test_a_yes_that_was_taken_back_stops_the_question_at_the_last_moment(cy: Cy) -> None:
    cy.choose(plan=True)
    with walls.organization(cy.shop.clinic.pk):
        effect = Effect.objects.get(kind="checkout.eligibility")
        Consent.objects.update(withdrawn_at=timezone.now())
        with pytest.raises(Halt) as halt, transaction.atomic():
            handler_of("checkout.eligibility").still_wanted(effect)
    assert halt.value.outcome == Refused("no_consent")


def test_a_choice_that_was_not_made_is_named_at_the_choice(cy: Cy) -> None:
    cy.prove()
    page = cy.post("/c/check/").content.decode()
    assert 'aria-describedby="id_pay_with_error" aria-invalid="true"' in page
    assert 'id="id_pay_with_error"' in page
    cy.post("/c/check/", pay_with="full")
    cy.post("/c/price/", **cy.boxes(), quote=cy.quote())
    page = cy.post("/c/where/").content.decode()
    assert 'aria-describedby="id_place_error" aria-invalid="true"' in page
    assert 'id="id_place_error"' in page
