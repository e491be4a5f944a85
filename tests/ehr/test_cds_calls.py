"""CDS Hooks 2.0, rules H1 to H9 and H11 to H14 (docs/cds-hooks.md), over the addresses that an EHR calls. [SMART-H78]"""

import base64
import json
import logging
import time
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError
from django.db import connection as database
from django.test import Client

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr import cds_hooks
from ehrcommerce.ehr.handles import key_maker
from ehrcommerce.ehr.models import AppContext, EhrConnection, EhrIssuer, HookToken
from ehrcommerce.vault import walls
from tests import factories
from tests.ehr import cds as clients
from tests.ehr.cds import Cds, device
from tests.ehr.fake_ehr import EC, OTHER, SIGNER, FakeEhr, as_json

pytestmark = pytest.mark.django_db


def stamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine of a test may be busy; what happens when the time is over has tests of its own."""
    monkeypatch.setattr(cds_hooks, "DEADLINE_S", 60.0)


@pytest.fixture
def cds(ehr: FakeEhr, connection: EhrConnection) -> Cds:
    clients.sell_masks(connection)
    return clients.registered(ehr, connection)


# ------------------------------------------------------------------------------------------- H1, H2: what is offered
def test_h1_discovery_lists_four_services_without_asking_the_database(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = Client().get("/hooks/cds/any/cds-services")
    listed = answer.json()["services"]
    assert {each["id"] for each in listed} == {"order-sign", "order-select", "order-dispatch", "patient-view"}
    assert all(each["hook"] == each["id"] and each["title"] and each["description"] for each in listed)
    assert not answer.cookies


def test_h2_an_unknown_service_is_404_and_another_hook_in_the_body_400(cds: Cds) -> None:
    assert cds.post(cds.url("order-burn"), cds.body("order-burn")).status_code == 404
    assert cds.post(cds.url("order-sign"), cds.body("order-select", device())).status_code == 400


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"hook": "order-sign"}', b'{"hook":"order-sign","hook":"x"}',
                                  b'{"hook":"order-sign","context":{"patientId":"../x"}}', b"\xff", b"[" * 5000])  # fmt: skip
def test_h2_a_body_that_is_no_call_is_400(cds: Cds, body: bytes) -> None:
    assert cds.post(cds.url(), body).status_code == 400


def test_h2_a_huge_body_and_another_type_are_refused(cds: Cds) -> None:
    assert cds.post(cds.url(), b"x" * (1024 * 1024 + 1)).status_code == 413
    token = {"Authorization": f"Bearer {cds.token(cds.url())}"}
    assert Client().post(cds.url(), "x", content_type="text/plain", headers=token).status_code == 415


# --------------------------------------------------------------------------------------------------- H3: who may call
@pytest.mark.smart("H78")
@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"jku": "http://169.254.169.254/latest/meta-data"}, {}), ({"jku": "https://cds.ehr.example.org/keys"}, {}),
        ({"kid": None}, {}), ({"kid": "unknown"}, {}),
        ({}, {"aud": "https://other.example/cds-services/order-sign"}), ({}, {"aud": None}), ({}, {"aud": []}),
        ({}, {"iss": "https://cds.ehr.example.org/"}), ({}, {"iss": None}), ({}, {"jti": None}), ({}, {"jti": ""}),
        ({}, {"jti": "x" * 256}), ({}, {"exp": None}), ({}, {"iat": None}), ({}, {"exp": "soon"}), ({}, {"exp": True}),
        # Counted from when this file was read: a day, since a run may come to this test much later.
        ({}, {"exp": int(time.time()) - 120}), ({}, {"exp": int(time.time()) + 86_400}),
        ({}, {"iat": int(time.time()) + 86_400}),
    ],
)  # fmt: skip
def test_h3_a_call_that_is_wrong_in_one_thing_is_401_and_leaves_nothing(
    cds: Cds, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    token = cds.token(cds.url(), header=header, **claims)
    answer = cds.post(cds.url(), cds.body("order-sign", device()), token=token)
    assert (answer.status_code, answer.content) == (401, b"")
    assert not HookToken.objects.exists()
    assert not AppContext.objects.exists()
    assert set(cds.ehr.paths()) <= {"/jwks"}


@pytest.mark.smart("H78")
def test_h3_the_audience_is_the_address_called_also_among_others(cds: Cds) -> None:
    other = cds.token(cds.url("order-select"))
    assert cds.post(cds.url(), cds.body("order-sign", device()), token=other).status_code == 401
    mine = f"{settings.CLINIC_URL}{cds.url()}"
    both = cds.token(cds.url(), aud=["https://x.example", mine])
    assert cds.post(cds.url(), cds.body("order-sign", device()), token=both).status_code == 200


@pytest.mark.smart("H78")
def test_h3_the_same_call_a_second_time_is_401(cds: Cds) -> None:
    token = cds.token(cds.url())
    codes = [cds.post(cds.url(), cds.body("order-sign", device()), token=token).status_code for _ in range(3)]
    assert codes == [200, 401, 401]
    assert HookToken.objects.count() == 1


def test_h3_a_call_is_remembered_until_it_is_over_by_itself(cds: Cds) -> None:
    end = int(time.time()) + 200
    cds.post(cds.url(), cds.body("order-sign"), token=cds.token(cds.url(), exp=end))
    assert HookToken.objects.get().until.timestamp() == end + 60


def test_h3_only_listed_signatures_and_only_published_keys_count(cds: Cds) -> None:
    for key, status in ((SIGNER, 200), (EC, 200), (OTHER, 401)):
        token = cds.token(cds.url(), key=key)
        assert cds.post(cds.url(), cds.body("order-sign"), token=token).status_code == status
    rs256 = cds.token(cds.url(), key=SIGNER, header={"alg": "RS256"})
    assert cds.post(cds.url(), cds.body("order-sign"), token=rs256).status_code == 401
    cds.row.algs = "RS256"
    cds.row.save()
    rs256 = cds.token(cds.url(), key=SIGNER, header={"alg": "RS256"})
    assert cds.post(cds.url(), cds.body("order-sign"), token=rs256).status_code == 200


@pytest.mark.smart("H78")
def test_h3_an_unsigned_token_is_401_whatever_the_row_lists(cds: Cds) -> None:
    cds.row.algs = "none HS256 ES384"
    cds.row.save()
    parts = cds.token(cds.url()).split(".")
    for head in ('{"alg":"none","kid":"ec"}', '{"alg":"HS256","kid":"ec"}'):
        forged = base64.urlsafe_b64encode(head.encode()).decode().rstrip("=")
        for token in (f"{forged}.{parts[1]}.{parts[2]}", f"{forged}.{parts[1]}.", "x", "a.b.c", ""):
            assert cds.post(cds.url(), cds.body("order-sign"), token=token).status_code == 401


def test_h3_a_tenant_that_is_registered_must_be_named(cds: Cds) -> None:
    cds.row.tenant = "north"
    cds.row.save()
    for tenant, status in (("north", 200), ("south", 401), (None, 401)):
        token = cds.token(cds.url(), tenant=tenant)
        assert cds.post(cds.url(), cds.body("order-sign"), token=token).status_code == status


def test_h3_the_keys_of_one_connection_open_no_other(cds: Cds) -> None:
    other = factories.ehr_connection(cds.connection.organization)
    url = cds.url().replace(cds.connection.slug, other.slug)
    assert cds.post(url, cds.body("order-sign"), token=cds.token(url)).status_code == 401


def test_h3_keys_are_asked_only_on_a_registered_origin(cds: Cds) -> None:
    cds.row.jku = "https://elsewhere.example.org/keys"
    cds.row.save()
    assert cds.call(device()).status_code == 401
    assert cds.ehr.paths() == []


# --------------------------------------------------------------------------------------------------- H4: in time or empty
@pytest.mark.smart("H78")
def test_h4_when_the_time_is_over_the_answer_is_empty_and_nothing_is_kept(
    cds: Cds, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cds.cards(device())
    AppContext.objects.all().delete()
    late, left_s = cds_hooks._subject, cds_hooks.Deadline.left_s

    def over(*args: Any) -> Any:
        monkeypatch.setattr(cds_hooks, "DEADLINE_S", -1.0)
        monkeypatch.setattr(cds_hooks.Deadline, "left_s", lambda deadline: left_s(cds_hooks.Deadline.begin()))
        return late(*args)

    monkeypatch.setattr(cds_hooks, "_subject", over)
    answer = cds.call(device())
    monkeypatch.undo()
    assert (answer.status_code, answer.json()) == (200, {"cards": []})
    assert not AppContext.objects.exists()


@pytest.mark.smart("H78")
def test_h4_keys_that_are_slow_to_come_do_not_hold_up_the_answer(cds: Cds, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call goes away empty; the keys come in meanwhile, and later calls find them."""
    monkeypatch.setattr(cds_hooks, "DEADLINE_S", 1.0)
    cds.ehr.slow_s = 2.0
    answer = cds.call(device())
    assert (answer.status_code, answer.json()) == (200, {"cards": []})
    monkeypatch.setattr(cds_hooks, "DEADLINE_S", 60.0)
    assert cds.cards(device())
    assert cds.ehr.paths() == ["/jwks"]


