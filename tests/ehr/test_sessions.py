"""A launch is a place with an end. [SMART-R1 to R5, SEC-B3]"""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db import connections
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from ehrcommerce.accounts.models import Organization, User
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.disclosure import retention
from ehrcommerce.ehr import access, sessions
from ehrcommerce.ehr.errors import EhrUnreachable, SessionOver
from ehrcommerce.ehr.models import EhrConnection, EhrSession, LaunchAttempt
from ehrcommerce.ehr.views.guards import ClinicianRequest, clinician_required
from ehrcommerce.vault import walls
from tests import factories
from tests.ehr.fake_ehr import FakeEhr, as_json

NOW = factories.NOW
FRESH = {"access_token": "token-2", "token_type": "Bearer", "expires_in": 300, "scope": "patient/Patient.r"}


@pytest.fixture
def session(connection: EhrConnection, ada: User) -> EhrSession:
    return factories.ehr_session(connection, ada, refresh_token="refresh-1")


@pytest.fixture(autouse=True)
def from_outside(clinic: Organization) -> Iterator[None]:
    walls.leave()
    yield
    walls.leave()


def test_a_live_launch_is_found_by_its_key_from_outside_the_walls(session: EhrSession, clinic: Organization) -> None:
    found = sessions.current(session.launch_key, NOW)
    assert found.pk == session.pk
    assert walls.current() == clinic.pk


@pytest.mark.parametrize("later", [timedelta(minutes=15), timedelta(hours=8), timedelta(days=400)])
def test_an_idle_launch_is_over(session: EhrSession, later: timedelta) -> None:
    with pytest.raises(SessionOver):
        sessions.current(session.launch_key, NOW + later)


def test_a_launch_in_use_ends_at_its_absolute_end(session: EhrSession) -> None:
    at = NOW
    for _ in range(48):
        sessions.current(session.launch_key, at)
        at += timedelta(minutes=10)
    with pytest.raises(SessionOver):
        sessions.current(session.launch_key, at)


@pytest.mark.parametrize("key", ["", "unknown12345", "x" * 500, "' OR 1=1 --"])
def test_an_unknown_key_opens_nothing(key: str, session: EhrSession) -> None:
    with pytest.raises(SessionOver):
        sessions.current(key, NOW)


def test_a_launch_ends_with_its_user_and_with_its_connection(session: EhrSession, clinic: Organization) -> None:
    walls.enter(clinic.pk)
    User.objects.update(is_active=False)
    with pytest.raises(SessionOver):
        sessions.current(session.launch_key, NOW)
    User.objects.update(is_active=True)
    EhrConnection.objects.update(enabled=False)
    with pytest.raises(SessionOver):
        sessions.current(session.launch_key, NOW)


@pytest.mark.smart("T8", "R6")
def test_what_is_ended_holds_no_token_any_more(session: EhrSession) -> None:
    live = sessions.current(session.launch_key, NOW)
    sessions.end(live, NOW)
    sessions.end(live, NOW)
    with database.cursor() as cursor:
        cursor.execute("SELECT access_token, refresh_token FROM ehr_ehrsession WHERE id = %s", [session.pk])
        assert [bytes(value) for value in cursor.fetchone()] == [b"", b""]
    with pytest.raises(SessionOver):
        sessions.current(session.launch_key, NOW)


@pytest.mark.smart("T8")
def test_tokens_are_ciphertext_in_the_row(session: EhrSession, clinic: Organization) -> None:
    walls.enter(clinic.pk)
    with database.cursor() as cursor:
        cursor.execute("SELECT ehr_ehrsession::text FROM ehr_ehrsession")
        stored = cursor.fetchone()[0]
    for secret in ("a-token", "refresh-1", "cy-1"):
        assert secret not in stored
        assert secret.encode().hex() not in stored


# ------------------------------------------------------------------------------------------------------ the bearer
def live(session: EhrSession) -> EhrSession:
    return sessions.current(session.launch_key, NOW)


def test_a_token_that_still_lives_is_used_as_it_is(session: EhrSession, ehr: FakeEhr) -> None:
    assert sessions.bearer(live(session), at=NOW + timedelta(minutes=4)) == "a-token"
    assert ehr.asked == []


