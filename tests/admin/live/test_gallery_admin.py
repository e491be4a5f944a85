"""Every page of the back office in a browser, on data that the walk makes itself: it opens, it fits the screen, nothing breaks
the policy, and a picture is taken of each for the docs. Nightly: by day `test_in_browser` opens the most used of them, and
`tests/admin` each without a browser."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect

from ehrcommerce.workbench.live import Live
from tests.admin.live.conftest import Cleo, approve
from tests.admin.live.test_in_browser import picture, window
from tests.journeys.cast import Ada, Cy
from tests.journeys.database import Database
from tests.journeys.steps import paid

__all__ = ["window"]
# Lists, each with its first row where it has one.
LISTS = (
    "accounts/organization", "accounts/agreement", "accounts/user", "accounts/proposedchange",
    "audit/auditevent", "catalog/product", "catalog/taxrule", "catalog/shippingrule", "catalog/unmappedcode",
    "disclosure/consent", "disclosure/legalhold", "disclosure/purgecertificate",
    "ehr/ehrconnection", "ehr/ehrsession", "ehr/subscription", "ehr/notification", "ehr/pollingwatermark", "ehr/hookclient",
    "ehr/hl7feed", "ehr/automationrule", "ehr/automaticact",
    "offers/offer", "offers/purchaselink", "orders/order", "orders/reconciliation", "outbox/effect",
    "suppliers/supplier", "suppliers/filein",
)  # fmt: skip
# Pages with a form or a report of their own.
SINGLE = (
    "password_change/", "accounts/user/add/", "break-glass/", "figures/", "find/", "backup-codes/",
    "catalog/product/codes/",
    "disclosure/consent/attest/", "disclosure/legalhold/place/", "ehr/automationrule/add/", "ehr/hl7feed/add/",
    "ehr/hookclient/add/",
)  # fmt: skip
# What leads on from a page: its address ends so; a link or a form of the page goes there.
BEYOND = {"ehr/ehrconnection": ("test/", "history/"), "ehr/automationrule": ("dry-run/",), "orders/order": ("history/",)}
STATUS = "performance.getEntriesByType('navigation')[0].responseStatus"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Walk:
    """Goes from page to page, and keeps what is wrong instead of stopping at the first."""

    window: Page
    live: Live
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.window.on("console", lambda said: self.complain(said.text) if said.type in ("error", "warning") else None)
        self.window.on("pageerror", lambda error: self.complain(str(error)))

    def complain(self, what: str) -> None:
        self.wrong.append(f"{self.window.url}: {what}")

    def open(self, path: str, name: str = "") -> None:
        self.window.goto(f"{self.live.app_url}/admin/{path}")
        self.look(name or path.strip("/").replace("/", "-"))

    def look(self, name: str) -> None:
        if (status := self.window.evaluate(STATUS)) != 200:
            self.complain(f"answered {status}")
        expect(self.window.locator("h1").first).to_be_visible()
        if (wide := self.window.evaluate(TOO_WIDE)) > 0:
            self.complain(f"{wide} px too wide")
        picture(self.window, name)

    def open_list(self, path: str) -> None:
        name = path.replace("/", "-")
        self.open(f"{path}/", name)
        first = self.window.locator("#result_list tbody th a").first
        if first.count():
            first.click()
            self.look(f"{name}-one")
            row = self.window.url.removesuffix("change/")
            for more in BEYOND.get(path, ()):
                self.open(f"{row.removeprefix(f'{self.live.app_url}/admin/')}{more}", f"{name}-{more.strip('/')}")


def make_rule(window: Page, live: Live) -> None:
    window.goto(f"{live.app_url}/admin/ehr/automationrule/add/")
    window.locator("#id_name").fill("Devices of this clinic")
    window.locator("#id_kind").select_option("device")
    window.locator("#id_action").select_option(index=1)
    window.locator("#id_clinician").select_option(index=1)
    window.get_by_role("button", name="Save", exact=True).click()


def propose(window: Page, live: Live) -> None:
    """A supplier's address is changed: it waits for the second person."""
    window.goto(f"{live.app_url}/admin/suppliers/supplier/")
    window.locator("#result_list tbody th a").first.click()
    window.locator("#id_base_url").fill(f"{live.sandbox_url}/elsewhere")
    window.get_by_role("button", name="Save", exact=True).click()


def hold(window: Page, live: Live, number: str, second: Cleo) -> None:
    """Nothing of this patient is erased; the second person approves it."""
    window.goto(f"{live.app_url}/admin/disclosure/legalhold/place/")
    window.locator("#id_patient").fill(number)
    window.locator("#id_why").fill("Case 26-1184")
    window.get_by_role("button", name="Propose it").click()
    approve(second)


def break_glass(walk: Walk, cleo: Cleo) -> None:
    window = walk.window
    window.goto(f"{walk.live.app_url}/admin/break-glass/")
    window.locator("#id_reason").select_option(index=1)
    window.locator("#id_note").fill("The pharmacy called, nobody else is in")
    if window.locator("#id_otp_token").count():
        window.locator("#id_otp_token").fill(cleo.code())
    window.get_by_role("button", name="Break the glass").click()
    walk.open("", "glass-broken")
    walk.open_list("accounts/breakglass")


@pytest.mark.nightly
def test_every_page_of_the_back_office_opens_and_fits(
    window: Page, browser: Browser, live: Live, cleo: Cleo, dara: Cleo, ada: Ada, patient: Callable[..., Cy],
    database: Database,
) -> None:  # fmt: skip
    order = paid(ada, patient("prescription", "device"), database, "prescription", "device")
    walk = Walk(window, live)
    hold(window, live, order["number"], dara)
    make_rule(window, live)
    propose(window, live)
    for path in LISTS:
        walk.open_list(path)
    for path in SINGLE:
        walk.open(path)
    window.goto(f"{live.app_url}/admin/orders/order/{order['id']}/change/")
    window.get_by_role("link", name="Show once").first.click()
    walk.look("reveal")
    stranger = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    stranger.goto(f"{live.app_url}/admin/")
    expect(stranger.locator("#id_otp_token")).to_be_visible()
    picture(stranger, "login")
    stranger.context.close()
    break_glass(walk, cleo)
    database.rows("DELETE FROM accounts_breakglass RETURNING id")
    database.rows("UPDATE accounts_proposedchange SET state = 'refused' WHERE state = 'open' RETURNING id")
    database.rows("DELETE FROM ehr_automationrule WHERE name = 'Devices of this clinic' RETURNING id")
    assert walk.wrong == []
