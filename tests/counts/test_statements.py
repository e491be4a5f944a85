"""What the pages of a launch cost our own database, and that nothing is asked of an EHR inside a transaction. In this
process, against the sandbox EHR, on the real transport."""

import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.conf import settings
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.ehr import keys
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.policy import derive
from ehrcommerce.vault import walls
from ehrcommerce.wire.client import PartnerAdapter
from ehrcommerce.workbench.demo_catalog import PRODUCTS
from ehrcommerce.workbench.live import Live
from tests import factories
from tests.journeys.charts import RXNORM, new_chart

MOST_STATEMENTS = 15


@dataclass
class Office:
    """A clinic with the demo's catalog, launched from the sandbox EHR."""

    sandbox: Live
    connection: EhrConnection

    def say(self, path: str, body: Any) -> Any:
        headers = {"X-Sandbox-Control": self.sandbox.control_token}
        answer = requests.post(f"{self.sandbox.sandbox_url}/control/{path}", json=body, headers=headers, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def launch(self, patient: str) -> tuple[Client, str]:
        """A browser in front of the open launch, and the address of its first page."""
        client = Client()
        begun = self.say("launch", {"patient": patient, "user": "ada", "client_id": self.connection.client_id})
        parts = urlsplit(begun["url"])
        response = client.get(parts.path, parse_qs(parts.query))
        cookie = {begun["cookie"]["name"]: begun["cookie"]["value"]}
        back = requests.get(response["Location"], cookies=cookie, allow_redirects=False, timeout=20)
        parts = urlsplit(back.headers["Location"])
        response = client.get(parts.path, parse_qs(parts.query))
        assert response.status_code == 303, response.content.decode()[:600]
        return client, response["Location"]


@pytest.fixture
def office(transactional_db: None, sandbox: Live, clinic: Organization) -> Iterator[Office]:
    """The database commits here, so that a transaction that is open is one of the app's."""
    keys.forget()
    made = factories.ehr_connection(
        clinic, fhir_base=f"{sandbox.sandbox_url}/fhir/R4", client_id=f"client-{clinic.public_id}",
        client_auth="private_key_jwt", assertion_alg="ES384",
    )  # fmt: skip
    with walls.organization(clinic.pk):
        products = [asdict(product) for product in PRODUCTS]
        catalog.load_products(clinic, products, by=audit.system("test"), at=timezone.now())
    office = Office(sandbox, made)
    office.say(
        "clients",
        {
            "client_id": made.client_id, "name": "tests", "auth_method": "private_key_jwt", "jwks": keys.public_set(),
            "scope": " ".join((*derive.launch_scopes("v2"), "online_access")),
            "redirect_uris": [f"{settings.CLINIC_URL}/ehr/callback/{made.slug}/"],
            "launch_url": f"{settings.CLINIC_URL}/ehr/launch",
            "grant_types": ["authorization_code", "refresh_token"],
        },
    )  # fmt: skip
    yield office
    keys.forget()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every call to the outside, each refused while a transaction is open here; and no helper thread connects."""
    main, calls, send = connections["default"], [], PartnerAdapter.send
    connect, here = BaseDatabaseWrapper.connect, threading.current_thread()

    def sent(self: PartnerAdapter, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        assert not main.in_atomic_block, "asked inside a transaction"
        calls.append(str(request.method))
        return send(self, request, *args, **more)

    def connected(self: BaseDatabaseWrapper) -> None:
        assert threading.current_thread() is here, "a thread that reads the chart went to the database"
        connect(self)

    monkeypatch.setattr(PartnerAdapter, "send", sent)
    monkeypatch.setattr(BaseDatabaseWrapper, "connect", connected)
    return calls


def test_a_launch_and_its_pages_ask_outside_of_any_transaction(office: Office, watched: list[str]) -> None:
    client, place = office.launch("harold-nakamura")
    for path in (place, f"{place}values/"):
        assert client.get(path).status_code == 200
    assert len(watched) >= 10


def test_the_watch_is_sharp(office: Office, watched: list[str]) -> None:
    client, place = office.launch("harold-nakamura")
    with pytest.raises(AssertionError, match="inside a transaction"), transaction.atomic():
        client.get(place)


def asked(statements: CaptureQueriesContext) -> list[str]:
    """What was asked, without the words around a transaction."""
    around = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    return [one["sql"][:120] for one in statements if not one["sql"].startswith(around)]


@pytest.mark.parametrize("path", ["", "values/"])
def test_the_clinician_s_page_of_twenty_orders_costs_at_most_fifteen_statements(office: Office, path: str) -> None:
    client, place = office.launch("harold-nakamura")
    client.get(place)
    with CaptureQueriesContext(connection) as statements:
        page = client.get(f"{place}{path}")
    assert page.status_code == 200
    assert page.content.decode().count("<tr") >= 20 or path
    assert len(asked(statements)) <= MOST_STATEMENTS, asked(statements)


@pytest.mark.parametrize("seen_before", [False, True])
def test_twenty_orders_that_the_catalog_does_not_know_cost_no_more(office: Office, seen_before: bool) -> None:
    """Each unknown code is noted for the catalog team, all of them together."""
    chart = new_chart("prescription")
    person, order = chart.resources
    orders = [
        {**order, "id": f"{order['id']}-{place}", "medicationCodeableConcept": {"coding": [unknown(place)]}}
        for place in range(20)
    ]
    office.say("fhir", {"resources": [person, *orders]})
    client, place = office.launch(chart.patient)
    if seen_before:
        client.get(place)
    with CaptureQueriesContext(connection) as statements:
        page = client.get(place)
    assert page.content.decode().count("No product for this code") == 20
    assert len(asked(statements)) <= MOST_STATEMENTS, asked(statements)


def unknown(place: int) -> dict[str, str]:
    return {"system": RXNORM, "code": f"99{place:05d}", "display": f"unheard-of {place} MG tablet"}