@pytest.mark.smart("R1", "R2", "R3")
def test_a_token_that_ends_is_renewed_once(session: EhrSession, ehr: FakeEhr) -> None:
    ehr.replies["/token"] = as_json({**FRESH, "refresh_token": "refresh-2"})
    later = NOW + timedelta(minutes=5)
    one, other = live(session), live(session)
    assert sessions.bearer(one, at=later) == sessions.bearer(other, at=later) == "token-2"
    forms = [form for _, path, form in ehr.asked if path == "/token"]
    assert [form["refresh_token"] for form in forms] == ["refresh-1"]
    assert "scope" not in forms[0]
    assert live(session).refresh_token == "refresh-2"


@pytest.mark.smart("R2")
def test_an_answer_without_a_refresh_token_keeps_the_old_one(session: EhrSession, ehr: FakeEhr) -> None:
    ehr.replies["/token"] = as_json(FRESH)
    sessions.bearer(live(session), at=NOW + timedelta(minutes=5))
    assert live(session).refresh_token == "refresh-1"


def test_without_a_refresh_token_the_launch_is_over(session: EhrSession, clinic: Organization, ehr: FakeEhr) -> None:
    with walls.organization(clinic.pk):
        session.refresh_token = ""
        session.save()
    with pytest.raises(SessionOver):
        sessions.bearer(live(session), at=NOW + timedelta(minutes=5))
    assert ehr.asked == []


@pytest.mark.smart("R3", "R4")
def test_a_refused_refresh_token_ends_the_launch_and_is_not_sent_again(session: EhrSession, ehr: FakeEhr) -> None:
    ehr.replies["/token"] = as_json({"error": "invalid_grant"}, 400)
    stale = live(session)
    for _ in range(2):
        with pytest.raises(SessionOver):
            sessions.bearer(stale, at=NOW + timedelta(minutes=5))
    assert ehr.paths().count("/token") == 1
    with pytest.raises(SessionOver):
        live(session)


@pytest.mark.smart("R5", "H41")
def test_a_renewed_token_for_another_patient_ends_the_launch(
    session: EhrSession, ehr: FakeEhr, clinic: Organization
) -> None:
    ehr.replies["/token"] = as_json({**FRESH, "patient": "bo-2"})
    with pytest.raises(SessionOver):
        sessions.bearer(live(session), at=NOW + timedelta(minutes=5))
    assert AuditEvent.objects.get().reason == "refresh_other_patient"
    with pytest.raises(SessionOver):
        live(session)


def test_an_ehr_that_is_down_does_not_end_the_launch(session: EhrSession, ehr: FakeEhr) -> None:
    one = live(session)
    ehr.replies["/fhir/R4/.well-known/smart-configuration"] = (200, {"Content-Length": "9"}, b"{")
    with pytest.raises(EhrUnreachable):
        sessions.bearer(one, at=NOW + timedelta(minutes=5))
    assert live(session).ended_at is None


@pytest.mark.smart("R3")
@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_send_the_refresh_token_once(ehr: FakeEhr) -> None:
    clinic = factories.organization()
    connection = factories.ehr_connection(clinic, fhir_base=ehr.base)
    session = factories.ehr_session(connection, factories.clinician(clinic, subject="ada"), refresh_token="refresh-1")
    ehr.replies["/token"], ehr.slow_s = as_json({**FRESH, "refresh_token": "refresh-2"}), 0.2
    found: list[str] = []

    def ask() -> None:
        found.append(sessions.bearer(sessions.current(session.launch_key, NOW), at=NOW + timedelta(minutes=5)))
        connections["default"].close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["token-2"] * 4
    assert ehr.paths().count("/token") == 1


def test_the_access_of_a_launch_names_one_patient_one_place_and_opaque_keys(
    session: EhrSession, clinic: Organization
) -> None:
    one = live(session)
    one.token_expires_at = timezone.now() + timedelta(minutes=5)
    found = access.session_access(one)
    assert (found.patient_id, found.bearer, found.organization_id) == ("cy-1", "a-token", clinic.pk)
    assert found.place == f"launch:{session.public_id}"
    assert found.key_of("Patient", "cy-1") == found.key_of("Patient", "cy-1") != found.key_of("Patient", "bo-2")
    assert found.key_of("Patient", "cy-1") != access.chart_key(clinic.public_id, "Patient", "cy-1")
    assert len(found.key_of("Patient", "cy-1")) == 64
    assert "a-token" not in repr(found)
    assert "cy-1" not in repr(found)


