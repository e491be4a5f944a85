"""A registered client, two invented patients, and knobs that are turned back after each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from ehrcommerce.workbench.rotation import rotating
from tests.sandbox.ehr.smart_client import SmartClient

CY, BO = "test-cy", "test-bo"
A_WHOLE_RUN = 200


class Sandbox(Protocol):
    """What the fixture `sandbox` tells about the running site."""

    sandbox_url: str
    control_token: str


def patient(fhir_id: str, family: str) -> dict[str, Any]:
    """An invented person."""
    return {
        "resourceType": "Patient",
        "id": fhir_id,
        "active": True,
        "name": [{"family": family, "given": ["Test"]}],
        "birthDate": "1970-02-03",
        "telecom": [{"system": "phone", "value": "+15550100"}],
    }


def prescription(number: int, patient_id: str = CY, **changes: Any) -> dict[str, Any]:
    """A prescription that points at a Medication and a Practitioner."""
    return {
        "resourceType": "MedicationRequest",
        "id": f"{patient_id}-rx-{number}",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "Medication/test-drug", "display": "Testamine 5 MG"},
        "subject": {"reference": f"Patient/{patient_id}"},
        "authoredOn": "2026-11-01",
        "requester": {"reference": "Practitioner/ada"},
        "note": [{"text": "not for anybody"}],
        "dosageInstruction": [{"text": "one a day"}],
        **changes,
    }


def task(identifier: str, patient_id: str = CY) -> dict[str, Any]:
    """What the app writes back."""
    return {
        "resourceType": "Task",
        "status": "in-progress",
        "intent": "order",
        "identifier": [{"system": "urn:test", "value": identifier}],
        "description": "Sent to the pharmacy",
        "focus": {"reference": f"MedicationRequest/{patient_id}-rx-1"},
        "for": {"reference": f"Patient/{patient_id}"},
    }


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The other site's own manners: tests/smart stands on them in each run. So a run over everything takes every sixth
    of these, and a run over a few files takes all."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    if len(here) < A_WHOLE_RUN:
        return
    kept = set(rotating(here, keep=len(here) // 6))
    left = [item for item in here if item not in kept]
    if left:
        items[:] = [item for item in items if item not in set(left)]
        config.hook.pytest_deselected(items=left)


@pytest.fixture
def ehr(sandbox: Sandbox) -> Iterator[SmartClient]:
    """A client that has not been launched yet."""
    client = SmartClient(url=sandbox.sandbox_url, control_token=sandbox.control_token)
    client.control("fhir", {"resources": cast_of_resources()})
    client.register()
    yield client
    client.control("knobs", method="DELETE")
    client.control("faults", method="DELETE")


def cast_of_resources() -> list[dict[str, Any]]:
    """Cy with 20 prescriptions, Bo with one, and the drug. The clinicians Ada and Lund come with the demo."""
    return [
        patient(CY, "Cy"),
        patient(BO, "Bo"),
        {"resourceType": "Medication", "id": "test-drug", "code": {"text": "Testamine 5 MG"}},
        *(prescription(number) for number in range(1, 21)),
        prescription(1, BO),
    ]
