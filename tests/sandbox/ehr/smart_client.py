"""A small SMART client of the tests' own: it can do everything right, and each single thing wrong."""

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import requests
from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT_ID = "ehr-tests"
REDIRECT_URI = "http://127.0.0.1:9/ehr/callback/tests/"
SCOPE = (
    "launch openid fhirUser online_access patient/Patient.r patient/MedicationRequest.rs patient/Medication.r "
    "patient/DeviceRequest.rs patient/ServiceRequest.rs patient/Coverage.rs patient/Task.crus user/Practitioner.r"
)
SYSTEM_SCOPE = "system/MedicationRequest.rs system/Patient.r system/Task.crus"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(kw_only=True)
class SmartClient:
    """One registered client and one clinician's browser."""

    url: str
    control_token: str
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-384", parameters={"kid": secrets.token_hex(4)}))
    http: requests.Session = field(default_factory=requests.Session)
    verifier: str = ""
    profile: str = ""

    @property
    def fhir(self) -> str:
        """The FHIR base."""
        return f"{self.url}/profiles/{self.profile}/fhir" if self.profile else f"{self.url}/fhir/R4"

    @property
    def auth(self) -> str:
        """What the addresses of the authorization server begin with."""
        return f"{self.url}/profiles/{self.profile}/auth" if self.profile else f"{self.url}/auth"

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        return f"{self.auth}/token"

    def at(self, profile: str = "", *, vendor: str = "", **knobs: Any) -> "SmartClient":
        """The same client at an EHR of its own with these knobs."""
        name = profile or f"t-{secrets.token_hex(6)}"
        self.control("profiles", {"name": name, "vendor": vendor, "knobs": knobs})
        return SmartClient(url=self.url, control_token=self.control_token, key=self.key, profile=name)

    def control(self, path: str, body: Any = None, *, method: str = "POST") -> Any:
        """Steer the sandbox; a refusal fails the test."""
        address = f"{self.url}/control/{path}"
        headers = {"X-Sandbox-Control": self.control_token}
        answer = requests.request(method, address, json=body, headers=headers, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def register(self, **changes: Any) -> None:
        """Make the client known, with its key."""
        self.control("clients", {**self._registration(), **changes})

    def _registration(self) -> dict[str, Any]:
        return {
            "client_id": CLIENT_ID,
            "name": "EHR tests",
            "auth_method": "private_key_jwt",
            "jwks": {"keys": [self.key.as_dict(private=False)]},
            "redirect_uris": [REDIRECT_URI],
            "launch_url": "http://127.0.0.1:9/ehr/launch",
            "scope": f"{SCOPE} {SYSTEM_SCOPE}",
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        }

    def launch(self, patient: str, *, user: str = "ada", orders: list[str] | None = None, **more: Any) -> str:
        """Press the button in the chart: signs the browser in and answers the launch value."""
        wish = {"patient": patient, "user": user, "orders": orders or [], "client_id": CLIENT_ID}
        begun = self.control("launch", {**wish, "profile": self.profile, **more})
        self.http.cookies.set(begun["cookie"]["name"], begun["cookie"]["value"])
        return str(begun["launch"])

    def authorize_fields(self, launch: str, /, **changes: Any) -> dict[str, str]:
        """The fields of a right request, with changes; None takes one away."""
        self.verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        fields = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT_URI,
            "scope": SCOPE,
            "state": "state-1",
            "nonce": "nonce-1",
            "aud": self.fhir,
            "launch": launch,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**fields, **changes}.items() if value is not None}

    def authorize(self, launch: str, /, **changes: Any) -> dict[str, str]:
        """The parameters that come back to the redirect address."""
        return parameters(self.authorize_raw(launch, **changes))

    def authorize_raw(self, launch: str, /, **changes: Any) -> requests.Response:
        """The bare answer of the authorization endpoint."""
        address = f"{self.auth}/authorize?{urlencode(self.authorize_fields(launch, **changes))}"
        return self.http.get(address, allow_redirects=False, timeout=10)

    def assertion(self, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A client assertion, right unless changed."""
        now = int(time.time())
        claims = {
            "iss": CLIENT_ID,
            "sub": CLIENT_ID,
            "aud": self.token_url,
            "iat": now,
            "exp": now + 240,
            "jti": secrets.token_hex(16),
            **changes,
        }
        full = {"alg": "ES384", "typ": "JWT", "kid": self.key.kid, **(header or {})}
        return jwt.encode(full, claims, self.key, algorithms=["ES384"])

    def token(self, assertion: str | None = None, **fields: Any) -> requests.Response:
        """A token request."""
        form = {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
            **fields,
        }
        return requests.post(self.token_url, data=form, timeout=10, allow_redirects=False)

    def exchange(self, code: str, **changes: Any) -> requests.Response:
        """Code for token."""
        fields = {"code": code, "redirect_uri": REDIRECT_URI, "code_verifier": self.verifier, **changes}
        return self.token(grant_type="authorization_code", **fields)

    def open_chart(self, patient: str, /, **changes: Any) -> dict[str, Any]:
        """The whole launch; the token answer."""
        answer = self.exchange(self.authorize(self.launch(patient), **changes)["code"])
        assert answer.status_code == 200, answer.text
        token: dict[str, Any] = answer.json()
        self.http.headers["Authorization"] = f"Bearer {token['access_token']}"
        return token

    def open_with(self, patient: str, /, **knobs: Any) -> dict[str, Any]:
        """The whole launch with knobs of its own; the token answer."""
        answer = self.exchange(self.authorize(self.launch(patient, knobs=knobs))["code"])
        assert answer.status_code == 200, answer.text
        token: dict[str, Any] = answer.json()
        if isinstance(token.get("access_token"), str):
            self.http.headers["Authorization"] = f"Bearer {token['access_token']}"
        return token

    def open_system(self, scope: str = SYSTEM_SCOPE) -> None:
        """Backend Services."""
        answer = self.token(grant_type="client_credentials", scope=scope)
        assert answer.status_code == 200, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def get(self, path: str, **options: Any) -> requests.Response:
        """FHIR GET."""
        return self.http.get(f"{self.fhir}/{path}", timeout=10, **options)

    def send(self, method: str, path: str, body: Any, **headers: str) -> requests.Response:
        """FHIR POST and PUT."""
        address = f"{self.fhir}/{path}".rstrip("/")
        all_headers = {"Content-Type": "application/fhir+json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.http.request(method, address, json=body, headers=all_headers, timeout=10)


def parameters(answer: requests.Response) -> dict[str, str]:
    """The query of a redirect to the client."""
    assert answer.status_code == 302, answer.text
    location = answer.headers["Location"]
    assert location.startswith(REDIRECT_URI), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def unsigned(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT, unchecked."""
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    return header, claims


def pairs(answer: requests.Response) -> list[tuple[str, str]]:
    """The query of a redirect to the client, repeated names included."""
    assert answer.status_code == 302, answer.text
    return parse_qsl(urlsplit(answer.headers["Location"]).query, keep_blank_values=True)


def matches(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """The resources that a search found."""
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]


def included(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """The resources that came along."""
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "include"]
