"""What stands in the row of an order that was sent, in a clinician's words."""

import pytest
from django.utils import timezone

from ehrcommerce.commerce.offers.models import Delivery, LinkState, Offer, PurchaseLink
from ehrcommerce.ehr.order_rows import LINK_WORDS, progress_of
from ehrcommerce.policy.refusals import NOBODY, REFUSALS


def words(**link: object) -> str:
    offer = Offer(pk=1)
    offer._prefetched_objects_cache = {"orders": []}  # type: ignore[attr-defined]
    return progress_of(offer, PurchaseLink(**link)).words


def test_every_state_of_a_link_has_words_of_its_own() -> None:
    assert set(LINK_WORDS) == set(LinkState)
    assert len(set(LINK_WORDS.values())) == len(LinkState)
    assert not set(LINK_WORDS.values()) & {"Superseded", "Revoked", "Verified"}


def test_a_printed_link_is_not_called_sent() -> None:
    assert words(state=LinkState.SENT, delivery=Delivery.PRINTED) == "Link printed"
    assert words(state=LinkState.SENT) == "Link sent"


def test_a_no_is_told_while_the_link_lives() -> None:
    at = timezone.now()
    assert words(state=LinkState.VERIFIED, declined_at=at) == "Patient said no thanks"
    assert words(state=LinkState.EXPIRED, declined_at=at) == "Too old"


def test_who_asks_for_a_new_link_is_heard_until_there_is_one() -> None:
    at = timezone.now()
    assert words(state=LinkState.EXPIRED, asked_again_at=at) == "The patient asks for a new link"
    assert words(state=LinkState.LOCKED, asked_again_at=at) == "The patient asks for a new link"
    assert words(state=LinkState.LOCKED) == "Locked after wrong answers"


@pytest.mark.parametrize("code", REFUSALS)
def test_each_refusal_has_a_short_badge_and_says_who_can_change_it(code: str) -> None:
    refusal = REFUSALS[code]
    assert 0 < len(refusal.badge) <= 24
    assert refusal.badge != "Not sold by link"
    assert bool(refusal.remedy) is (refusal.who != NOBODY)
