"""Tokens when no clinician is present. [SMART-K5 to K8]"""

import threading
from typing import Any

import pytest

from ehrcommerce.accounts.models import Organization
from ehrcommerce.ehr import access, alerts, backend_services
from ehrcommerce.ehr.errors import BackendRefused, BackendUnanswered, NoBackendServices
from ehrcommerce.ehr.models import EhrConnection
from tests import factories
from tests.ehr.fake_ehr import FakeEhr, as_json

SCOPES = ("system/Patient.r", "system/MedicationRequest.r")


@pytest.fixture
def backend(clinic: Organization, ehr: FakeEhr) -> EhrConnection:
    said = {"access_token": "system-1", "token_type": "Bearer", "expires_in": 300, "scope": " ".join(SCOPES)}
    ehr.replies["/token"] = as_json(said)
    return factories.ehr_connection(clinic, fhir_base=ehr.base, client_auth="private_key_jwt")


def forms(ehr: FakeEhr) -> list[dict[str, str]]:
    return [form for _, path, form in ehr.asked if path == "/token"]


@pytest.mark.smart("K5", "K7")
def test_the_request_is_signed_and_names_exactly_its_scopes(backend: EhrConnection, ehr: FakeEhr) -> None:
    assert backend_services.token(backend, scopes=SCOPES) == "system-1"
    (form,) = forms(ehr)
    assert set(form) == {"grant_type", "scope", "client_assertion", "client_assertion_type"}
    assert form["scope"].split() == sorted(SCOPES)


@pytest.mark.smart("K6", "K7")
def test_one_token_serves_many_until_shortly_before_its_end(backend: EhrConnection, ehr: FakeEhr) -> None:
    for _ in range(5):
        backend_services.token(backend, scopes=SCOPES)
        backend_services.token(backend, scopes=tuple(reversed(SCOPES)))
    assert len(forms(ehr)) == 1
    backend_services.token(backend, scopes=SCOPES[:1])
    assert len(forms(ehr)) == 2


@pytest.mark.smart("K6")
def test_many_workers_at_once_make_one_request(
    backend: EhrConnection, ehr: FakeEhr, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ehrcommerce.ehr import keys

    keys.signing_key("ES384")  # the threads must not need this test's transaction
    stamp = keys._stamp()
    monkeypatch.setattr(keys, "_stamp", lambda: stamp)
    ehr.slow_s = 0.1
    threads = [
        threading.Thread(target=backend_services.token, args=(backend,), kwargs={"scopes": SCOPES}) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(forms(ehr)) == 1


@pytest.mark.smart("F3", "K6")
def test_a_token_that_the_ehr_refused_is_replaced_once(backend: EhrConnection, ehr: FakeEhr) -> None:
    old = backend_services.token(backend, scopes=SCOPES)
    ehr.replies["/token"] = as_json({"access_token": "system-2", "token_type": "Bearer", "expires_in": 300})
    assert backend_services.token(backend, scopes=SCOPES, refused=old) == "system-2"
    assert backend_services.token(backend, scopes=SCOPES, refused=old) == "system-2"
    assert len(forms(ehr)) == 2


@pytest.mark.smart("K8")
def test_a_refusal_of_the_client_is_not_tried_in_a_loop(backend: EhrConnection, ehr: FakeEhr) -> None:
    ehr.replies["/token"] = as_json({"error": "invalid_client"}, 401)
    for _ in range(10):
        with pytest.raises(BackendRefused):
            backend_services.token(backend, scopes=SCOPES)
    assert len(forms(ehr)) == 1
    assert backend.alert == alerts.CLIENT


PAGE_OF_A_GATEWAY = b"<html>Scheduled maintenance</html>"


@pytest.mark.parametrize(
    "reply",
    [
        (503, {}, b""), (429, {}, b""), (200, {"Content-Length": "9"}, b"{"), (200, {}, PAGE_OF_A_GATEWAY),
        (404, {}, PAGE_OF_A_GATEWAY), (401, {}, PAGE_OF_A_GATEWAY), (302, {"Location": "/login"}, b""),
        as_json({"access_token": None}),
    ],
)  # fmt: skip
def test_an_ehr_that_does_not_answer_is_asked_again_later(backend: EhrConnection, ehr: FakeEhr, reply: Any) -> None:
    good, ehr.replies["/token"] = ehr.replies["/token"], reply
    with pytest.raises(BackendUnanswered):
        backend_services.token(backend, scopes=SCOPES)
    ehr.replies["/token"] = good
    assert backend_services.token(backend, scopes=SCOPES) == "system-1"


SMART = "/fhir/R4/.well-known/smart-configuration"


@pytest.mark.parametrize(
    "reply",
    [(503, {}, b""), (404, {}, b""), (429, {}, b""), (200, {}, PAGE_OF_A_GATEWAY), as_json([]), as_json({"issuer": 7})],
)
def test_one_bad_answer_of_the_discovery_address_parks_nothing(
    backend: EhrConnection, ehr: FakeEhr, reply: Any
) -> None:
    ehr.replies[SMART] = reply
    with pytest.raises(BackendUnanswered):
        backend_services.token(backend, scopes=SCOPES)
    del ehr.replies[SMART]
    assert backend_services.token(backend, scopes=SCOPES) == "system-1"


def test_an_endpoint_elsewhere_is_a_persons_work(backend: EhrConnection, ehr: FakeEhr) -> None:
    ehr.document = {**ehr.document, "token_endpoint": "https://evil.example/token"}
    with pytest.raises(BackendRefused):
        backend_services.token(backend, scopes=SCOPES)
    assert forms(ehr) == []


@pytest.mark.parametrize(
    "change", [{"backend_services": False}, {"enabled": False}, {"client_auth": "client_secret_basic"}]
)
def test_a_connection_without_backend_services_asks_nothing(
    backend: EhrConnection, ehr: FakeEhr, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        setattr(backend, name, value)
    with pytest.raises(NoBackendServices):
        backend_services.token(backend, scopes=SCOPES)
    assert ehr.asked == []


def test_an_old_ehr_is_asked_in_its_own_dialect(backend: EhrConnection, ehr: FakeEhr) -> None:
    backend.scope_dialect = "v1"
    backend_services.token(backend, scopes=("system/Patient.r", "system/Task.cu"))
    assert forms(ehr)[0]["scope"] == "system/Patient.read system/Task.write"


def test_the_access_of_a_job_names_its_patient(backend: EhrConnection) -> None:
    found = access.backend_access(backend, patient_id="cy-1", scopes=SCOPES)
    assert (found.bearer, found.patient_id, found.place, found.connection_party) == (
        "system-1",
        "cy-1",
        "",
        backend.party,
    )
