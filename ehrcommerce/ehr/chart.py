"""Commerce's questions about the chart, answered by Backend Services through the door. Seen from commerce the EHR is
one more supplier: opaque keys go in, packets come out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from django.utils import timezone

from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import ChartForbidden, ChartUnreadable, WrongPatient
from ehrcommerce.ehr import backend_services, references, versions, writeback
from ehrcommerce.ehr.access import backend_access
from ehrcommerce.ehr.errors import BackendRefused, BackendUnanswered, NoBackendServices
from ehrcommerce.ehr.models import AutomationRule, ChartReference, RuleAction
from ehrcommerce.outbox.outcomes import Outcome, Refused
from ehrcommerce.policy import derive, table
from ehrcommerce.policy.packets import ChartOrder, CoverageFacts, DispatchFacts, RecipientFacts, ShipTo
from ehrcommerce.suppliers.ports import ChartNotPermitted, ChartUnreachable
from ehrcommerce.vault import walls
from ehrcommerce.wire.fhir import FhirRefused

T = TypeVar("T")
Rows = list[ChartReference]


class EhrChart:
    """Implements suppliers.ports.Chart."""

    def current(self, *, organization_id: int, keys: Sequence[str], by: str) -> Mapping[str, ChartOrder | None]:
        """One reading for each chart. A key that is not remembered is answered with None: there is no way to it."""
        found: dict[str, ChartOrder | None] = dict.fromkeys(keys)
        with walls.organization(organization_id):
            rows = references.find(organization_id=organization_id, keys=keys)
            for chart in _by_chart(rows.values()):
                found |= _current(chart, _actor(by), timezone.now())
        return found

    def coverage(self, *, organization_id: int, customer_key: str, by: str) -> tuple[CoverageFacts, ...]:
        return _about_person(organization_id, customer_key, by, table.ELIGIBILITY, _coverage)

    def ship_to(self, *, organization_id: int, customer_key: str, by: str) -> ShipTo | None:
        return _about_person(organization_id, customer_key, by, table.SHIPPING, _ship_to)

    def dispatch_facts(self, *, organization_id: int, customer_key: str, by: str) -> DispatchFacts | None:
        return _about_person(organization_id, customer_key, by, table.DISPENSING, _dispatch_facts)

    def ships_by_itself(self, *, organization_id: int) -> bool:
        with walls.organization(organization_id):
            return AutomationRule.objects.filter(
                organization_id=organization_id, enabled=True, action=RuleAction.KIT
            ).exists()

    def may_report(self, *, organization_id: int, key: str) -> bool:
        with walls.organization(organization_id):
            row = references.find(organization_id=organization_id, keys=[key]).get(key)
        return row is not None and row.connection.write_back and row.connection.enabled

    def report(self, *, organization_id: int, key: str, order_id: str, status: str, at: str) -> Outcome:
        with walls.organization(organization_id):
            row = references.find(organization_id=organization_id, keys=[key]).get(key)
            if row is None or not (row.connection.write_back and row.connection.enabled):
                return Refused("write_back_off")
            return writeback.report(row, order_id=order_id, status=status, at=at)


def _coverage(access: FhirAccess, by: Actor, at: datetime) -> tuple[CoverageFacts, ...]:
    return door.disclose_coverage(access, by=by, at=at)


def _ship_to(access: FhirAccess, by: Actor, at: datetime) -> ShipTo | None:
    return door.disclose_ship_to(access, by=by, at=at)


def _dispatch_facts(access: FhirAccess, by: Actor, at: datetime) -> DispatchFacts | None:
    return door.disclose_dispatch_facts(access, by=by, at=at)


def recipient(*, organization_id: int, customer_key: str, by: str) -> RecipientFacts:
    """How to reach and recognize this patient, for what happens without a clinician. Raises as the port."""

    def ask(access: FhirAccess, who: Actor, at: datetime) -> RecipientFacts:
        return door.disclose_recipient(access, by=who, at=at)

    return _about_person(organization_id, customer_key, by, table.IDENTITY, ask)


def _actor(by: str) -> Actor:
    """`kind:id`, as Actor writes itself."""
    kind, _, name = by.partition(":")
    return Actor(kind, name)


def _by_chart(rows: Iterable[ChartReference]) -> list[Rows]:
    """Rows of the same patient at the same EHR together."""
    charts: dict[tuple[int, str], Rows] = {}
    for row in rows:
        charts.setdefault((row.connection.pk, row.patient_id), []).append(row)
    return list(charts.values())


def _current(chart: Rows, by: Actor, at: datetime) -> dict[str, ChartOrder | None]:
    wanted = {row.key: (row.resource_type, row.resource_id) for row in chart}
    kinds = tuple(sorted({derive.KIND_OF_TYPE[row.resource_type] for row in chart}))
    scopes = derive.system_scopes(kinds[0], kinds)
    with _in_words_of_commerce():
        found = _asked(chart[0], scopes, lambda access: door.disclose_orders(access, wanted, by=by, at=at))
        _require_newest(chart, found, at)
    return found


def _require_newest(chart: Rows, found: Mapping[str, ChartOrder | None], at: datetime) -> None:
    """An older version than one that was read or named is no answer: it is asked for again, and never acted on."""
    read = [(row, order) for row in chart if (order := found.get(row.key)) is not None]
    stale = [row for row, order in read if versions.is_stale(row, order.state)]
    for row in stale:
        versions.mark_stale(row, at)
    if stale:
        raise ChartUnreadable
    for row, order in read:
        versions.accept(row, order.state)


def _about_person(
    organization_id: int, customer_key: str, by: str, purpose: str, ask: Callable[[FhirAccess, Actor, datetime], T]
) -> T:
    """One question about the patient whom `customer_key` stands for. ChartNotPermitted where nobody was remembered."""
    with walls.organization(organization_id), _in_words_of_commerce():
        row = references.find(organization_id=organization_id, keys=[customer_key]).get(customer_key)
        if row is None or row.resource_type != "Patient":
            raise ChartNotPermitted
        return _asked(row, derive.system_scopes(purpose), lambda access: ask(access, _actor(by), timezone.now()))


def _asked(row: ChartReference, scopes: Sequence[str], ask: Callable[[FhirAccess], T]) -> T:
    """Ask with the token at hand. An EHR may forget a token before its time: then once more, with a new one."""
    access = backend_access(row.connection, patient_id=row.patient_id, scopes=scopes)
    try:
        return ask(access)
    except ChartForbidden as problem:
        if not (isinstance(problem.__cause__, FhirRefused) and problem.__cause__.status == 401):
            raise
    backend_services.token(row.connection, scopes=scopes, refused=access.bearer)
    return ask(backend_access(row.connection, patient_id=row.patient_id, scopes=scopes))


@contextmanager
def _in_words_of_commerce() -> Iterator[None]:
    """What went wrong, as the port names it. Another patient's record in an answer is no matter of trying again."""
    try:
        yield
    except (ChartUnreadable, BackendUnanswered) as problem:
        raise ChartUnreachable from problem
    except (ChartForbidden, WrongPatient, NoBackendServices, BackendRefused) as problem:
        raise ChartNotPermitted from problem
