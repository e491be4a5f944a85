"""A patient who comes of age while a link lives: whoever acted for them is out, and the link opens for nobody."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import Shop, words
from tests.commerce.checkout.test_helpers import DEE, Dee, actions, switch


def born(years: int, days: int) -> dict[str, str]:
    """Of somebody who was so old that many days ago, in the clinic's time."""
    day = timezone.localdate(timezone.now()) - timedelta(days=days)
    if (day.month, day.day) == (2, 29):
        day += timedelta(days=1)
    return {"year": str(day.year - years), "month": str(day.month), "day": str(day.day)}


def dee_of(shop: Shop, child: dict[str, str]) -> Dee:
    switch(shop)
    iso = f"{int(child['year']):04d}-{int(child['month']):02d}-{int(child['day']):02d}"
    return Dee(shop, shop.offer(needs_helper=True, born=iso), child=child)


@pytest.fixture
def grown(shop: Shop) -> Dee:
    """The parent of somebody who was a minor when the link was made and turned eighteen two days ago."""
    return dee_of(shop, born(18, 2))


def row(dee: Dee) -> PurchaseLink:
    with walls.organization(dee.shop.clinic.pk):
        return PurchaseLink.objects.get(pk=dee.link.pk)


@pytest.mark.parametrize("says", [DEE, {"acts": "patient"}], ids=["parent", "patient"])
def test_the_link_closes_for_parent_and_patient_and_no_code_goes_out(grown: Dee, says: dict[str, str]) -> None:
    """The code would go to the contact that the clinic chose for the parent, who knows the birth date as well."""
    page = grown.answer(**says)
    assert page.status_code == 410
    assert "grown-up now" in words(page)
    assert "You were not charged" in words(page)
    assert grown.shop.outside.messenger.sent == []
    assert (row(grown).state, row(grown).end_reason, row(grown).tries_left) == ("revoked", "of_age", 5)
    said = actions(grown.shop)["link.answered"]
    assert (said.outcome, said.reason) == ("refused", "of_age")
    assert "grown-up now" in words(grown.get(grown.address))


def test_who_guesses_the_birth_date_learns_nothing_of_it(grown: Dee) -> None:
    page = grown.answer(**{**DEE, "year": "1950"})
    assert page.status_code == 422
    assert (row(grown).state, row(grown).tries_left) == ("opened", 4)


def test_a_day_before_it_is_a_minors_link(shop: Shop) -> None:
    dee = dee_of(shop, born(18, -2))
    assert dee.answer(**DEE).status_code == 302


def test_the_age_is_the_organizations(shop: Shop) -> None:
    with walls.organization(shop.clinic.pk):
        shop.clinic.adult_age = 19
        shop.clinic.save()
    dee = dee_of(shop, born(18, 2))
    assert dee.answer(**DEE).status_code == 302


def test_a_parent_who_is_under_way_is_out_once_the_patient_has_come(shop: Shop) -> None:
    """The birthday came after the parent had begun: the organization's age stands for the day."""
    dee = dee_of(shop, born(17, 2))
    dee.prove()
    assert dee.get("/c/check/").status_code == 200
    with walls.organization(shop.clinic.pk):
        shop.clinic.adult_age = 17
        shop.clinic.save()
    Dee(shop, dee.link, child=dee.child).answer(acts="patient")
    assert dee.get("/c/check/").status_code in (403, 410)
    with walls.organization(shop.clinic.pk):
        assert not CheckoutSession.objects.filter(ended_at=None).exists()


def test_after_the_order_it_goes_on_and_opens_for_nobody(shop: Shop) -> None:
    dee = dee_of(shop, born(18, 2))
    with walls.organization(shop.clinic.pk):
        PurchaseLink.objects.filter(pk=dee.link.pk).update(state="completed")
    page = dee.answer(**DEE)
    assert page.status_code == 410
    assert "Your order goes on" in words(page)
    assert (row(dee).state, row(dee).end_reason) == ("completed", "")


def test_an_adults_link_asks_no_age(shop: Shop) -> None:
    switch(shop)
    dee = Dee(shop, shop.offer(), child=born(40, 2))
    assert dee.answer(acts="patient").status_code == 422
