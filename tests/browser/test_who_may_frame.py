"""Whose pages may frame ours, and which cookies our pages set, in Chromium. [SEC-B2]"""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from ehrcommerce.workbench.live import Live
from tests.browser.conftest import Browse, signed_in
from tests.browser.test_admin import code_of
from tests.browser.test_cookie_rules import CHART, framing, place_of, press
from tests.journeys.cast import Ada, Cy, Desk
from tests.journeys.clerk import FORGET
from tests.journeys.database import Database

BLOCKED = "chrome-error://chromewebdata/"


def framed_elsewhere(context: BrowserContext, elsewhere: int, address: str) -> tuple[str, list[str]]:
    """Frame an address on a site that nobody registered: where the frame ends up, and what the browser says."""
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"http://localhost:{elsewhere}/frame?src={quote(address, safe='')}", wait_until="load")
    page.wait_for_timeout(300)
    (frame,) = page.main_frame.child_frames
    where = frame.url
    page.close()
    return where, said


@pytest.mark.smart("H74")
def test_an_open_launch_shows_itself_to_the_ehr_and_to_no_other_site(
    browse: Browse, live: Live, elsewhere: int
) -> None:
    """The registered origin frames it; the same page below another origin of the same host stays empty."""
    context = browse()
    ehr = signed_in(context, live)
    expect(press(ehr, live).get_by_text("RIVERA").first).to_be_visible()
    where, said = framed_elsewhere(context, elsewhere, place_of(ehr, live))
    assert where == BLOCKED
    assert any("frame-ancestors" in words for words in said), said


@pytest.mark.smart("H74")
def test_a_launch_that_another_site_began_in_its_frame_shows_nothing_there(
    browse: Browse, live: Live, elsewhere: int, desk: Desk
) -> None:
    """The sign-in goes through, since the EHR knows the clinician; the page with the patient is not shown."""
    context = browse()
    signed_in(context, live)
    told = desk.call("POST", "/control/launch", {"patient": CHART, "user": "ada"})
    where, said = framed_elsewhere(context, elsewhere, told["url"])
    assert where == BLOCKED
    assert any("frame-ancestors" in words for words in said), said


@pytest.mark.smart("H74")
@pytest.mark.parametrize(
    "path", ["/", "/l/AAAAAAAAAAAAAAAAAAAAAAAAAA/", "/c/check/", "/admin/login/", "/ehr/launch?iss=x&launch=y"]
)
def test_pages_without_a_launch_are_framed_by_nobody(browse: Browse, live: Live, elsewhere: int, path: str) -> None:
    """Patients' pages, the administration, and a launch whose EHR is unknown: not even by the EHR."""
    context = browse()
    assert framed_elsewhere(context, elsewhere, f"{live.app_url}{path}")[0] == BLOCKED
    page = context.new_page()
    page.goto(f"{live.sandbox_url}/healthz")
    framing(page, f"{live.app_url}{path}")
    page.wait_for_timeout(300)
    assert page.main_frame.child_frames[0].url == BLOCKED


def test_only_the_clinician_s_cookie_may_travel_into_a_frame(
    browse: Browse, live: Live, desk: Desk, database: Database, patient: Callable[..., Cy]
) -> None:
    """All are `__Host-`, Secure and HttpOnly; those of patients and administrators are Lax and not partitioned."""
    cy = patient("device")
    ada = Ada(live, desk)
    ada.send(ada.launch(cy.chart.patient), "glucose")
    context = browse(third_party=True)
    _as_patient(context.new_page(), cy)
    _as_administrator(context.new_page(), live, database)
    ours = [cookie for cookie in context.cookies() if cookie["domain"] == "127.0.0.1"]
    assert {"__Host-guard", "__Host-language"} < {cookie["name"] for cookie in ours}
    assert len(ours) >= 4, "guard, language, checkout, staff"
    for cookie in ours:
        assert cookie["name"].startswith("__Host-"), cookie["name"]
        assert (cookie["secure"], cookie["httpOnly"], cookie["path"]) == (True, True, "/"), cookie["name"]
        assert cookie["sameSite"] in ("Lax", "Strict"), cookie["name"]
        assert "partitionKey" not in cookie, cookie["name"]


def _as_patient(page: Page, cy: Cy) -> None:
    page.goto(cy.address() + "?lang=en")
    for label, value in zip(("Year", "Month", "Day"), cy.born.split("-"), strict=True):
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_label("6 numbers").fill(cy.code())
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/c/check/")


def _as_administrator(page: Page, live: Live, database: Database) -> None:
    database.rows(FORGET)
    page.goto(f"{live.app_url}/admin/")
    page.locator("input[name=username]").fill(live.admin["username"])
    page.locator("input[name=password]").fill(live.admin["password"])
    page.locator("input[name=otp_token]").fill(code_of(live.admin["secret"]))
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#user-tools")).to_be_visible()
