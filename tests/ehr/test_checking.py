"""Test connection: each thing that can be wrong is one sentence with a remedy; nothing of a patient is asked or kept; no
address that is not registered is ever spoken to."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr import checking
from ehrcommerce.ehr.findings import ERROR, OK, WARNING, Finding
from ehrcommerce.ehr.models import EhrConnection
from tests import factories
from tests.ehr.fake_ehr import EC, FakeEhr, Reply, as_json
from tests.ehr.statements import resource, statement

SMART, OPENID = "/fhir/R4/.well-known/smart-configuration", "/fhir/R4/.well-known/openid-configuration"
METADATA, NOBODY = "/fhir/R4/metadata", f"/fhir/R4/{checking.NOBODY}"
BY = audit.system("test")
TOKEN = {"access_token": "system-1", "token_type": "Bearer", "expires_in": 300, "scope": "system/Practitioner.r"}


@pytest.fixture
def row(clinic: Organization, ehr: FakeEhr) -> EhrConnection:
    """An EHR in which everything is right."""
    ehr.replies[METADATA] = as_json(statement())
    ehr.replies[NOBODY] = (404, {}, b"")
    ehr.replies["/token"] = as_json(TOKEN)
    return factories.ehr_connection(clinic, fhir_base=ehr.base, client_auth="private_key_jwt")


def look(row: EhrConnection, *, at: datetime | None = None, agreed: bool = True) -> dict[str, Finding]:
    """The last finding of each code."""
    found = checking.examine(row, at=at or timezone.now(), agreed=agreed).findings
    return {one.code: one for one in found}


def wrong(row: EhrConnection, **more: Any) -> dict[str, Finding]:
    return {code: one for code, one in look(row, **more).items() if one.severity != OK}


def test_an_ehr_in_which_everything_is_right_is_in_order(row: EhrConnection, ehr: FakeEhr) -> None:
    assert wrong(row) == {}
    assert {"D-OK", "D-PKCE", "D-ISS", "K-OK", "M-R4", "B-TOKEN", "B-READ"} <= set(look(row))


def test_what_is_asked_is_public_or_of_nobody(row: EhrConnection, ehr: FakeEhr) -> None:
    look(row)
    assert sorted(set(ehr.paths())) == sorted([SMART, METADATA, OPENID, "/jwks", "/token", NOBODY])
    (form,) = [form for _, path, form in ehr.asked if path == "/token"]
    assert form["scope"] == "system/Practitioner.r"


def test_without_an_agreement_only_public_documents_are_read(row: EhrConnection, ehr: FakeEhr) -> None:
    found = wrong(row, agreed=False)
    assert {"/token", NOBODY}.isdisjoint(ehr.paths())
    assert set(found) == {"P-AGREEMENT", "B-LATER"}
    assert "Agreements" in found["P-AGREEMENT"].remedy


def test_an_older_dialect_is_spoken_for_the_token_too(row: EhrConnection, ehr: FakeEhr) -> None:
    row.scope_dialect = "v1"
    look(row)
    (form,) = [form for _, path, form in ehr.asked if path == "/token"]
    assert form["scope"] == "system/Practitioner.read"


Spoil = Callable[[FakeEhr, EhrConnection], object]


def says(**changes: Any) -> Spoil:
    return lambda ehr, row: ehr.document.update(changes)


def answers(path: str, reply: Reply) -> Spoil:
    return lambda ehr, row: ehr.replies.update({path: reply})


def has(**changes: Any) -> Spoil:
    return lambda ehr, row: vars(row).update(changes)


EC_KEYS = as_json({"keys": [EC.as_dict(private=False)]})
CASES: dict[str, tuple[Spoil, str, str, str]] = {
    "no configuration": (answers(SMART, (404, {}, b"")), "R-HTTP", ERROR, "not the base"),
    "configuration behind a sign-in": (answers(SMART, (401, {}, b"")), "R-HTTP", ERROR, "without a sign-in"),
    "configuration elsewhere": (answers(SMART, (302, {"Location": "https://evil.example/"}, b"")), "R-HTTP", ERROR, "redir"),
    "a page instead": (answers(SMART, (200, {}, b"<html>")), "R-JSON", ERROR, "sign-in page"),
    "doubled names": (answers(SMART, (200, {}, b'{"a":1,"a":2}')), "R-JSON", ERROR, "wrong path"),
    "cut off": (answers(SMART, (200, {"Content-Length": "5000"}, b"{")), "R-SLOW", ERROR, "proxy"),
    "no token address": (says(token_endpoint=None), "D-CONF", ERROR, "SMART App Launch"),
    "sign-in on another host": (says(authorization_endpoint="https://login.example.org/a"), "D-ADDR", ERROR, "further origin"),
    "sign-in by http": (says(authorization_endpoint="ftp://login.example.org/a"), "D-ADDR", ERROR, "correct it"),
    "extra address elsewhere": (says(revocation_endpoint="https://x.example.org/r"), "D-ADDR", WARNING, "further origin"),
    "plain PKCE": (says(code_challenge_methods_supported=["plain"]), "D-PKCE", ERROR, "S256"),
    "no word of PKCE": (says(code_challenge_methods_supported=None), "D-PKCE", WARNING, "Nothing to do"),
    "another way to prove it": (
        says(token_endpoint_auth_methods_supported=["client_secret_basic"]), "D-AUTH", WARNING, "client_secret_basic",
    ),
    "another signature": (
        says(token_endpoint_auth_signing_alg_values_supported=["RS384"]), "D-ALG", WARNING, "ES384 or RS384",
    ),
    "no launch from the chart": (says(capabilities=["permission-v2", "client-confidential-asymmetric"]), "D-LAUNCH", WARNING,
                                 "button"),
    "old scopes only": (
        says(capabilities=["launch-ehr", "permission-v1", "client-confidential-asymmetric"]), "D-SCOPE", WARNING, "v1",
    ),
    "no access of our own": (says(grant_types_supported=["authorization_code"]), "D-GRANT", WARNING, "Backend Services"),
    "another issuer": (has(oidc_issuer="https://ehr.example.org/oauth2"), "D-ISS", ERROR, "correct"),
    "no issuer": (says(issuer=None), "D-ISS", ERROR, "exact `iss`"),
    "no keys named": (says(jwks_uri=None), "K-ADDR", ERROR, "jwks_uri"),
    "keys that cannot be read": (answers("/jwks", (500, {}, b"")), "R-HTTP", ERROR, "tell the people"),
    "an empty key list": (answers("/jwks", as_json({"keys": []})), "K-NONE", ERROR, "publish the key"),
    "keys of another kind": (
        lambda ehr, row: (has(id_token_algs="RS256")(ehr, row), answers("/jwks", EC_KEYS)(ehr, row)),
        "K-KIND", ERROR, "set 'Its signatures' to",
    ),
    "signed statements beside a secret": (
        lambda ehr, row: (
            has(client_auth="client_secret_basic", client_secret="s", backend_services=False)(ehr, row),
            says(token_endpoint_auth_methods_supported=["client_secret_basic", "private_key_jwt"])(ehr, row),
        ), "D-AUTH", WARNING, "Use them",
    ),
    "unsigned sign-ins": (
        answers(OPENID, as_json({"issuer": "x", "id_token_signing_alg_values_supported": ["none"]})), "K-ALG", ERROR, "never",
    ),
    "no statement": (answers(METADATA, (404, {}, b"")), "M-NONE", WARNING, "not the base"),
    "an old version": (answers(METADATA, as_json(statement(fhirVersion="3.0.2"))), "M-VERSION", ERROR, "R4 API"),
    "a newer version": (answers(METADATA, as_json(statement(fhirVersion="5.0.0"))), "M-VERSION", ERROR, "R4 API"),
    "no version": (answers(METADATA, as_json({"resourceType": "Bundle"})), "M-VERSION", ERROR, "R4 API"),
    "no devices": (answers(METADATA, as_json(statement("DeviceRequest"))), "M-ORDERS", WARNING, "leave patient/DeviceReq"),
    "no Patient": (answers(METADATA, as_json(statement("Patient"))), "M-PATIENT", ERROR, "open Patient"),
    "no types": (answers(METADATA, as_json(statement(rest=[]))), "M-TYPES", WARNING, "complete"),
    "no include": (
        answers(METADATA, as_json(statement("MedicationRequest", rest=[{"resource": [
            resource("Patient"), resource("MedicationRequest", searchInclude=[]),
            resource("DeviceRequest"), resource("ServiceRequest"),
        ]}]))), "M-INCLUDE", WARNING, "Honors _include",
    ),
    "no reports": (
        lambda ehr, row: (has(write_back=True)(ehr, row), answers(METADATA, as_json(statement("Task")))(ehr, row)),
        "M-TASK", WARNING, "Report to the chart",
    ),
    "our name is unknown": (answers("/token", as_json({"error": "invalid_client"}, 401)), "T-CLIENT", ERROR, "client id"),
    "the scope is refused": (answers("/token", as_json({"error": "invalid_scope"}, 400)), "C-SCOPE", ERROR, "allow the scope"),
    "the grant is refused": (answers("/token", as_json({"error": "unsupported_grant_type"}, 400)), "T-GRANT", ERROR, "without a"),
    "the token is no token": (answers("/token", as_json({"access_token": None})), "T-FORM", ERROR, "run the EHR"),
    "the token does not work": (answers(NOBODY, (403, {}, b"")), "B-READ", ERROR, "Practitioner"),
    "the read fails": (answers(NOBODY, (503, {}, b"")), "B-READ", WARNING, "minute"),
    "no client id": (has(client_id=""), "P-CLIENT", WARNING, "values below"),
    "no secret": (has(client_auth="client_secret_basic"), "P-SECRET", ERROR, "New client secret"),
    "no way to sign": (has(client_auth="none"), "B-METHOD", WARNING, "private_key_jwt"),
    "switched off": (has(enabled=False), "P-OFF", WARNING, "Enabled"),
    "a vendor that cannot be": (has(vendor="medent"), "P-VENDOR", ERROR, "chart is open"),
    "a certificate that is not here": (has(client_certificate="gone"), "L-CERT", ERROR, "EHRC_CLIENT_CERTIFICATES"),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_what_is_wrong_is_named_with_its_remedy(what: str, row: EhrConnection, ehr: FakeEhr) -> None:
    spoil, code, severity, remedy = CASES[what]
    spoil(ehr, row)
    found = wrong(row)
    assert code in found, found
    assert found[code].severity == severity
    assert found[code].sentence.endswith(".")
    assert remedy in found[code].remedy


def test_an_ehr_that_is_down_is_named_as_the_cause(row: EhrConnection) -> None:
    row.fhir_base = "http://127.0.0.1:9/fhir/R4"
    found = wrong(row)
    assert found["R-DOWN"].severity == ERROR
    assert "certificate" in found["R-DOWN"].remedy


def test_an_origin_that_is_not_registered_is_named_and_not_asked(row: EhrConnection, ehr: FakeEhr) -> None:
    with_other = f"http://localhost:{ehr.url.rpartition(':')[2]}"
    ehr.document = {"token_endpoint": f"{with_other}/token", "jwks_uri": f"{with_other}/jwks"}
    found = wrong(row)["D-ADDR"]
    assert found.origin == with_other
    assert "token address and key list" in found.sentence
    assert {"/token", "/jwks"}.isdisjoint(ehr.paths())
    row.extra_origins = with_other
    assert wrong(row) == {}


def test_a_missing_configuration_beside_an_openid_document_is_told(row: EhrConnection, ehr: FakeEhr) -> None:
    ehr.replies |= {SMART: (404, {}, b""), OPENID: as_json({"issuer": ehr.base})}
    assert "probably right" in wrong(row)["D-OPENID"].remedy


def test_keys_and_issuer_are_looked_at_without_a_smart_configuration_too(row: EhrConnection, ehr: FakeEhr) -> None:
    """So that one call to the EHR's administrator settles all; a launch is refused all the same (D3)."""
    said = {"issuer": ehr.base, "jwks_uri": f"{ehr.url}/jwks"}
    ehr.replies |= {SMART: (404, {}, b""), OPENID: as_json(said)}
    found = look(row)
    assert (found["R-HTTP"].severity, found["D-OPENID"].severity) == (ERROR, WARNING)
    assert "launches are refused" in found["D-OPENID"].sentence
    assert (found["K-OK"].severity, found["D-ISS"].severity) == (OK, OK)
    ehr.replies[OPENID] = as_json({"issuer": ehr.base})
    assert wrong(row)["K-ADDR"].severity == ERROR


