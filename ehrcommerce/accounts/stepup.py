"""A fresh one-time code in the middle of a session, asked before a value is shown or the glass is broken. Whoever found
an unlocked screen has a session, not the authenticator. The session gets another key each time. [SEC-B11]"""

from datetime import datetime, timedelta

from django import forms
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest
from django_otp import devices_for_user

from ehrcommerce.accounts.models import User
from ehrcommerce.accounts.signin import device_that_shows
from ehrcommerce.audit import services as audit

FRESH = timedelta(minutes=5)
_KEY = "code_at"


class CodeField(forms.CharField):
    """Where a fresh code is typed: six digits of the app, or ten of a backup code with a space between."""

    def __init__(self) -> None:
        super().__init__(
            max_length=12, label="One-time code",
            help_text="The six digits that your authenticator app shows now, or one of your backup codes.",
            widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
        )  # fmt: skip


class CodeRefused(Exception):
    """The code was not taken. Enter the six digits that your authenticator app shows now; each code works once."""


def is_fresh(request: HttpRequest, *, at: datetime) -> bool:
    """Whether a code was given within the last five minutes, in this session."""
    given = request.session.get(_KEY)
    return isinstance(given, int) and timedelta(0) <= at - datetime.fromtimestamp(given, at.tzinfo) <= FRESH


def step_up(request: HttpRequest, user: User, token: str, *, at: datetime) -> None:
    """Takes a code, or raises CodeRefused; a wrong one counts against the device and against the sign-in."""
    device = device_that_shows(list(devices_for_user(user)), token)
    if device is None or not device.verify_is_allowed()[0] or not device.verify_token(token):
        _record(user, "staff.code_refused", at, outcome="refused")
        user_login_failed.send(sender=__name__, credentials={"username": user.get_username()}, request=request)
        raise CodeRefused
    request.session.cycle_key()
    request.session[_KEY] = int(at.timestamp())
    _record(user, "staff.stepped_up", at)


def _record(user: User, action: str, at: datetime, outcome: str = "success") -> None:
    audit.record(
        organization_id=user.organization_id, by=user.actor, action=action, entity=f"user:{user.public_id}", at=at,
        outcome=outcome,
    )  # fmt: skip
