"""What an EHR publishes is read by an allow-list, or refused with a cause. [SMART-D1 to D7, hostile inputs 14 to 21,
52]"""

import gzip
import json
import threading
from typing import Any

import pytest

from ehrcommerce.ehr import discovery, errors
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.wire.client import Answer
from tests.ehr.fake_ehr import EC, OTHER, SIGNER, FakeEhr, as_json

DOCUMENT = "/fhir/R4/.well-known/smart-configuration"


@pytest.mark.smart("D1", "D7")
def test_the_document_is_found_below_a_base_with_a_path(ehr: FakeEhr, connection: EhrConnection) -> None:
    found = discovery.configuration(connection)
    assert ehr.paths() == [DOCUMENT]
    assert found.token_endpoint == f"{ehr.url}/token"
    assert found.issuer == ehr.base
    assert "launch-ehr" in found.capabilities


@pytest.mark.smart("D2", "H16")
def test_relative_endpoints_are_resolved_against_the_base(ehr: FakeEhr, connection: EhrConnection) -> None:
    ehr.document = {"token_endpoint": "oauth/token", "authorization_endpoint": "/oauth/authorize"}
    found = discovery.configuration(connection)
    assert found.token_endpoint == f"{ehr.base}/oauth/token"
    assert found.authorization_endpoint == f"{ehr.url}/oauth/authorize"


@pytest.mark.smart("D2", "H16")
@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/token", "//evil.example/token", "http://evil.example:80/token", "ftp://x/token",
        "javascript:alert(1)",
        "https://user@evil.example/", "http://localhost:1/token", "/token\r\nX: y", "/tok en", "/token#x",
        "/" + "a" * 3000,
    ],
)  # fmt: skip
def test_an_endpoint_that_is_not_registered_is_not_used(ehr: FakeEhr, connection: EhrConnection, endpoint: str) -> None:
    for name in ("token_endpoint", "authorization_endpoint", "jwks_uri"):
        ehr.document = {name: endpoint}
        with pytest.raises(errors.EndpointElsewhere):
            discovery.configuration(connection)


@pytest.mark.smart("D2")
def test_an_endpoint_on_a_further_registered_origin_is_used(ehr: FakeEhr, connection: EhrConnection) -> None:
    connection.extra_origins = "https://login.example.org"
    ehr.document = {"token_endpoint": "https://login.example.org/token"}
    assert discovery.configuration(connection).token_endpoint == "https://login.example.org/token"


@pytest.mark.smart("D4", "H17")
@pytest.mark.parametrize("methods", [["plain"], [], "S256", None])
def test_a_downgrade_of_pkce_is_refused(ehr: FakeEhr, connection: EhrConnection, methods: Any) -> None:
    said = {
        "authorization_endpoint": f"{ehr.url}/a",
        "token_endpoint": f"{ehr.url}/t",
        "code_challenge_methods_supported": methods,
    }
    ehr.replies[DOCUMENT] = as_json(said)
    with pytest.raises(errors.PkceDowngrade):
        discovery.configuration(connection)


@pytest.mark.smart("D4")
def test_an_old_ehr_that_does_not_speak_of_pkce_is_used(ehr: FakeEhr, connection: EhrConnection) -> None:
    ehr.document = {"code_challenge_methods_supported": None}
    assert discovery.configuration(connection).token_endpoint


HOSTILE: dict[str, tuple[int, dict[str, str], bytes]] = {
    "not there": (404, {}, b"nope"),
    "broken": (500, {}, b"{}"),
    "a page": (200, {"Content-Type": "text/html"}, b"<html>"),
    "a list": (200, {}, b"[{}]"),
    "null": (200, {}, b"null"),
    "empty": (200, {}, b""),
    "cut off": (200, {"Content-Length": "5000"}, b'{"issuer":'),
    "doubled": (200, {}, b'{"token_endpoint":"/a","token_endpoint":"/b","authorization_endpoint":"/c"}'),
    "deep": (200, {}, b'{"a":' * 500 + b"1" + b"}" * 500),
    "deeper": (200, {}, b"[" * 200_000),
    "huge": (200, {}, b'{"a":"' + b"x" * 300_000 + b'"}'),
    "bomb": (200, {"Content-Encoding": "gzip"}, gzip.compress(b"0" * 30_000_000)),
    "elsewhere": (302, {"Location": "https://evil.example/"}, b""),
    "no token endpoint": as_json({"authorization_endpoint": "/a"}),
    "no authorization endpoint": as_json({"token_endpoint": "/a"}),
    "numbers": as_json({"authorization_endpoint": 1, "token_endpoint": ["x"]}),
    "not utf-8": (200, {}, b'{"a":"\xff"}'),
}


