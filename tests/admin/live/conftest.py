"""An administrator of the running system, who signs in over HTTP with password and one-time code."""

from typing import Any

import pytest

from ehrcommerce.workbench.live import Live
from tests.journeys.clerk import code
from tests.journeys.conftest import ada, database, desk, patient
from tests.journeys.database import Database
from tests.journeys.visitor import Page, Visitor

__all__ = ["ada", "database", "desk", "patient"]


class Cleo:
    """The administrator and her browser."""

    def __init__(
        self, live: Live, database: Database, *, username: str = "", password: str = "", secret: str = ""
    ) -> None:
        self.live, self.database, self.visitor = live, database, Visitor()
        self.username, self.password = username or live.admin["username"], password or live.admin["password"]
        self.secret = secret or live.admin["secret"]

    def code(self) -> str:
        """The code of this moment; a code works once, so the device forgets that a test before used it."""
        self.database.rows(
            "UPDATE otp_totp_totpdevice SET last_t = -1, throttling_failure_count = 0,"
            " throttling_failure_timestamp = NULL RETURNING id"
        )
        return code(self.secret)

    def sign_in(self, **changes: str) -> Page:
        page = self.visitor.get(f"{self.live.app_url}/admin/")
        assert page.path == "/admin/login/"
        fields: dict[str, Any] = {
            "username": self.username,
            "password": self.password,
            "otp_token": self.code(),
            **changes,
        }
        answer = self.visitor.submit(page, "/admin/login/", **fields)
        self.code()
        return answer

    def see(self, path: str) -> Page:
        return self.visitor.get(f"{self.live.app_url}{path}")


@pytest.fixture
def dara(live: Live, database: Database) -> Cleo:
    """The second person, signed in."""
    told = live.admin
    made = Cleo(
        live, database, username=told["second_username"], password=told["second_password"], secret=told["second_secret"]
    )
    assert made.sign_in().path == "/admin/"
    return made


def approve(second: Cleo) -> Page:
    """What waits first on the first page of the second person, approved."""
    desk = second.see("/admin/")
    waiting = [link for link in desk.links if "/proposedchange/" in link and link.endswith("/change/")]
    assert waiting, desk.text[:500]
    return second.visitor.submit(second.see(waiting[0]), "/approve/")


@pytest.fixture
def cleo(live: Live, database: Database) -> Cleo:
    """Signed in."""
    made = Cleo(live, database)
    assert made.sign_in().path == "/admin/"
    return made
