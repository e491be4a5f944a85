"""An EHR of its own for each test: a profile of the sandbox with the knobs that the test turns, our connection row for
it, and a browser. The app's side runs here, the EHR's in its own process; what passes between them is real HTTP.

After each test: nothing may have asked the stranger, the other origin that hostile answers point to."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.conf import settings
from django.test import Client

from ehrcommerce.accounts.models import Organization
from ehrcommerce.ehr import keys
from ehrcommerce.ehr.models import EhrConnection, EhrSession
from ehrcommerce.vault import walls
from ehrcommerce.workbench.live import Live
from tests import factories

PATIENT, OTHER_PATIENT = "smart-cy", "smart-dee"
SECRET = "kept_between-2.sides~only"  # unreserved characters alone
_numbers = count(1)


def person(patient: str, family: str, **more: Any) -> dict[str, Any]:
    name = [{"family": family, "given": ["Cy"]}]
    telecom = [{"system": "phone", "value": "+12065550142", "use": "mobile"}]
    found = {"resourceType": "Patient", "id": patient, "active": True, "birthDate": "1970-02-03"}
    return {**found, "name": name, "telecom": telecom, **more}


def prescription(number: int, patient: str = PATIENT, **more: Any) -> dict[str, Any]:
    """Metformin, which the catalog of no clinic here sells: it is listed all the same."""
    codes = [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "861007", "display": "metformin 500 mg"}]
    order = {
        "resourceType": "MedicationRequest", "id": f"smart-rx-{number}", "status": "active", "intent": "order",
        "subject": {"reference": f"Patient/{patient}"}, "authoredOn": "2026-11-01",
        "medicationCodeableConcept": {"coding": codes, "text": f"metformin {number}"},
        "requester": {"reference": "Practitioner/ada"},
    }  # fmt: skip
    return {**order, **more}


class Desk:
    """The sandbox's controls."""

    def __init__(self, live: Live) -> None:
        self.live, self.url = live, live.sandbox_url

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Sandbox-Control": self.live.control_token}
        answer = requests.request(method, f"{self.url}/control/{path}", json=body, headers=headers, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def journal(self, since: int) -> list[dict[str, Any]]:
        return list(self.call("GET", f"journal?partner=ehr&since_id={since}")["entries"])

    def mark(self) -> int:
        return max((int(entry["id"]) for entry in self.journal(0)), default=0)


@dataclass
class Ehr:
    """One EHR as a test wants it, with our row for it (`connection`) and a browser (`client`)."""

    desk: Desk
    clinic: Organization
    profile: dict[str, Any]
    connection: EhrConnection
    client: Client = field(default_factory=Client)

    @property
    def base(self) -> str:
        return str(self.profile["fhir_base"])

    def turn(self, **knobs: Any) -> None:
        """More knobs for this EHR."""
        self.desk.call("PATCH", "profiles", {"name": self.profile["name"], "knobs": knobs})

    def row(self, **values: Any) -> None:
        """Change our row."""
        with walls.organization(self.clinic.pk):
            for name, value in values.items():
                setattr(self.connection, name, value)
            self.connection.save()

    # ---------------------------------------------------------------------------------------------------- a launch
    def begin(self, *, knobs: dict[str, Any] | None = None, patient: str = PATIENT, **wish: Any) -> dict[str, Any]:
        """The button in the chart is pressed: `url` is where the EHR opens the app, `cookie` signs in at the EHR."""
        wish |= {"patient": patient, "profile": self.profile["name"], "client_id": self.connection.client_id}
        found: dict[str, Any] = self.desk.call("POST", "launch", {**wish, "knobs": knobs or {}})
        return found

    def sent(self, *, knobs: dict[str, Any] | None = None, client: Client | None = None, **wish: Any) -> Any:
        """(the app's answer to the launch, the EHR's answer to what the app asked or None)"""
        begun = self.begin(knobs=knobs, **wish)
        parts = urlsplit(begun["url"])
        answer = (client or self.client).get(parts.path, parse_qs(parts.query))
        if answer.status_code == 302:
            return answer, self.at_the_ehr("GET", answer["Location"], begun)
        if answer.status_code == 200:
            return answer, self.at_the_ehr("POST", *form_of(answer.content.decode()), begun=begun)
        return answer, None

    def at_the_ehr(self, method: str, url: str, *fields: Any, begun: Any = None) -> requests.Response:
        begun = begun if begun is not None else fields[0]
        cookie = {begun["cookie"]["name"]: begun["cookie"]["value"]}
        data = fields[0] if method == "POST" else None
        return requests.request(method, url, data=data, cookies=cookie, allow_redirects=False, timeout=20)

    def launch(self, *, knobs: dict[str, Any] | None = None, client: Client | None = None, **wish: Any) -> Any:
        """A whole launch: the app's last answer, 303 where it succeeded."""
        answer, ehr = self.sent(knobs=knobs, client=client, **wish)
        if ehr is None:
            return answer
        assert ehr.status_code in (302, 303), ehr.text
        return self.come_back(ehr.headers["Location"], client=client)

    def come_back(self, address: str, *, client: Client | None = None) -> Any:
        parts = urlsplit(address)
        return (client or self.client).get(parts.path, parse_qs(parts.query, keep_blank_values=True))

    def open(self, **wish: Any) -> str:
        """A launch that must succeed; the address of its page."""
        answer = self.launch(**wish)
        assert answer.status_code == 303, (answer.status_code, words(answer))
        return str(answer["Location"])

    def page(self, place: str = "", **wish: Any) -> str:
        """The clinician's page of a launch, as text."""
        answer = self.client.get(place or self.open(**wish))
        assert answer.status_code == 200, (answer.status_code, words(answer))
        return str(answer.content.decode())

    # -------------------------------------------------------------------------------------------------- what is known
    def session(self) -> EhrSession | None:
        """The newest launch of this connection that succeeded."""
        with walls.organization(self.clinic.pk):
            return EhrSession.objects.filter(connection=self.connection).order_by("-pk").first()

    def asked(self, since: int, path: str = "") -> list[str]:
        """Paths below this profile that the app itself asked for, without the browser's own way through authorize."""
        name = f"/profiles/{self.profile['name']}/"
        paths = [entry["path"].partition("?")[0] for entry in self.desk.journal(since)]
        return [each for each in paths if name in each and "/authorize" not in each and path in each]


def words(answer: Any) -> str:
    """The text of a page, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def form_of(html: str) -> tuple[str, dict[str, str]]:
    """The one form that goes to the EHR: its address and fields."""
    from html import unescape

    action = re.search(r'<form[^>]*action="([^"]+)"', html)
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', html)
    assert action, html
    return unescape(action[1]), {name: unescape(value) for name, value in fields}


@pytest.fixture
def desk(sandbox: Live) -> Desk:
    desk = Desk(sandbox)
    desk.call("POST", "fhir", {"resources": [person(PATIENT, "Launchwell"), person(OTHER_PATIENT, "Otherby")]})
    return desk


@pytest.fixture(autouse=True)
def nobody_asked_a_stranger(desk: Desk) -> Iterator[None]:
    """The promise behind every hostile row: no request leaves to a host that is not registered."""
    mark = desk.call("GET", "strangers")["mark"]
    yield
    assert desk.call("GET", f"strangers?since={mark}")["requests"] == []


Make = Callable[..., Ehr]


@pytest.fixture
def make_ehr(clinic: Organization, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """`make_ehr(vendor="epic", knobs={...}, client_auth="client_secret_basic", ...)`: other words are of our row."""
    monkeypatch.setattr(keys, "RSA_BITS", 2048)
    keys.forget()

    def make(*, vendor: str = "", knobs: dict[str, Any] | None = None, **row: Any) -> Ehr:
        name = f"t{next(_numbers)}"
        profile = desk.call(
            "POST", "profiles", {"name": name, "knobs": knobs or {}} | ({"vendor": vendor} if vendor else {})
        )
        values = {"fhir_base": profile["fhir_base"], "client_id": f"client-{clinic.public_id}-{name}"}
        values |= {"client_auth": "client_secret_basic", "client_secret": SECRET}
        ehr = Ehr(desk, clinic, profile, factories.ehr_connection(clinic, **{**values, **row}))
        register(ehr)
        return ehr

    yield make
    keys.forget()


def register(ehr: Ehr) -> None:
    """What an EHR's administrator types: redirect and launch address, secret or keys, scopes."""
    made, method = ehr.connection, ehr.connection.client_auth
    known: dict[str, Any]
    with walls.organization(ehr.clinic.pk):
        known = {"jwks": keys.public_set()} if method == "private_key_jwt" else {}
    if method in ("client_secret_basic", "client_secret_post"):
        known = {"secret": made.client_secret}
    kinds = ["Patient", "MedicationRequest", "Medication", "DeviceRequest", "ServiceRequest", "Practitioner"]
    kinds += ["Coverage", "Organization", "Task"]
    resources = [f"{level}/{kind}.cruds" for level in ("patient", "user", "system") for kind in kinds]
    scope = " ".join(["launch", "launch/patient", "openid", "fhirUser", "online_access", *resources])
    redirect = f"{settings.CLINIC_URL}/ehr/callback/{made.slug}/"
    grants = ["authorization_code", "client_credentials", "refresh_token"]
    wish: dict[str, Any] = {
        "client_id": made.client_id,
        "name": "tests",
        "auth_method": method,
        "scope": scope,
        "grant_types": grants,
    }
    wish |= {"redirect_uris": [redirect], "launch_url": f"{settings.CLINIC_URL}/ehr/launch", **known}
    ehr.desk.call("POST", "clients", wish)


@pytest.fixture
def ehr(make_ehr: Make) -> Ehr:
    """An EHR of usual manners, before the test turns its knobs."""
    return make_ehr()
