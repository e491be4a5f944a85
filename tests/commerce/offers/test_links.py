"""A link is a pointer, not a key: any number of looks, five wrong answers in its life, one order. [REL-P27, SEC-B5]"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.offers import links, services, tokens
from ehrcommerce.commerce.offers.models import LIVE_LINK, Contact, LinkState, Offer, PurchaseLink
from ehrcommerce.outbox.handlers import handler_of
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Halt, NeedsHuman
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION, ChartOrder, ContactPoint, OrderState, RecipientFacts
from ehrcommerce.suppliers.models import Port
from ehrcommerce.vault import walls
from ehrcommerce.vault.keys import identity_digest
from tests.commerce.shop import Shop

PHONE = ContactPoint("phone", "+13605550101", "mobile")


def recipient(customer: str = "customer-1", *contacts: ContactPoint) -> RecipientFacts:
    return RecipientFacts(
        customer_key=customer, birth_digest=identity_digest("birth", customer, "1968-03-14"),
        family_digest=identity_digest("family", customer, "Núñez"), postal_digest=identity_digest("postal", customer, "98101"),
        contacts=contacts or (PHONE,), language="en",
    )  # fmt: skip


def line(shop: Shop, kind: str = DEVICE, proof: str = "e_prescription") -> services.NewLine:
    order = ChartOrder(shop.item(kind), OrderState(version="1", updated_at="", status="active"))
    basis = "180 tablets" if kind == PRESCRIPTION else ""
    return services.NewLine(order, shop.product(kind, quantity_basis=basis), proof)


def made(
    shop: Shop, *lines: services.NewLine, to: ContactPoint | None = PHONE, customer: str = "customer-1"
) -> PurchaseLink:
    return services.make_offer(
        lines=lines or (line(shop),), recipient=recipient(customer), send_to=to, by=shop.ada, at=timezone.now()
    )


def test_a_token_has_26_characters_that_nobody_misreads_and_is_not_stored(shop: Shop) -> None:
    link = made(shop)
    token = tokens.token_of(link)
    assert len(token) == 26
    assert not set(token) & set("01OI")
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(l)::text FROM offers_purchaselink l WHERE id = %s", [link.pk])
        assert token not in cursor.fetchone()[0]


def test_two_links_of_one_offer_have_two_tokens(shop: Shop) -> None:
    link = made(shop)
    other = PurchaseLink(public_id=link.public_id, generation=link.generation + 1)
    assert tokens.token_of(link) != tokens.token_of(other)


def test_a_typed_token_may_be_in_small_letters_with_blanks(shop: Shop) -> None:
    token = tokens.token_of(made(shop))
    assert links.look(f" {token[:10].lower()} {token[10:]}") is not None


def test_looking_is_one_statement_needs_no_walls_and_changes_nothing(shop: Shop) -> None:
    link = made(shop)
    token = tokens.token_of(link)
    walls.leave()
    before = len(connection.queries_log)
    connection.force_debug_cursor = True
    try:
        view = links.look(token)
        assert len(connection.queries_log) - before == 1
    finally:
        connection.force_debug_cursor = False
    assert view is not None
    assert view.page == "who"
    walls.enter(shop.clinic.pk)
    assert PurchaseLink.objects.get(pk=link.pk).state == LinkState.SENT
    assert links.look("A" * 26) is None


def test_the_right_birth_date_matches_and_opens(shop: Shop) -> None:
    link = made(shop)
    answer = links.answer(link_id=link.pk, birth_date="1968-03-14", at=timezone.now())
    assert answer.matched
    link.refresh_from_db()
    assert (link.state, link.tries_left) == (LinkState.OPENED, 5)


def test_five_wrong_answers_end_it_even_if_the_sixth_is_right(shop: Shop) -> None:
    link = made(shop)
    left = [links.answer(link_id=link.pk, birth_date="1970-01-01", at=timezone.now()).tries_left for _ in range(5)]
    assert left == [4, 3, 2, 1, 0]
    assert not links.answer(link_id=link.pk, birth_date="1968-03-14", at=timezone.now()).matched
    view = links.look(tokens.token_of(link))
    assert view is not None
    assert view.page == "locked"


def test_wrong_answers_at_the_same_moment_are_all_counted(shop: Shop) -> None:
    link = made(shop)

    def guess() -> None:
        with walls.organization(shop.clinic.pk):
            links.answer(link_id=link.pk, birth_date="1970-01-01", at=timezone.now())
        connection.close()

    threads = [threading.Thread(target=guess) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    link.refresh_from_db()
    assert link.tries_left == 1


@pytest.mark.parametrize(
    ("postal", "family", "matches"),
    [("98101-2222", "nunez", True), ("98102", "nunez", False), ("98101", "other", False), ("", "", False)],
)
def test_an_organization_may_ask_for_more(shop: Shop, postal: str, family: str, matches: bool) -> None:
    shop.clinic.match_postal_code = shop.clinic.match_family_name = True
    shop.clinic.save()
    link = made(shop)
    answer = links.answer(
        link_id=link.pk, birth_date="1968-03-14", postal_code=postal, family_name=family, at=timezone.now()
    )
    assert answer.matched is matches


def test_an_expired_link_answers_nobody(shop: Shop) -> None:
    link = made(shop)
    later = timezone.now() + timedelta(days=shop.clinic.link_days, minutes=1)
    assert not links.answer(link_id=link.pk, birth_date="1968-03-14", at=later).matched
    assert links.expire_due(shop.clinic.pk, later) == 1
    link.refresh_from_db()
    assert link.state == LinkState.EXPIRED
    assert link.tries_left == 5


def test_two_orders_at_once_spend_it_once(shop: Shop) -> None:
    link = made(shop)
    links.mark_verified(link_id=link.pk, at=timezone.now())
    won: list[bool] = []

    def spend() -> None:
        with walls.organization(shop.clinic.pk), transaction.atomic():
            won.append(links.spend(link_id=link.pk, at=timezone.now()))
        connection.close()

    threads = [threading.Thread(target=spend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 5 + [True]


def test_a_link_that_nobody_verified_cannot_be_spent(shop: Shop) -> None:
    assert not links.spend(link_id=made(shop).pk, at=timezone.now())


def test_a_newer_link_for_the_same_order_replaces_the_older(shop: Shop) -> None:
    same = line(shop)
    first, second = made(shop, same), made(shop, same)
    first.refresh_from_db()
    assert first.state == LinkState.SUPERSEDED
    assert second.state in LIVE_LINK


def test_another_patients_link_is_left_alone(shop: Shop) -> None:
    same = line(shop)
    first = made(shop, same, customer="customer-1")
    made(shop, same, customer="customer-2")
    first.refresh_from_db()
    assert first.state == LinkState.SENT


def test_a_prescription_without_a_word_on_how_the_pharmacy_gets_it_makes_no_offer(shop: Shop) -> None:
    before = Offer.objects.count()
    with pytest.raises(services.NoRoutingProof):
        made(shop, line(shop, PRESCRIPTION, proof=""))
    assert Offer.objects.count() == before


@pytest.mark.parametrize("number", [0, 21])
def test_an_offer_has_one_to_twenty_lines(shop: Shop, number: int) -> None:
    with pytest.raises(services.NothingChosen):
        services.make_offer(
            lines=[line(shop)] * number, recipient=recipient(), send_to=None, by=shop.ada, at=timezone.now()
        )


def test_the_message_is_planned_with_the_offer_and_a_printed_link_plans_none(shop: Shop) -> None:
    sent, printed = made(shop), made(shop, to=None)
    assert Effect.objects.filter(kind="offers.link", subject=str(sent.public_id)).count() == 1
    assert not Effect.objects.filter(kind="offers.link", subject=str(printed.public_id)).exists()


def test_revoking_a_message_that_was_not_sent_yet_stops_it(shop: Shop) -> None:
    link = made(shop)
    services.revoke(link=link, reason="undo", by=shop.ada.actor, at=timezone.now())
    shop.run("offers.link")
    assert shop.messenger.sent == []
    assert Effect.objects.get(kind="offers.link", subject=str(link.public_id)).code == "link_over"


def test_a_link_that_was_ordered_from_cannot_be_taken_back(shop: Shop) -> None:
    link = made(shop)
    links.mark_verified(link_id=link.pk, at=timezone.now())
    links.spend(link_id=link.pk, at=timezone.now())
    with pytest.raises(services.AlreadyOrdered):
        services.revoke(link=link, reason="other", by=shop.ada.actor, at=timezone.now())


def test_every_act_on_a_link_leaves_an_audit_row_without_values(shop: Shop) -> None:
    link = made(shop)
    links.answer(link_id=link.pk, birth_date="1970-01-01", at=timezone.now())
    services.revoke(link=link, reason="undo", by=shop.ada.actor, at=timezone.now())
    rows = AuditEvent.objects.filter(organization_id=shop.clinic.pk)
    assert {"offer.made", "link.answered", "link.revoked"} <= set(rows.values_list("action", flat=True))
    assert not any("1968" in str(row) or "1970" in str(row) for row in rows.values())


def test_the_trust_phrase_is_two_different_words(shop: Shop) -> None:
    phrases = {made(shop).offer.trust_phrase for _ in range(5)}
    assert all(len(set(phrase.split())) == 2 for phrase in phrases)
    assert len(phrases) > 1


# ------------------------------------------------------------------------------------------------ at the same moment
def at_once(number: int, act: Callable[[], None]) -> None:
    def one() -> None:
        try:
            act()
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_four_sends_at_once_leave_one_live_link(shop: Shop) -> None:
    same = line(shop)

    def send() -> None:
        with walls.organization(shop.clinic.pk):
            made(shop, same)

    at_once(4, send)
    links_of_it = PurchaseLink.objects.filter(offer__lines__order_key=same.order.item.key)
    assert links_of_it.count() == 4
    assert links_of_it.filter(state__in=LIVE_LINK).count() == 1


def test_an_item_that_was_ordered_meanwhile_makes_no_second_link(shop: Shop) -> None:
    same = line(shop)
    first = made(shop, same)
    links.mark_verified(link_id=first.pk, at=timezone.now())
    links.spend(link_id=first.pk, at=timezone.now())
    before = Offer.objects.count()
    with pytest.raises(services.OrderStands):
        made(shop, same)
    assert Offer.objects.count() == before
    assert made(shop, line(shop)).state == LinkState.SENT


def test_an_item_whose_order_is_over_may_be_sent_again(shop: Shop) -> None:
    same = line(shop)
    first = made(shop, same)
    links.mark_verified(link_id=first.pk, at=timezone.now())
    links.spend(link_id=first.pk, at=timezone.now())
    again = services.make_offer(
        lines=[same], recipient=recipient(), send_to=None, by=shop.ada, at=timezone.now(), stands=lambda offer: False
    )
    assert again.state == LinkState.SENT


# ----------------------------------------------------------------------------------------------------- after the order
def ordered(shop: Shop) -> PurchaseLink:
    link = made(shop)
    links.mark_verified(link_id=link.pk, at=timezone.now())
    links.spend(link_id=link.pk, at=timezone.now())
    return link


def test_wrong_answers_after_the_order_shut_the_link_for_the_day_and_not_for_good(shop: Shop) -> None:
    link, at = ordered(shop), timezone.now()
    answers = [links.answer(link_id=link.pk, birth_date="1970-01-01", at=at) for _ in range(5)]
    assert [answer.tries_left for answer in answers] == [4, 3, 2, 1, 0]
    shut = links.answer(link_id=link.pk, birth_date="1968-03-14", at=at)
    assert (shut.matched, shut.locked, shut.today) == (False, True, True)
    view = links.look(tokens.token_of(link))
    assert view is not None
    assert view.page == "completed"
    link.refresh_from_db()
    assert link.shut_today, "the clinic's page says so"
    assert links.answer(link_id=link.pk, birth_date="1968-03-14", at=at + timedelta(days=1)).matched
    assert AuditEvent.objects.filter(entity=f"link:{link.public_id}", reason="locked_today").count() == 1


def test_a_link_is_shut_until_the_clinics_midnight_not_that_of_utc(shop: Shop) -> None:
    """At 23:30 UTC it is afternoon in Los Angeles: half an hour later is the same day there."""
    link, at = ordered(shop), datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    type(link.organization).objects.update(time_zone="America/Los_Angeles")
    for _ in range(5):
        links.answer(link_id=link.pk, birth_date="1970-01-01", at=at)
    later = links.answer(link_id=link.pk, birth_date="1968-03-14", at=at + timedelta(hours=1))
    assert (later.matched, later.today) == (False, True)
    assert links.answer(link_id=link.pk, birth_date="1968-03-14", at=at + timedelta(hours=9)).matched


def test_wrong_answers_before_the_order_do_not_count_after_it(shop: Shop) -> None:
    link = made(shop)
    for _ in range(4):
        links.answer(link_id=link.pk, birth_date="1970-01-01", at=timezone.now())
    links.mark_verified(link_id=link.pk, at=timezone.now())
    links.spend(link_id=link.pk, at=timezone.now())
    assert links.answer(link_id=link.pk, birth_date="1970-01-01", at=timezone.now()).tries_left == 4


# ------------------------------------------------------------------------------------------------------------ erasing
def test_what_answers_are_checked_by_goes_when_nobody_can_answer_any_more(shop: Shop) -> None:
    at = timezone.now()
    over, live, paid, delivered = made(shop), made(shop, customer="c2"), ordered(shop), ordered(shop)
    services.revoke(link=over, reason="undo", by=shop.ada.actor, at=at)
    for contact in Contact.objects.filter(offer=delivered.offer):
        contact.value = ""
        contact.save()
    assert links.erase_digests(shop.clinic.pk, at) == 2
    links_of_all = (over, live, paid, delivered)
    held = [bytes(Offer.objects.get(pk=link.offer_id).birth_digest) != b"" for link in links_of_all]
    assert held == [False, True, True, False]
    assert not links.answer(link_id=delivered.pk, birth_date="1968-03-14", at=at).matched
    assert links.erase_digests(shop.clinic.pk, at) == 0


# ------------------------------------------------------------------------------------------------------ the messenger
def test_a_message_that_went_out_names_its_recipient_in_the_audit(shop: Shop) -> None:
    link = made(shop)
    shop.run("offers.link")
    event = AuditEvent.objects.get(entity=f"link:{link.public_id}", action="link.sent")
    assert event.recipient == shop.supplier("messaging").party
    assert "Patient.telecom.value" in event.elements


def test_a_message_whose_outcome_is_unknown_stays_with_its_messenger(shop: Shop) -> None:
    first = shop.supplier("messaging")
    link = made(shop)
    effect = shop.effect("offers.link", link.public_id)
    handler = handler_of("offers.link")
    handler.prepare(effect)
    effect.request_sha256 = b"s" * 32
    first.active = False
    first.save()
    shop.add_supplier(Port.MESSAGING)
    for act in (lambda: handler.prepare(effect), lambda: handler.send(effect, b""), lambda: handler.ask(effect)):
        with pytest.raises(Halt) as halt:
            act()
        assert halt.value.outcome == NeedsHuman("no_messaging_supplier")
    link.refresh_from_db()
    assert link.messenger == first
