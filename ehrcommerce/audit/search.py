"""What the privacy officer asks the audit. Answers come by key, newest first, one page after the other: nobody counts a
table that grows without end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.traces import Trace

PAGE = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """Empty fields do not count. `patient` is the audit's own name of a person; `before` the last id of a page."""

    actor: str = ""
    action: str = ""
    entity: str = ""
    purpose: str = ""
    recipient: str = ""
    outcome: str = ""
    patient: bytes = b""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None

    def names(self) -> list[str]:
        """Which fields were asked for, for the audit of the search; never what stood in them."""
        return [name for name in self.__slots__ if getattr(self, name) and name != "before"]


def found(organization_id: int, asked: Asked) -> QuerySet[AuditEvent]:
    """Newest first. An action that ends in a dot stands for all that begin so."""
    rows = AuditEvent.objects.filter(organization_id=organization_id)
    for name in ("actor", "entity", "purpose", "recipient", "outcome"):
        if value := getattr(asked, name):
            rows = rows.filter(**{name: value})
    if asked.action:
        rows = rows.filter(**{"action__startswith" if asked.action.endswith(".") else "action": asked.action})
    if asked.patient:
        rows = rows.filter(patient_ref=asked.patient)
    if asked.since:
        rows = rows.filter(at__gte=asked.since)
    if asked.until:
        rows = rows.filter(at__lt=asked.until)
    if asked.before:
        rows = rows.filter(pk__lt=asked.before)
    return rows.order_by("-pk")


def about(organization_id: int, trace: Trace) -> QuerySet[AuditEvent]:
    """Who did what with this thing, and who read the chart of the person whose it is; oldest first."""
    reads = Q(patient_ref=audit.patient_ref(trace.customer_key), action__endswith=".read")
    rows = AuditEvent.objects.filter(organization_id=organization_id)
    return rows.filter(Q(entity__in=trace.entities) | reads).order_by("pk")


def people(organization_id: int, *, since: datetime, until: datetime, actors: Iterable[str] = ()) -> "list[Touched]":
    """The scope of a breach: whose data was touched in this time, by whom, how often, which elements."""
    rows = AuditEvent.objects.filter(organization_id=organization_id, at__gte=since, at__lt=until)
    rows = rows.exclude(patient_ref=None)
    if wanted := tuple(actors):
        rows = rows.filter(actor__in=wanted)
    columns = ("patient_ref", "actor", "at", "action", "elements", "recipient")
    sums: dict[tuple[str, str], Touched] = {}
    for person, actor, at, action, elements, recipient in rows.order_by("pk").values_list(*columns).iterator():
        key = (bytes(person).hex(), actor)
        one = sums.setdefault(key, Touched(*key, first=at, last=at))
        one.last, one.times = at, one.times + 1
        one.actions.add(action)
        one.elements.update(filter(None, elements.split(",")))
        one.recipients.update(filter(None, [recipient]))
    return list(sums.values())


class Touched:
    """One person's data in one pair of hands."""

    def __init__(self, patient: str, actor: str, *, first: datetime, last: datetime) -> None:
        self.patient, self.actor, self.first, self.last, self.times = patient, actor, first, last, 0
        self.actions: set[str] = set()
        self.elements: set[str] = set()
        self.recipients: set[str] = set()
