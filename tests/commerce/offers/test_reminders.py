"""A link that nobody answered is called to mind: after one day and after three, by day, twice at most, and never to whoever
answered, said no, said STOP, or was just written to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.offers import reminders, services
from ehrcommerce.commerce.offers.models import Contact, LinkState, PurchaseLink
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import DEVICE
from ehrcommerce.suppliers.messages import MessageTold, _news
from ehrcommerce.suppliers.models import Port
from tests.commerce.shop import Shop

# Ten in the morning at the clinic, in Los Angeles, on a Monday.
SENT = datetime(2026, 11, 30, 18, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def link(shop: Shop) -> PurchaseLink:
    """Sent on Monday at ten and delivered; nobody has opened it."""
    made = shop.link(DEVICE, state=LinkState.SENT)
    outbox.plan(kind="offers.link", subject=str(made.public_id), organization_id=shop.clinic.pk, at=SENT)
    shop.run("offers.link")
    PurchaseLink.objects.filter(pk=made.pk).update(sent_at=SENT, delivered_at=SENT, expires_at=SENT + 7 * DAY)
    Effect.objects.filter(subject=str(made.public_id)).update(created_at=SENT)
    made.refresh_from_db()
    return made


def sends(link: PurchaseLink) -> list[tuple[int, str, str]]:
    rows = Effect.objects.filter(kind="offers.link", subject=str(link.public_id)).order_by("generation")
    return list(rows.values_list("generation", "state", "code"))


def look(shop: Shop, at: datetime) -> int:
    """The sweeper comes by."""
    return reminders.remind_due(shop.clinic.pk, at)


def run(shop: Shop, at: datetime) -> None:
    """The worker does what is due, at that time of the clinic; the database's clock is another."""
    Effect.objects.filter(state="planned").update(deadline_at=None)
    with time_machine.travel(at, tick=False):
        for public_id in Effect.objects.filter(kind="offers.link", state="planned").values_list("public_id", flat=True):
            outbox.run(str(public_id))


def test_one_after_a_day_one_after_three_and_no_more(shop: Shop, link: PurchaseLink) -> None:
    for hours, planned in ((23, 0), (24, 1), (25, 0), (47, 0), (71, 0), (72, 1), (73, 0), (96, 0), (120, 0)):
        at = SENT + timedelta(hours=hours)
        if not reminders.is_quiet(shop.clinic, at):
            assert look(shop, at) == planned, hours
            run(shop, at)
    assert [state for _, state, _ in sends(link)] == ["done"] * 3
    texts = [one.text for one in shop.messenger.sent]
    assert len(texts) == 3
    assert all(text.rstrip().endswith("STOP to end.") and "/l/" in text for text in texts[1:])
    assert "still" not in texts[0]
    assert "STOP" not in texts[0]
    link.refresh_from_db()
    assert (link.reminder_1, link.reminder_2) == (2, 3)


@pytest.mark.parametrize(("hour", "quiet"), [(0, True), (8, True), (9, False), (19, False), (20, True), (23, True)])
def test_the_hours_are_those_of_the_clinic(shop: Shop, link: PurchaseLink, hour: int, quiet: bool) -> None:
    at = datetime(2026, 12, 1, hour, 30, tzinfo=UTC) + timedelta(hours=8)  # Los Angeles is eight hours behind
    PurchaseLink.objects.filter(pk=link.pk).update(sent_at=SENT - DAY)
    Effect.objects.filter(subject=str(link.public_id)).update(created_at=SENT - DAY)
    assert reminders.is_quiet(shop.clinic, at) is quiet
    assert look(shop, at) == (0 if quiet else 1)


def test_what_did_not_go_out_in_its_hours_is_dropped(shop: Shop, link: PurchaseLink) -> None:
    """The messenger was away all day: nobody is woken, and the clinician does not read of a failed message."""
    assert look(shop, SENT + DAY)
    effect = Effect.objects.get(kind="offers.link", subject=str(link.public_id), generation=2)
    assert effect.deadline_at == datetime(2026, 12, 2, 4, tzinfo=UTC)  # eight in the evening, there
    run(shop, SENT + DAY + timedelta(hours=11))
    assert sends(link)[-1] == (2, "rejected", "not_now")
    assert len(shop.messenger.sent) == 1
    link.refresh_from_db()
    assert services.send_problem(link) == ""


