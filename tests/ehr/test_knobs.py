"""What EHRs do differently, each as a value of its row, from the launch to the session."""

import base64
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ehrcommerce.accounts.models import Organization, User
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr import alerts, discovery, errors, smart
from ehrcommerce.ehr.models import EhrConnection, EhrIssuer, EhrSession
from ehrcommerce.vault import walls
from tests import factories
from tests.ehr.conftest import Browser, page
from tests.ehr.fake_ehr import FakeEhr, as_json


def turn(connection: EhrConnection, **knobs: Any) -> EhrConnection:
    for name, value in knobs.items():
        setattr(connection, name, value)
    with walls.organization(connection.organization_id):
        connection.save()
    return connection


def asked(response: Any) -> dict[str, str]:
    assert response.status_code == 302, page(response)
    return {name: values[0] for name, values in parse_qs(urlsplit(response["Location"]).query).items()}


def only_session(clinic: Organization) -> EhrSession:
    with walls.organization(clinic.pk):
        return EhrSession.objects.get()


def token_form(ehr: FakeEhr) -> dict[str, str]:
    return next(form for _, path, form in reversed(ehr.asked) if path == "/token")


# ------------------------------------------------------------------------------------------------- iss, aud, issuers
@pytest.mark.smart("L3", "L4", "H9")
def test_a_further_spelling_of_iss_finds_the_row_and_sends_its_aud(browser: Browser, ehr: FakeEhr) -> None:
    spelling = "https://proxy.lakeside.example.org/fhir"
    assert browser.launch(iss=spelling).status_code == 403
    with walls.organization(browser.connection.organization_id):
        EhrIssuer.objects.create(connection=browser.connection, spelling=spelling + "/")
    assert asked(browser.launch(iss=spelling))["aud"] == ehr.base
    assert browser.launch(iss=spelling + "x").status_code == 403


@pytest.mark.smart("L3")
def test_a_spelling_never_takes_the_registered_base_of_another_clinic(browser: Browser, ehr: FakeEhr) -> None:
    other = factories.ehr_connection(factories.organization())
    with walls.organization(other.organization_id):
        EhrIssuer.objects.create(connection=other, spelling=ehr.base)
    assert asked(browser.launch())["redirect_uri"].endswith(f"/ehr/callback/{browser.connection.slug}/")


@pytest.mark.smart("L4")
def test_a_row_may_name_another_aud(browser: Browser, ehr: FakeEhr) -> None:
    turn(browser.connection, aud_override="https://aud.example.org/fhir")
    assert asked(browser.launch())["aud"] == "https://aud.example.org/fhir"


@pytest.mark.smart("I1", "B4", "H49")
def test_a_further_issuer_is_accepted_in_both_places_and_nothing_like_it(
    browser: Browser, ehr: FakeEhr, clinic: Organization
) -> None:
    turn(browser.connection, oidc_issuer=ehr.base, more_issuers="https://idp.example.org/oidc/7/")
    ehr.claims = {"iss": "https://idp.example.org/oidc/7/"}
    state = browser.sign_in()["state"]
    opened = browser.come_back(code="c", state=state, iss="https://idp.example.org/oidc/7/")
    assert opened.status_code == 303
    with walls.organization(clinic.pk):
        assert EhrSession.objects.select_related("user").get().user.issuer == "https://idp.example.org/oidc/7/"
    ehr.claims = {"iss": "https://idp.example.org/oidc/7"}
    assert browser.open().status_code == 502


@pytest.mark.smart("H6", "L3")
def test_plain_http_is_named_as_the_cause(browser: Browser, ehr: FakeEhr) -> None:
    response = browser.launch(iss="http://ehr.example.org/fhir/R4")
    assert response.status_code == 400
    assert "L-HTTP-" in page(response)
    assert "certificate" in page(response)


# ------------------------------------------------------------------------------------------------------ scopes, nonce
@pytest.mark.smart("A6", "A5")
def test_a_row_asks_its_own_scopes_also_granular_ones(browser: Browser) -> None:
    turn(browser.connection, launch_scopes="patient/Patient.r patient/MedicationRequest.rs?status=active openid")
    assert asked(browser.launch())["scope"].split() == [
        "launch", "openid", "fhirUser", "patient/Patient.r", "patient/MedicationRequest.rs?status=active",
    ]  # fmt: skip


