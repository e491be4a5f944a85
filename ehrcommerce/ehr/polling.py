"""Looking by ourselves: what changed since the last look, by `_lastUpdated`, into the same inbox as what EHRs tell. For
EHRs that tell nothing it is the only way; for the others it finds what was lost."""

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.commerce.fulfillment import services as fulfillment
from ehrcommerce.commerce.offers.models import LIVE_LINK, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.commerce.orders.states import FINAL
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.errors import ChartForbidden, ChartUnreadable
from ehrcommerce.ehr import inbox
from ehrcommerce.ehr.access import backend_access
from ehrcommerce.ehr.drain import BY
from ehrcommerce.ehr.errors import BackendRefused, BackendUnanswered, NoBackendServices
from ehrcommerce.ehr.models import ChartReference, EhrConnection, PollingWatermark
from ehrcommerce.ehr.schemes import Hint, instant
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import NATIVE_KEY, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, Outcome, Refused, TryAgain

POLL = "ehr.poll"
LONGEST = timedelta(hours=1)


class Poll(Handler):
    """One look at one type of order. The watermark moves with the inbox, in one transaction: all or nothing."""

    kind = POLL
    queue = "chart"

    def capability(self, effect: Effect) -> str:
        return NATIVE_KEY

    def prepare(self, effect: Effect) -> bytes:
        mark = (
            PollingWatermark.objects.select_related("connection__organization").filter(public_id=effect.subject).first()
        )
        if mark is None or not (mark.enabled and mark.connection.enabled):
            raise Halt(Refused("polling_off"))
        at = timezone.now()
        try:
            access = backend_access(mark.connection, patient_id="", scopes=[f"system/{mark.resource_type}.rs"])
            since = (mark.since_at - mark.overlap).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            changes = door.disclose_changes(access, mark.resource_type, since=since, by=BY, at=at)
        except (ChartUnreadable, BackendUnanswered) as problem:
            _failed(mark, "unanswered", at)
            raise Halt(Refused("unanswered")) from problem
        except (ChartForbidden, NoBackendServices, BackendRefused, NoAgreement) as problem:
            _failed(mark, "not_permitted", at)
            raise Halt(Refused("not_permitted")) from problem
        if not _found(mark, changes, at):
            raise Halt(TryAgain("more_waits", after_s=0))
        return b""

    def send(self, effect: Effect, body: bytes) -> Outcome:
        """Nothing leaves."""
        return Done()

    def ask(self, effect: Effect) -> Outcome:
        return Done()


def _found(mark: PollingWatermark, changes: door.Changes, at: datetime) -> bool:
    """Write what came, move the watermark to the newest of it. False where there is more to read at once."""
    hints = [
        Hint(mark.resource_type, one.resource_id, version=one.version, version_at=instant(one.updated_at))
        for one in changes.found
    ]
    moments = [hint.version_at for hint in hints if hint.version_at is not None]
    # A time that is still to come is a clock that is wrong: nothing before it must be passed over.
    newest = min(max([*moments, mark.since_at]), max(at, mark.since_at))
    moved = newest > mark.since_at
    with transaction.atomic():
        inbox.write(mark.connection, hints, subscription=None, at=at)
        PollingWatermark.objects.filter(pk=mark.pk).update(
            since_at=newest, polled_at=at, failures=0, code="" if changes.complete else "incomplete",
            next_at=at + timedelta(seconds=mark.every_s),
        )  # fmt: skip
    return changes.complete or not moved


def _failed(mark: PollingWatermark, code: str, at: datetime) -> None:
    wait = min(timedelta(seconds=mark.every_s) * 2 ** min(mark.failures, 6), LONGEST)
    PollingWatermark.objects.filter(pk=mark.pk).update(failures=mark.failures + 1, code=code, next_at=at + wait)


def due(organization_id: int, at: datetime) -> int:
    """The sweeper's chore: begin the looks whose time has come."""
    marks = PollingWatermark.objects.filter(
        organization_id=organization_id, enabled=True, connection__enabled=True, next_at__lte=at
    )
    for mark in (found := list(marks)):
        outbox.plan_next(kind=POLL, subject=str(mark.public_id), organization_id=organization_id, at=at)
    return len(found)


def begin(
    connection: EhrConnection, *, at: datetime, types: tuple[str, ...] = door.ORDER_TYPES
) -> list[PollingWatermark]:
    """Look at this connection from now on. Twice is once."""
    return [
        PollingWatermark.objects.get_or_create(
            connection=connection, resource_type=name,
            defaults={"organization_id": connection.organization_id, "since_at": at, "next_at": at},
        )[0]
        for name in types
    ]  # fmt: skip


def sweep(connection: EhrConnection, *, at: datetime) -> int:
    """Look at everything: what changed, and every order that is being sold or offered, by its id. The last finds what no
    search shows any more: what was deleted. Returns how many orders of the chart are read by their id."""
    organization_id = connection.organization_id
    PollingWatermark.objects.filter(connection=connection, enabled=True).update(next_at=at)
    due(organization_id, at)
    live = PurchaseLink.objects.filter(organization_id=organization_id, state__in=LIVE_LINK).values("offer_id")
    sold = Order.objects.filter(organization_id=organization_id).exclude(state__in=FINAL).values("offer_id")
    keys = set(OfferLine.objects.filter(offer_id__in=live).values_list("order_key", flat=True))
    keys |= set(OfferLine.objects.filter(offer_id__in=sold).values_list("order_key", flat=True))
    mine = ChartReference.objects.filter(connection=connection, key__in=keys)
    wanted = set(mine.values_list("key", flat=True))
    fulfillment.hear(organization_id=organization_id, order_keys=wanted, at=at)
    return len(wanted)
