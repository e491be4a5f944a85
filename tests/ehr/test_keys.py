"""The keys by which EHRs know us. [SMART-K1, SMART-K2, hostile input 79]"""

import json
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import KeySet
from pytest_django import DjangoAssertNumQueries

from ehrcommerce.ehr import keys
from ehrcommerce.ehr.models import SigningKey

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.fixture(autouse=True)
def small_and_fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keys of a size that is quickly made, forgotten afterwards."""
    monkeypatch.setattr(keys, "RSA_BITS", 2048)
    keys.forget()
    yield
    keys.forget()


@pytest.mark.django_db
def test_the_key_set_is_public_cacheable_and_without_cookies() -> None:
    response = Client().get("/.well-known/jwks.json")
    assert response.status_code == 200
    assert response["Cache-Control"].startswith("public, max-age=")
    assert not response.cookies
    listed = json.loads(response.content)["keys"]
    assert sorted(key["alg"] for key in listed) == ["ES384", "ES384", "RS384", "RS384"]
    assert all(not PRIVATE & set(key) for key in listed)
    assert all({"kty", "kid", "use"} <= set(key) for key in listed)
    assert len({key["kid"] for key in listed}) == 4


@pytest.mark.django_db
def test_every_published_key_checks_what_its_private_half_signed() -> None:
    published = KeySet.import_key_set(keys.public_set())  # type: ignore[arg-type]
    for alg in keys.ALGORITHMS:
        held = keys.signing_key(alg)
        token = jwt.encode({"alg": alg, "kid": held.kid}, {"x": 1}, held.key, algorithms=[alg])
        assert jwt.decode(token, published, algorithms=[alg]).claims == {"x": 1}


@pytest.mark.django_db
def test_keys_are_read_and_parsed_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    keys.public_set()
    with django_assert_num_queries(0):
        keys.public_set()
        keys.signing_key("RS384")


@pytest.mark.django_db
def test_private_members_are_ciphertext_in_the_row() -> None:
    keys.public_set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(encode(private_jwk, 'escape'), ' ') FROM ehr_signingkey")
        stored = cursor.fetchone()[0]
    assert '"d"' not in stored
    for row in SigningKey.objects.all():
        assert row.private_jwk["d"] not in stored


@pytest.mark.django_db
def test_after_a_rotation_the_next_key_signs_and_the_old_one_stays_published_for_a_while() -> None:
    before = {held.state: held.kid for held in keys._all() if held.alg == "ES384"}
    keys.rotate(at=timezone.now())
    assert keys.signing_key("ES384").kid == before["next"]
    published = {key["kid"] for key in keys.public_set()["keys"]}
    assert before["current"] in published
    assert len(published) == 6
    SigningKey.objects.filter(state="retired").update(retired_at=timezone.now() - keys.KEEP_RETIRED * 2)
    keys.forget()
    assert before["current"] not in {key["kid"] for key in keys.public_set()["keys"]}


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_key_set_is_read_only(method: str) -> None:
    assert getattr(Client(), method)("/.well-known/jwks.json").status_code == 405
