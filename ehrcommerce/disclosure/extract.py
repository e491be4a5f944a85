"""From one order of the chart, as raw JSON, to its packet. Pure: no network, no database, and nothing is kept.

The allow-list comes first (policy.derive.project); what follows here sees only what the table lets through, and says
of every order that may not be sold why not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from ehrcommerce.disclosure import dosage, medication, people, values
from ehrcommerce.disclosure.access import MEDICATION_ORDER
from ehrcommerce.disclosure.values import Json, Reference, many, text
from ehrcommerce.policy import derive, terms
from ehrcommerce.policy.packets import (
    DEVICE,
    KIT,
    PRESCRIPTION,
    ChartOrder,
    Coding,
    OrderedItem,
    OrderState,
    Parameter,
)

CLOSED = frozenset({"completed", "cancelled", "stopped", "revoked", "entered-in-error"})
ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
AT_HOME = frozenset({"community", "outpatient", "discharge"})
LABORATORY = "108252007"
# SNOMED CT and US Core categories of a ServiceRequest that is no test to be taken at home.
NO_KIT = frozenset(
    {"363679005", "394914008", "409063005", "409073007", "387713003", "311401005", "410606002", "imaging",
     "sdoh", "functional-status", "disability-status", "cognitive-status", "PMO", "100822-6"}
)  # fmt: skip
PARAMETERS = frozenset(
    {"size", "side", "laterality", "count", "quantity", "number", "amount", "length", "width", "color"}
)
UNREADABLE_NAME, RESTRICTED_NAME = "Order that cannot be read", "Order marked as restricted"
_NO_CODE_SYSTEM = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


@dataclass(frozen=True)
class Chart:
    """What is known beside the order itself: whose chart, on which day, and what its references led to."""

    base: str
    patient_id: str
    key_of: Callable[[str, str], str]
    on: date
    found: Mapping[Reference, Json] = field(default_factory=dict)
    # References that the EHR did not answer for: what hangs on them cannot be sold now.
    lost: frozenset[Reference] = frozenset()
    # Where a prescription's medicine is looked for, first to last.
    medication_order: tuple[str, ...] = MEDICATION_ORDER
    # How old a prescription may be; 0: as old as it likes. Most states let one run for a year.
    prescription_max_age_days: int = 365
    # Terms of the clinic that hold an order, beside those of policy/terms.txt.
    held_words: tuple[str, ...] = ()


def belongs(raw: Json, chart: Chart, element: str = "subject") -> str:
    """`ours`, `other` (another patient, whatever the host), or `unproven`."""
    said = values.at_path(raw, element, "reference")
    if values.reference(said, chart.base) == ("Patient", chart.patient_id):
        return "ours"
    return "other" if values.patient_named(said) not in ("", chart.patient_id) else "unproven"


def references(raw: Json, base: str, order: Sequence[str] = MEDICATION_ORDER) -> set[Reference]:
    """What must be read besides this order: its Medication and the Practitioner who signed it."""
    kept = _kept(raw)
    signer = values.reference(values.at_path(kept, "requester", "reference"), base)
    medicine = medication.to_read(kept, base=base, order=order)
    return {one for one in (signer, medicine) if one and one[0] in ("Medication", "Practitioner")}


def is_closed(raw: Json) -> bool:
    """Over and done: not listed on the clinician's page."""
    return values.code(raw.get("status")).casefold() in CLOSED


def order(raw: Json, chart: Chart, *, place: int = 0) -> ChartOrder:
    """The packet of one order. `place` tells apart those whose id cannot be read."""
    kept, kind = _kept(raw), derive.KIND_OF_TYPE[str(raw["resourceType"])]
    known = values.FHIR_ID.fullmatch(values.code(kept.get("id")))
    key = chart.key_of(str(raw["resourceType"]), known[0] if known else f"?{place}")
    state = _state(kept, raw, chart)
    if (
        known is None
        or belongs(raw, chart) != "ours"
        or chart.lost & references(raw, chart.base, chart.medication_order)
    ):
        return ChartOrder(OrderedItem(key, kind, UNREADABLE_NAME), replace(state, refusal="unreadable"))
    if values.is_restricted(kept):
        refusal = _refusal(kept, kind, chart)
        return ChartOrder(OrderedItem(key, kind, RESTRICTED_NAME), replace(state, refusal=refusal))
    if values.is_restricted(_medicine(raw, kept, chart).resource):
        return ChartOrder(OrderedItem(key, kind, RESTRICTED_NAME), replace(state, refusal="restricted_label"))
    item = _READ[kind](_blank(key, kind, kept, raw, chart), kept, raw, chart)
    return _judged(item, state, kept, raw, chart)


