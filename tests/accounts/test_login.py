"""Staff sign in by password and one-time code; nobody else does. [SEC-B11]"""

import time
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.accounts.models import Organization, Role, User
from ehrcommerce.accounts.otp import site
from ehrcommerce.vault import walls
from tests import factories

PASSWORD = "correct horse battery staple"


@pytest.fixture
def cleo(clinic: Organization) -> User:
    """The administrator."""
    return factories.staff(clinic, username="cleo", password=PASSWORD)


def code_of(user: User) -> str:
    device = TOTPDevice.objects.get(user=user)
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits)
    totp.time = time.time()
    return str(totp.token()).zfill(6)


def sign_in(client: Client, user: User, **changes: Any) -> Any:
    device = TOTPDevice.objects.get(user=user)
    fields = {
        "username": user.username, "password": PASSWORD, "otp_device": device.persistent_id,
        "otp_token": code_of(user), "next": "/admin/",
    }  # fmt: skip
    walls.leave()
    return client.post("/admin/login/", {**fields, **changes})


def test_the_right_password_finds_the_user_and_enters_the_walls(cleo: User, clinic: Organization) -> None:
    walls.leave()
    assert authenticate(None, username="cleo", password=PASSWORD) == cleo
    assert walls.current() == clinic.pk


@pytest.mark.parametrize(
    "wrong", [{"password": "x"}, {"password": ""}, {"username": "nobody"}, {"username": ""}, {"username": "CLEO"}]
)
def test_a_wrong_name_or_password_enters_nothing(cleo: User, wrong: dict[str, str]) -> None:
    walls.leave()
    assert authenticate(None, **{"username": "cleo", "password": PASSWORD, **wrong}) is None
    assert walls.current() is None


def test_a_clinician_from_an_ehr_cannot_sign_in_by_password(clinic: Organization) -> None:
    user = factories.clinician(clinic, subject="ada", username="ada")
    user.set_password(PASSWORD)
    user.save()
    walls.leave()
    assert authenticate(None, username="ada", password=PASSWORD) is None


def test_somebody_who_was_switched_off_cannot_sign_in(cleo: User) -> None:
    User.objects.update(is_active=False)
    walls.leave()
    assert authenticate(None, username="cleo", password=PASSWORD) is None


def admin_pages() -> list[str]:
    """Every address of the admin, with 1 in place of ids."""
    found: list[str] = []

    def walk(patterns: list[Any], prefix: str) -> None:
        for each in patterns:
            route = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                walk(each.url_patterns, route)
            elif isinstance(each, URLPattern) and "(?P" not in route:
                found.append(
                    "/"
                    + route.replace("<path:object_id>", "1")
                    .replace("<path:content_type_id>", "1")
                    .replace("<path:object_id>", "1")
                )

    walk([each for each in get_resolver().url_patterns if str(each.pattern).startswith("admin/")], "")
    return [page for page in found if "<" not in page]


@pytest.mark.django_db
def test_no_admin_page_opens_without_a_one_time_code(cleo: User) -> None:
    client = Client()
    client.force_login(cleo, backend="ehrcommerce.accounts.login.StaffBackend")
    walls.leave()
    pages = [page for page in admin_pages() if page not in ("/admin/login/", "/admin/logout/")]
    assert len(pages) > 3
    for page in pages:
        response = client.get(page)
        assert response.status_code == 302, page
        assert response["Location"].startswith(("/admin/login/", "/admin/")), page
        assert client.get(page, follow=True).redirect_chain[-1][0].startswith("/admin/login/"), page


def test_password_and_code_open_the_admin(cleo: User) -> None:
    client = Client()
    assert sign_in(client, cleo).status_code == 302
    response = client.get("/admin/")
    assert response.status_code == 200
    assert walls.current() is None


@pytest.mark.parametrize(
    "wrong", [{"otp_token": "000000"}, {"otp_token": ""}, {"password": "x"}, {"otp_device": "otp_totp.totpdevice/0"}]
)
def test_without_both_nobody_gets_in(cleo: User, wrong: dict[str, str]) -> None:
    client = Client()
    assert sign_in(client, cleo, **wrong).status_code == 200
    assert client.get("/admin/").status_code == 302


def test_who_has_one_device_need_not_choose_it(cleo: User) -> None:
    client = Client()
    assert sign_in(client, cleo, otp_device="").status_code == 302
    assert client.get("/admin/").status_code == 200


def test_a_device_of_somebody_else_opens_nothing(cleo: User, clinic: Organization) -> None:
    other = factories.staff(clinic, username="other", password=PASSWORD)
    theirs = {"otp_device": TOTPDevice.objects.get(user=other).persistent_id, "otp_token": code_of(other)}
    assert sign_in(Client(), cleo, **theirs).status_code == 200


def test_a_refused_sign_in_does_not_send_the_password_back(cleo: User) -> None:
    assert PASSWORD not in sign_in(Client(), cleo, otp_token="000000").content.decode()


def test_a_code_works_once(cleo: User) -> None:
    code = code_of(cleo)
    assert sign_in(Client(), cleo, otp_token=code).status_code == 302
    assert sign_in(Client(), cleo, otp_token=code).status_code == 200


@pytest.mark.parametrize(
    "change", [{"role": Role.CLINICIAN}, {"is_staff": False}, {"is_active": False}, {"subject": "s"}]
)
def test_rights_that_were_taken_away_shut_the_admin_at_once(
    cleo: User, clinic: Organization, change: dict[str, Any]
) -> None:
    client = Client()
    sign_in(client, cleo)
    with walls.organization(clinic.pk):
        User.objects.filter(pk=cleo.pk).update(**change)
    assert client.get("/admin/").status_code == 302


def test_the_admin_cookie_opens_nothing_of_the_clinic(cleo: User) -> None:
    client = Client()
    sign_in(client, cleo)
    client.cookies["__Host-l-aaaaaaaaaaaa"] = client.cookies["__Host-staff"].value
    assert client.get("/ehr/c/aaaaaaaaaaaa/").status_code == 403


def test_the_admin_site_is_the_one_that_asks_for_codes() -> None:
    assert site.name == "admin"
    assert type(site).__mro__[1].__name__ == "OTPAdminSite"