def test_h4_the_database_gives_up_in_time(cds: Cds, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cds.cards(device())

    def slow(*args: Any) -> Any:
        with database.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '5ms'")
            cursor.execute("SELECT pg_sleep(20)")

    monkeypatch.setattr(cds_hooks, "_subject", slow)
    assert cds.call(device()).json() == {"cards": []}


def test_h4_a_database_that_is_away_is_an_empty_answer(cds: Cds, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(slug: str) -> Any:
        raise OperationalError

    monkeypatch.setattr("ehrcommerce.ehr.launching.connection_by_slug", away)
    answer = cds.call(device())
    assert (answer.status_code, answer.json()) == (200, {"cards": []})


# ---------------------------------------------------------------------------------------- H5 to H8: what is looked at
def test_h5_no_service_asks_for_a_prefetch_and_a_call_asks_the_ehr_for_nothing(cds: Cds) -> None:
    assert all("prefetch" not in each for each in cds_hooks.services()["services"])
    assert cds.cards(device(), prefetch={"patient": None, "x": {"resourceType": "Patient", "id": "dee-2"}})
    assert cds.ehr.paths() == ["/jwks"]


@pytest.mark.smart("H78")
def test_h6_orders_of_another_patient_are_left_out(cds: Cds) -> None:
    assert cds.cards(device(patient="dee-2")) == []
    (card,) = cds.cards(device(patient="dee-2"), device("mask-2"))
    assert card["summary"].startswith("1 order ")
    assert AppContext.objects.get().orders == ["DeviceRequest/mask-2"]


def test_h7_order_select_speaks_of_the_selected_alone(cds: Cds) -> None:
    two = (device("a"), device("b"))
    assert cds.cards(*two, hook="order-select", context={"selections": ["DeviceRequest/b"]})
    assert AppContext.objects.get().orders == ["DeviceRequest/b"]
    for odd in ([], None, "DeviceRequest/b", [7], ["DeviceRequest/c"]):
        assert cds.cards(*two, hook="order-select", context={"selections": odd}) == []


@pytest.mark.parametrize(("status", "told"), [("draft", True), ("active", True), ("revoked", False), ("on-hold", False)])
def test_h7_an_order_that_is_signed_need_not_be_a_draft(cds: Cds, status: str, told: bool) -> None:
    assert bool(cds.cards(device(status=status))) is told


@pytest.mark.parametrize("name", ["dispatchedOrders", "dispatched-orders"])
def test_h7_order_dispatch_takes_both_spellings_and_names_only(cds: Cds, name: str) -> None:
    named = ["DeviceRequest/a", "Appointment/b", "https://other.example/DeviceRequest/c", 7]
    assert cds.cards(hook="order-dispatch", context={name: named, "performer": "Organization/x"})
    assert AppContext.objects.get().orders == ["DeviceRequest/a"]


@pytest.mark.parametrize("odd", [{"modifierExtension": [{"url": "x"}]}, {"intent": "proposal"}, {"codeCodeableConcept": {}}])
def test_an_order_that_may_not_be_sold_makes_no_card(cds: Cds, odd: dict[str, Any]) -> None:
    assert cds.cards(device(**odd)) == []


def test_h8_another_fhir_server_is_not_ours_and_a_token_is_never_looked_at(cds: Cds) -> None:
    assert cds.cards(device(), fhirServer="https://other.example/fhir") == []
    token = {"access_token": "canary-of-a-token", "token_type": "Bearer", "expires_in": 300, "scope": "user/*.*"}
    assert cds.cards(device(), fhirAuthorization=token)
    assert all("Authorization" not in headers for _, headers in cds.ehr.heard)
    EhrIssuer(connection=cds.connection, spelling="https://alias.example.org/fhir").save()
    assert cds.cards(device("mask-9"), fhirServer="https://alias.example.org/fhir/")


# ------------------------------------------------------------------------------------------------------- H9, H11: the card
def test_h9_a_card_is_whole_short_and_says_nothing_of_the_patient(cds: Cds) -> None:
    (card,) = cds.cards(device())
    assert set(card) == {"uuid", "summary", "indicator", "source", "links"}
    assert len(card["summary"]) < 140
    assert card["indicator"] == "info"
    assert card["source"]["label"]
    text = json.dumps(card)
    assert "null" not in text
    assert not any(each in text for each in ("cy-1", "mask", "A7034", "Mask", "DeviceRequest"))


@pytest.mark.parametrize("name", ["*Lake* [x](https://evil.example)", "<b>Lake</b>"])
def test_h9_what_stands_in_a_label_is_text(cds: Cds, name: str) -> None:
    clinic = cds.connection.organization
    clinic.alias = name
    clinic.save()
    (card,) = cds.cards(device())
    assert "](" not in card["source"]["label"]
    assert "\\*" in card["source"]["label"] or "\\<" in card["source"]["label"]


def test_h11_nothing_opens_or_changes_by_itself(cds: Cds) -> None:
    answer = cds.call(device()).json()
    assert set(answer) == {"cards"}
    assert all(set(link) == {"label", "url", "type", "appContext"} for card in answer["cards"] for link in card["links"])


# ---------------------------------------------------------------------------------------------------------- H12: feedback
def test_h12_feedback_counts_once_and_comments_are_thrown_away(cds: Cds, caplog: pytest.LogCaptureFixture) -> None:
    (card,) = cds.cards(device())
    told = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": stamp()}
    comment = {"overrideReason": {"reason": {"code": "x"}, "userComment": "canary-of-a-comment" * 1000}}
    strange = {**told, "card": "0" * 32}
    odd: list[Any] = [7, None, {}, {**told, "outcome": "eaten"}, {**told, "outcomeTimestamp": "x"}, {**told, "card": 7}]
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            sent = {"feedback": [{**told, **comment}, told, strange, *odd]}
            assert cds.post(cds.url(rest="/feedback"), sent).status_code == 200
    row = AppContext.objects.get()
    assert [each.outcome for each in row.feedback.all()] == ["overridden"]
    assert "canary-of-a-comment" not in caplog.text


def test_h12_feedback_is_signed_like_a_call(cds: Cds) -> None:
    url = cds.url(rest="/feedback")
    assert cds.post(url, {"feedback": []}, token=cds.token(cds.url())).status_code == 401
    assert cds.post(url, {"feedback": 7}).status_code == 400


def test_h12_feedback_of_another_clinics_card_is_ignored(cds: Cds) -> None:
    foreign = factories.organization()
    there = factories.ehr_connection(foreign)
    now = factories.NOW
    with walls.organization(foreign.pk):
        row = AppContext.objects.create(
            organization=foreign, connection=there, handle_sha256=b"x" * 32, hook="order-sign", patient_digest=b"p" * 32,
            user_digest=b"u" * 32, orders=[], made_at=now, expires_at=now,
        )  # fmt: skip
    told = {"card": str(row.public_id), "outcome": "accepted", "outcomeTimestamp": stamp()}
    walls.enter(cds.connection.organization_id)
    assert cds.post(cds.url(rest="/feedback"), {"feedback": [told]}).status_code == 200
    with walls.organization(foreign.pk):
        assert not row.feedback.exists()


# ------------------------------------------------------------------------------------------------ H13, H14: kept, allowed
def test_h13_nothing_of_a_body_is_logged_or_kept(cds: Cds, caplog: pytest.LogCaptureFixture) -> None:
    canary = "canary-8f1d"
    order = device(note=[{"text": canary}], reasonCode=[{"text": canary}], extension=[{"url": "x", "valueString": canary}])
    with caplog.at_level(logging.DEBUG):
        assert cds.cards(order, prefetch={"a": {"resourceType": "Patient", "id": "cy-1", "name": [{"text": canary}]}})
        cds.post(cds.url(), json.dumps(cds.body("order-select", order)).encode())
    assert canary not in caplog.text
    assert "cy-1" not in caplog.text
    with database.cursor() as cursor:
        for table in ("ehr_appcontext", "ehr_hooktoken", "audit_auditevent"):
            cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {table} t")
            kept = cursor.fetchone()[0] or ""
            assert canary not in kept
            assert "mask-1" not in kept
    assert AuditEvent.objects.filter(action="hook.read").exists()


def test_h14_a_connection_answers_only_where_it_is_switched_on_and_agreed(cds: Cds) -> None:
    cds.row.hooks = "order-select"
    cds.row.save()
    assert cds.cards(device()) == []
    cds.row.enabled = False
    cds.row.save()
    assert cds.call(device()).status_code == 401
    assert type(cds.row)._meta.get_field("enabled").default is False


def test_h14_without_an_agreement_nothing_is_read(ehr: FakeEhr, clinic: Any) -> None:
    row = factories.ehr_connection(clinic, fhir_base=ehr.base, agreed=False)
    clients.sell_masks(row)
    cds = clients.registered(ehr, row)
    assert cds.cards(device()) == []
    assert not AppContext.objects.exists()


def test_an_order_that_has_a_link_already_makes_no_card(cds: Cds, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_maker(cds.connection)("DeviceRequest", "mask-1")
    monkeypatch.setattr("ehrcommerce.commerce.offers.services.newest_by_order", lambda sent: {key: object()})
    assert cds.cards(device()) == []
    assert cds.cards(device("mask-2"))


def test_an_unreachable_key_address_is_401_and_not_500(cds: Cds) -> None:
    cds.ehr.replies["/jwks"] = as_json({}, status=500)
    assert cds.call(device()).status_code == 401
