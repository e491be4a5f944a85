"""Staff sign in with username and password (the one-time code comes after: otp.py). Nobody's rows are visible before
somebody is known, so the first question goes over the walls by a function of the database, and the answer enters
them."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from ehrcommerce.accounts.models import User
from ehrcommerce.vault import walls


class StaffBackend(ModelBackend):
    """Django's, but for how it finds a user. Somebody who came from an EHR has no password and is never found here."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """The user, inside the walls of their organization, or None. Takes as long for a name nobody has."""
        if username is None or password is None:
            return None
        user = found("SELECT * FROM ehrc_user_for_login(%s)", username)
        if user is None:
            User().set_password(password)
            return None
        with walls.organization(user.organization_id):  # a stronger hash may be saved here
            matches = user.check_password(password)
        if not matches or user.subject or not self.user_can_authenticate(user):
            return None
        walls.enter(user.organization_id)
        return user

    def get_user(self, user_id: int) -> User | None:
        """The user of a session, inside the walls of their organization."""
        user = found("SELECT * FROM ehrc_user(%s)", user_id)
        if user is None or user.subject or not self.user_can_authenticate(user):
            return None
        walls.enter(user.organization_id)
        return user


def found(question: str, value: str | int) -> User | None:
    """The one row of a crossing function."""
    return next(iter(User.objects.raw(question, [value])), None)
