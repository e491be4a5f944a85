"""CapabilityStatements for tests: what a complete EHR says, to be spoiled by each test."""

from typing import Any

PARAMETERS = ("patient", "status", "intent")
INCLUDES = {"MedicationRequest": ["MedicationRequest:medication"]}


def resource(kind: str, **changes: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [{"name": name, "type": "token"} for name in PARAMETERS],
        **({"searchInclude": INCLUDES[kind]} if kind in INCLUDES else {}),
        **changes,
    }


def statement(*left_out: str, **changes: Any) -> dict[str, Any]:
    kinds = (
        "Patient",
        "MedicationRequest",
        "Medication",
        "DeviceRequest",
        "ServiceRequest",
        "Practitioner",
        "Coverage",
    )
    task = resource("Task", interaction=[{"code": "create"}, {"code": "update"}], conditionalCreate=True)
    listed = [resource(kind) for kind in kinds if kind not in left_out]
    return {
        "resourceType": "CapabilityStatement",
        "fhirVersion": "4.0.1",
        "software": {"name": "Test EHR", "version": "7"},
        "rest": [{
            "mode": "server", "resource": [*listed, *([] if "Task" in left_out else [task])],
            "interaction": [{"code": "batch"}],
        }],
        **changes,
    }  # fmt: skip
