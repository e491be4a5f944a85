"""One patient's chart as the pages show it: banner, orders by kind, coverage, and what the app wrote back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from ehrcommerce.sandbox.ehr import fhir_store, orders
from ehrcommerce.sandbox.ehr import reading_words as words
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.models import Resource

TITLES: Final = {
    "MedicationRequest": "Medications",
    "DeviceRequest": "Devices and supplies",
    "ServiceRequest": "Tests and services",
}
OPEN: Final = ("active", "draft", "on-hold", "unknown", "")


@dataclass(frozen=True)
class Banner:
    """Who it is."""

    id: str
    name: str
    birth: str
    age: str
    gender: str
    mrn: str
    phone: str
    notice: str


@dataclass(frozen=True)
class OrderRow:
    """One order as a line of a table."""

    kind: str
    id: str
    title: str
    detail: str
    quantity: str
    status: str
    signed: str
    requester: str
    actions: list[tuple[str, str]]
    changeable: bool

    @property
    def reference(self) -> str:
        """The relative reference, as a launch names it."""
        return f"{self.kind}/{self.id}"


@dataclass
class Section:
    """The orders of one kind, open ones first."""

    title: str
    rows: list[OrderRow] = field(default_factory=list)


def banner(patient: Json, *, on: date) -> Banner:
    """The banner of a Patient."""
    phones = [row for row in words.rows_of(patient.get("telecom")) if row.get("system") == "phone"]
    birth = str(patient.get("birthDate") or "")
    return Banner(
        id=str(patient["id"]),
        name=words.person(patient),
        birth=birth or "unknown",
        age=words.age(birth, on=on),
        gender=str(patient.get("gender") or "unknown"),
        mrn=_record_number(patient),
        phone=str(phones[0].get("value", "")) if phones else "",
        notice=_notice(patient),
    )


def _record_number(patient: Json) -> str:
    identifiers = [row for row in words.rows_of(patient.get("identifier")) if row.get("value")]
    numbered = [row for row in identifiers if words.concept(row.get("type")).lower().startswith("medical record")]
    return str((numbered or identifiers or [{"value": "none"}])[0]["value"])


def _notice(patient: Json) -> str:
    if patient.get("deceasedBoolean") is True or patient.get("deceasedDateTime"):
        return "Deceased"
    if any(row.get("type") == "replaced-by" for row in words.rows_of(patient.get("link"))):
        return "Merged into another record"
    return "Inactive record" if patient.get("active") is False else ""


def sections(patient_id: str) -> list[Section]:
    """The orders of a patient by kind."""
    rows = list(Resource.objects.filter(patient=patient_id, type__in=orders.KINDS, deleted=False))
    contents = [(row, fhir_store.content(row)) for row in rows]
    named = named_in(*(order for _, order in contents))
    shelves = {kind: Section(title) for kind, title in TITLES.items()}
    for row, order in contents:
        shelves[row.type].rows.append(order_row(row, order, named))
    for shelf in shelves.values():
        shelf.rows.sort(key=lambda line: line.signed, reverse=True)
        shelf.rows.sort(key=lambda line: line.status not in OPEN)
    return list(shelves.values())


def _pointed_at(order: Json) -> Iterator[str]:
    for name in ("medicationReference", "codeReference", "requester"):
        for holder in words.rows_of(order.get(name)):
            if isinstance(holder.get("reference"), str):
                yield holder["reference"]


def named_in(*found: Json) -> dict[str, Json]:
    """What orders point at, by reference."""
    references = {reference for order in found for reference in _pointed_at(order)}
    ids = {reference.partition("/")[2] for reference in references}
    rows = Resource.objects.filter(type__in=("Medication", "Device", "Practitioner", "Organization"), fhir_id__in=ids)
    return {row.reference: fhir_store.content(row) for row in rows}


def order_row(row: Resource, order: Json, named: dict[str, Json]) -> OrderRow:
    """The line for one order."""
    amount = orders.quantity_holder(order)
    return OrderRow(
        kind=row.type,
        id=row.fhir_id,
        title=_title(order, named) or "(no name)",
        detail=_detail(order),
        quantity=words.quantity(amount),
        status=row.status,
        signed=words.day(order.get("authoredOn")) if row.status != "draft" else "",
        requester=_requester(order, named),
        actions=orders.possible(row.status),
        changeable=row.status in ("draft", "active", "on-hold"),
    )


def _title(order: Json, named: dict[str, Json]) -> str:
    for name in ("medicationCodeableConcept", "codeCodeableConcept", "code"):
        if text := words.concept(order.get(name)):
            return text
    for name in ("medicationReference", "codeReference"):
        for holder in words.rows_of(order.get(name)):
            named_so = words.concept(_target(order, holder, named).get("code")) or holder.get("display")
            if named_so:
                return str(named_so)
    return ""


def _target(order: Json, holder: Json, named: dict[str, Json]) -> Json:
    reference = str(holder.get("reference") or "")
    if reference.startswith("#"):
        inside = [item for item in words.rows_of(order.get("contained")) if item.get("id") == reference[1:]]
        return inside[0] if inside else {}
    return named.get(reference, {})


def _detail(order: Json) -> str:
    texts = [str(row["text"]) for row in words.rows_of(order.get("dosageInstruction")) if row.get("text")]
    if isinstance(instruction := order.get("patientInstruction"), str):
        texts.append(instruction)
    return "; ".join(texts)


def _requester(order: Json, named: dict[str, Json]) -> str:
    for holder in words.rows_of(order.get("requester")):
        target = named.get(str(holder.get("reference") or ""), {})
        name = target.get("name")
        return str(holder.get("display") or (name if isinstance(name, str) else words.person(target) if target else ""))
    return ""


def coverages(patient_id: str) -> list[dict[str, str]]:
    """Plan, member, status."""
    return [
        {
            "plan": _plan(coverage),
            "member": str(coverage.get("subscriberId") or ""),
            "status": str(coverage.get("status") or ""),
            "until": words.day((coverage.get("period") or {}).get("end")),
        }
        for coverage in _contents("Coverage", patient_id)
    ]


def _plan(coverage: Json) -> str:
    named = [str(row["name"]) for row in words.rows_of(coverage.get("class")) if row.get("name")]
    payor = [str(row["display"]) for row in words.rows_of(coverage.get("payor")) if row.get("display")]
    return " - ".join([*payor[:1], *named[:1]]) or words.concept(coverage.get("type")) or "Plan without a name"


def tasks(patient_id: str) -> list[dict[str, Any]]:
    """What the app wrote back, newest first: of which order each speaks."""
    told = _contents("Task", patient_id)
    titles = _titles_of(told, patient_id)
    found = [
        {
            "what": titles.get(_focus(task)) or task.get("description") or words.concept(task.get("code")) or "Order",
            "status": str(task.get("status") or ""),
            "detail": ", ".join(filter(None, (_told(task, titles), words.concept(task.get("businessStatus"))))),
            "focus": _focus(task),
            "at": words.moment(task.get("lastModified") or task["meta"]["lastUpdated"]),
        }
        for task in told
    ]
    return sorted(found, key=lambda task: task["at"], reverse=True)


def _focus(task: Json) -> str:
    return str((task.get("focus") or {}).get("reference") or "")


def _told(task: Json, titles: dict[str, str]) -> str:
    """The report's own words, where the order's name stands before them."""
    return str(task.get("description") or "") if titles.get(_focus(task)) else ""


def _titles_of(told: list[Json], patient_id: str) -> dict[str, str]:
    """The names of the orders that reports speak of, by reference."""
    wanted = {_focus(task) for task in told}
    rows = Resource.objects.filter(type__in=orders.KINDS, patient=patient_id)
    about = {row.reference: fhir_store.content(row) for row in rows if row.reference in wanted}
    named = named_in(*about.values())
    return {reference: _title(order, named) for reference, order in about.items()}


def _contents(kind: str, patient_id: str) -> list[Json]:
    rows = Resource.objects.filter(type=kind, patient=patient_id, deleted=False).order_by("id")
    return [fhir_store.content(row) for row in rows]


def patient_list(search: str, *, on: date) -> list[tuple[Banner, int]]:
    """Patients whose name, birth date or record number has the words, with the number of their open orders."""
    counts: dict[str, int] = {}
    open_orders = Resource.objects.filter(
        type__in=orders.KINDS, deleted=False, status__in=("active", "draft", "on-hold")
    )
    for patient_id in open_orders.values_list("patient", flat=True):
        counts[patient_id] = counts.get(patient_id, 0) + 1
    rows = Resource.objects.filter(type="Patient", deleted=False)
    found = [banner(fhir_store.content(row), on=on) for row in rows]
    wish = search.casefold().split()
    fitting = [row for row in found if all(word in f"{row.name} {row.birth} {row.mrn}".casefold() for word in wish)]
    return [(row, counts.get(row.id, 0)) for row in sorted(fitting, key=_alphabetical)]


def _alphabetical(row: Banner) -> tuple[bool, str]:
    """By name; what does not begin with a letter comes last."""
    return not row.name[:1].isalpha(), row.name.casefold()
