"""An order as a FHIR Task: written from what this hop may know, and read back, so that the last line before the socket
sees each value with its place."""

import json
import re
from collections.abc import Mapping
from typing import Any

from fhirclient.models.medicationrequest import MedicationRequest
from fhirclient.models.patient import Patient
from fhirclient.models.task import Task

from ehrcommerce.policy.packets import DispatchFacts, ShipTo
from ehrcommerce.suppliers.ports import SupplyLine, SupplyRequest
from ehrcommerce.wire.strict import TextNumbers, one_object

URI = "urn:ietf:rfc:3986"
SKU = "urn:ehrcommerce:sku"
NPI = "http://hl7.org/fhir/sid/us-npi"
CODES = "http://hl7.org/fhir/CodeSystem/task-code"
SENDS: Mapping[str, str] = {
    "identifier.value": "SupplyRequest.reference",
    "input.valueString": "OfferLine.routing_proof",
    "contained.identifier.value": "SupplyLine.sku",
    "contained.medicationCodeableConcept.text": "OrderedItem.name",
    **{f"contained.medicationCodeableConcept.coding.{one}": "OrderedItem.codings" for one in ("system", "code", "display")},
    "contained.dosageInstruction.text": "OrderedItem.directions",
    "contained.dosageInstruction.route.text": "OrderedItem.route",
    "contained.dosageInstruction.timing.code.text": "OrderedItem.timing",
    "contained.dosageInstruction.doseAndRate.type.text": "OrderedItem.dose",
    "contained.dosageInstruction.doseAndRate.doseQuantity.value": "OrderedItem.dose",
    "contained.dosageInstruction.doseAndRate.doseQuantity.unit": "OrderedItem.dose",
    "contained.dispenseRequest.initialFill.quantity.value": "SupplyLine.quantity",
    "contained.dispenseRequest.quantity.value": "OrderedItem.quantity",
    "contained.dispenseRequest.quantity.unit": "OrderedItem.quantity_unit",
    "contained.dispenseRequest.numberOfRepeatsAllowed": "OrderedItem.repeats",
    "contained.dispenseRequest.expectedSupplyDuration.value": "OrderedItem.days_supply",
    "contained.dispenseRequest.validityPeriod.end": "OrderedItem.valid_until",
    "contained.substitution.allowedCodeableConcept.text": "OrderedItem.substitution",
    "contained.authoredOn": "OrderedItem.ordered_on",
    "contained.requester.display": "OrderedItem.orderer_name",
    "contained.requester.identifier.value": "OrderedItem.orderer_npi",
    "contained.name.text": "ShipTo.name",
    "contained.birthDate": "DispatchFacts.birth_date",
    **{f"contained.address.{theirs}": f"ShipTo.{ours}" for theirs, ours in (
        ("text", "name"), ("line", "line"), ("city", "city"), ("state", "state"), ("postalCode", "postal_code"),
        ("country", "country"))},
}  # fmt: skip
# What is the same in every order, by its place. Anything else in such a place is looked at like all the rest.
_FIXED: Mapping[str, frozenset[str]] = {
    "resourceType": frozenset({"Task"}), "status": frozenset({"requested"}), "intent": frozenset({"order"}),
    "code.coding.system": frozenset({CODES}), "code.coding.code": frozenset({"fulfill"}),
    "identifier.system": frozenset({URI}), "for.reference": frozenset({"#patient"}),
    "input.type.text": frozenset({"routing-proof"}), "contained.resourceType": frozenset({"MedicationRequest", "Patient"}),
    "contained.status": frozenset({"active"}), "contained.intent": frozenset({"order"}),
    "contained.subject.reference": frozenset({"#patient"}), "contained.identifier.system": frozenset({SKU}),
    "contained.requester.identifier.system": frozenset({NPI}),
    "contained.dispenseRequest.expectedSupplyDuration.unit": frozenset({"d"}),
}  # fmt: skip
_LOCAL = re.compile(r"#?(line\d+|patient)", re.ASCII)
_NUMBER = re.compile(r"(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?: ([^\s,;]+))?", re.ASCII)
_MARK = "\ue000"  # of the private use area, in no text that the door lets through


class _Raw(str):
    """A number that keeps its own characters."""


def written(request: SupplyRequest) -> bytes:
    """The exact bytes. Models of fhirclient check the resources; then the numbers are put back as they were."""
    task = {
        "resourceType": "Task",
        "contained": [_prescription(line, number) for number, line in enumerate(request.lines, 1)]
        + [_patient(request.ship_to, request.person)],
        "identifier": [{"system": URI, "value": f"urn:uuid:{request.reference}"}],
        "status": "requested", "intent": "order", "code": {"coding": [{"system": CODES, "code": "fulfill"}]},
        "for": {"reference": "#patient"},
        "input": [
            {"type": {"text": "routing-proof"}, "valueString": str(line.facts["routing_proof"])}
            for line in request.lines if line.facts.get("routing_proof")
        ],
    }  # fmt: skip
    task = _without_nothing(task)
    for resource in task["contained"]:
        (Patient if resource["resourceType"] == "Patient" else MedicationRequest)(_as_floats(resource)).as_json()
    Task(_as_floats({name: value for name, value in task.items() if name != "contained"})).as_json()
    text = json.dumps(_marked(task), ensure_ascii=False, separators=(",", ":"))
    return re.sub(f'"{_MARK}([^"]*){_MARK}"', r"\1", text).encode()