@pytest.mark.smart("D3", "H14", "H15", "H21")
@pytest.mark.parametrize("what", HOSTILE)
def test_an_answer_that_is_no_configuration_is_refused_and_not_kept(
    ehr: FakeEhr, connection: EhrConnection, what: str
) -> None:
    ehr.replies[DOCUMENT] = HOSTILE[what]
    with pytest.raises((errors.BadDiscovery, errors.EhrUnreachable)):
        discovery.configuration(connection)
    ehr.replies.clear()
    assert discovery.configuration(connection).token_endpoint


@pytest.mark.smart("D3", "H14")
def test_an_ehr_that_is_down_is_named_as_the_cause(connection: EhrConnection) -> None:
    connection.fhir_base = "http://127.0.0.1:9/fhir/R4"
    with pytest.raises(errors.EhrUnreachable):
        discovery.configuration(connection)


@pytest.mark.smart("H18", "H20")
def test_poisoned_names_have_no_effect(ehr: FakeEhr, connection: EhrConnection) -> None:
    clean = discovery.configuration(connection)
    discovery.forget()
    ehr.document = {
        "verify": False, "proxies": {"https": "http://evil"}, "client_id": "evil", "scope": "user/*.*", "state": "x",
        "leeway": 10**9,
        "code_challenge_method": "plain", "id_token_signing_alg_values_supported": ["none", "HS256"],
        "response_type": "token",
        "token_endpoint_auth_method": "none",
    }  # fmt: skip
    assert discovery.configuration(connection) == clean


@pytest.mark.smart("H19")
def test_another_issuer_than_the_pinned_one_is_refused(ehr: FakeEhr, connection: EhrConnection) -> None:
    connection.oidc_issuer = "https://ehr.example.org/oauth2"
    with pytest.raises(errors.IssuerChanged):
        discovery.configuration(connection)
    ehr.document = {"issuer": None}
    assert discovery.configuration(connection).issuer == ""


@pytest.mark.smart("D6")
def test_the_pinned_key_address_wins(ehr: FakeEhr, connection: EhrConnection) -> None:
    connection.jwks_uri = f"{ehr.url}/pinned"
    assert discovery.configuration(connection).jwks_uri == f"{ehr.url}/pinned"


@pytest.mark.smart("I2")
def test_an_old_ehr_names_its_keys_in_the_openid_document(ehr: FakeEhr, connection: EhrConnection) -> None:
    ehr.document = {"jwks_uri": None}
    ehr.replies["/fhir/R4/.well-known/openid-configuration"] = as_json(
        {"issuer": ehr.base, "jwks_uri": f"{ehr.url}/jwks"}
    )
    assert discovery.configuration(connection).jwks_uri == f"{ehr.url}/jwks"
    discovery.forget()
    ehr.replies["/fhir/R4/.well-known/openid-configuration"] = as_json(
        {"issuer": "https://evil", "jwks_uri": f"{ehr.url}/jwks"}
    )
    with pytest.raises(errors.IssuerChanged):
        discovery.configuration(connection)


@pytest.mark.smart("I2")
def test_an_issuer_that_only_the_openid_document_names_is_found_there(ehr: FakeEhr, connection: EhrConnection) -> None:
    """The keys stay those of the SMART configuration; a row that knows its issuer asks nobody."""
    ehr.document = {"issuer": None}
    ehr.replies["/fhir/R4/.well-known/openid-configuration"] = as_json(
        {"issuer": "https://sso.example.org", "jwks_uri": f"{ehr.url}/other-keys"}
    )
    found = discovery.configuration(connection)
    assert (found.issuer, found.jwks_uri) == ("https://sso.example.org", f"{ehr.url}/jwks")
    connection.oidc_issuer = "https://sso.example.org"
    ehr.asked.clear()
    assert discovery.configuration(connection).jwks_uri == f"{ehr.url}/jwks"
    assert ehr.paths() == [DOCUMENT]