@pytest.mark.parametrize("change", [
    {"state": LinkState.VERIFIED}, {"state": LinkState.REVOKED}, {"state": LinkState.LOCKED}, {"declined_at": SENT},
    {"delivery": "printed"}, {"delivery": "qr"}, {"delivered_at": None}, {"expires_at": SENT + DAY},
])  # fmt: skip
def test_who_answered_or_cannot_be_reached_is_left_in_peace(
    shop: Shop, link: PurchaseLink, change: dict[str, Any]
) -> None:
    PurchaseLink.objects.filter(pk=link.pk).update(**change)
    assert look(shop, SENT + DAY) == 0


def test_who_answers_before_it_leaves_is_left_in_peace(shop: Shop, link: PurchaseLink) -> None:
    assert look(shop, SENT + DAY)
    PurchaseLink.objects.filter(pk=link.pk).update(state=LinkState.VERIFIED)
    run(shop, SENT + DAY)
    assert sends(link)[-1] == (2, "rejected", "not_now")
    assert len(shop.messenger.sent) == 1


@pytest.mark.parametrize("change", [{"reminders": False}, {"read_only_since": SENT}])
def test_a_clinic_may_wish_none(shop: Shop, link: PurchaseLink, change: dict[str, Any]) -> None:
    type(shop.clinic).objects.filter(pk=shop.clinic.pk).update(**change)
    assert look(shop, SENT + DAY) == 0


def test_a_message_that_bounced_is_for_the_clinic_and_not_repeated(shop: Shop, link: PurchaseLink) -> None:
    effect = Effect.objects.get(kind="offers.link", subject=str(link.public_id))
    _news(shop.supplier(Port.MESSAGING), effect.public_id, MessageTold("bounced"), timezone.now())
    assert look(shop, SENT + DAY) == 0


def test_a_dropped_reminder_does_not_hide_that_the_link_bounced(shop: Shop, link: PurchaseLink) -> None:
    assert look(shop, SENT + DAY)
    run(shop, SENT + DAY + timedelta(hours=11))
    first = Effect.objects.get(kind="offers.link", subject=str(link.public_id), generation=1)
    _news(shop.supplier(Port.MESSAGING), first.public_id, MessageTold("bounced"), timezone.now())
    link.refresh_from_db()
    assert services.send_problem(link) == "message_bounced"


def test_a_clinicians_own_resend_counts(shop: Shop, link: PurchaseLink) -> None:
    with time_machine.travel(SENT + timedelta(hours=22), tick=False):
        assert services.resend(link=link, by=shop.ada, at=timezone.now())
    assert look(shop, SENT + DAY) == 0
    run(shop, SENT + DAY)
    assert "STOP" not in shop.messenger.sent[-1].text
    assert look(shop, SENT + timedelta(hours=48)) == 1


def test_two_sweepers_write_one(shop: Shop, link: PurchaseLink) -> None:
    assert [reminders._remind(link.pk, shop.clinic, SENT + DAY) for _ in range(2)] == [True, False]


def test_whoever_has_no_contact_left_gets_none(shop: Shop, link: PurchaseLink) -> None:
    Contact.objects.filter(offer=link.offer).update(masked="", carries_link=False)
    assert look(shop, SENT + DAY) == 0


def test_it_is_audited_and_told_in_the_language_of_the_patient(shop: Shop, link: PurchaseLink) -> None:
    type(link.offer).objects.filter(pk=link.offer_id).update(language="es")
    assert look(shop, SENT + DAY)
    run(shop, SENT + DAY)
    assert shop.messenger.sent[-1].text.rstrip().endswith("STOP = fin.")
    said = AuditEvent.objects.filter(entity=f"link:{link.public_id}", action__in=("link.reminded", "link.sent"))
    assert list(said.order_by("pk").values_list("action", flat=True)) == ["link.sent", "link.reminded", "link.sent"]
