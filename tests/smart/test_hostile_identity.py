"""Rows 46 to 57: who the EHR says is there. A sign-in needs an id_token that is whole, meant for us, and of a person
who works there; each advisory against the library that speaks OAuth here is replayed as well."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from ehrcommerce.accounts.models import User
from ehrcommerce.vault import walls
from ehrcommerce.workbench.rotation import rotating
from tests.smart.conftest import SECRET, Ehr, Make, words

pytestmark = pytest.mark.django_db


def refused(ehr: Ehr, **knobs: Any) -> str:
    """A page with a cause; no session and no user."""
    answer = ehr.launch(knobs=knobs)
    assert answer.status_code in (403, 502), (answer.status_code, words(answer))
    assert ehr.session() is None
    with walls.organization(ehr.clinic.pk):
        assert not User.objects.exists()
    return words(answer)


def opens(ehr: Ehr, **knobs: Any) -> Any:
    answer = ehr.launch(knobs=knobs)
    assert answer.status_code == 303, (answer.status_code, words(answer))
    return ehr.session()


@pytest.mark.smart("H46", "I4")
def test_no_id_token_is_no_sign_in(ehr: Ehr) -> None:
    refused(ehr, id_token_form="absent")


@pytest.mark.smart("H47", "AD7")
@pytest.mark.parametrize("knobs", rotating([{"id_token_alg": "none"}, {"id_token_alg": "HS256"},
                                   {"id_token_alg": "HS256", "id_token_hs_secret": SECRET},
                                   {"id_token_signature": "wrong"}, {"id_token_signature": "empty"}], keep=1))  # fmt: skip
def test_an_unsigned_or_wrongly_signed_id_token(ehr: Ehr, knobs: dict[str, Any]) -> None:
    refused(ehr, **knobs)


@pytest.mark.smart("H47", "I1")
@pytest.mark.parametrize("alg", rotating(["RS384", "ES256", "ES384", "PS256"], keep=1))
def test_another_algorithm_only_where_the_row_lists_it(make_ehr: Make, alg: str) -> None:
    assert "I-ALG" in refused(make_ehr(id_token_algs="RS256"), id_token_alg=alg)
    opens(make_ehr(id_token_algs=f"RS256 {alg}"), id_token_alg=alg)


@pytest.mark.smart("H47", "I1")
@pytest.mark.parametrize("alg", rotating(["RS256", "RS384", "ES256", "ES384", "PS256"], keep=1))
@pytest.mark.parametrize("named", ["absent", "named"])
def test_a_new_row_takes_every_signature_that_a_key_of_the_ehr_can_have_made(
    make_ehr: Make, alg: str, named: str
) -> None:
    """A key that names its own `alg` signs by that alone."""
    ehr = make_ehr(knobs={"jwks_alg": named})
    if named == "named" and alg in ("RS384", "PS256"):
        refused(ehr, id_token_alg=alg)
    else:
        opens(ehr, id_token_alg=alg)


@pytest.mark.smart("H48", "I1")
@pytest.mark.parametrize(
    "claims",
    rotating([{"aud": "other"}, {"aud": "other", "azp": "{client_id}"}, {"aud": ["{client_id}", "other"]}, {"aud": []},
     {"aud": ["{client_id}", "other"], "azp": "other"}, {"aud": None}, {"aud": 7}], keep=1),
)  # fmt: skip
def test_an_id_token_for_others(ehr: Ehr, claims: dict[str, Any]) -> None:
    refused(ehr, id_token=claims)


@pytest.mark.smart("H48")
def test_several_audiences_with_us_as_the_party(ehr: Ehr) -> None:
    opens(ehr, id_token={"aud": ["{client_id}", "other"], "azp": "{client_id}"})


@pytest.mark.smart("H49")
@pytest.mark.parametrize(
    "iss", rotating(["https://elsewhere.example.org", "{issuer}/", "", None, ["{issuer}"], "{stranger}/fhir"], keep=1)
)
def test_an_id_token_of_another_issuer(ehr: Ehr, iss: Any) -> None:
    refused(ehr, id_token={"iss": iss})


@pytest.mark.smart("H49", "D6")
def test_the_fhir_base_is_not_the_issuer_where_the_ehr_has_another(make_ehr: Make) -> None:
    ehr = make_ehr(knobs={"issuer": "/oauth2"})
    refused(ehr, id_token={"iss": "{fhir}"})
    assert opens(ehr) is not None


@pytest.mark.smart("H49")
def test_a_further_issuer_that_the_row_lists(make_ehr: Make) -> None:
    ehr = make_ehr(knobs={"issuer": "/oidc/idsps/1/", "more_issuers": ["/oidc/idsps/2/"]})
    second = ehr.profile["issuer"].replace("/1/", "/2/")
    refused(ehr, id_token={"iss": second})
    ehr.row(more_issuers=second)
    opens(ehr, id_token={"iss": second})


@pytest.mark.smart("H50", "AD6")
@pytest.mark.parametrize("nonce", ["wrong", "drop"])
def test_a_nonce_that_is_wrong_or_missing(ehr: Ehr, nonce: str) -> None:
    refused(ehr, nonce=nonce)


@pytest.mark.smart("H50")
def test_a_missing_nonce_where_the_row_allows_it_never_a_wrong_one(make_ehr: Make) -> None:
    refused(make_ehr(nonce_policy="if_returned"), nonce="wrong")
    opens(make_ehr(nonce_policy="if_returned"), nonce="drop")


@pytest.mark.smart("H50", "AD6")
@pytest.mark.parametrize("value", rotating([None, "", 7, ["x"]], keep=1))
def test_a_token_cannot_switch_its_nonce_off(ehr: Ehr, value: Any) -> None:
    refused(ehr, **({"id_token_null": ["nonce"]} if value is None else {"id_token": {"nonce": value}}))


@pytest.mark.smart("H51", "I3")
@pytest.mark.parametrize(
    "knobs",
    rotating([{"id_token_times": {"exp": -130}}, {"id_token_times": {"iat": 130}}, {"id_token_strings": ["exp"]},
     {"id_token": {"exp": None}}, {"id_token": {"iat": None}}, {"id_token_times": {"nbf": 130}}], keep=1),
)  # fmt: skip
def test_odd_times(ehr: Ehr, knobs: dict[str, Any]) -> None:
    refused(ehr, **knobs)


@pytest.mark.smart("H51", "I3")
def test_half_a_minute_is_forgiven(ehr: Ehr) -> None:
    opens(ehr, id_token_times={"iat": 30})
    opens(ehr, id_token_times={"exp": -30})


@pytest.mark.smart("H51")
def test_an_end_in_ten_years_does_not_lengthen_the_session(ehr: Ehr) -> None:
    found = opens(ehr, id_token_times={"exp": 10 * 365 * 86400})
    assert (found.ends_at - found.started_at).total_seconds() <= 24 * 3600


@pytest.mark.smart("H52", "I2")
def test_an_unknown_key_id_is_looked_up_once(ehr: Ehr) -> None:
    opens(ehr)
    mark = ehr.desk.mark()
    for _ in range(6):
        ehr.launch(knobs={"kid": "unknown"})
    assert len(ehr.asked(mark, "jwks")) == 1


@pytest.mark.smart("H52")
@pytest.mark.parametrize("keys", rotating(["two_no_kid", "one_no_kid", "with_unknown", "enc_beside", "all"], keep=1))
def test_key_sets_in_which_the_key_can_be_found(make_ehr: Make, keys: str) -> None:
    opens(make_ehr(knobs={"jwks_keys": keys}), kid="absent")


@pytest.mark.smart("H52")
@pytest.mark.parametrize(
    "knobs",
    rotating([{"jwks_keys": "empty"}, {"jwks_keys": "enc"}, {"jwks_keys": "wrong"}, {"jwks_answer": "500"}], keep=1),
)
def test_key_sets_in_which_it_cannot(make_ehr: Make, knobs: dict[str, Any]) -> None:
    refused(make_ehr(knobs=knobs))


@pytest.mark.smart("H52")
def test_good_keys_serve_on_while_their_address_is_down(ehr: Ehr) -> None:
    opens(ehr)
    ehr.turn(jwks_answer="500")
    opens(ehr)


@pytest.mark.smart("H53")
def test_a_large_header_is_taken(ehr: Ehr) -> None:
    opens(ehr, id_token_x5c_bytes=4000)


@pytest.mark.smart("H53", "AD2", "AD3")
@pytest.mark.parametrize(
    "header", rotating([{"crit": ["exp"]}, {"crit": ["unknown"], "unknown": True}, {"crit": []}], keep=1)
)
def test_a_critical_header_that_is_not_understood(ehr: Ehr, header: dict[str, Any]) -> None:
    refused(ehr, id_token_header=header)


@pytest.mark.smart("H53", "AD3")
@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_an_address_of_keys_in_the_header_is_not_asked(ehr: Ehr, name: str) -> None:
    opens(ehr, id_token_header={name: "{stranger}/keys.json"})


@pytest.mark.smart("AD3")
def test_a_key_in_the_header_is_not_used(ehr: Ehr) -> None:
    """The token is signed with a key that it brings along: only published keys count."""
    refused(ehr, key_generation=7, id_token_header={"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}})


@pytest.mark.smart("AD4")
def test_hash_claims_that_do_not_fit_are_not_believed(ehr: Ehr) -> None:
    """`at_hash` names the token that came with it; one that does not fit is another answer's id_token."""
    refused(ehr, id_token={"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"})
    refused(ehr, id_token={"c_hash": "AAAAAAAAAAAAAAAAAAAAAA"})


