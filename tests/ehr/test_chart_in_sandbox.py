"""The door and the write-back against the sandbox EHR, with our own signed tokens: what a real server makes of our
searches, `_elements` and `_include`, and whether every demo order ends as expected."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.services import system
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import ChartForbidden
from ehrcommerce.ehr import keys, references
from ehrcommerce.ehr.access import backend_access
from ehrcommerce.ehr.chart import EhrChart
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.outbox.outcomes import Done
from ehrcommerce.policy.digests import digest
from ehrcommerce.sandbox.data.patients import HAROLD, JOANNA, MARISOL, RUTH
from ehrcommerce.sandbox.data.shapes import CHART_ONLY
from ehrcommerce.vault import walls
from ehrcommerce.workbench.live import Live
from tests import factories
from tests.disclosure.charts import DEMO, patient_of
from tests.sandbox.data.expected import EXPECTED, SELLABLE

TYPES = ("Patient", "MedicationRequest", "DeviceRequest", "ServiceRequest", "Coverage")
SCOPES = [
    *(f"system/{kind}.rs" for kind in (*TYPES, "Medication", "Practitioner", "Organization", "Task")), "system/Task.cu",
]  # fmt: skip
AT_THE_CATALOG = {SELLABLE, "controlled", "no_price", "no_product", "codes_disagree", "retired"}
# What is over is not listed; a plan is, with the reason why it is not sold.
NOT_LISTED = {"not_active", "entered_in_error"}


def say(live: Live, path: str, body: Any) -> None:
    headers = {"X-Sandbox-Control": live.control_token}
    requests.post(f"{live.sandbox_url}/control/{path}", json=body, headers=headers, timeout=20).raise_for_status()


@pytest.fixture
def connection(clinic: Organization, sandbox: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[EhrConnection]:
    """Our clinic's connection to the sandbox, registered there for Backend Services."""
    monkeypatch.setattr(keys, "RSA_BITS", 2048)
    keys.forget()
    made = factories.ehr_connection(
        clinic, fhir_base=f"{sandbox.sandbox_url}/fhir/R4", client_id=f"chart-{clinic.public_id}",
        client_auth="private_key_jwt", write_back=True,
    )  # fmt: skip
    client = {
        "client_id": made.client_id, "name": "tests", "auth_method": "private_key_jwt", "jwks": keys.public_set(),
        "scope": " ".join(SCOPES), "redirect_uris": [], "grant_types": ["client_credentials"],
    }  # fmt: skip
    say(sandbox, "clients", client)
    with walls.organization(clinic.pk):
        yield made
    keys.forget()


def opened(connection: EhrConnection, patient_id: str) -> FhirAccess:
    return backend_access(connection, patient_id=patient_id, scopes=SCOPES)


@pytest.mark.django_db
def test_every_demo_chart_reads_as_expected_and_leaves_behind_what_only_it_needs(connection: EhrConnection) -> None:
    seen: dict[str, str] = {}
    patients = {patient_of(DEMO[kind, name]) for kind, name in (one.split("/") for one in EXPECTED)}
    for patient_id in sorted(patients):
        access = opened(connection, patient_id)
        page = door.disclose_chart(access, by=system("test"), at=timezone.now())
        assert page.unread == ()
        assert CHART_ONLY not in repr(page)
        seen |= {"/".join(access.seen[one.item.key][:2]): one.state.refusal for one in page.orders}
    listed = {name: expected for name, expected in EXPECTED.items() if expected not in NOT_LISTED}
    assert seen == {name: "" if expected in AT_THE_CATALOG else expected for name, expected in listed.items()}


@pytest.mark.django_db
def test_the_gate_reads_the_digest_that_the_page_showed(connection: EhrConnection) -> None:
    access, at = opened(connection, HAROLD), timezone.now()
    shown = {one.item.key: digest(one.item) for one in door.disclose_chart(access, by=system("test"), at=at).orders}
    organization_id = connection.organization_id
    references.remember(organization_id=organization_id, connection=connection, access=access, keys=shown, at=at)
    found = EhrChart().current(organization_id=organization_id, keys=list(shown), by="system:gate")
    assert {key: digest(one.item) for key, one in found.items() if one} == shown
    assert len(shown) == 20


@pytest.mark.django_db
def test_facts_about_the_person_and_the_plans(connection: EhrConnection) -> None:
    at, by = timezone.now(), system("test")
    first, second = door.disclose_coverage(opened(connection, JOANNA), by=by, at=at)
    assert (first.payer_id, second.payer_id, first.rx_bin) == ("90022", "90011", "990011")
    parcel = door.disclose_ship_to(opened(connection, MARISOL), by=by, at=at)
    assert parcel is not None
    assert (parcel.line, parcel.state, parcel.postal_code) == ("412 Juniper Street, Apt 3", "WA", "98107")
    assert door.disclose_dispatch_facts(opened(connection, RUTH), by=by, at=at) is None
    assert door.disclose_user(opened(connection, MARISOL), "Practitioner/lund", by=by, at=at).npi == "1990000428"


@pytest.mark.django_db
def test_a_token_for_other_types_reads_nothing(connection: EhrConnection) -> None:
    access = backend_access(connection, patient_id=MARISOL, scopes=["system/Coverage.rs"])
    with pytest.raises(ChartForbidden):
        door.disclose_ship_to(access, by=system("test"), at=timezone.now())


@pytest.mark.django_db
def test_the_chart_is_told_once_and_moved_forward(connection: EhrConnection, sandbox: Live) -> None:
    access, at = opened(connection, MARISOL), timezone.now()
    page = door.disclose_chart(access, by=system("test"), at=at, only=["DeviceRequest"])
    key, organization_id = page.orders[0].item.key, connection.organization_id
    references.remember(organization_id=organization_id, connection=connection, access=access, keys=[key], at=at)
    order_id = f"order-{connection.public_id}"
    for status in ("dispatched", "dispatched", "shipped"):
        outcome = EhrChart().report(
            organization_id=organization_id, key=key, order_id=order_id, status=status, at=timezone.now().isoformat()
        )
        assert isinstance(outcome, Done)
    headers = {"X-Sandbox-Control": sandbox.control_token}
    answer = requests.get(
        f"{sandbox.sandbox_url}/control/fhir?type=Task&patient={MARISOL}", headers=headers, timeout=20
    )
    mine = [one for one in _resources(answer.json()) if order_id in repr(one.get("identifier"))]
    assert [(one["status"], one["meta"]["versionId"]) for one in mine] == [("in-progress", "2")]


def _resources(answer: Any) -> list[dict[str, Any]]:
    return list(answer["resources"] if "resources" in answer else [one["resource"] for one in answer["entry"]])