def _kept(raw: Json) -> Json:
    resource = str(raw.get("resourceType"))
    return derive.project(raw, derive.paths(resource, (derive.KIND_OF_TYPE[resource],)))


def _state(kept: Json, raw: Json, chart: Chart) -> OrderState:
    resource = str(raw["resourceType"])
    before = [one for name in ("priorPrescription", "priorRequest", "replaces") for one in many(kept.get(name))]
    named = [values.reference(one.get("reference"), chart.base) for one in before]
    return OrderState(
        version=values.code(values.at_path(kept, "meta", "versionId")),
        updated_at=values.code(values.at_path(kept, "meta", "lastUpdated")),
        status=values.code(kept.get("status")),
        replaces=tuple(chart.key_of(*one) for one in named if one and one[0] == resource),
    )


def _judged(item: OrderedItem, state: OrderState, kept: Json, raw: Json, chart: Chart) -> ChartOrder:
    """The order with the first refusal that holds, in a fixed order."""
    read = _medicine(raw, kept, chart).resource
    refusal = _refusal(kept, item.kind, chart)
    if not refusal and values.code(read.get("status")).casefold() == "entered-in-error":
        refusal = "entered_in_error"
    if not refusal and (values.is_modified(read) or values.is_modified(people.signer(_signer(raw, kept, chart), item.kind))):
        refusal = "modifier_extension"
    if not refusal and not item.name:
        refusal = "no_code"
    if not refusal and _loses_meaning(kept, item.kind):
        refusal = "unreadable"
    named = item if item.name else replace(item, name=UNREADABLE_NAME)
    held = terms.found(f"{item.directions}\n{item.timing}", chart.held_words)
    return ChartOrder(named, replace(state, refusal=refusal, held=held))


def _refusal(kept: Json, kind: str, chart: Chart) -> str:
    by_status = {"active": "", "entered-in-error": "entered_in_error", "on-hold": "on_hold", "draft": "draft"}
    end = values.last_day(values.at_path(kept, "dispenseRequest", "validityPeriod", "end"))
    checks = (
        (True, by_status.get(values.code(kept.get("status")), "not_active")),
        (values.code(kept.get("intent")) not in ORDERS, "not_an_order"),
        (values.is_true(kept.get("doNotPerform")), "do_not_perform"),
        (values.is_true(kept.get("reportedBoolean")) or "reportedReference" in kept, "reported"),
        (values.is_modified(kept), "modifier_extension"),
        (values.is_restricted(kept), "restricted_label"),
        (_is_not_for_sale(kept, kind), "not_for_sale"),
        (end is not None and end < chart.on, "expired"),
        (kind == PRESCRIPTION, _age_refusal(kept, chart)),
    )
    return next((code for holds, code in checks if holds and code), "")


def _age_refusal(kept: Json, chart: Chart) -> str:
    """A prescription does not live for ever, whatever end the chart gives it. A year or a month counts from its first
    day."""
    if not chart.prescription_max_age_days:
        return ""
    signed = values.first_day(kept.get("authoredOn"))
    if signed is None:
        return "no_date"
    return "too_old" if (chart.on - signed).days > chart.prescription_max_age_days else ""


def _is_not_for_sale(kept: Json, kind: str) -> bool:
    said = values.codes(kept.get("category"))
    if kind == PRESCRIPTION:
        return "inpatient" in said and not said & AT_HOME
    return kind == KIT and LABORATORY not in said and bool(said & NO_KIT)


def _loses_meaning(kept: Json, kind: str) -> bool:
    """Directions too long to carry whole, or a device detail outside the list: better not sold than sold wrong."""
    if kind == PRESCRIPTION:
        return dosage.is_too_long(kept.get("dosageInstruction"))
    return kind == DEVICE and len(_parameters(kept)) != len(many(kept.get("parameter")))