@pytest.mark.smart("AD4")
@pytest.mark.parametrize("name", ["at_hash", "c_hash"])
@pytest.mark.parametrize("value", rotating([7, None, ["x"], "", {"a": 1}], keep=2))
def test_a_hash_claim_that_is_no_text_is_not_taken_for_none(ehr: Ehr, name: str, value: Any) -> None:
    knobs: dict[str, Any] = {"id_token_null": [name]} if value is None else {"id_token": {name: value}}
    refused(ehr, **knobs)


@pytest.mark.smart("AD1", "L7")
def test_a_state_of_another_browsers_sign_in_opens_nothing_here(ehr: Ehr) -> None:
    """No shared cache holds states: only the browser that began has the other half."""
    _, answer = ehr.sent()
    assert ehr.come_back(answer.headers["Location"], client=Client()).status_code != 303
    assert ehr.session() is None
    assert answer.headers["Location"].partition("state=")[2][:43] not in str(vars(cache))


@pytest.mark.smart("H54")
@pytest.mark.parametrize("form", rotating(["jwe", "null", "garbage", "number"], keep=1))
def test_an_id_token_that_is_none(ehr: Ehr, form: str) -> None:
    refused(ehr, id_token_form=form)


@pytest.mark.smart("H55", "I5")
@pytest.mark.parametrize("who", rotating(["absent", "device", "patient", "related_person", "path"], keep=1))
def test_who_is_no_clinician_is_not_let_in(ehr: Ehr, who: str) -> None:
    refused(ehr, fhir_user=who)


