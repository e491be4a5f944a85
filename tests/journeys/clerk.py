"""An administrator at the back office: password and one-time code, then pages and forms."""

import base64
import threading
import time
from urllib.parse import urljoin

from django_otp.oath import TOTP

from ehrcommerce.workbench.live import Live
from tests.journeys.database import Database
from tests.journeys.visitor import Page, Visitor

# A code is taken once: whoever signed in within the last half minute has used up this one.
FORGET = "UPDATE otp_totp_totpdevice SET last_t = -1, throttling_failure_count = 0 RETURNING id"


class Clerk:
    """Signed in when made. `who`: "second_" for the second administrator."""

    def __init__(self, live: Live, database: Database, who: str = "") -> None:
        self.live, self.visitor = live, Visitor()
        database.rows(FORGET)
        told, page = live.admin, self.visitor.get(f"{live.app_url}/admin/")
        name, password, secret = (told[f"{who}{part}"] for part in ("username", "password", "secret"))
        page = self.visitor.submit(page, "", username=name, password=password, otp_token=code(secret))
        assert page.status == 200, page.text[:400]
        assert page.path == "/admin/", page.text[:400]

    def open(self, path: str) -> Page:
        """A page of the back office."""
        page = self.visitor.get(urljoin(f"{self.live.app_url}/admin/", path))
        assert page.status == 200, (page.status, page.text[:400])
        return page


def two_agree(live: Live, database: Database, kind: str) -> None:
    """One administrator proposes an act, the other one approves it, each in their own browser."""
    one, two = Clerk(live, database), Clerk(live, database, "second_")
    page = one.visitor.submit(one.open("accounts/proposedchange/"), "propose/", kind=kind)
    assert "Proposed." in page.text
    row = database.one("SELECT id FROM accounts_proposedchange WHERE kind = %s AND state = 'open'", kind)["id"]
    page = two.visitor.submit(two.open(f"accounts/proposedchange/{row}/change/"), "approve/")
    assert "Approved" in page.text


def code(secret: str) -> str:
    """What the authenticator app shows now. Nobody types one that ends while they type."""
    left = 30 - time.time() % 30
    if left < 4:
        threading.Event().wait(left + 0.2)
    clock = TOTP(base64.b32decode(secret + "=" * (-len(secret) % 8)))
    clock.time = time.time()
    return f"{clock.token():06d}"