def test_keys_that_only_the_openid_document_names_are_found(row: EhrConnection, ehr: FakeEhr) -> None:
    ehr.document = {"jwks_uri": None}
    ehr.replies[OPENID] = as_json({"issuer": ehr.base, "jwks_uri": f"{ehr.url}/jwks"})
    assert wrong(row) == {}
    ehr.replies[OPENID] = as_json({"issuer": ehr.base, "jwks_uri": "https://keys.example.org/jwks"})
    assert wrong(row)["D-ADDR"].origin == "https://keys.example.org"


def test_an_address_that_moved_since_the_first_launch_is_told(row: EhrConnection, ehr: FakeEhr) -> None:
    row.pinned_endpoints = {"token_endpoint": f"{ehr.url}/token-before"}
    assert "recorded one is used" in wrong(row)["D-MOVED"].sentence


@pytest.mark.parametrize(("seconds", "word"), [(600, "ahead of"), (-600, "behind")])
def test_clocks_that_are_apart_are_told(row: EhrConnection, ehr: FakeEhr, seconds: int, word: str) -> None:
    there = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    ehr.replies[SMART] = as_json(ehr._document(), Date=there)
    found = wrong(row)["T-CLOCK"]
    assert word in found.sentence
    assert "NTP" in found.remedy


