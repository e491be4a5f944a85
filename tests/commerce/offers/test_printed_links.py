"""A link for somebody whom no message can reach: handed over on paper, and asked more, since no code can be sent."""

from dataclasses import replace

import pytest
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.offers import links, services, tokens
from ehrcommerce.commerce.offers.models import Delivery, LinkState, Offer, PurchaseLink
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import ContactPoint
from tests.commerce.offers.test_links import PHONE, line, recipient
from tests.commerce.shop import Shop

RIGHT = {"birth_date": "1968-03-14", "postal_code": "98101", "family_name": "nunez"}


def made(shop: Shop, *, contacts: tuple[ContactPoint, ...] = (), missing: str = "") -> PurchaseLink:
    facts = replace(recipient(), contacts=contacts)
    if missing:
        facts = replace(facts, **{missing: b""})  # type: ignore[arg-type]
    return services.make_offer(lines=[line(shop)], recipient=facts, send_to=None, by=shop.ada, at=timezone.now())


def answer(link: PurchaseLink, **changes: str) -> links.Answer:
    return links.answer(link_id=link.pk, at=timezone.now(), **{**RIGHT, **changes})


def test_it_is_printed_sends_nothing_and_says_so_in_the_audit(shop: Shop) -> None:
    link = made(shop)
    assert (link.state, link.delivery) == (LinkState.SENT, Delivery.PRINTED)
    assert not Effect.objects.filter(kind="offers.link").exists()
    assert AuditEvent.objects.get(action="offer.made").reason == "printed"


def test_a_qr_code_for_somebody_with_a_phone_still_asks_for_a_code(shop: Shop) -> None:
    link = made(shop, contacts=(PHONE,))
    assert link.delivery == Delivery.QR
    view = links.look(tokens.token_of(link))
    assert view is not None
    assert (view.sends_code, view.match_postal_code, view.match_family_name) == (True, False, False)


def test_its_page_asks_for_name_and_postal_code_whatever_the_organization_asks_of_others(shop: Shop) -> None:
    view = links.look(tokens.token_of(made(shop)))
    assert view is not None
    assert (view.sends_code, view.match_postal_code, view.match_family_name) == (False, True, True)


@pytest.mark.parametrize(
    ("changes", "matches"),
    [
        ({}, True), ({"postal_code": "98101-1234", "family_name": "NÚÑEZ"}, True),
        ({"birth_date": "1968-03-15"}, False), ({"postal_code": "98102"}, False), ({"family_name": "Rivera"}, False),
        ({"postal_code": ""}, False), ({"family_name": ""}, False), ({"postal_code": "none"}, False),
    ],
)  # fmt: skip
def test_every_part_must_be_right(shop: Shop, changes: dict[str, str], matches: bool) -> None:
    assert answer(made(shop), **changes).matched is matches


def test_it_takes_five_wrong_answers_in_its_life(shop: Shop) -> None:
    link = made(shop)
    assert [answer(link, postal_code="1").tries_left for _ in range(5)] == [4, 3, 2, 1, 0]
    assert not answer(link).matched


@pytest.mark.parametrize("missing", ["postal_digest", "family_digest", "birth_digest"])
def test_nobody_who_cannot_be_recognized_gets_one(shop: Shop, missing: str) -> None:
    with pytest.raises(services.NobodyToRecognize):
        made(shop, missing=missing)
    assert not Offer.objects.exists()


def test_an_empty_answer_never_matches_what_was_erased(shop: Shop) -> None:
    link = made(shop)
    Offer.objects.update(postal_digest=b"", family_digest=b"")
    assert not answer(link, postal_code="", family_name="").matched


def test_after_the_order_it_still_opens_its_order_until_the_items_are_erased(shop: Shop) -> None:
    link = made(shop)
    links.mark_verified(link_id=link.pk, at=timezone.now())
    assert links.spend(link_id=link.pk, at=timezone.now())
    assert links.erase_digests(shop.clinic.pk, timezone.now()) == 0
    assert answer(link).matched
    for each in link.offer.lines.all():
        each.packet = {}
        each.save(update_fields=["packet"])
    assert links.erase_digests(shop.clinic.pk, timezone.now()) == 1
    assert not answer(link).matched


def test_a_no_is_remembered_until_the_patient_comes_back(shop: Shop) -> None:
    link = made(shop)
    links.mark_declined(link_id=link.pk, at=timezone.now())
    link.refresh_from_db()
    assert link.declined_at is not None
    assert link.state == LinkState.SENT
    links.mark_verified(link_id=link.pk, at=timezone.now())
    link.refresh_from_db()
    assert link.declined_at is None
