"""Rows 71, 72, 74 and 79 as a server sees them: forms of a tab that was left behind, who may frame which page, and a key
set that is polled. What a browser makes of cookies and frames stands in tests/browser."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from ehrcommerce.ehr import keys
from tests.smart.conftest import OTHER_PATIENT, PATIENT, Ehr, Make, prescription, words

pytestmark = pytest.mark.django_db

PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
JWKS = "/.well-known/jwks.json"


def field(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, name
    return found[1]


def ancestors(answer: Any) -> str:
    (found,) = re.findall(r"frame-ancestors ([^;]+)", answer["Content-Security-Policy"])
    assert "X-Frame-Options" not in answer or found == "'none'"
    return str(found)


# ------------------------------------------------------------------------------------------------ 71, 72: two patients
@pytest.mark.smart("H71", "L7")
@pytest.mark.parametrize("step", ["send", "values"])
def test_the_form_of_one_patient_at_the_other_s_launch_names_both_and_sends_nothing(ehr: Ehr, step: str) -> None:
    ehr.desk.call("POST", "fhir", {"resources": [prescription(71), prescription(72, OTHER_PATIENT)]})
    stale, now = ehr.open(patient=PATIENT), ehr.open(patient=OTHER_PATIENT)
    form = ehr.page(stale)
    fields = {name: field(form, name) for name in ("patient", "shown")}
    since = ehr.desk.mark()
    answer = ehr.client.post(f"{now}{step}/", {**fields, "order": [], "language": "en", "send_to": ""})
    assert answer.status_code == 409, words(answer)
    assert {"Launchwell", "Otherby"} <= set(re.findall(r"\w+", words(answer)))
    assert "Nothing was sent" in words(answer)
    # What is compared is the chart of the launch, read at this moment; that of the form is not opened.
    assert ehr.asked(since, f"Patient/{PATIENT}") == []


@pytest.mark.smart("H72", "L7")
def test_while_the_ehr_goes_on_to_the_next_chart_each_old_page_keeps_its_own(ehr: Ehr) -> None:
    first, second = ehr.open(patient=PATIENT), ehr.open(patient=OTHER_PATIENT)
    for place, own, other in ((first, "Launchwell", "Otherby"), (second, "Otherby", "Launchwell")) * 2:
        shown = ehr.page(place)
        assert own in shown
        assert other not in shown


# ------------------------------------------------------------------------------------------------ 74: who frames a page
@pytest.mark.smart("H74")
def test_a_page_names_the_ehr_of_its_launch_as_the_only_one_that_frames_it(make_ehr: Make) -> None:
    one = make_ehr(frame_origins="https://one.example.org https://portal.example.org")
    other = make_ehr(frame_origins="https://other.example.org")
    other.client = one.client
    places = {
        one.open(): "https://one.example.org https://portal.example.org",
        other.open(): "https://other.example.org",
    }
    for place, allowed in places.items():
        assert ancestors(one.client.get(place)) == allowed
        assert ancestors(one.client.get(f"{place}send/")) == allowed
    unframed = make_ehr(frame_origins="")
    unframed.client = one.client
    assert ancestors(one.client.get(unframed.open())) == "'none'"


@pytest.mark.smart("H74")
def test_nothing_in_the_address_opens_a_frame(ehr: Ehr) -> None:
    place = ehr.open()
    wish = {"frame_origins": "https://evil.example.org", "frame-ancestors": "*", "origin": "https://evil.example.org"}
    headers = {"Origin": "https://evil.example.org", "Referer": "https://evil.example.org/", "Sec-Fetch-Dest": "iframe"}
    assert ancestors(ehr.client.get(place, wish, headers=headers)) == ehr.connection.frame_origins
    assert ancestors(
        ehr.client.get("/ehr/launch", {"iss": "https://evil.example.org", "launch": "x"}, headers=headers)
    ) == ("'none'")
    assert ancestors(Client().get(JWKS, wish, headers=headers)) == "'none'"


# ------------------------------------------------------------------------------------------------------ 79: the key set
@pytest.mark.smart("H79", "K1")
def test_a_key_set_that_is_polled_is_one_answer_from_memory(
    ehr: Ehr, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    clients = [Client() for _ in range(5)]
    first = clients[0].get(JWKS)
    with django_assert_max_num_queries(20):  # one in five seconds
        answers = [clients[number % 5].get(JWKS, {"t": number}) for number in range(100)]
    assert {(one.status_code, one.content, one["Cache-Control"]) for one in answers} == {
        (200, first.content, "public, max-age=3600")
    }
    assert not any(one.cookies or one.has_header("Set-Cookie") for one in answers)
    # The EHR that polls is also the one that launches: nothing was used up.
    ehr.open()


ASKS: tuple[tuple[str, dict[str, str], dict[str, str]], ...] = (
    (JWKS, {"private": "true", "export": "all", "format": "jwk-private"}, {}),
    (JWKS, {"kid": "../../private", "d": "1"}, {"Accept": "application/jwk+json;private=true"}),
    (JWKS, {}, {"Authorization": "Bearer x", "X-Original-URL": "/admin/", "Range": "bytes=0-99999"}),
    (f"{JWKS}/d", {}, {}), ("/.well-known/jwks-private.json", {}, {}), ("/.well-known/keys", {}, {}),
)  # fmt: skip


@pytest.mark.smart("H79", "K1", "K2")
def test_private_members_are_in_no_answer(ehr: Ehr) -> None:
    keys.public_set()
    whole = [held.key.as_dict(private=True) for held in keys._all()]
    secret = {str(key[name]) for key in whole for name in PRIVATE if name in key}
    assert len(secret) >= 2 * (1 + 6)  # `d` of each key on a curve, six numbers of each RSA key, current and next
    for path, query, headers in ASKS:
        answer = ehr.client.get(path, query, headers=headers)
        assert answer.status_code == (200 if path == JWKS else 404)
        assert not any(value in answer.content.decode() for value in secret)
        if path == JWKS:
            assert not any(set(PRIVATE) & set(key) for key in json.loads(answer.content)["keys"])


@pytest.mark.smart("H79", "K3", "K4")
def test_the_ehr_that_knows_us_by_the_published_set_takes_our_signature(make_ehr: Make) -> None:
    ehr = make_ehr(client_auth="private_key_jwt", assertion_alg="RS384")
    ehr.desk.call("POST", "clients", {"client_id": ehr.connection.client_id, "jwks": {"keys": []}})
    assert ehr.launch().status_code == 502
    published = Client().get(JWKS).json()
    ehr.desk.call("POST", "clients", {"client_id": ehr.connection.client_id, "jwks": published})
    ehr.open()
