"""From the inbox to what follows: known orders are marked and read again by those who sell them; unknown ones are read
only where somebody waits for them, in few requests, and no more than the subscription's budget allows."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.fulfillment import services as fulfillment
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.errors import ChartForbidden, ChartUnreadable, WrongPatient
from ehrcommerce.ehr import arrivals, inbox, references, versions
from ehrcommerce.ehr.access import backend_access
from ehrcommerce.ehr.errors import BackendRefused, BackendUnanswered, NoBackendServices
from ehrcommerce.ehr.models import ChartReference, EhrConnection, InboxState, Notification, Subscription
from ehrcommerce.outbox.handlers import NATIVE_KEY, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, Outcome, Refused, TryAgain
from ehrcommerce.policy import derive
from ehrcommerce.vault.fields import Sealed

BATCH, TAKEN, WORKS_S = 500, timedelta(seconds=90), 20.0
ONE_LOOK = timedelta(seconds=10)
BUDGET, BUDGET_FOR = 60, timedelta(minutes=1)
BY = audit.Actor("system", "events")
Rows = list[Notification]


class Drain(Handler):
    """Everything that waits in the inbox of one connection. Looking twice does no harm."""

    kind = inbox.DRAIN
    queue = "chart"

    def capability(self, effect: Effect) -> str:
        return NATIVE_KEY

    def prepare(self, effect: Effect) -> bytes:
        """All the work: reads of the EHR happen here, where no transaction is open."""
        connection = EhrConnection.objects.select_related("organization").filter(public_id=effect.subject).first()
        if connection is None or not connection.enabled:
            raise Halt(Refused("connection_off"))
        until = time.monotonic() + WORKS_S
        for pk in inbox.unfolded(subscription__connection=connection):
            inbox.fold(pk, timezone.now())
        while rows := take(connection, timezone.now()):
            work(connection, rows, timezone.now())
            if time.monotonic() > until:
                raise Halt(TryAgain("more_waits", after_s=0))
        return b""

    def send(self, effect: Effect, body: bytes) -> Outcome:
        """Nothing leaves."""
        return Done()

    def ask(self, effect: Effect) -> Outcome:
        return Done()


def take(connection: EhrConnection, at: datetime) -> Rows:
    """The next batch, for this worker alone until TAKEN is over."""
    with transaction.atomic():
        waiting = Notification.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            Q(taken_until=None) | Q(taken_until__lte=at), connection=connection, state=InboxState.WAITING
        )
        rows = list(waiting.order_by("pk")[:BATCH])
        Notification.objects.filter(pk__in=[row.pk for row in rows]).update(taken_until=at + TAKEN)
    return rows


def work(connection: EhrConnection, rows: Rows, at: datetime) -> None:
    """One batch: known orders and patients at once, then what nobody here knows."""
    organization_id = connection.organization_id
    known = references.find(organization_id=organization_id, keys={row.focus for row in rows})
    with transaction.atomic():
        _hear(organization_id, known, [row for row in rows if row.focus in known], at)
        if not arrivals.awaited(organization_id):
            _end(rows, known, at)
            return
    _arrive(connection, known, rows, at)
    with transaction.atomic():
        _end(rows, known, at)


def _hear(organization_id: int, known: dict[str, ChartReference], rows: Rows, at: datetime) -> None:
    """Mark what is being sold, and have it read: at once, but each resource at most once in ten seconds."""
    soon: dict[datetime, set[str]] = {}
    for key in sorted({row.focus for row in rows}):
        reference = ChartReference.objects.select_for_update().get(pk=known[key].pk)
        mine = [row for row in rows if row.focus == key]
        for row in mine:
            versions.name(reference, row.version, row.version_at)
        look_at = max(at, (reference.last_event_at or at - ONE_LOOK) + ONE_LOOK)
        reference.last_event_at = look_at
        reference.save(update_fields=["named_version", "named_at", "last_event_at"])
        soon.setdefault(look_at, set()).add(key)
    people = {key for key, one in known.items() if one.resource_type == "Patient"}
    for look_at, keys in soon.items():
        fulfillment.hear(
            organization_id=organization_id,
            order_keys=keys - people,
            customer_keys=keys & people,
            at=at,
            look_at=look_at,
        )


def _end(rows: Rows, known: dict[str, ChartReference], at: datetime) -> None:
    """Dealt with: the id goes. What the budget left to the sweep was ended already."""
    for state, mine in ((InboxState.DONE, True), (InboxState.UNKNOWN, False)):
        pks = [row.pk for row in rows if (row.focus in known) is mine]
        Notification.objects.filter(pk__in=pks, state=InboxState.WAITING).update(state=state, **_ended(at))


def _ended(at: datetime) -> dict[str, Any]:
    return {"done_at": at, "taken_until": None, "resource_id": Sealed(b"")}


# --------------------------------------------------------------------------------------------- what somebody here waits for
def _arrive(connection: EhrConnection, known: dict[str, ChartReference], rows: Rows, at: datetime) -> None:
    """Whose they are is asked of the unknown in one search; of those of a known patient the order is read."""
    orders = [row for row in rows if row.resource_type in derive.KIND_OF_TYPE]
    strangers = within_budget([row for row in orders if row.focus not in known], at)
    try:
        whose = {key: one.patient_id for key, one in known.items() if one.resource_type != "Patient"}
        named = {row.focus: (row.resource_type, row.resource_id) for row in orders}
        whose |= _owners(connection, strangers, at)
        people = references.find(
            organization_id=connection.organization_id,
            keys={references.patient_key(connection, patient_id) for patient_id in whose.values()},
        )
        for patient_id in sorted(set(whose.values())):
            if references.patient_key(connection, patient_id) in people:
                wanted = {key: named[key] for key, owner in whose.items() if owner == patient_id and key in named}
                _announce(connection, patient_id, wanted, known, at)
    except (ChartUnreadable, BackendUnanswered) as problem:
        raise Halt(TryAgain("chart_unreachable")) from problem
    except (ChartForbidden, WrongPatient, NoBackendServices, BackendRefused, NoAgreement):
        # Nobody may read here: what is sold has been marked, what is not stays unread.
        return


def _owners(connection: EhrConnection, rows: Rows, at: datetime) -> dict[str, str]:
    found: dict[str, str] = {}
    for resource_type in sorted({row.resource_type for row in rows}):
        ids = sorted({row.resource_id for row in rows if row.resource_type == resource_type})
        access = backend_access(connection, patient_id="", scopes=[f"system/{resource_type}.rs"])
        for start in range(0, len(ids), door.MOST_IDS):
            chosen = ids[start : start + door.MOST_IDS]
            changes = door.disclose_changes(access, resource_type, ids=chosen, by=BY, at=at)
            found |= {one.key: one.patient_id for one in changes.found}
    return found


def _announce(
    connection: EhrConnection, patient_id: str, wanted: dict[str, tuple[str, str]], known: dict[str, ChartReference],
    at: datetime,
) -> None:  # fmt: skip
    if not wanted:
        return
    kinds = tuple(sorted({derive.KIND_OF_TYPE[name] for name, _ in wanted.values()}))
    access = backend_access(connection, patient_id=patient_id, scopes=derive.system_scopes(kinds[0], kinds))
    for key, order in door.disclose_orders(access, wanted, by=BY, at=at).items():
        if order is not None and not versions.is_stale(known.get(key), order.state):
            arrivals.announce(arrivals.Arrival(connection, order, access.customer_key, key not in known, at, access))


def within_budget(rows: Sequence[Notification], at: datetime) -> Rows:
    """Ids that were never seen: so many a minute for each subscription. The rest is left to the sweep, which finds the
    true ones among them in a search and the false ones never. What we found ourselves is not on the budget."""
    kept = [row for row in rows if row.subscription_id is None]
    for pk in sorted({row.subscription_id for row in rows if row.subscription_id is not None}):
        mine = [row for row in rows if row.subscription_id == pk]
        with transaction.atomic():
            locked = Subscription.objects.select_for_update(of=("self",), no_key=True)
            subscription = locked.select_related("connection").get(pk=pk)
            if subscription.budget_from is None or at - subscription.budget_from >= BUDGET_FOR:
                subscription.budget_from, subscription.budget_used = at, 0
            ids = list(dict.fromkeys(row.focus for row in mine))
            taken = set(ids[: max(0, BUDGET - subscription.budget_used)])
            subscription.budget_used += len(taken)
            subscription.save(update_fields=["budget_from", "budget_used"])
            left = [row for row in mine if row.focus not in taken]
            if left:
                _leave(left, at)
                inbox.look_soon(subscription.connection, {row.resource_type for row in left}, at)
        kept += [row for row in mine if row.focus in taken]
    return kept


def _leave(rows: Iterable[Notification], at: datetime) -> None:
    pks = [row.pk for row in rows]
    Notification.objects.filter(pk__in=pks).update(state=InboxState.LEFT, **_ended(at))


def pick_up(organization_id: int, at: datetime) -> int:
    """The sweeper's chore: an inbox, or a subscription, whose bell nobody heard."""
    waiting = Notification.objects.filter(
        Q(taken_until=None) | Q(taken_until__lte=at), organization_id=organization_id, state=InboxState.WAITING,
        received_at__lte=at - timedelta(seconds=5),
    )  # fmt: skip
    told = inbox.unfolded(organization_id=organization_id, heard_at__lte=at - timedelta(seconds=5))
    found = list(
        EhrConnection.objects.filter(Q(pk__in=waiting.values("connection")) | Q(subscriptions__in=told)).distinct()
    )
    for connection in found:
        inbox.ring(connection, at)
    return len(found)
