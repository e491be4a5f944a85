"""When sessions end, by the server's clock: staff after ten idle minutes, patients after ten, clinicians after fifteen; and
all of somebody's at once when they are switched off. (45 CFR 164.312(a)(2)(iii), [SEC-B7, SEC-B11])"""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.accounts import idle
from ehrcommerce.accounts.models import Organization, User
from ehrcommerce.commerce.checkout import services as checkout
from ehrcommerce.ehr import sessions
from ehrcommerce.ehr.errors import SessionOver
from ehrcommerce.vault import walls
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(clinic: Organization) -> User:
    return factories.staff(clinic, username=f"cleo-{clinic.pk}", password="correct horse battery staple")


@pytest.fixture
def browser(staff: User) -> Client:
    client = Client()
    client.force_login(staff, backend="ehrcommerce.accounts.login.StaffBackend")
    walls.enter(staff.organization_id)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = TOTPDevice.objects.get(user=staff).persistent_id
    session.save()
    return client


def moved(client: Client, **values: int) -> None:
    session = client.session
    for name, value in values.items():
        session[name] = value
    session.save()


def now() -> int:
    return int(timezone.now().timestamp())


def test_staff_are_signed_out_after_ten_idle_minutes(browser: Client) -> None:
    assert browser.get("/admin/").status_code == 200
    moved(browser, seen_at=now() - 595)
    assert browser.get("/admin/").status_code == 200
    assert browser.session["seen_at"] >= now() - 5, "a request counts as being there"
    moved(browser, seen_at=now() - 600)
    assert "/admin/login/" in browser.get("/admin/")["Location"]
    moved(browser, seen_at=now())
    assert "/admin/login/" in browser.get("/admin/")["Location"], "what ended does not begin again"


def test_staff_are_signed_out_after_eight_hours_however_busy(browser: Client) -> None:
    browser.get("/admin/")
    moved(browser, began_at=now() - int(idle.LIFE.total_seconds()))
    assert "/admin/login/" in browser.get("/admin/")["Location"]


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}, {"role": "clinician"}])
def test_whoever_is_switched_off_is_out_at_the_next_request(browser: Client, staff: User, change: dict[str, Any]) -> None:
    assert browser.get("/admin/").status_code == 200
    with walls.organization(staff.organization_id):
        User.objects.filter(pk=staff.pk).update(**change)
    assert "/admin/login/" in browser.get("/admin/")["Location"]


def test_a_new_password_ends_the_other_sessions(browser: Client, staff: User) -> None:
    assert browser.get("/admin/").status_code == 200
    with walls.organization(staff.organization_id):
        staff.set_password("another horse battery staple")
        staff.save()
    assert "/admin/login/" in browser.get("/admin/")["Location"]


def test_a_clinician_who_is_switched_off_has_no_launch_any_more(clinic: Organization, ada: User) -> None:
    at = timezone.now()
    session = factories.ehr_session(factories.ehr_connection(clinic), ada, at=at)
    assert sessions.current(session.launch_key, at).pk == session.pk
    User.objects.filter(pk=ada.pk).update(is_active=False)
    with pytest.raises(SessionOver):
        sessions.current(session.launch_key, at)


def test_a_launch_is_over_after_fifteen_idle_minutes(clinic: Organization, ada: User) -> None:
    assert settings.LAUNCH_IDLE_S == 15 * 60
    at = timezone.now()
    session = factories.ehr_session(factories.ehr_connection(clinic), ada, at=at)
    assert sessions.current(session.launch_key, at + timedelta(minutes=14, seconds=59), seen=False).pk == session.pk
    with pytest.raises(SessionOver):
        sessions.current(session.launch_key, at + timedelta(minutes=15))


def test_a_patient_has_ten_idle_minutes_and_half_an_hour() -> None:
    assert (timedelta(minutes=10), timedelta(minutes=30)) == (checkout.IDLE, checkout.LIFE)