def _prescription(line: SupplyLine, number: int) -> dict[str, Any]:
    facts = line.facts
    dose, unit = _quantity(str(facts.get("dose", "")))
    rate = {"doseQuantity": {"value": dose, "unit": unit}} if dose else {"type": {"text": facts.get("dose")}}
    return {
        "resourceType": "MedicationRequest", "id": f"line{number}", "identifier": [{"system": SKU, "value": line.sku}],
        "status": "active", "intent": "order",
        "medicationCodeableConcept": {
            "coding": [dict(one) for one in facts.get("codings") or ()], "text": facts.get("name")},
        "subject": {"reference": "#patient"}, "authoredOn": facts.get("ordered_on"),
        "requester": {"display": facts.get("orderer_name"), "identifier": _npi(facts.get("orderer_npi"))},
        "dosageInstruction": [{
            "text": facts.get("directions"), "timing": {"code": {"text": facts.get("timing")}},
            "route": {"text": facts.get("route")}, "doseAndRate": [rate]}],
        "dispenseRequest": {
            "initialFill": {"quantity": {"value": _Raw(line.quantity)}},
            "validityPeriod": {"end": facts.get("valid_until")},
            "numberOfRepeatsAllowed": _quantity(str(facts.get("repeats", "")))[0],
            "quantity": {"value": _quantity(str(facts.get("quantity", "")))[0], "unit": facts.get("quantity_unit")},
            "expectedSupplyDuration": _days(str(facts.get("days_supply", "")))},
        "substitution": {"allowedCodeableConcept": {"text": facts["substitution"]}} if facts.get("substitution") else {},
    }  # fmt: skip


def _patient(ship_to: ShipTo, person: DispatchFacts | None) -> dict[str, Any]:
    return {
        "resourceType": "Patient", "id": "patient", "name": [{"text": person.name if person else ship_to.name}],
        "birthDate": person.birth_date if person else None,
        "address": [{"text": ship_to.name, "line": [ship_to.line], "city": ship_to.city, "state": ship_to.state,
                     "postalCode": ship_to.postal_code, "country": ship_to.country}],
    }  # fmt: skip


def _npi(value: Any) -> dict[str, Any]:
    return {"system": NPI, "value": value} if value else {}


def _days(text: str) -> dict[str, Any]:
    number, _ = _quantity(text)
    return {"value": number, "unit": "d"} if number else {}


def _quantity(text: str) -> tuple[_Raw | None, str | None]:
    """`0.50 g` -> ("0.50", "g"), each character kept; (None, None) for what is no single number."""
    found = _NUMBER.fullmatch(text)
    return (_Raw(found.group(1)), found.group(2)) if found else (None, None)


def _without_nothing(value: Any) -> Any:
    """Without empty parts: FHIR has none."""
    if isinstance(value, dict):
        kept = {name: _without_nothing(part) for name, part in value.items()}
        return {name: part for name, part in kept.items() if part not in (None, "", {}, [])}
    if isinstance(value, list):
        return [part for part in map(_without_nothing, value) if part not in (None, "", {}, [])]
    return value


def _as_floats(value: Any) -> Any:
    """For the models' check alone, thrown away after it."""
    if isinstance(value, _Raw):
        number = json.loads(value)
        return number if isinstance(number, int) else float(number)
    if isinstance(value, dict):
        return {name: _as_floats(part) for name, part in value.items()}
    return [_as_floats(part) for part in value] if isinstance(value, list) else value


def _marked(value: Any) -> Any:
    if isinstance(value, _Raw):
        return f"{_MARK}{value}{_MARK}"
    if isinstance(value, dict):
        return {name: _marked(part) for name, part in value.items()}
    return [_marked(part) for part in value] if isinstance(value, list) else value


# -- read back ----------------------------------------------------------------------------------------------------------
def said(body: bytes) -> dict[str, Any]:
    """A body of ours without what is the same in all: values with their places, numbers as their characters."""
    found: dict[str, Any] = _varying(one_object(body, TextNumbers), "")
    return found


def _varying(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        parts = {name: _varying(part, f"{path}.{name}" if path else name) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part not in (None, {}, [])}
    if isinstance(value, list):
        return [part for part in (_varying(one, path) for one in value) if part not in (None, {}, [])]
    local = path == "contained.id" and isinstance(value, str) and _LOCAL.fullmatch(value)
    return None if local or value in _FIXED.get(path, ()) else value


def token(reference: str) -> str:
    return f"{URI}|urn:uuid:{reference}"


def reference_in(found: Mapping[str, Any]) -> str:
    return str(found["identifier"][0]["value"]).removeprefix("urn:uuid:")


def own_reference(task: Mapping[str, Any]) -> str:
    """Our reference among the identifiers of a Task of theirs, "" where it has none."""
    mine = [str(one.get("value")) for one in task.get("identifier") or () if one.get("system") == URI]
    return next((one.removeprefix("urn:uuid:") for one in mine if one.startswith("urn:uuid:")), "")


def skus_in(task: Mapping[str, Any]) -> list[str]:
    lines = [one for one in task.get("contained") or () if one.get("id") != "patient" and one.get("identifier")]
    return [str(one["identifier"][0]["value"]) for one in lines]