def test_the_chore_takes_tokens_out_of_what_is_over(
    session: EhrSession, clinic: Organization, connection: EhrConnection
) -> None:
    walls.enter(clinic.pk)
    for name, age in (("old", timedelta(days=2)), ("new", timedelta(0))):
        LaunchAttempt.objects.create(
            organization=clinic, connection=connection, launch_key=name, state_sha256=name.encode(),
            browser_sha256=b"b",
            started_at=NOW - age, expires_at=NOW - age,
        )  # fmt: skip
    assert sessions.tidy(clinic.pk, NOW) == 1
    assert sessions.tidy(clinic.pk, NOW + timedelta(minutes=15)) == 1
    assert sessions.tidy(clinic.pk, NOW + timedelta(minutes=16)) == 0
    session.refresh_from_db()
    assert (session.access_token, session.refresh_token, session.ended_at) == ("", "", NOW + timedelta(minutes=15))
    assert [attempt.launch_key for attempt in LaunchAttempt.objects.all()] == ["new"]


def test_a_day_after_its_end_a_launch_no_longer_says_whose_chart_it_was(
    connection: EhrConnection, ada: User, clinic: Organization
) -> None:
    said: dict[str, Any] = {"encounter": "e-1"}
    said |= {"fhir_user": "Practitioner/ada", "focus": "MedicationRequest/1", "refresh_token": "r"}
    said |= {"to_revoke": {"refresh_token": "r"}}
    over, recent, live = (factories.ehr_session(connection, ada, **said) for _ in range(3))
    walls.enter(clinic.pk)
    rows = EhrSession.objects
    rows.filter(pk=over.pk).update(ended_at=NOW - timedelta(days=1))
    rows.filter(pk=recent.pk).update(ended_at=NOW - timedelta(hours=23))
    assert "launches" in retention.RULES
    assert retention.run_one("launches", clinic.pk, NOW) == 1
    assert retention.run_one("launches", clinic.pk, NOW) == 0
    for session, kept in ((over, False), (recent, True), (live, True)):
        session = rows.get(pk=session.pk)
        assert {bool(getattr(session, name)) for name in sessions.CONTEXT} == {kept}


# ------------------------------------------------------------------------------------------------------- the guard
@clinician_required
def seen(request: ClinicianRequest, launch_key: str) -> HttpResponse:
    return HttpResponse(f"{request.user.subject} {walls.current()}")


def visit(held: dict[str, Any], launch_key: str) -> HttpResponse:
    request = RequestFactory().get(f"/ehr/c/{launch_key}/")
    request.session = held  # type: ignore[assignment]
    return seen(request, launch_key=launch_key)


def test_a_page_opens_to_the_browser_that_holds_the_launch(
    connection: EhrConnection, ada: User, clinic: Organization
) -> None:
    session = factories.ehr_session(connection, ada, at=timezone.now())
    answer = visit({"launch_key": session.launch_key}, session.launch_key)
    assert answer.content.decode() == f"ada {clinic.pk}"


@pytest.mark.smart("L7")
@pytest.mark.parametrize("held", [{}, {"launch_key": ""}, {"launch_key": "another-key1"}, {"_auth_user_id": "1"}])
def test_a_page_stays_shut_to_every_other_session(connection: EhrConnection, ada: User, held: dict[str, Any]) -> None:
    session = factories.ehr_session(connection, ada, at=timezone.now())
    other = factories.ehr_session(connection, ada, at=timezone.now(), launch_key="another-key1")
    answer = visit(held, session.launch_key)
    assert answer.status_code == 403
    assert "patient's chart" in answer.content.decode() or "patient&#x27;s chart" in answer.content.decode()
    assert other.pk


def test_a_fault_of_the_ehr_inside_a_page_is_a_page(connection: EhrConnection, ada: User) -> None:
    session = factories.ehr_session(connection, ada, at=timezone.now())

    @clinician_required
    def fails(request: ClinicianRequest, launch_key: str) -> HttpResponse:
        raise EhrUnreachable

    request = RequestFactory().get("/")
    request.session = {"launch_key": session.launch_key}  # type: ignore[assignment]
    assert fails(request, launch_key=session.launch_key).status_code == 502


@pytest.mark.django_db
def test_the_ehrs_frame_can_show_that_a_launch_is_over(session: EhrSession, ehr: FakeEhr) -> None:
    response = Client().get(f"/ehr/c/{session.launch_key}/")
    assert response.status_code == 403
    assert f"frame-ancestors {ehr.url}" in response["Content-Security-Policy"]
    assert "X-Frame-Options" not in response
    assert "frame-ancestors 'none'" in Client().get("/ehr/c/unknown12345/")["Content-Security-Policy"]