@pytest.mark.smart("A5")
@pytest.mark.parametrize(
    "scope",
    ["patient/*.rs", "patient/Observation.rs", "patient/Patient.cruds", "system/Patient.r", "user/*.read", "x",
     "patient/MedicationRequest.write", "patient/Patient.*", "launch/encounter"],
)  # fmt: skip
def test_scopes_that_the_table_does_not_cover_are_never_asked(browser: Browser, ehr: FakeEhr, scope: str) -> None:
    turn(browser.connection, launch_scopes=f"patient/Patient.r {scope}")
    response = browser.launch()
    assert response.status_code == 502
    assert "L-SCOPES-" in page(response)
    with pytest.raises(errors.ScopesMisset):
        smart.own_scopes(scope)


@pytest.mark.smart("A5", "D5")
def test_an_ehr_without_permission_v2_is_asked_in_v1(browser: Browser, ehr: FakeEhr) -> None:
    ehr.document = {"capabilities": ["launch-ehr", "permission-v1"]}
    assert "patient/Patient.read" in asked(browser.launch())["scope"]
    discovery.forget()
    ehr.document = {"capabilities": ["launch-ehr", "permission-v1", "permission-v2"]}
    assert "patient/Patient.r" in asked(browser.launch())["scope"].split()


@pytest.mark.smart("A5", "A2")
@pytest.mark.parametrize("where", ["callback", "token"])
def test_after_invalid_scope_one_new_attempt_asks_for_the_fewest(
    browser: Browser, ehr: FakeEhr, clinic: Organization, where: str
) -> None:
    turn(browser.connection, retry_reduced_scopes=True)
    first = browser.sign_in()
    if where == "token":
        ehr.replies["/token"] = as_json({"error": "invalid_scope"}, 400)
        second = asked(browser.come_back(code="c", state=first["state"]))
        del ehr.replies["/token"]
    else:
        second = asked(browser.come_back(error="invalid_scope", state=first["state"]))
    assert second["scope"].split() == list(smart.FEWEST)
    assert second["launch"] == first["launch"]
    for name in ("state", "code_challenge", "nonce"):
        assert second[name] != first[name]
    ehr.nonce = second["nonce"]
    assert browser.come_back(code="c", state=second["state"]).status_code == 303
    assert only_session(clinic).patient == "cy-1"


@pytest.mark.smart("A5", "B2")
def test_there_is_no_second_reduction_and_none_where_the_row_says_no(browser: Browser) -> None:
    response = browser.come_back(error="invalid_scope", state=browser.sign_in()["state"])
    assert response.status_code == 502
    assert "C-SCOPE-" in page(response)
    turn(browser.connection, retry_reduced_scopes=True)
    second = asked(browser.come_back(error="invalid_scope", state=browser.sign_in()["state"]))
    assert browser.come_back(error="invalid_scope", state=second["state"]).status_code == 502


@pytest.mark.smart("A1", "H50")
def test_without_a_nonce_policy_none_is_sent(browser: Browser, ehr: FakeEhr) -> None:
    turn(browser.connection, nonce_policy="off")
    sent = asked(browser.launch())
    assert "nonce" not in sent
    ehr.claims = {"nonce": None}
    assert browser.come_back(code="c", state=sent["state"]).status_code == 303


# --------------------------------------------------------------------------------------------------- who we are to it
@pytest.mark.smart("T3", "IN3")
@pytest.mark.parametrize(("encoding", "expected"), [("raw", "us er:s+/ü"), ("urlencoded", "us+er:s%2B%2F%C3%BC")])
def test_the_basic_header_is_written_as_the_row_says(
    browser: Browser, ehr: FakeEhr, encoding: str, expected: str
) -> None:
    turn(
        browser.connection, client_auth="client_secret_basic", client_id="us er", client_secret="s+/ü",
        basic_encoding=encoding,
    )  # fmt: skip
    ehr.claims = {"aud": "us er"}
    assert browser.open().status_code == 303
    sent = next(headers["Authorization"] for path, headers in reversed(ehr.heard) if path == "/token")
    assert base64.b64decode(sent.removeprefix("Basic ")).decode() == expected
    assert "client_secret" not in token_form(ehr)