def _blank(key: str, kind: str, kept: Json, raw: Json, chart: Chart) -> OrderedItem:
    """What every kind of order has: when it was signed and by whom."""
    facts = people.practitioner(_signer(raw, kept, chart), purpose=kind)
    name = facts.name or text(values.at_path(kept, "requester", "display"))
    signed = values.day(kept.get("authoredOn"))
    return OrderedItem(key=key, kind=kind, name="", ordered_on=signed, orderer_name=name, orderer_npi=facts.npi)


def _signer(raw: Json, kept: Json, chart: Chart) -> Json:
    """The Practitioner who signed, whole; {} where none was read."""
    said = values.at_path(kept, "requester", "reference")
    return chart.found.get(values.reference(said, chart.base) or ("", "")) or people.contained(raw, said, "Practitioner")


def _medicine(raw: Json, kept: Json, chart: Chart) -> medication.Medicine:
    return medication.of(raw, kept, base=chart.base, order=chart.medication_order, found=chart.found)


def _codings(concept: object) -> tuple[Coding, ...]:
    rows = (
        Coding(system=values.code(one.get("system"), values.SYSTEM_CAP), code=values.code(one.get("code")),
               display=text(one.get("display")))
        for one in many(values.at_path(concept, "coding"))
    )  # fmt: skip
    return tuple(row for row in rows if row.code and row.system != _NO_CODE_SYSTEM)[:10]


def _named(item: OrderedItem, concept: object, otherwise: object = None) -> OrderedItem:
    codings = _codings(concept)
    name = values.words_of(concept) if codings or text(values.at_path(concept, "text")) else ""
    return replace(item, codings=codings, name=name or text(otherwise) or (codings[0].code if codings else ""))


def _prescription(item: OrderedItem, kept: Json, raw: Json, chart: Chart) -> OrderedItem:
    medicine = _medicine(raw, kept, chart)
    item = _named(item, medicine.concept, medicine.display)
    said = many(kept.get("dosageInstruction"))
    amount, unit = values.quantity(values.at_path(kept, "dispenseRequest", "quantity"))
    generic = values.at_path(kept, "substitution", "allowedBoolean")
    return replace(
        item, form=values.words_of(medicine.resource.get("form"), values.CODE_CAP), directions=dosage.directions(said),
        route=dosage.route(said), dose=dosage.dose(said), timing=dosage.timing(said),
        quantity=amount, quantity_unit=unit,
        repeats=values.number(values.at_path(kept, "dispenseRequest", "numberOfRepeatsAllowed")),
        days_supply=dosage.days(values.at_path(kept, "dispenseRequest", "expectedSupplyDuration")),
        valid_until=values.day(values.at_path(kept, "dispenseRequest", "validityPeriod", "end")),
        substitution="allowed" if values.is_true(generic) else "not allowed" if values.is_false(generic) else "",
    )  # fmt: skip


def _device(item: OrderedItem, kept: Json, raw: Json, chart: Chart) -> OrderedItem:
    item = _named(item, kept.get("codeCodeableConcept"), values.at_path(kept, "codeReference", "display"))
    start = values.day(values.at_path(kept, "occurrencePeriod", "start"))
    return replace(item, parameters=_parameters(kept), occurrence=start)


def _parameters(kept: Json) -> tuple[Parameter, ...]:
    """Size, side and count; anything else might be a diagnosis and does not pass."""
    rows = ((values.words_of(one.get("code"), values.CODE_CAP), _value(one)) for one in many(kept.get("parameter")))
    return tuple(Parameter(name, value) for name, value in rows if value and name.casefold() in PARAMETERS)


def _value(parameter: Json) -> str:
    said = parameter.get("valueBoolean")
    if values.is_true(said) or values.is_false(said):
        return "yes" if values.is_true(said) else "no"
    amount = " ".join(filter(None, values.quantity(parameter.get("valueQuantity"))))
    return amount or values.words_of(parameter.get("valueCodeableConcept"), values.CODE_CAP)


def _kit(item: OrderedItem, kept: Json, raw: Json, chart: Chart) -> OrderedItem:
    item = _named(item, kept.get("code"))
    amount, unit = values.quantity(kept.get("quantityQuantity"))
    return replace(item, quantity=amount, quantity_unit=unit, occurrence=values.day(kept.get("occurrenceDateTime")))


_READ = {PRESCRIPTION: _prescription, DEVICE: _device, KIT: _kit}