@pytest.mark.smart("D3")
def test_without_a_smart_configuration_an_openid_document_opens_nothing(
    ehr: FakeEhr, connection: EhrConnection
) -> None:
    """D3 comes before every other source: a whole OpenID document is not asked for what a launch needs."""
    ehr.replies["/fhir/R4/.well-known/openid-configuration"] = as_json(ehr._document())
    ehr.replies[DOCUMENT] = (404, {}, b"")
    with pytest.raises(errors.NoSmartConfiguration) as raised:
        discovery.configuration(connection)
    assert raised.value.code == "D-NONE"
    assert "OpenID document alone is not enough" in raised.value.remedy
    assert ehr.paths() == [DOCUMENT]


@pytest.mark.smart("D6", "H13")
def test_many_launches_at_once_fetch_it_once(ehr: FakeEhr, connection: EhrConnection) -> None:
    ehr.slow_s = 0.1
    threads = [threading.Thread(target=discovery.configuration, args=(connection,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ehr.paths() == [DOCUMENT]


@pytest.mark.smart("D6")
@pytest.mark.parametrize(
    ("header", "life_s"),
    [("max-age=10", 300), ("max-age=999999999", 86_400), ("no-store", 3600), ("", 3600), ("max-age=600", 600)],
)
def test_how_long_a_document_is_kept(header: str, life_s: float) -> None:
    answer = Answer("x", 200, {"cache-control": header}, b"")
    assert discovery._life_s(answer) == life_s


# ------------------------------------------------------------------------------------------------------------- keys
def keys_for(connection: EhrConnection, kid: str) -> int:
    return len(discovery.keys_for(connection, discovery.configuration(connection), kid=kid))


@pytest.mark.smart("I2", "H52")
def test_an_unknown_kid_makes_us_look_again_once(ehr: FakeEhr, connection: EhrConnection) -> None:
    assert keys_for(connection, "one") == 1
    ehr.keys = [SIGNER, OTHER]
    assert keys_for(connection, "two") == 1
    for _ in range(100):
        assert keys_for(connection, "three") == 0
    assert ehr.paths().count("/jwks") == 2


@pytest.mark.smart("I2", "H52")
def test_the_last_good_keys_are_used_while_the_key_address_is_down(ehr: FakeEhr, connection: EhrConnection) -> None:
    assert keys_for(connection, "one") == 1
    for bad in (as_json({"keys": []}), (500, {}, b""), as_json({"keys": [{"kty": "oct", "k": "x"}]})):
        ehr.replies["/jwks"] = bad
        discovery._key_sets.clear()
        assert keys_for(connection, "one") == 1


@pytest.mark.smart("I2", "H52")
def test_without_good_keys_nothing_is_accepted(ehr: FakeEhr, connection: EhrConnection) -> None:
    ehr.replies["/jwks"] = (404, {}, b"")
    with pytest.raises(errors.BadDiscovery):
        keys_for(connection, "one")


@pytest.mark.smart("I2", "H52")
def test_only_public_signing_keys_of_a_set_are_taken() -> None:
    shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}
    sealing = {**OTHER.as_dict(private=False), "use": "enc", "kid": "sealing"}
    broken = {"kty": "RSA", "n": "!!", "e": "AQAB", "kid": "broken"}
    listed = [
        shared,
        sealing,
        broken,
        {"kty": "XYZ"},
        "x",
        None,
        SIGNER.as_dict(private=True),
        EC.as_dict(private=False),
    ]
    found = discovery.read_keys(json.loads(json.dumps({"keys": listed}))).keys
    assert [key.kid for key in found] == ["one", "ec"]
    assert not any(key.is_private for key in found)


@pytest.mark.smart("H52")
def test_a_flood_of_keys_is_refused() -> None:
    with pytest.raises(errors.BadDiscovery):
        discovery.read_keys({"keys": [SIGNER.as_dict(private=False)] * 10_000})