@pytest.mark.smart("T2")
def test_a_row_may_want_the_client_id_in_every_body(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    turn(browser.connection, client_auth="client_secret_basic", client_secret="s")
    browser.open()
    assert "client_id" not in token_form(ehr)
    turn(browser.connection, client_id_in_body="always")
    browser.open()
    assert token_form(ehr)["client_id"] == "ehrcommerce"


@pytest.mark.smart("K4")
def test_a_row_may_name_another_audience_of_assertions(browser: Browser, ehr: FakeEhr) -> None:
    from joserfc import jws

    turn(browser.connection, client_auth="private_key_jwt", assertion_aud="https://inner.example.org/token")
    browser.open()
    payload = jws.extract_compact(token_form(ehr)["client_assertion"].encode()).payload or b""
    assert b'"aud":"https://inner.example.org/token"' in payload.replace(b" ", b"")


# ------------------------------------------------------------------------------------------------------ token answers
@pytest.mark.smart("T5", "H35")
def test_a_token_without_a_type_only_where_the_row_knows_of_it(browser: Browser, ehr: FakeEhr) -> None:
    ehr.token = {"token_type": None}
    assert browser.open().status_code == 502
    turn(browser.connection, token_type_optional=True)
    assert browser.open().status_code == 303
    ehr.token = {"token_type": "DPoP"}
    assert browser.open().status_code == 502


@pytest.mark.smart("X1", "H39")
def test_a_patient_with_its_type_only_where_the_row_knows_of_it(
    browser: Browser, ehr: FakeEhr, clinic: Organization
) -> None:
    ehr.token = {"patient": "Patient/cy-1"}
    assert browser.open().status_code == 502
    turn(browser.connection, patient_prefix_ok=True)
    for odd in ("Patient/Patient/cy-1", "Patient/../cy-1", "Practitioner/cy-1", "Patient/"):
        ehr.token = {"patient": odd}
        assert browser.open().status_code == 502
    ehr.token = {"patient": "Patient/cy-1"}
    assert browser.open().status_code == 303
    assert only_session(clinic).patient == "cy-1"


@pytest.mark.smart("T7", "V10", "H38")
@pytest.mark.parametrize("user", ["Patient/cy-1", "Practitioner/ada"])
def test_an_ehr_that_names_the_patient_nowhere_gets_a_refusal_that_says_why(
    browser: Browser, ehr: FakeEhr, clinic: Organization, user: str
) -> None:
    ehr.token, ehr.claims = {"patient": None}, {"fhirUser": f"{ehr.base}/{user}"}
    response = browser.open()
    assert response.status_code == 400
    assert "MEDENT" in page(response)
    assert "administrator" in page(response)
    with walls.organization(clinic.pk):
        assert not EhrSession.objects.exists()
        assert AuditEvent.objects.order_by("-pk").values_list("reason", flat=True)[0] == "T-USER"


@pytest.mark.smart("I5", "H55")
def test_the_older_profile_claim_only_where_the_row_says_so(
    browser: Browser, ehr: FakeEhr, clinic: Organization
) -> None:
    ehr.claims = {"fhirUser": None, "profile": f"{ehr.base}/Practitioner/ada"}
    assert browser.open().status_code == 403
    turn(browser.connection, fhir_user_policy="profile_claim")
    assert browser.open().status_code == 303
    assert only_session(clinic).fhir_user == "Practitioner/ada"


@pytest.mark.smart("I5", "H55")
def test_a_missing_fhir_user_only_where_the_row_does_not_need_it(
    browser: Browser, ehr: FakeEhr, clinic: Organization
) -> None:
    turn(browser.connection, fhir_user_policy="not_needed")
    ehr.claims = {"fhirUser": "Patient/1"}
    assert browser.open().status_code == 403
    ehr.claims = {"fhirUser": None}
    refused = browser.open()
    assert refused.status_code == 403
    assert "I-WAITS-" in page(refused)
    with walls.organization(clinic.pk):
        assert not EhrSession.objects.exists()
        (waiting,) = User.objects.filter(subject="ada")
        assert not waiting.is_active
        User.objects.filter(pk=waiting.pk).update(is_active=True)
    assert browser.open().status_code == 303
    assert only_session(clinic).fhir_user == ""


@pytest.mark.smart("A5", "H55")
def test_where_no_user_is_needed_none_is_asked_for(browser: Browser) -> None:
    turn(browser.connection, fhir_user_policy="not_needed")
    words = asked(browser.launch())["scope"].split()
    assert "openid" in words
    assert "fhirUser" not in words


@pytest.mark.smart("H40")
def test_two_different_patients_stop_the_launch(browser: Browser, ehr: FakeEhr) -> None:
    ehr.claims = {"patient": "bo-2"}
    assert browser.open().status_code == 502
    for same in ("cy-1", "Patient/cy-1"):
        ehr.claims = {"patient": same}
        assert browser.open().status_code == 303


@pytest.mark.smart("T5", "H37")
def test_a_missing_scope_is_flagged(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    ehr.token = {"scope": None}
    assert browser.open().status_code == 303
    assert "patient/Patient.r" in only_session(clinic).scope
    with walls.organization(clinic.pk):
        assert AuditEvent.objects.filter(action="launch.opened", reason="scope_not_named").exists()


@pytest.mark.smart("X4")
@pytest.mark.parametrize(
    ("intent", "place"), [("links", "links/"), ("summary-timeline-view", ""), (7, ""), ("<b>", ""), (None, "")]
)
def test_an_unknown_intent_opens_the_usual_page(browser: Browser, ehr: FakeEhr, intent: Any, place: str) -> None:
    ehr.token = {"intent": intent}
    assert browser.open()["Location"].split("/", 4)[4] == place


@pytest.mark.smart("X6")
def test_another_tenant_than_before_is_reported(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    for tenant in ("clinic-7", "clinic-7", None, ["x"]):
        ehr.token = {"tenant": tenant}
        assert browser.open().status_code == 303
    with walls.organization(clinic.pk):
        row = EhrConnection.objects.get(pk=browser.connection.pk)
        assert (row.tenant, row.alert) == ("clinic-7", "")
    ehr.token = {"tenant": "clinic-8"}
    assert browser.open().status_code == 303
    with walls.organization(clinic.pk):
        row.refresh_from_db()
        assert (row.tenant, row.alert) == ("clinic-7", alerts.TENANT)
        assert EhrSession.objects.order_by("-pk")[0].tenant == "clinic-8"


@pytest.mark.smart("X2", "H42", "H43")
def test_context_that_is_not_of_use_is_not_used(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    role = "https://ehr.example.org/role/chosen"
    ehr.token = {"encounter": "e-9", "fhirContext": [
        {"reference": "ServiceRequest/3", "role": role}, {"reference": "Observation/4"},
        {"reference": "DeviceRequest/5", "role": "other"}, {"reference": "Patient/1", "role": role},
    ]}  # fmt: skip
    browser.open()
    session = only_session(clinic)
    assert session.focus == "ServiceRequest/3"
    assert not [path for path in ehr.paths() if "Encounter" in path or "e-9" in path]


@pytest.mark.smart("H33")
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_token_endpoint_is_asked_once_more(
    browser: Browser, ehr: FakeEhr, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 1:
            ehr.replies.pop("/token")

    monkeypatch.setattr(smart, "time", SimpleNamespace(sleep=wait, time=time.time))
    ehr.replies["/token"] = (status, {"Retry-After": "2"}, b"{}")
    assert browser.open().status_code == 303
    assert waited == [2.0]
    assert ehr.paths().count("/token") == 2


@pytest.mark.smart("H33")
@pytest.mark.parametrize(
    ("status", "wish", "tries"), [(503, "0", 2), (429, "86400", 1), (500, "0", 1), (502, "0", 1), (400, "0", 1)]
)
def test_it_is_not_asked_a_third_time_and_nothing_else_is_asked_twice(
    browser: Browser, ehr: FakeEhr, status: int, wish: str, tries: int
) -> None:
    ehr.replies["/token"] = (status, {"Retry-After": wish}, b"{}")
    assert browser.open().status_code == 502
    assert ehr.paths().count("/token") == tries
