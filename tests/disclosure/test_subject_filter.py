"""The door's subject filter alone: what another patient's resource does to a pull, and that nothing else would stop it."""

from typing import Any

import pytest

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import WrongPatient
from tests.disclosure.charts import Json, patient, prescription
from tests.disclosure.conftest import AT
from tests.disclosure.fake_ehr import FakeEhr, bundle

pytestmark = pytest.mark.django_db
# Brought along by a search, where no other check looks: not the order itself, which has a second one of its own.
STRANGERS: dict[str, Json] = {
    "a Patient": {**patient(), "id": "dee-2"},
    "a resource by its subject": {"resourceType": "Basic", "id": "b-1", "subject": {"reference": "Patient/dee-2"}},
    "a resource by its patient": {"resourceType": "Basic", "id": "b-2", "patient": {"reference": "Patient/dee-2"}},
    "a plan by its beneficiary": {
        "resourceType": "Coverage",
        "id": "c-1",
        "beneficiary": {"reference": "Patient/dee-2"},
    },
}


def pull(ehr: FakeEhr, access: FhirAccess, by: Actor, stranger: Json) -> Any:
    ehr.put(patient(), prescription())
    own, other = {"resource": prescription()}, {"resource": stranger, "search": {"mode": "include"}}
    ehr.answer("GET MedicationRequest", bundle([own, other]))
    return door.disclose_chart(access, by=by, at=AT)


@pytest.mark.parametrize("what", STRANGERS)
def test_one_resource_of_another_patient_stops_the_whole_pull_with_a_security_row(
    ehr: FakeEhr, access: FhirAccess, by: Actor, what: str
) -> None:
    with pytest.raises(WrongPatient):
        pull(ehr, access, by, STRANGERS[what])
    row = AuditEvent.objects.get(action="chart.read")
    assert (row.outcome, row.reason, row.elements) == ("security", "wrong_patient", "")


@pytest.mark.parametrize("what", STRANGERS)
def test_without_the_filter_the_pull_would_go_on(
    ehr: FakeEhr, access: FhirAccess, by: Actor, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the test above looks at the filter and at nothing else: take it out, and these pass unseen."""
    monkeypatch.setattr(door, "_check_patient", lambda pull, resources: None)
    assert pull(ehr, access, by, STRANGERS[what]).orders
    assert AuditEvent.objects.get(action="chart.read").outcome == "success"
