"""A clinic of this process, launched from the sandbox EHR over the real transport. The database commits here."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.conf import settings
from django.test import Client
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.ehr import keys
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.policy import derive
from ehrcommerce.vault import walls
from ehrcommerce.workbench.demo_catalog import PRODUCTS
from ehrcommerce.workbench.live import Live
from tests import factories


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

    def forget(self, path: str) -> None:
        headers = {"X-Sandbox-Control": self.sandbox.control_token}
        requests.delete(f"{self.sandbox.sandbox_url}/control/{path}", headers=headers, timeout=20).raise_for_status()

    def ask(self, path: str) -> Any:
        headers = {"X-Sandbox-Control": self.sandbox.control_token}
        answer = requests.get(f"{self.sandbox.sandbox_url}/control/{path}", headers=headers, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def journal(self, since: int) -> list[dict[str, Any]]:
        """What the EHR was asked after entry `since`, the clinician's browser at its sign-in page left out."""
        found: list[dict[str, Any]] = []
        while page := self.ask(f"journal?partner=ehr&since_id={since}")["entries"]:
            found += page
            since = int(page[-1]["id"])
        return [entry for entry in found if "/auth/authorize" not in entry["path"]]

    def mark(self) -> int:
        """The newest entry of the journal."""
        return max((int(entry["id"]) for entry in self.journal(0)), default=0)

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
