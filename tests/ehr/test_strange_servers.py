"""Servers that are strange and within their rights: each of these launches must get through."""

from typing import Any

import pytest

from ehrcommerce.accounts.models import Organization
from ehrcommerce.ehr import discovery
from ehrcommerce.ehr.models import EhrConnection, EhrSession
from ehrcommerce.vault import walls
from ehrcommerce.wire.client import Answer
from tests.ehr.conftest import Browser, page
from tests.ehr.fake_ehr import SIGNER, FakeEhr, as_json

pytestmark = pytest.mark.django_db


def opened(browser: Browser, clinic: Organization) -> EhrSession:
    answer = browser.open()
    assert answer.status_code == 303, page(answer)
    with walls.organization(clinic.pk):
        return EhrSession.objects.get()


@pytest.mark.parametrize("manner", ["", "chunked", "http_1_0", "no_type", "spaced", "lower_case"])
def test_however_the_answers_are_put_on_the_line(
    browser: Browser, clinic: Organization, ehr: FakeEhr, manner: str
) -> None:
    ehr.manner = manner
    assert opened(browser, clinic).patient == "cy-1"


@pytest.mark.smart("T5", "X1", "X7")
@pytest.mark.parametrize(
    "said",
    [
        {"token_type": "BEARER"},
        {"scope": "\t openid  patient/Patient.r \n"},
        {"patient": "12345"},
        {"patient": "-.A-" + "9" * 60},
        {"expires_in": "3600"},
        {"expires_in": 3600.0},
        {"patient": "cy-1", "encounter": None, "fhirContext": None, "need_patient_banner": None, "intent": None},
    ],
)
def test_however_a_token_answer_is_written(
    browser: Browser, clinic: Organization, ehr: FakeEhr, said: dict[str, Any]
) -> None:
    ehr.token = said
    assert opened(browser, clinic).patient == said.get("patient", "cy-1")


@pytest.mark.smart("T5", "X7")
@pytest.mark.parametrize(
    "name", ["error", "error_description", "scope", "refresh_token", "expires_in", "encounter", "tenant"]
)
def test_a_name_with_null_is_a_name_that_is_not_there(
    browser: Browser, clinic: Organization, ehr: FakeEhr, name: str
) -> None:
    """Servers that write every field of a class, the empty ones too."""
    browser.client.get("/ehr/launch", {"iss": "x"})  # nothing of an earlier try matters
    asked = browser.sign_in()
    ehr.replies["/token"] = as_json({**ehr._token(), name: None})
    answer = browser.come_back(code="code-1", state=asked["state"])
    assert answer.status_code == 303, page(answer)


@pytest.mark.smart("H52")
@pytest.mark.parametrize(
    "beside",
    [
        {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "okp"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
        {"kty": ["RSA"], "kid": "list"},
        {"kty": "RSA", "n": 7, "e": None, "kid": "odd"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kid": "nothing"},
    ],
)
def test_a_key_that_nobody_knows_spoils_no_other(
    browser: Browser, clinic: Organization, ehr: FakeEhr, beside: dict[str, Any]
) -> None:
    ehr.replies["/jwks"] = as_json({"keys": [beside, SIGNER.as_dict(private=False), beside]})
    opened(browser, clinic)


@pytest.mark.smart("H52")
def test_a_key_with_empty_members_is_as_good_as_without_them(
    browser: Browser, clinic: Organization, ehr: FakeEhr
) -> None:
    empty = dict.fromkeys(["use", "alg", "x5c", "x5t", "key_ops", "crv", "x", "y", "d"])
    ehr.replies["/jwks"] = as_json({"keys": [{**empty, **SIGNER.as_dict(private=False)}], "next": None})
    opened(browser, clinic)


@pytest.mark.smart("I1", "H49")
@pytest.mark.parametrize("slash", ["/", "/tenant/v2.0/"])
def test_an_issuer_with_a_slash_at_its_end_keeps_it(
    browser: Browser, clinic: Organization, ehr: FakeEhr, slash: str
) -> None:
    issuer = f"{ehr.base}{slash}"
    ehr.document, ehr.claims = {"issuer": issuer}, {"iss": issuer}
    opened(browser, clinic)
    with walls.organization(clinic.pk):
        assert EhrConnection.objects.get().oidc_issuer == issuer


@pytest.mark.smart("D6")
@pytest.mark.parametrize("said", ["Max-Age=600", "public, MAX-AGE=600", 'private,max-age="600"'])
def test_how_long_a_document_is_kept_may_be_written_in_any_case(said: str) -> None:
    assert discovery._life_s(Answer("x", 200, {"cache-control": said}, b"")) == 600
