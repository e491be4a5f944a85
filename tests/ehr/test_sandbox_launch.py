"""One whole launch and one token without a clinician against the sandbox EHR, which checks what we send: PKCE, redirect
address, audience, and every signed assertion. [SMART-L1, SMART-T1, SMART-K5]"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.conf import settings
from django.test import Client
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.ehr import access, keys, sessions
from ehrcommerce.ehr.models import EhrConnection, EhrSession
from ehrcommerce.vault import walls
from ehrcommerce.workbench.live import Live
from tests import factories

SCOPES = "launch openid fhirUser online_access " + " ".join(
    f"{level}/{kind}.rs"
    for level in ("patient", "system", "user")
    for kind in ("Patient", "MedicationRequest", "Medication", "Practitioner")
)
PATIENT = {
    "resourceType": "Patient",
    "id": "launch-cy",
    "active": True,
    "name": [{"family": "Cy"}],
    "birthDate": "1970-02-03",
}


class Desk:
    """The sandbox's controls."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def say(self, path: str, body: Any) -> Any:
        answer = requests.post(
            f"{self.live.sandbox_url}/control/{path}",
            json=body,
            headers={"X-Sandbox-Control": self.live.control_token},
            timeout=20,
        )
        answer.raise_for_status()
        return answer.json()

    def asked(self, since: int) -> list[str]:
        """Paths that the EHR was asked for by the app's own processes since an entry of its journal."""
        return [entry["path"].split("?")[0] for entry in self.journal(since) if "/auth/authorize" not in entry["path"]]

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        headers = {"X-Sandbox-Control": self.live.control_token}
        answer = requests.get(
            f"{self.live.sandbox_url}/control/journal?partner=ehr&since_id={since}", headers=headers, timeout=20
        )
        return list(answer.json()["entries"])

    def mark(self) -> int:
        return max((int(entry["id"]) for entry in self.journal()), default=0)


@pytest.fixture
def desk(sandbox: Live) -> Desk:
    return Desk(sandbox)


@pytest.fixture
def registered(clinic: Organization, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[EhrConnection]:
    """Our clinic's connection to the sandbox; the sandbox knows our keys and our redirect address."""
    monkeypatch.setattr(keys, "RSA_BITS", 2048)
    keys.forget()
    made = factories.ehr_connection(
        clinic,
        fhir_base=f"{desk.live.sandbox_url}/fhir/R4",
        client_id=f"client-{clinic.public_id}",
        client_auth="private_key_jwt",
    )
    desk.say("fhir", {"resources": [PATIENT]})
    desk.say(
        "clients",
        {
            "client_id": made.client_id, "name": "tests", "auth_method": "private_key_jwt",
            "jwks": keys.public_set(), "scope": SCOPES,
            "redirect_uris": [f"{settings.CLINIC_URL}/ehr/callback/{made.slug}/"],
            "launch_url": f"{settings.CLINIC_URL}/ehr/launch",
            "grant_types": ["authorization_code", "client_credentials", "refresh_token"],
        },
    )  # fmt: skip
    yield made
    keys.forget()


def through_the_ehr(desk: Desk, connection: EhrConnection, client: Client) -> str:
    """Press the button in the chart, sign in at the EHR; returns the address that the EHR sends the browser back to."""
    begun = desk.say("launch", {"patient": "launch-cy", "user": "ada", "client_id": connection.client_id})
    parts = urlsplit(begun["url"])
    response = client.get(parts.path, parse_qs(parts.query))
    assert response.status_code == 302, response.content.decode()
    cookie = begun["cookie"]
    answer = requests.get(
        response["Location"], cookies={cookie["name"]: cookie["value"]}, allow_redirects=False, timeout=20
    )
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def come_back(client: Client, address: str) -> Any:
    parts = urlsplit(address)
    return client.get(parts.path, parse_qs(parts.query))


@pytest.mark.smart("L1", "T1", "T4", "K4")
@pytest.mark.django_db
@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_a_launch_from_the_chart_opens_a_session(
    registered: EhrConnection, desk: Desk, clinic: Organization, alg: str
) -> None:
    registered.assertion_alg = alg
    registered.save()
    client = Client()
    response = come_back(client, through_the_ehr(desk, registered, client))
    assert response.status_code == 303, response.content.decode()
    with walls.organization(clinic.pk):
        session = EhrSession.objects.get()
        assert response["Location"] == f"/ehr/c/{session.launch_key}/"
        assert (session.patient, session.user.subject != "") == ("launch-cy", True)
        assert session.fhir_user.startswith("Practitioner/")


@pytest.mark.smart("D6")
@pytest.mark.django_db
def test_with_warm_caches_the_callback_makes_one_request(registered: EhrConnection, desk: Desk) -> None:
    client = Client()
    for _ in range(2):
        come_back(client, through_the_ehr(desk, registered, client))
    address = through_the_ehr(desk, registered, client)
    mark = desk.mark()
    assert come_back(client, address).status_code == 303
    assert desk.asked(mark) == ["/auth/token"]


@pytest.mark.smart("B5", "H23")
@pytest.mark.django_db
def test_a_code_is_good_for_one_session(registered: EhrConnection, desk: Desk, clinic: Organization) -> None:
    client = Client()
    address = through_the_ehr(desk, registered, client)
    assert come_back(client, address).status_code == 303
    assert come_back(client, address).status_code == 400
    with walls.organization(clinic.pk):
        assert EhrSession.objects.count() == 1


@pytest.mark.smart("R1", "R2")
@pytest.mark.django_db
def test_a_launch_whose_token_ends_is_renewed_at_the_ehr(
    registered: EhrConnection, desk: Desk, clinic: Organization
) -> None:
    client = Client()
    come_back(client, through_the_ehr(desk, registered, client))
    with walls.organization(clinic.pk):
        session = EhrSession.objects.get()
        assert session.refresh_token
        before = session.access_token
        session.token_expires_at = timezone.now()
        session.save()
        assert sessions.bearer(session, at=timezone.now()) != before


@pytest.mark.smart("K5")
@pytest.mark.django_db
def test_the_app_gets_a_token_of_its_own_and_reads_with_it(registered: EhrConnection, desk: Desk) -> None:
    found = access.backend_access(registered, patient_id="launch-cy", scopes=("system/Patient.rs",))
    answer = requests.get(
        f"{found.base}/Patient/launch-cy", headers={"Authorization": f"Bearer {found.bearer}"}, timeout=20
    )
    assert answer.json()["id"] == "launch-cy"


@pytest.mark.smart("H74", "L7")
@pytest.mark.django_db
def test_the_page_of_the_launch_opens_in_its_own_browser_and_frame_only(registered: EhrConnection, desk: Desk) -> None:
    client = Client()
    place = come_back(client, through_the_ehr(desk, registered, client))["Location"]
    response = client.get(place)
    assert response.status_code == 200, response.content.decode()
    assert f"frame-ancestors {registered.frame_origins}" in response["Content-Security-Policy"]
    assert Client().get(place).status_code == 403
