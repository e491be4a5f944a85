"""Codes on paper in the place of the phone: each opens once, for its owner alone, and the table holds none of them."""

import re

import pytest
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.accounts import backup_codes
from ehrcommerce.accounts.backup_codes import BackupCodes
from ehrcommerce.accounts.models import Role, User
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.vault import walls
from tests import factories
from tests.admin.conftest import PASSWORD, signed_in, staff_user

pytestmark = pytest.mark.django_db
PAGE = "/admin/backup-codes/"


@pytest.fixture
def user() -> User:
    """Somebody of the staff, with an authenticator and ten codes in `user.codes`."""
    made = staff_user(factories.organization(), Role.OPERATIONS)
    with walls.organization(made.organization_id):
        made.codes = backup_codes.make(made, by=made.actor, at=timezone.now())  # type: ignore[attr-defined]
    return made


def codes(user: User) -> list[str]:
    return list(user.codes)  # type: ignore[attr-defined]


def sign_in(user: User, code: str) -> bool:
    walls.leave()
    form = {"username": user.username, "password": PASSWORD, "otp_token": code}
    client = Client()
    answer = client.post("/admin/login/?next=/admin/", form)
    inside = client.get("/admin/").status_code == 200
    walls.enter(user.organization_id)
    assert inside is (answer.status_code == 302)
    return inside


def test_each_opens_once(user: User) -> None:
    first, second, *_ = codes(user)
    assert sign_in(user, first)
    assert not sign_in(user, first)
    assert sign_in(user, second.replace(" ", "")), "as it is typed, with the space or without"
    assert backup_codes.left(user) == 8
    used = AuditEvent.objects.filter(action="staff.backup_code_used").order_by("pk")
    assert [event.reason for event in used] == ["left:9", "left:8"]


@pytest.mark.parametrize("wrong", ["", "0000000000", "12345", "00000 00000 1", "abcde fghij", "\u0661" * 10])
def test_what_is_none_opens_nothing_and_counts_against_the_authenticator(user: User, wrong: str) -> None:
    assert not sign_in(user, wrong)
    assert backup_codes.left(user) == 10
    assert TOTPDevice.objects.get(user=user).throttling_failure_count == (1 if wrong else 0)


def test_nobody_elses_opens(user: User) -> None:
    other = staff_user(user.organization, Role.SUPPORT)
    with walls.organization(other.organization_id):
        theirs = backup_codes.make(other, by=other.actor, at=timezone.now())
    assert not sign_in(user, theirs[0])
    assert sign_in(other, theirs[0])


def test_the_table_holds_no_code(user: User) -> None:
    row = BackupCodes.objects.get(user=user)
    assert len(set(row.digests)) == 10
    for code in codes(user):
        assert backup_codes.plain(code) not in str(row.__dict__)
    assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in row.digests)


def test_new_ones_make_the_old_ones_worthless(user: User) -> None:
    old = codes(user)
    again = backup_codes.make(user, by=user.actor, at=timezone.now())
    assert not set(old) & set(again)
    assert not sign_in(user, old[0])
    assert BackupCodes.objects.filter(user=user).count() == 1


def test_the_page_asks_for_a_code_shows_ten_once_and_says_how_many_are_left(user: User) -> None:
    client = signed_in(user)
    assert "You have 10 left" in client.get(PAGE).content.decode()
    refused = client.post(PAGE, {"otp_token": "000000"})
    assert (refused.status_code, backup_codes.left(user)) == (422, 10)
    TOTPDevice.objects.filter(user=user).update(throttling_failure_timestamp=None, throttling_failure_count=0)
    shown = client.post(PAGE, {"otp_token": codes(user)[3]})
    found = re.findall(r"<code>(\d{5} \d{5})</code>", shown.content.decode())
    assert len(set(found)) == 10
    assert "no-store" in shown["Cache-Control"]
    assert not re.search(r"\d{5} \d{5}", client.get(PAGE).content.decode())
    assert sign_in(user, found[0])


def test_who_has_no_authenticator_is_not_let_in_by_an_empty_set(user: User) -> None:
    BackupCodes.objects.filter(user=user).update(digests=[])
    assert not sign_in(user, codes(user)[0])
