"""Commerce's questions about the chart: opaque keys go in, packets come out, faults come in the port's own words."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.accounts.models import Agreement, Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.ehr import backend_services, references
from ehrcommerce.ehr import chart as chart_module
from ehrcommerce.ehr.chart import EhrChart
from ehrcommerce.ehr.errors import BackendRefused, BackendUnanswered, NoBackendServices
from ehrcommerce.ehr.handles import key_maker
from ehrcommerce.ehr.models import ChartReference, EhrConnection
from ehrcommerce.policy.packets import ShipTo
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import Chart, ChartNotPermitted, ChartUnreachable
from ehrcommerce.vault import walls
from ehrcommerce.wire.client import Partner
from tests import factories
from tests.disclosure import fake_ehr
from tests.disclosure.charts import device, patient, prescription
from tests.disclosure.fake_ehr import FakeEhr, Reply, reply
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ehr() -> Iterator[FakeEhr]:
    with fake_ehr.running() as server:
        server.put(patient(), prescription(), device())
        yield server


class Backend:
    """In the place of Backend Services: notes the scopes, fails when told to."""

    def __init__(self) -> None:
        self.scopes: list[tuple[str, ...]] = []
        self.fault: Exception | None = None

    def __call__(self, connection: EhrConnection, *, patient_id: str, scopes: Sequence[str]) -> FhirAccess:
        self.scopes.append(tuple(scopes))
        if self.fault:
            raise self.fault
        return FhirAccess(
            partner=Partner(name="ehr", base_url=connection.fhir_base, read_s=2.0), base=connection.fhir_base,
            bearer="t",
            patient_id=patient_id, organization_id=connection.organization_id, connection_party=connection.party,
            key_of=key_maker(connection),
        )  # fmt: skip


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    made = Backend()
    monkeypatch.setattr(chart_module, "backend_access", made)
    return made


@pytest.fixture
def row(ehr: FakeEhr, clinic: Organization) -> EhrConnection:
    return factories.ehr_connection(clinic, fhir_base=ehr.base, write_back=True)


@pytest.fixture
def keys(row: EhrConnection, backend: Backend) -> dict[str, str]:
    """What was sent to Cy: a prescription and a device."""
    access = backend(row, patient_id="cy", scopes=())
    found = {
        name: access.key_of(name, number)
        for name, number in (("MedicationRequest", "rx-1"), ("DeviceRequest", "dev-1"))
    }
    for name, number in (("MedicationRequest", "rx-1"), ("DeviceRequest", "dev-1")):
        access.seen[access.key_of(name, number)] = (name, number, "3")
    with walls.organization(row.organization_id):
        references.remember(
            organization_id=row.organization_id,
            connection=row,
            access=access,
            keys=[*found.values(), "never seen"],
            at=NOW,
        )
    backend.scopes.clear()
    return {**found, "Patient": access.customer_key}


def test_only_what_was_read_and_the_patient_are_remembered(row: EhrConnection, keys: dict[str, str]) -> None:
    with walls.organization(row.organization_id):
        found = references.find(organization_id=row.organization_id, keys=[*keys.values(), "never seen"])
        assert set(found) == set(keys.values())
        assert (found[keys["DeviceRequest"]].resource_id, found[keys["DeviceRequest"]].patient_id) == ("dev-1", "cy")
        assert ChartReference.objects.count() == 3


def test_remembering_again_moves_the_version_only(row: EhrConnection, keys: dict[str, str], backend: Backend) -> None:
    access = backend(row, patient_id="cy", scopes=())
    access.seen[keys["DeviceRequest"]] = ("DeviceRequest", "dev-1", "4")
    with walls.organization(row.organization_id):
        references.remember(
            organization_id=row.organization_id, connection=row, access=access, keys=[keys["DeviceRequest"]], at=NOW
        )
        assert ChartReference.objects.get(key=keys["DeviceRequest"]).version == "4"
        assert ChartReference.objects.count() == 3


def test_it_is_the_chart_that_the_settings_name() -> None:
    found: Chart = chosen.chart()
    assert isinstance(found, EhrChart)


def current(row: EhrConnection, *wanted: str) -> Any:
    return EhrChart().current(organization_id=row.organization_id, keys=wanted, by="system:gate")


def test_current_reads_every_order_of_a_chart_with_the_scopes_of_its_kinds(
    row: EhrConnection, keys: dict[str, str], backend: Backend
) -> None:
    found = current(row, keys["MedicationRequest"], keys["DeviceRequest"], "unknown")
    assert {key: order and order.item.kind for key, order in found.items()} == {
        keys["MedicationRequest"]: "prescription", keys["DeviceRequest"]: "device", "unknown": None,
    }  # fmt: skip
    assert all(order is None or order.item.key == key for key, order in found.items())
    (scopes,) = backend.scopes
    assert scopes == (
        "system/DeviceRequest.r", "system/MedicationRequest.r", "system/Medication.r", "system/Patient.r",
        "system/Practitioner.r",
    )  # fmt: skip
    with walls.organization(row.organization_id):
        assert AuditEvent.objects.get().actor == "system:gate"


def test_an_order_that_is_gone_is_none(row: EhrConnection, keys: dict[str, str], ehr: FakeEhr) -> None:
    ehr.answer("GET MedicationRequest/rx-1", Reply(410))
    assert current(row, keys["MedicationRequest"]) == {keys["MedicationRequest"]: None}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (BackendUnanswered(), ChartUnreachable), (BackendRefused(), ChartNotPermitted),
        (NoBackendServices(), ChartNotPermitted),
        (Reply(503), ChartUnreachable), (Reply(200, b"<html>"), ChartUnreachable), (Reply(403), ChartNotPermitted),
        (reply(prescription(subject={"reference": "Patient/bo"})), ChartNotPermitted),
    ],
)  # fmt: skip
def test_faults_come_in_the_words_of_the_port(
    row: EhrConnection, keys: dict[str, str], backend: Backend, ehr: FakeEhr, fault: Any, said: type[Exception]
) -> None:
    if isinstance(fault, Exception):
        backend.fault = fault
    else:
        ehr.answer("GET MedicationRequest/rx-1", cast(Reply, fault))
    with pytest.raises(said):
        current(row, keys["MedicationRequest"])


@pytest.mark.parametrize(("replies", "read"), [([Reply(401)], True), ([Reply(401), Reply(401)], False)])
def test_a_token_that_the_ehr_forgot_is_renewed_once(
    row: EhrConnection,
    keys: dict[str, str],
    ehr: FakeEhr,
    monkeypatch: pytest.MonkeyPatch,
    replies: list[Reply],
    read: bool,
) -> None:
    renewed: list[str] = []
    monkeypatch.setattr(backend_services, "token", lambda *_, refused, **__: renewed.append(refused))
    ehr.answer("GET MedicationRequest/rx-1", *replies, reply(prescription()))
    if read:
        assert current(row, keys["MedicationRequest"])[keys["MedicationRequest"]] is not None
    else:
        with pytest.raises(ChartNotPermitted):
            current(row, keys["MedicationRequest"])
    assert renewed == ["t"]


def test_without_an_agreement_nothing_is_read(row: EhrConnection, keys: dict[str, str], ehr: FakeEhr) -> None:
    with walls.organization(row.organization_id):
        Agreement.objects.all().delete()
    with pytest.raises(NoAgreement):
        current(row, keys["MedicationRequest"])
    assert ehr.asked == []


def test_facts_about_the_person_ask_for_the_person_alone(
    row: EhrConnection, keys: dict[str, str], backend: Backend, ehr: FakeEhr
) -> None:
    home = [{"use": "home", "line": ["1 A St"], "city": "Seattle", "state": "WA", "postalCode": "98107"}]
    ehr.put(patient(address=home))
    chart, org = EhrChart(), row.organization_id
    parcel = chart.ship_to(organization_id=org, customer_key=keys["Patient"], by="patient:1")
    facts = chart.dispatch_facts(organization_id=org, customer_key=keys["Patient"], by="system:gate")
    assert parcel == ShipTo("Cy Young", "1 A St", "Seattle", "WA", "98107")
    assert facts is not None
    assert facts.birth_date == "1980-05-06"
    assert chart.coverage(organization_id=org, customer_key=keys["Patient"], by="patient:1") == ()
    assert backend.scopes == [
        ("system/Patient.r",),
        ("system/Patient.r",),
        ("system/Coverage.rs", "system/Organization.r"),
    ]


def test_a_person_who_was_never_sent_anything_is_not_asked_for(
    row: EhrConnection, keys: dict[str, str], ehr: FakeEhr
) -> None:
    for key in ("unknown", keys["DeviceRequest"]):
        with pytest.raises(ChartNotPermitted):
            EhrChart().ship_to(organization_id=row.organization_id, customer_key=key, by="patient:1")
    assert ehr.asked == []


def test_another_clinic_finds_none_of_it(row: EhrConnection, keys: dict[str, str], ehr: FakeEhr) -> None:
    other = factories.organization()
    assert EhrChart().current(organization_id=other.pk, keys=list(keys.values()), by="system:gate") == dict.fromkeys(
        keys.values()
    )
    assert not EhrChart().may_report(organization_id=other.pk, key=keys["DeviceRequest"])
    assert ehr.asked == []


def test_whether_the_chart_is_told_is_the_connections_to_say(row: EhrConnection, keys: dict[str, str]) -> None:
    assert EhrChart().may_report(organization_id=row.organization_id, key=keys["DeviceRequest"])
    with walls.organization(row.organization_id):
        EhrConnection.objects.update(write_back=False)
    assert not EhrChart().may_report(organization_id=row.organization_id, key=keys["DeviceRequest"])
    assert not EhrChart().may_report(organization_id=row.organization_id, key="unknown")