@pytest.mark.smart("H55", "I5")
@pytest.mark.parametrize("who", ["foreign", "of_other_base"])
def test_a_clinicians_address_on_another_server_is_dropped_and_never_fetched(ehr: Ehr, who: str) -> None:
    """Issuer and subject say who it is; the address says nothing that could be used."""
    found = opens(ehr, fhir_user=who)
    assert found.fhir_user == ""
    mark = ehr.desk.mark()
    ehr.page(f"/ehr/c/{found.launch_key}/")
    assert not [path for path in ehr.asked(mark) if "Practitioner" in path]


@pytest.mark.smart("H55", "I5")
@pytest.mark.parametrize("who", rotating(["absolute", "relative", "practitioner_role"], keep=1))
def test_somebody_who_works_there(ehr: Ehr, who: str) -> None:
    opens(ehr, fhir_user=who)


@pytest.mark.smart("H55")
def test_the_row_says_what_stands_for_a_missing_user(make_ehr: Make) -> None:
    refused(make_ehr(), profile_claim="instead")
    opens(make_ehr(fhir_user_policy="profile_claim"), profile_claim="instead")
    nameless = make_ehr(fhir_user_policy="not_needed")
    waits = nameless.launch(knobs={"fhir_user": "absent"})
    assert waits.status_code == 403, words(waits)
    with walls.organization(nameless.clinic.pk):
        assert User.objects.filter(is_active=False).update(is_active=True) == 1  # an administrator lets them in
    opens(nameless, fhir_user="absent")


@pytest.mark.smart("H56", "I6")
def test_one_subject_at_two_issuers_is_two_users(make_ehr: Make) -> None:
    one, two = make_ehr(), make_ehr()
    opens(one, id_token={"sub": "the-same"})
    opens(two, id_token={"sub": "the-same"})
    with walls.organization(one.clinic.pk):
        assert User.objects.filter(subject="the-same").count() == 2


@pytest.mark.smart("H56")
@pytest.mark.parametrize("subject", rotating(["", None, 7, ["x"]], keep=1))
def test_a_subject_that_is_none(ehr: Ehr, subject: Any) -> None:
    refused(ehr, id_token={"sub": subject})


@pytest.mark.smart("H57")
@pytest.mark.parametrize("apart", [-600, 600])
def test_a_clock_ten_minutes_off_is_named_as_the_cause(ehr: Ehr, apart: int) -> None:
    shown = refused(ehr, id_token_times={"iat": apart, "exp": apart + 300})
    assert "clock" in shown.lower()
    refused(ehr, id_token_times={"iat": apart, "exp": apart + 300})  # and does not grow tolerant