def test_a_clock_within_a_minute_is_in_order(row: EhrConnection, ehr: FakeEhr) -> None:
    there = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    ehr.replies[SMART] = as_json(ehr._document(), Date=there)
    assert look(row)["T-CLOCK"].severity == OK


# ----------------------------------------------------------------------------------------------- what is kept of a look
def test_a_look_is_kept_in_the_row_and_told_to_the_audit(row: EhrConnection, ehr: FakeEhr) -> None:
    at = timezone.now()
    checking.check(row, by=BY, at=at)
    kept = EhrConnection.objects.get(pk=row.pk)
    assert kept.last_checked_at == at
    assert kept.capability_snapshot["types"]["Patient"]["interactions"] == ["read", "search-type"]
    assert {one["severity"] for one in kept.check_findings} == {OK}
    event = AuditEvent.objects.get(action="connection.tested", entity=f"connection:{row.public_id}")
    assert (event.outcome, event.reason) == ("success", "ok")


def test_a_failed_look_forgets_nothing_of_what_was_seen(row: EhrConnection, ehr: FakeEhr) -> None:
    checking.check(row, by=BY, at=timezone.now())
    ehr.replies = {path: (500, {}, b"") for path in (SMART, METADATA)}
    checking.check(row, by=BY, at=timezone.now())
    kept = EhrConnection.objects.get(pk=row.pk)
    assert kept.capability_snapshot["types"]
    assert AuditEvent.objects.filter(action="connection.tested", outcome="failure").exists()


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "version": (statement(software={"name": "Test EHR", "version": "8"}), "version was 7 and is 8"),
    "name": (statement(software={"name": "Other", "version": "7"}), "name was Test EHR and is Other"),
    "type": (statement("Coverage"), "no longer lists Coverage"),
    "batch": (statement(rest=[{**statement()["rest"][0], "interaction": []}]), "no longer lists batch"),
    "parameter": (
        statement(rest=[{**statement()["rest"][0], "resource": [
            *(one for one in statement()["rest"][0]["resource"] if one["type"] != "ServiceRequest"),
            resource("ServiceRequest", searchParam=[{"name": "patient"}]),
        ]}]), "ServiceRequest without intent, status",
    ),
    "include": (
        statement(rest=[{**statement()["rest"][0], "resource": [
            *(one for one in statement()["rest"][0]["resource"] if one["type"] != "MedicationRequest"),
            resource("MedicationRequest", searchInclude=[]),
        ]}]), "no longer lists _include for MedicationRequest",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_since_the_last_look_is_told_once(what: str, row: EhrConnection, ehr: FakeEhr) -> None:
    changed, words = CHANGES[what]
    checking.check(row, by=BY, at=timezone.now())
    ehr.replies[METADATA] = as_json(changed)
    first = checking.check(row, by=BY, at=timezone.now()).findings
    told = [one.sentence for one in first if one.code == "M-CHANGED"]
    assert any(words in sentence for sentence in told), told
    again = checking.check(row, by=BY, at=timezone.now()).findings
    assert [one for one in again if one.code == "M-CHANGED"] == []


def test_nothing_that_an_ehr_writes_reaches_the_row_unread(row: EhrConnection, ehr: FakeEhr) -> None:
    nasty = "<script>alert(1)</script>"
    hostile = statement(software={"name": nasty, "version": "x" * 5000})
    hostile["rest"][0]["resource"].append(resource(nasty, searchParam=[{"name": nasty}]))
    ehr.replies[METADATA] = as_json(hostile)
    ehr.document = {"token_endpoint_auth_methods_supported": [nasty], "capabilities": [f"client-{nasty}"]}
    checking.check(row, by=BY, at=timezone.now())
    kept = EhrConnection.objects.get(pk=row.pk)
    assert "script" not in json.dumps([kept.capability_snapshot, kept.check_findings])


ODD: list[Any] = [
    {}, {"rest": "x"}, {"rest": [None, 1]}, {"rest": [{"resource": "x"}]}, {"rest": [{"resource": [None, {"type": []}]}]},
    {"software": "x", "fhirVersion": 4}, {"rest": [{"resource": [{"type": "Patient", "interaction": "x", "searchParam": 1}]}]},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_a_statement_of_any_shape_is_read_without_a_fault(row: EhrConnection, ehr: FakeEhr, odd: Any) -> None:
    ehr.replies[METADATA] = as_json({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", **odd})
    assert look(row)


@pytest.mark.parametrize("odd", [[], "x", 1, None, [1], {"a": 1}])
@pytest.mark.parametrize(
    "name", ["issuer", "jwks_uri", "token_endpoint", "capabilities", "code_challenge_methods_supported"]
)
def test_a_configuration_of_any_shape_is_read_without_a_fault(
    row: EhrConnection, ehr: FakeEhr, name: str, odd: Any
) -> None:
    ehr.replies[SMART] = as_json({**ehr._document(), name: odd})
    assert look(row)
