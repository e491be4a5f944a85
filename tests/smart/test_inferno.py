"""The checks that Inferno's client suite makes of an app, for each of its four types of clients, by an EHR that turns away
whatever fails one of them. The connection starts from the preset; a check that was not made would be missing here."""

from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.ehr import presets, sessions
from ehrcommerce.ehr.access import backend_access
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.vault import walls
from ehrcommerce.wire import fhir
from ehrcommerce.workbench.rotation import rotating
from tests.smart.conftest import PATIENT, Ehr, Make, prescription

pytestmark = pytest.mark.django_db

AUTHORIZE = {
    f"authorize.{name}"
    for name in (
        "response_type",
        "client_id",
        "redirect_uri",
        "launch",
        "state",
        "state_length",
        "aud",
        "s256",
        "scope",
    )
}
CODE = {f"token.{name}" for name in ("grant_type", "code", "redirect_uri", "pkce")}
REFRESH = {"token.refresh_token", "token.scope"}
USE = {"fhir.bearer_header", "fhir.token_known"}
NOT_IN_BODY = {"token.client_id_in_body"}
ASSERTION = {
    f"assertion.{name}"
    for name in ("type", "typ", "alg", "kid", "iss", "sub", "aud", "exp", "life", "jti", "signature")
}
BACKEND = {"token.grant_type", "token.scope", *ASSERTION, *NOT_IN_BODY, *USE}
# What may stand in a secret, and would be another one if it were written otherwise than raw.
ODD_SECRET = "a+b/c=%2F d:&~"
ASYMMETRIC = {"client_auth": "private_key_jwt"}


def connected(make_ehr: Make, **by_hand: Any) -> Ehr:
    made = EhrConnection(vendor="inferno")
    presets.fill(made)
    row = {name: getattr(made, name) for name in presets.KNOBS}
    ehr = make_ehr(vendor="inferno", knobs={"strict": True}, **{**row, **by_hand})
    ehr.row(vendor="inferno")
    ehr.desk.call("POST", "fhir", {"resources": [prescription(90)]})
    return ehr


def checks(ehr: Ehr, since: int) -> dict[str, list[dict[str, Any]]]:
    """By name, what was checked of this client at this EHR."""
    path = f"conformance?since={since}&profile={ehr.profile['name']}"
    found: dict[str, list[dict[str, Any]]] = {}
    for check in ehr.desk.call("GET", path):
        assert check["client_id"] == ehr.connection.client_id, check
        found.setdefault(check["check"], []).append(check)
    return found


def mark(ehr: Ehr) -> int:
    return int(ehr.desk.call("GET", "conformance/mark")["mark"])


def failed(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [f"{name}: {check['detail']}" for name, made in found.items() for check in made if not check["held"]]


@pytest.mark.parametrize(
    ("row", "signing_in"),
    rotating([
        pytest.param({**ASYMMETRIC, "assertion_alg": "ES384"}, ASSERTION | NOT_IN_BODY, id="asymmetric ES384",
                     marks=pytest.mark.smart("V8", "IN1", "IN2", "IN4", "IN7", "K3", "K4")),
        pytest.param({**ASYMMETRIC, "assertion_alg": "RS384"}, ASSERTION | NOT_IN_BODY, id="asymmetric RS384",
                     marks=pytest.mark.smart("V8", "IN1", "IN2", "IN4", "IN7", "K3", "K4")),
        pytest.param({"client_auth": "client_secret_basic", "client_secret": ODD_SECRET}, {"token.basic"} | NOT_IN_BODY,
                     id="symmetric", marks=pytest.mark.smart("V8", "IN1", "IN2", "IN3", "IN7", "T2", "T3")),
        pytest.param({"client_auth": "none"}, set(), id="public",
                     marks=pytest.mark.smart("V8", "IN1", "IN2", "IN5", "IN7", "T2")),
    ], keep=1),
)  # fmt: skip
def test_a_clinician_s_launch_holds_every_check(make_ehr: Make, row: dict[str, Any], signing_in: set[str]) -> None:
    """Sign-in, page, renewal with the refresh token that was given, page with the new token."""
    ehr = connected(make_ehr, **row)
    since = mark(ehr)
    place = ehr.open(patient=PATIENT)
    assert "metformin 90" in ehr.page(place)
    first = checks(ehr, since)
    assert failed(first) == []
    assert set(first) == AUTHORIZE | CODE | USE | signing_in

    since, session = mark(ehr), ehr.session()
    assert session is not None
    with walls.organization(ehr.clinic.pk):
        session.token_expires_at = timezone.now()
        session.save()
        sessions.bearer(session, at=timezone.now())
    assert "metformin 90" in ehr.page(place)
    renewed = checks(ehr, since)
    assert failed(renewed) == []
    assert set(renewed) == {"token.grant_type"} | REFRESH | USE | signing_in
    assert len(renewed["token.refresh_token"]) == 1


@pytest.mark.smart("IN7", "A8")
def test_without_a_refresh_token_nothing_is_renewed(make_ehr: Make) -> None:
    ehr = connected(make_ehr, **ASYMMETRIC)
    place = ehr.open(knobs={"token_response": {"refresh_token": None}})
    session, since = ehr.session(), mark(ehr)
    assert session is not None
    with walls.organization(ehr.clinic.pk):
        session.token_expires_at = timezone.now()
        session.save()
    assert ehr.client.get(place).status_code == 403
    assert checks(ehr, since) == {}


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
@pytest.mark.smart("V8", "IN4", "IN6", "IN7", "K4", "K5")
def test_the_app_s_own_access_holds_every_check(make_ehr: Make, alg: str) -> None:
    """Twice, for different scopes, so that the second statement has to be another one than the first."""
    ehr = connected(make_ehr, **ASYMMETRIC, assertion_alg=alg)
    since = mark(ehr)
    with walls.organization(ehr.clinic.pk):
        for kind in ("Patient", "MedicationRequest"):
            access = backend_access(ehr.connection, patient_id=PATIENT, scopes=(f"system/{kind}.rs",))
            name = PATIENT if kind == "Patient" else "smart-rx-90"
            assert read(access, kind, name)["id"] == name
    found = checks(ehr, since)
    assert failed(found) == []
    assert set(found) == BACKEND
    assert len(found["assertion.jti"]) == 2


def read(access: FhirAccess, kind: str, name: str) -> dict[str, Any]:
    return fhir.get(access.partner, access.base, f"{kind}/{name}", bearer=access.bearer, patience=access.patience)
