"""A token after the launch: renewed ahead of its end, asked about before an act, given back at the end."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.accounts.models import Organization, User
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.disclosure.errors import NotRenewed
from ehrcommerce.ehr import access, revocation, sessions, smart
from ehrcommerce.ehr.errors import EhrUnreachable, SessionOver
from ehrcommerce.ehr.models import EhrConnection, EhrSession
from ehrcommerce.ehr.tokens import TokenAnswer
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect
from ehrcommerce.vault import walls
from tests import factories
from tests.ehr.conftest import Browser, page
from tests.ehr.fake_ehr import FakeEhr, as_json

NOW = factories.NOW
FRESH = {"access_token": "token-2", "token_type": "Bearer", "expires_in": 600, "scope": "patient/Patient.r"}


@pytest.fixture
def session(connection: EhrConnection, ada: User) -> EhrSession:
    return factories.ehr_session(
        connection, ada, refresh_token="refresh-1", token_expires_at=NOW + timedelta(minutes=10),
        renew_at=NOW + timedelta(minutes=8), scope="openid patient/Patient.r",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def inside(clinic: Organization) -> Iterator[None]:
    walls.enter(clinic.pk)
    yield
    walls.leave()


def again(session: EhrSession) -> EhrSession:
    return EhrSession.objects.select_related("user", "connection__organization").get(pk=session.pk)


def reasons() -> list[str]:
    return list(AuditEvent.objects.filter(action="launch.ended").values_list("reason", flat=True))


# ---------------------------------------------------------------------------------------------------------- ahead of time
@pytest.mark.smart("R1")
@pytest.mark.parametrize(("life_s", "after_s"), [(3600, 2880), (570, 456), (60, 60), (10, 60)])
def test_a_token_is_renewed_at_four_fifths_of_its_life_and_never_within_a_minute(life_s: int, after_s: int) -> None:
    answer = TokenAnswer("t", life_s, "s")
    assert sessions._renew_at(answer, NOW) == NOW + timedelta(seconds=after_s)


@pytest.mark.smart("R1", "R2")
def test_a_token_that_still_lives_is_renewed_ahead_of_its_end(session: EhrSession, ehr: FakeEhr) -> None:
    ehr.replies["/token"] = as_json(FRESH)
    assert sessions.bearer(again(session), at=NOW + timedelta(minutes=7)) == "a-token"
    assert sessions.bearer(again(session), at=NOW + timedelta(minutes=8)) == "token-2"
    assert again(session).renew_at == NOW + timedelta(minutes=16)
    assert again(session).refresh_token == "refresh-1"


@pytest.mark.smart("R3")
def test_when_that_fails_the_old_one_serves_and_a_minute_passes(session: EhrSession, ehr: FakeEhr) -> None:
    ehr.replies["/token"] = (503, {}, b"{}")
    later = NOW + timedelta(minutes=8)
    for seconds in (0, 1, 59):
        assert sessions.bearer(again(session), at=later + timedelta(seconds=seconds)) == "a-token"
    assert ehr.paths().count("/token") == 1


@pytest.mark.smart("H41", "R1")
def test_wider_scopes_of_a_refresh_are_ignored_and_narrower_ones_kept(session: EhrSession, ehr: FakeEhr) -> None:
    at = NOW + timedelta(minutes=8)
    ehr.replies["/token"] = as_json({**FRESH, "scope": "openid patient/Patient.r user/*.cruds"})
    sessions.bearer(again(session), at=at)
    assert again(session).scope == "openid patient/Patient.r"
    ehr.replies["/token"] = as_json({**FRESH, "scope": "patient/Patient.r"})
    sessions.bearer(again(session), at=at + timedelta(minutes=9))
    assert again(session).scope == "patient/Patient.r"


@pytest.mark.smart("I7")
@pytest.mark.parametrize("claims", [{"sub": "bo"}, {"iss": "https://evil.example"}, {"aud": "other"}, {"exp": 5}])
def test_an_id_token_of_a_refresh_must_name_the_same_person(
    session: EhrSession, ehr: FakeEhr, ada: User, claims: dict[str, Any]
) -> None:
    User.objects.filter(pk=ada.pk).update(issuer=ehr.base)
    at = timezone.now()
    EhrSession.objects.filter(pk=session.pk).update(renew_at=at, token_expires_at=at + timedelta(minutes=2))
    ehr.claims = {"sub": "ada", "fhirUser": None, "nonce": None}
    ehr.replies["/token"] = as_json({**FRESH, "id_token": ehr.id_token()})
    assert sessions.bearer(again(session), at=at) == "token-2"
    ehr.claims |= claims
    ehr.replies["/token"] = as_json({**FRESH, "id_token": ehr.id_token()})
    with pytest.raises(SessionOver):
        sessions.bearer(again(session), at=at + timedelta(minutes=9))
    assert again(session).ended_at
    assert reasons() == ["refresh_other_user"]


@pytest.mark.smart("F3")
def test_a_token_that_the_ehr_refused_is_renewed_once_for_all_who_held_it(session: EhrSession, ehr: FakeEhr) -> None:
    ehr.replies["/token"] = as_json(FRESH)
    EhrSession.objects.filter(pk=session.pk).update(token_expires_at=timezone.now() + timedelta(hours=1), renew_at=None)
    one, other = (access.session_access(again(session)) for _ in range(2))
    assert one.renew is not None
    assert other.renew is not None
    assert one.renew(one.bearer) == other.renew(other.bearer) == "token-2"
    assert ehr.paths().count("/token") == 1
    ehr.replies["/token"] = as_json({"error": "invalid_grant"}, 400)
    with pytest.raises(NotRenewed):
        one.renew("token-2")
    assert again(session).ended_at


# -------------------------------------------------------------------------------------------------------- still active
@pytest.fixture
def asking(session: EhrSession, ehr: FakeEhr) -> EhrSession:
    EhrConnection.objects.update(introspects=True)
    ehr.document = {"introspection_endpoint": "/introspect"}
    return session


def said(**changes: Any) -> Any:
    answer = {
        "active": True, "scope": "patient/Patient.r", "client_id": "ehrcommerce", "exp": NOW.timestamp() + 900,
        "patient": "cy-1",
    }  # fmt: skip
    return as_json({**answer, **changes})


LATER = NOW + timedelta(minutes=6)


@pytest.mark.smart("N1")
def test_the_ehr_is_asked_whether_the_token_holds_and_believed_for_a_while(asking: EhrSession, ehr: FakeEhr) -> None:
    ehr.replies["/introspect"] = said()
    assert sessions.still_active(again(asking), at=NOW + timedelta(minutes=1))
    assert "/introspect" not in ehr.paths()
    for seconds in (0, 10, 200):
        assert sessions.still_active(again(asking), at=LATER + timedelta(seconds=seconds))
    ((_, _, form),) = [each for each in ehr.asked if each[1] == "/introspect"]
    assert (form["token"], form["client_id"]) == ("a-token", "ehrcommerce")


@pytest.mark.smart("N1")
def test_an_inactive_token_ends_the_launch_whatever_stands_beside(asking: EhrSession, ehr: FakeEhr) -> None:
    ehr.replies["/introspect"] = said(active=False, patient="bo-2", scope="user/*.*")
    assert not sessions.still_active(again(asking), at=LATER)
    ended = again(asking)
    assert (ended.access_token, bool(ended.ended_at)) == ("", True)
    assert reasons() == ["introspection_inactive"]


@pytest.mark.smart("N1", "R6")
def test_an_inactive_token_leaves_no_refresh_token(asking: EhrSession, ehr: FakeEhr, clinic: Organization) -> None:
    ehr.document |= {"revocation_endpoint": "/revoke"}
    ehr.replies |= {"/introspect": said(active=False), "/revoke": (200, {}, b"")}
    at = timezone.now()
    EhrSession.objects.update(token_expires_at=at + timedelta(hours=1), renew_at=None)
    assert not sessions.still_active(again(asking), at=at)
    assert run_effects(clinic) == ["done"]
    assert ("refresh-1", "refresh_token") in revoked(ehr)


@pytest.mark.smart("N1")
@pytest.mark.parametrize("change", [{"client_id": "other"}, {"patient": "bo-2"}, {"exp": 5}])
def test_a_token_that_turned_into_another_ends_the_launch(
    asking: EhrSession, ehr: FakeEhr, change: dict[str, Any]
) -> None:
    ehr.replies["/introspect"] = said(**change)
    assert not sessions.still_active(again(asking), at=LATER)
    assert again(asking).ended_at


@pytest.mark.smart("N1")
@pytest.mark.parametrize(
    "reply",
    [(503, {}, b""), (200, {}, b"<html>"), as_json({"active": "yes"}), as_json({"error": "x"}, 401), as_json([])],
)
def test_no_answer_is_no_no(asking: EhrSession, ehr: FakeEhr, reply: Any) -> None:
    ehr.replies["/introspect"] = reply
    assert sessions.still_active(again(asking), at=LATER)
    assert not again(asking).ended_at


@pytest.mark.smart("N1")
def test_where_the_row_does_not_say_so_nothing_is_asked(session: EhrSession, ehr: FakeEhr) -> None:
    assert sessions.still_active(again(session), at=LATER)
    assert ehr.asked == []


@pytest.mark.smart("N1")
def test_before_an_act_of_the_clinician_the_ehr_is_asked(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    EhrConnection.objects.update(introspects=True)
    ehr.document = {"introspection_endpoint": "/introspect"}
    place = browser.open()["Location"]
    with walls.organization(clinic.pk):
        EhrSession.objects.update(checked_at=timezone.now() - timedelta(minutes=6))
    ehr.replies["/introspect"] = said(active=False)
    response = browser.client.post(f"{place}send/", {})
    assert response.status_code == 403
    assert "over" in page(response)
    assert ehr.paths()[-1] == "/introspect"


@pytest.mark.smart("N1", "R6")
@pytest.mark.parametrize("reply", [said(active=False), (503, {}, b"")])
def test_signing_out_asks_the_ehr_nothing_first(
    browser: Browser, ehr: FakeEhr, clinic: Organization, reply: Any
) -> None:
    EhrConnection.objects.update(introspects=True)
    ehr.document = {"introspection_endpoint": "/introspect"}
    place = browser.open()["Location"]
    with walls.organization(clinic.pk):
        late = timezone.now() - timedelta(minutes=6)
        EhrSession.objects.update(checked_at=late, token_expires_at=late)
    ehr.replies["/introspect"] = reply
    response = browser.client.post(f"{place}leave/")
    assert response.status_code == 200
    assert "signed out" in page(response)
    assert "/introspect" not in ehr.paths()
    walls.enter(clinic.pk)
    assert reasons() == ["signed_out"]


# ---------------------------------------------------------------------------------------------------------- given back
def run_effects(clinic: Organization) -> list[str]:
    with walls.organization(clinic.pk):
        effects = Effect.objects.filter(kind=revocation.KIND)
        effects.update(next_run_at=timezone.now() - timedelta(hours=1))  # a test's transaction began before its clock
        for effect in list(effects):
            outbox.run(str(effect.public_id))
        return list(effects.values_list("state", flat=True))


def revoked(ehr: FakeEhr) -> list[tuple[str, str]]:
    return [(form["token"], form["token_type_hint"]) for _, path, form in ehr.asked if path == "/revoke"]


@pytest.mark.smart("R6", "T8")
def test_signing_out_ends_the_launch_here_and_at_the_ehr(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    ehr.document, ehr.replies["/revoke"] = {"revocation_endpoint": "/revoke"}, (200, {}, b"")
    ehr.token = {"refresh_token": "refresh-1"}
    place = browser.open()["Location"]
    name = browser.launch_cookies()[0]
    response = browser.client.post(f"{place}leave/")
    assert response.status_code == 200
    assert "signed out" in page(response)
    assert browser.launch_cookies() == []
    assert browser.client.cookies[name]["partitioned"]
    assert browser.client.get(place).status_code == 403
    walls.enter(clinic.pk)
    ended = EhrSession.objects.get()
    assert (ended.access_token, ended.refresh_token, bool(ended.ended_at)) == ("", "", True)
    assert reasons() == ["signed_out"]
    assert run_effects(clinic) == ["done"]
    assert revoked(ehr) == [("refresh-1", "refresh_token"), ("token-1", "access_token")]
    assert EhrSession.objects.get().to_revoke == {}


@pytest.mark.smart("R6")
def test_signing_out_needs_a_post(browser: Browser, clinic: Organization) -> None:
    place = browser.open()["Location"]
    assert browser.client.get(f"{place}leave/").status_code == 405
    walls.enter(clinic.pk)
    assert EhrSession.objects.get().ended_at is None


@pytest.mark.smart("R6")
@pytest.mark.parametrize(
    ("reply", "state"), [((400, {}, b"{}"), "rejected"), ((503, {}, b""), "planned"), ((404, {}, b""), "rejected")]
)
def test_what_the_ehr_answers_keeps_no_token_alive_here(
    session: EhrSession, ada: User, ehr: FakeEhr, clinic: Organization, reply: Any, state: str
) -> None:
    ehr.document, ehr.replies["/revoke"] = {"revocation_endpoint": "/revoke"}, reply
    at = timezone.now()
    sessions.leave(again(session), by=ada.actor, at=at)
    assert again(session).access_token == ""
    assert run_effects(clinic) == [state]
    revocation.tidy(session.organization_id, at + timedelta(minutes=15))
    assert again(session).to_revoke == {}


@pytest.mark.smart("R6")
def test_an_ehr_without_such_an_address_is_asked_nothing(
    session: EhrSession, ada: User, ehr: FakeEhr, clinic: Organization
) -> None:
    sessions.leave(again(session), by=ada.actor, at=timezone.now())
    assert run_effects(clinic) == ["rejected"]
    assert "/token" not in ehr.paths()
    assert again(session).to_revoke == {}


@pytest.mark.smart("R6")
def test_a_launch_that_ran_out_is_given_back_too(session: EhrSession, ehr: FakeEhr, clinic: Organization) -> None:
    ehr.document, ehr.replies["/revoke"] = {"revocation_endpoint": "/revoke"}, (200, {}, b"")
    assert sessions.tidy(session.organization_id, timezone.now()) == 1
    assert again(session).access_token == ""
    assert run_effects(clinic) == ["done"]
    assert revoked(ehr) == [("refresh-1", "refresh_token"), ("a-token", "access_token")]


@pytest.mark.smart("R6", "T8")
def test_the_copy_that_waits_is_ciphertext(session: EhrSession, ada: User) -> None:
    from django.db import connection as database

    sessions.leave(again(session), by=ada.actor, at=NOW)
    with database.cursor() as cursor:
        cursor.execute("SELECT to_revoke FROM ehr_ehrsession WHERE id = %s", [session.pk])
        stored = bytes(cursor.fetchone()[0])
    assert stored
    assert b"refresh-1" not in stored


@pytest.mark.smart("R6", "T8")
def test_the_effect_itself_holds_no_token(session: EhrSession, ada: User, ehr: FakeEhr, clinic: Organization) -> None:
    ehr.document, ehr.replies["/revoke"] = {"revocation_endpoint": "/revoke"}, (503, {}, b"")
    sessions.leave(again(session), by=ada.actor, at=timezone.now())
    assert run_effects(clinic) == ["planned"]
    assert revoked(ehr)[0] == ("refresh-1", "refresh_token")
    body = bytes(Effect.objects.get(kind=revocation.KIND).body)
    assert body
    assert not [token for token in (b"refresh-1", b"a-token") if token in body]


# ------------------------------------------------------------------------------------- signed out while it was renewed
def leaving_meanwhile(monkeypatch: pytest.MonkeyPatch, session: EhrSession, ada: User, *, first: bool = False) -> None:
    """Somebody signs out while the EHR answers a refresh; `first`: and that is given back before the answer came."""
    ask = smart.refresh

    def refresh(*args: Any, **named: Any) -> Any:
        answer = ask(*args, **named)
        sessions.leave(again(session), by=ada.actor, at=timezone.now())
        if first:
            assert run_effects(session.organization) == ["done"]
        return answer

    monkeypatch.setattr(smart, "refresh", refresh)


@pytest.mark.smart("R6", "T8", "R3")
@pytest.mark.parametrize("first", [False, True])
def test_signing_out_while_a_token_is_renewed_leaves_no_live_token(
    session: EhrSession, ada: User, ehr: FakeEhr, clinic: Organization, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    ehr.document, ehr.replies["/revoke"] = {"revocation_endpoint": "/revoke"}, (200, {}, b"")
    ehr.replies["/token"] = as_json({**FRESH, "refresh_token": "refresh-2"})
    leaving_meanwhile(monkeypatch, session, ada, first=first)
    with pytest.raises(SessionOver):
        sessions.bearer(again(session), at=timezone.now())
    ended = again(session)
    assert (ended.access_token, ended.refresh_token, bool(ended.ended_at)) == ("", "", True)
    assert set(run_effects(clinic)) == {"done"}
    both = [("refresh-1", "refresh_token"), ("a-token", "access_token")]
    assert sorted(revoked(ehr)) == sorted([*both, ("refresh-2", "refresh_token"), ("token-2", "access_token")])
    assert again(session).to_revoke == {}
    with pytest.raises(SessionOver):
        sessions.bearer(again(session), at=timezone.now())


@pytest.mark.smart("R3", "R6")
def test_a_launch_that_ended_during_a_refresh_that_failed_hands_out_no_token(
    session: EhrSession, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refresh(*args: Any, **named: Any) -> Any:
        sessions.leave(again(session), by=ada.actor, at=timezone.now())
        raise EhrUnreachable

    monkeypatch.setattr(smart, "refresh", refresh)
    with pytest.raises(SessionOver):
        sessions.bearer(again(session), at=NOW + timedelta(minutes=8))


@pytest.mark.smart("R5", "R6")
def test_a_pair_that_was_renewed_for_another_patient_is_given_back(
    session: EhrSession, ehr: FakeEhr, clinic: Organization
) -> None:
    ehr.document, ehr.replies["/revoke"] = {"revocation_endpoint": "/revoke"}, (200, {}, b"")
    ehr.replies["/token"] = as_json({**FRESH, "refresh_token": "refresh-2", "patient": "bo-2"})
    with pytest.raises(SessionOver):
        sessions.bearer(again(session), at=timezone.now())
    assert set(run_effects(clinic)) == {"done"}
    assert {("refresh-2", "refresh_token"), ("token-2", "access_token")} <= set(revoked(ehr))


@pytest.mark.smart("T6")
def test_the_page_searches_only_the_kinds_of_orders_that_were_granted(browser: Browser, ehr: FakeEhr) -> None:
    ehr.token = {"scope": "openid patient/Patient.r patient/DeviceRequest.rs"}
    ehr.replies["/fhir/R4/Patient/cy-1"] = as_json({"resourceType": "Patient", "id": "cy-1", "active": True})
    browser.client.get(browser.open()["Location"])
    asked = {path.split("?")[0].rsplit("/", 1)[-1] for path in ehr.paths()}
    assert asked & {"MedicationRequest", "DeviceRequest", "ServiceRequest"} == {"DeviceRequest"}
