"""The keys by which EHRs know us. [SMART-K1, SMART-K2, hostile input 79]"""

import json
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import KeySet
from pytest_django import DjangoAssertNumQueries

from ehrcommerce.accounts.models import Organization, ProposedChange
from ehrcommerce.ehr import keys
from ehrcommerce.ehr.models import SigningKey
from tests import factories

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.fixture(autouse=True)
def small_and_fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keys of a size that is quickly made, forgotten afterwards."""
    monkeypatch.setattr(keys, "RSA_BITS", 2048)
    keys.forget()
    yield
    keys.forget()


@pytest.mark.smart("K1", "K2", "H79")
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


@pytest.mark.smart("K1")
@pytest.mark.django_db
def test_every_published_key_checks_what_its_private_half_signed() -> None:
    published = KeySet.import_key_set(keys.public_set())  # type: ignore[arg-type]
    for alg in keys.ALGORITHMS:
        held = keys.signing_key(alg)
        token = jwt.encode({"alg": alg, "kid": held.kid}, {"x": 1}, held.key, algorithms=[alg])
        assert jwt.decode(token, published, algorithms=[alg]).claims == {"x": 1}


@pytest.mark.smart("H79")
@pytest.mark.django_db
def test_keys_are_read_and_parsed_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """What a signature asks is which keys there are, never a key; the key set of this moment asks nothing."""
    for _ in range(2):
        keys.signing_key("ES384")  # the first one made them
    keys.public_set()
    with django_assert_num_queries(1) as asked:
        keys.public_set()
        keys.signing_key("RS384")
    assert not any("private_jwk" in query["sql"] for query in asked.captured_queries)


@pytest.mark.smart("K2")
@pytest.mark.django_db
@pytest.mark.parametrize("way", ["compromised", "force"])
def test_what_another_process_rotated_is_heard_at_the_next_use(way: str) -> None:
    """This process read its keys just now. Somebody on another machine throws them away: not one signature more."""
    keys.public_set()
    held, parsed = keys._held, dict(keys._parsed)
    keys.rotate(at=timezone.now(), compromised=way == "compromised", force=True)
    rows = dict(SigningKey.objects.values_list("kid", "state"))
    keys._held, keys._parsed = held, dict(parsed)  # as a process that took no part remembers it
    assert rows[keys.signing_key("ES384").kid] == "current"
    keys._held, keys._parsed, keys._published_until = held, dict(parsed), 0.0  # five seconds later
    assert {key["kid"] for key in keys.public_set()["keys"]} == set(rows)
    assert set(keys._parsed) == set(rows)


@pytest.mark.smart("H79")
@pytest.mark.django_db
def test_private_members_are_ciphertext_in_the_row() -> None:
    keys.public_set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(encode(private_jwk, 'escape'), ' ') FROM ehr_signingkey")
        stored = cursor.fetchone()[0]
    assert '"d"' not in stored
    for row in SigningKey.objects.all():
        assert row.private_jwk["d"] not in stored


@pytest.mark.smart("K2")
@pytest.mark.django_db
def test_after_a_rotation_the_next_key_signs_and_the_old_one_stays_published_for_a_while() -> None:
    before = {held.state: held.kid for held in keys._all() if held.alg == "ES384"}
    keys.rotate(at=timezone.now(), force=True)
    assert keys.signing_key("ES384").kid == before["next"]
    published = {key["kid"] for key in keys.public_set()["keys"]}
    assert before["current"] in published
    assert len(published) == 6
    SigningKey.objects.filter(state="retired").update(retired_at=timezone.now() - keys.KEEP_RETIRED * 2)
    keys.forget()
    assert before["current"] not in {key["kid"] for key in keys.public_set()["keys"]}


@pytest.mark.smart("K1")
@pytest.mark.django_db
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_key_set_is_read_only(method: str) -> None:
    assert getattr(Client(), method)("/.well-known/jwks.json").status_code == 405


@pytest.mark.smart("K2")
@pytest.mark.django_db
def test_the_command_waits_until_every_cache_knows_the_next_keys(
    clinic: Organization, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.public_set()
    with pytest.raises(CommandError, match="Ready at"):
        call_command("rotate_keys")
    first = {held.kid: held.state for held in keys._all() if held.alg == "RS384"}
    SigningKey.objects.update(created_at=timezone.now() - keys.KEEP_RETIRED)
    keys.forget()
    call_command("rotate_keys")
    told = capsys.readouterr().out
    second = {held.kid: held.state for held in keys._all() if held.alg == "RS384"}
    moved = {first[kid]: second[kid] for kid in first}
    assert moved == {"current": "retired", "next": "current"}
    assert all(f"RS384 {state} {kid}" in told for kid, state in second.items())
    assert not PRIVATE & set(told.split())
    with pytest.raises(CommandError):
        call_command("rotate_keys")
    where = f"--organization={clinic.pk}"
    with pytest.raises(CommandError, match="Two people must agree"):
        call_command("rotate_keys", "--force", where)
    assert second == {held.kid: held.state for held in keys._all() if held.alg == "RS384"}
    factories.two_agree(clinic, "keys")
    call_command("rotate_keys", "--force", where)
    with pytest.raises(CommandError, match="Two people must agree"):
        call_command("rotate_keys", "--force", where)


@pytest.mark.smart("K2")
@pytest.mark.django_db
def test_a_retired_key_goes_when_no_cache_holds_it_any_more() -> None:
    at = timezone.now()
    keys.public_set()
    retired = next(held.kid for held in keys._all() if held.state == "current")
    keys.rotate(at=at, force=True)
    assert retired in {key["kid"] for key in keys.public_set()["keys"]}
    lines = keys.rotate(at=at + keys.KEEP_RETIRED + keys.KEEP_RETIRED, force=True)
    assert any(line.startswith("removed") and retired in line for line in lines)
    assert not SigningKey.objects.filter(kid=retired).exists()


@pytest.mark.smart("K2")
@pytest.mark.django_db
def test_assertions_are_signed_with_the_current_key_only() -> None:
    for _ in range(2):
        assert keys.signing_key("ES384").state == "current"
        keys.rotate(at=timezone.now(), force=True)


@pytest.mark.smart("K2")
@pytest.mark.django_db
def test_after_a_leak_no_key_that_was_in_the_table_is_trusted_or_signs(
    clinic: Organization, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.rotate(at=timezone.now(), force=True)  # so that there is a retired one as well
    leaked = {held.kid for held in keys._all()}
    assert len(leaked) == 6
    where = f"--organization={clinic.pk}"
    with pytest.raises(CommandError, match="say who does it"):
        call_command("rotate_keys", "--compromised", where)
    one = factories.staff(clinic, username=f"at-night-{clinic.pk}", password="correct horse battery staple")
    call_command("rotate_keys", "--compromised", where, f"--by={one.username}", "--reason=laptop lost")
    assert ProposedChange.objects.get(kind="keys_review").proposed_by == one
    assert not leaked & {key["kid"] for key in keys.public_set()["keys"]}
    assert not SigningKey.objects.filter(kid__in=leaked).exists()
    assert sorted((held.alg, held.state) for held in keys._all()) == [
        (alg, state) for alg in keys.ALGORITHMS for state in ("current", "next")
    ]
    told = capsys.readouterr().out
    assert all(f" {kid}\n" in told for kid in leaked)
    assert told.count("removed ") == len(leaked)
    assert not leaked & set(keys._parsed)


@pytest.mark.smart("K2")
@pytest.mark.django_db
def test_whoever_is_told_to_wait_is_told_what_to_do_after_a_leak() -> None:
    keys.public_set()
    with pytest.raises(CommandError, match="--compromised"):
        call_command("rotate_keys")
