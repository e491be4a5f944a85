"""A link that is too old, or locked: one tap asks the clinic for a new one. Nothing is sent by it and nothing is shown; the
clinic sees it until something new was offered."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.offers import links
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import LinkState, PurchaseLink
from ehrcommerce.outbox.models import Effect
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import Cy, words

BUTTON = "Ask the clinic for a new link"


def put(cy: Cy, **changes: Any) -> None:
    with walls.organization(cy.shop.clinic.pk):
        PurchaseLink.objects.filter(pk=cy.link.pk).update(**changes)


def asked(cy: Cy) -> PurchaseLink:
    with walls.organization(cy.shop.clinic.pk):
        return PurchaseLink.objects.get(pk=cy.link.pk)


ENDS: dict[str, dict[str, Any]] = {
    "too old, and the sweeper was not there yet": {"expires_at": timezone.now() - timedelta(minutes=1)},
    "too old": {"state": LinkState.EXPIRED}, "locked": {"state": LinkState.LOCKED, "tries_left": 0},
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_one_tap_is_enough_and_the_second_changes_nothing(cy: Cy, end: str) -> None:
    put(cy, **ENDS[end])
    assert BUTTON in words(cy.get(cy.address))
    assert asked(cy).asked_again_at is None, "a look asks for nothing"
    with walls.organization(cy.shop.clinic.pk):
        before = Effect.objects.count()
    first = cy.post(cy.address, ask="1")
    assert "We told the clinic" in words(first)
    at = asked(cy).asked_again_at
    assert at is not None
    assert "We told the clinic" in words(cy.post(cy.address, ask="1"))
    assert asked(cy).asked_again_at == at
    with walls.organization(cy.shop.clinic.pk):
        assert AuditEvent.objects.filter(action="link.asked_again").count() == 1
        assert Effect.objects.count() == before
    assert "Metformin" not in first.content.decode()


@pytest.mark.parametrize("state", [LinkState.REVOKED, LinkState.SUPERSEDED])
def test_what_the_clinic_ended_is_not_asked_for(cy: Cy, state: str) -> None:
    put(cy, state=state)
    assert BUTTON not in words(cy.get(cy.address))
    assert cy.post(cy.address, ask="1").status_code == 410
    assert asked(cy).asked_again_at is None


def test_a_birth_date_that_comes_too_late_asks_for_nothing(cy: Cy) -> None:
    """The form of before, sent once more from another tab."""
    put(cy, state=LinkState.LOCKED, tries_left=0)
    assert "Too many tries" in words(cy.answer())
    assert asked(cy).asked_again_at is None


def test_a_link_that_lives_is_answered_and_not_asked_for(cy: Cy) -> None:
    with walls.organization(cy.shop.clinic.pk):
        assert not links.ask_again(link_id=cy.link.pk, at=timezone.now())
    cy.answer()
    assert asked(cy).asked_again_at is None


def test_a_form_from_elsewhere_asks_for_nothing(cy: Cy) -> None:
    put(cy, state=LinkState.EXPIRED)
    answer = Client(enforce_csrf_checks=True).post(cy.address, {"ask": "1"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert asked(cy).asked_again_at is None


def test_the_clinic_sees_it_until_something_new_was_offered(cy: Cy) -> None:
    put(cy, state=LinkState.EXPIRED)
    key = cy.link.offer.customer_key
    with walls.organization(cy.shop.clinic.pk):
        sent = offers.sent_for(organization_id=cy.shop.clinic.pk, customer_key=key)
        assert offers.newest_by_order(sent) == {}
    cy.post(cy.address, ask="1")
    with walls.organization(cy.shop.clinic.pk):
        assert [link.pk for link in links.asking(cy.shop.clinic.pk)] == [cy.link.pk]
        sent = offers.sent_for(organization_id=cy.shop.clinic.pk, customer_key=key)
        assert [each.link.pk for each in offers.newest_by_order(sent).values()] == [cy.link.pk]
    newer = cy.shop.offer()
    with walls.organization(cy.shop.clinic.pk):
        assert list(links.asking(cy.shop.clinic.pk)) == []
        sent = offers.sent_for(organization_id=cy.shop.clinic.pk, customer_key=key)
        assert {each.link.pk for each in offers.newest_by_order(sent).values()} == {newer.pk}
