"""Makes up what orders point at and no file brings: a patient to hang them on, a medication to read its name from."""

from collections.abc import Iterator
from typing import Any, Final

from ehrcommerce.sandbox.ehr import fhir_store
from ehrcommerce.sandbox.ehr.fhir_interactions import FHIR_ID
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.loading.linking import Links, generated_id
from ehrcommerce.sandbox.ehr.loading.reading import Found, Say

NEED_PATIENT: Final = ("MedicationRequest", "DeviceRequest", "ServiceRequest", "Coverage")


def invent_missing(rows: list[Found], links: Links, say: Say) -> Iterator[Found]:
    """The invented resources; the links learn them, so that the references of `rows` find them."""
    number = 0
    for row in rows:
        if row.type in NEED_PATIENT and (made := _patient_for(row, links, number + 1)):
            number += 1
            yield made
            say(f"invented Patient/{made.resource['id']} (Test {number}) for {row.type} in {row.file}")
        if row.type == "MedicationRequest" and (made := _medication_for(row, links)):
            yield made
            say(f"invented Medication/{made.resource['id']} for {row.type} in {row.file}")


def _patient_for(row: Found, links: Links, number: int) -> Found | None:
    element = fhir_store.PATIENT_ELEMENT[row.type]
    holder = row.resource.get(element)
    reference = holder.get("reference") if isinstance(holder, dict) else None
    if isinstance(reference, str) and (_is_other_subject(reference) or links.resolve(row.file, reference)):
        return None
    contained = _contained(row, reference)
    made = _claimed(row, links, "Patient", reference, contained or _test_patient(number))
    if not isinstance(reference, str) or reference.startswith("#"):
        holder = holder if isinstance(holder, dict) else {}
        row.resource[element] = {**holder, "reference": f"Patient/{made.resource['id']}"}
    return made


def _is_other_subject(reference: str) -> bool:
    parts = reference.split("/")
    return len(parts) > 1 and parts[-2] in ("Group", "Location", "Device", "Practitioner")


def _contained(row: Found, reference: Any) -> Json | None:
    """A contained patient stays where it is and gets a twin outside, so that it can be opened."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    inside = row.resource.get("contained") or []
    twins = [item for item in inside if item.get("resourceType") == "Patient" and item.get("id") == reference[1:]]
    return dict(twins[0]) if twins else None


def _medication_for(row: Found, links: Links) -> Found | None:
    holder = row.resource.get("medicationReference")
    reference = holder.get("reference") if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or (isinstance(reference, str) and reference.startswith("#")):
        return None
    if isinstance(reference, str) and links.resolve(row.file, reference):
        return None
    name = holder.get("display") or "Medication without a name"
    made = _claimed(row, links, "Medication", reference, {"resourceType": "Medication", "code": {"text": name}})
    if not isinstance(reference, str):
        row.resource["medicationReference"] = {**holder, "reference": f"Medication/{made.resource['id']}"}
    return made


def _claimed(row: Found, links: Links, kind: str, reference: Any, resource: Json) -> Found:
    """The invented resource under the id that is pointed at, where that is an id; else under one of its own."""
    tail = reference.rstrip("/").rpartition("/")[2].removeprefix("urn:uuid:") if isinstance(reference, str) else ""
    usable = FHIR_ID.fullmatch(tail) is not None
    wish = tail if usable else generated_id(kind, f"{row.file}#{row.position}#{reference or ''}")
    digest = f"invented {row.folder} {reference or wish}"
    fhir_id = links.claim(kind, wish, digest)
    names = [reference, f"{kind}/{tail}"] if usable and isinstance(reference, str) else [f"{kind}/{fhir_id}"]
    made = Found(row.file, -1, {**resource, "resourceType": kind, "id": fhir_id}, names)
    links.learn(made, f"{kind}/{fhir_id}")
    return made


def _test_patient(number: int) -> Json:
    """A person nobody could take for a real one."""
    return {
        "resourceType": "Patient",
        "active": True,
        "name": [{"use": "official", "text": f"Test {number}", "family": str(number), "given": ["Test"]}],
        "gender": "unknown",
        "birthDate": f"1970-01-{number % 28 + 1:02d}",
        "telecom": [
            {"system": "phone", "use": "mobile", "value": f"+1 555 01{number % 100:02d}"},
            {"system": "email", "value": f"test.{number}@patients.example"},
        ],
        "address": [
            {
                "line": [f"{number} Sample Street"],
                "city": "Madison",
                "state": "WI",
                "postalCode": "53703",
                "country": "US",
            }
        ],
    }
