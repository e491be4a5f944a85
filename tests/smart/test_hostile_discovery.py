"""Rows 14 to 21: what an EHR, or somebody in its place, can publish. A launch begins only with a document that is
whole, and nothing in it changes how the app speaks."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ehrcommerce.ehr import discovery
from ehrcommerce.workbench.rotation import rotating
from tests.smart.conftest import Ehr, Make, words

pytestmark = pytest.mark.django_db


def refused(ehr: Ehr) -> str:
    """The launch ends with a page that names a cause; the browser goes nowhere."""
    answer = ehr.launch()
    assert answer.status_code == 502, (answer.status_code, words(answer))
    assert ehr.session() is None
    return words(answer)


@pytest.mark.smart("H14", "D3")
@pytest.mark.parametrize(
    "manner", rotating(["404", "500", "html", "array", "null", "empty", "text", "truncate", "huge", "reset"], keep=1)
)
def test_a_document_that_is_missing_or_broken(make_ehr: Make, manner: str) -> None:
    ehr = make_ehr(knobs={"discovery_answer": manner})
    assert len(refused(ehr)) > 80
    ehr.turn(discovery_answer="")
    assert ehr.launch().status_code == 303  # nothing unusable was kept


@pytest.mark.smart("H14")
@pytest.mark.parametrize(
    "answer",
    rotating(
        [{"manner": "gzip_bomb", "bytes": 50_000_000}, {"manner": "drip", "seconds": 60}, {"manner": "timeout"}], keep=1
    ),
)
def test_a_document_that_never_ends(make_ehr: Make, answer: dict[str, Any]) -> None:
    refused(make_ehr(knobs={"discovery_answer": answer}, read_s=1))


@pytest.mark.smart("H15")
def test_a_document_that_redirects_is_not_followed(make_ehr: Make) -> None:
    refused(make_ehr(knobs={"discovery_answer": "redirect"}))


@pytest.mark.smart("H16", "D2")
@pytest.mark.parametrize("endpoints", ["relative", "root_relative"])
def test_relative_endpoints_are_the_ehrs_own(make_ehr: Make, endpoints: str) -> None:
    make_ehr(knobs={"discovery_endpoints": endpoints}).open()


@pytest.mark.smart("H16", "D2")
@pytest.mark.parametrize("endpoints", ["foreign", "userinfo"])
def test_endpoints_elsewhere_are_refused(make_ehr: Make, endpoints: str) -> None:
    refused(make_ehr(knobs={"discovery_endpoints": endpoints}))


@pytest.mark.smart("H16")
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint"])
@pytest.mark.parametrize(
    "value", rotating(["//{stranger_host}/x", "{stranger}/token", "", None, 7, "javascript:alert(1)"], keep=1)
)
def test_one_odd_endpoint_is_enough(make_ehr: Make, name: str, value: Any) -> None:
    refused(make_ehr(knobs={"smart_configuration": {name: value}}))


@pytest.mark.smart("H16")
def test_an_http_endpoint_is_refused_in_production(make_ehr: Make, settings: Any) -> None:
    ehr = make_ehr()
    ehr.row(fhir_base="https://ehr.example.org/fhir")
    settings.ALLOW_LOOPBACK_PARTNERS = False
    assert not discovery.is_registered(ehr.connection, "http://ehr.example.org/token")
    assert discovery.is_registered(ehr.connection, "https://ehr.example.org/token")


@pytest.mark.smart("H17", "D4")
@pytest.mark.parametrize("methods", rotating([["plain"], [], "S256", None], keep=1))
def test_pkce_offered_as_plain_only(make_ehr: Make, methods: Any) -> None:
    refused(make_ehr(knobs={"smart_configuration": {"code_challenge_methods_supported": methods}} if methods is not None
                     else {"discovery_null": ["code_challenge_methods_supported"]}))  # fmt: skip


@pytest.mark.smart("H18")
def test_discovery_cannot_set_our_own_options(make_ehr: Make) -> None:
    ehr = make_ehr(knobs={"discovery_poison": True})
    answer, _ = ehr.sent()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}
    assert asked["client_id"] == ehr.connection.client_id
    assert asked["code_challenge_method"] == "S256"
    assert asked["response_type"] == "code"
    assert "prompt" not in asked
    assert "patient/Patient.r" in asked["scope"]
    assert ehr.launch().status_code == 303


@pytest.mark.smart("H19", "D6", "AD5")
def test_another_issuer_than_the_pinned_one(make_ehr: Make) -> None:
    ehr = make_ehr()
    ehr.open()
    discovery.forget()
    ehr.turn(discovery={"issuer": "https://elsewhere.example.org"})
    assert ehr.launch().status_code == 502


@pytest.mark.smart("H20")
@pytest.mark.parametrize("alg", ["none", "HS256"])
def test_discovery_that_offers_unsigned_id_tokens(make_ehr: Make, alg: str) -> None:
    offered = {"id_token_signing_alg_values_supported": ["none", "HS256", "RS256"]}
    ehr = make_ehr(knobs={"discovery": offered})
    answer = ehr.launch(knobs={"id_token_alg": alg})
    assert answer.status_code == 502
    assert ehr.session() is None
    assert ehr.launch().status_code == 303


@pytest.mark.smart("H21")
@pytest.mark.parametrize("manner", rotating(["duplicate_keys", "nan", "deep"], keep=1))
@pytest.mark.parametrize("where", rotating(["discovery_answer", "jwks_answer", "token_answer"], keep=1))
def test_json_that_is_not_sound(make_ehr: Make, manner: str, where: str) -> None:
    ehr = make_ehr(knobs={where: manner})
    assert ehr.launch().status_code == 502
    assert ehr.session() is None


@pytest.mark.smart("H21")
@pytest.mark.parametrize("where", rotating(["discovery_answer", "jwks_answer", "token_answer"], keep=1))
def test_a_byte_order_mark_is_tolerated(make_ehr: Make, where: str) -> None:
    make_ehr(knobs={where: "bom"}).open()
