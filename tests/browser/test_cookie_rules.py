"""Browsers with other cookie rules than the usual: third-party cookies taken or refused, the app's cookies refused in
the frame or everywhere, a sign-in that leaves the frame, a page that comes back from memory."""

import re
from collections.abc import Iterator
from functools import partial
from urllib.parse import quote

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from ehrcommerce.workbench.live import Live
from tests.browser.conftest import Browse, signed_in, takes_third_party_cookies
from tests.journeys.cast import Desk, wait_for
from tests.journeys.database import Database

CHART = "marisol-rivera"
PLACE = re.compile(r"/ehr/c/[\w-]{12}/")
FRAMES = "UPDATE ehr_ehrconnection SET frame_origins = "


@pytest.fixture(autouse=True)
def usual_frames(live: Live, database: Database) -> Iterator[None]:
    """Origins that a test registers are gone after it."""
    yield
    database.rows(f"{FRAMES} %s WHERE slug = 'demo' RETURNING id", live.sandbox_url)


def press(ehr: Page, live: Live, chart: str = CHART) -> FrameLocator:
    """The app's button in a chart; the frame that it opens."""
    ehr.goto(f"{live.sandbox_url}/ehr/chart/{chart}/")
    ehr.get_by_role("button", name="ehrcommerce", exact=True).click()
    return ehr.frame_locator("iframe")


def place_of(ehr: Page, live: Live) -> str:
    """The app's address inside the frame."""
    for _ in range(100):
        for frame in ehr.frames:
            if frame.url.startswith(live.app_url) and PLACE.search(frame.url):
                return frame.url
        ehr.wait_for_timeout(50)
    raise AssertionError([frame.url for frame in ehr.frames])


@pytest.mark.parametrize("third_party", [True, False], ids=["taken", "refused"])
def test_the_app_works_in_the_frame_whether_third_party_cookies_are_taken_or_refused(
    browse: Browse, live: Live, elsewhere: int, third_party: bool
) -> None:
    """Partitioned cookies are kept under both rules: list, exact values (a POST) and back."""
    context = browse(third_party=third_party)
    assert takes_third_party_cookies(context, elsewhere) is third_party
    ehr = signed_in(context, live)
    app = press(ehr, live)
    expect(app.get_by_role("button", name=re.compile("Send link"))).to_be_visible()
    place = place_of(ehr, live)
    app.get_by_role("button", name="See the exact values").last.click()
    expect(app.get_by_role("heading", name="Exactly what leaves the chart")).to_be_visible()
    app.get_by_role("link", name="Back to orders").first.click()
    expect(app.get_by_role("button", name=re.compile("Send link"))).to_be_visible()
    (cookie,) = [each for each in context.cookies() if each["name"] == f"__Host-l-{place.split('/')[5]}"]
    assert cookie.get("partitionKey") == "http://localhost"
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "None")
    assert (cookie["domain"], cookie["path"]) == ("127.0.0.1", "/")


@pytest.mark.smart("H73")
def test_where_the_frame_keeps_no_cookie_the_app_opens_in_a_new_window(browse: Browse, live: Live, desk: Desk) -> None:
    """The page in the frame says why and offers one button, which works; no sign-in is tried over and over."""
    context = browse(blocked=((live.app_url, live.sandbox_url),))
    ehr = signed_in(context, live)
    mark = desk.mark()
    app = press(ehr, live)
    expect(app.get_by_role("heading", name="The app could not be opened")).to_be_visible()
    expect(app.get_by_text("keeps no cookie")).to_be_visible()
    asked = [entry for entry in desk.journal(since=mark) if entry["path"] == "/auth/authorize"]
    assert 1 <= len(asked) <= 2, "once, and once more by the EHR's own page"
    with context.expect_page() as opened:
        app.get_by_role("link", name="Open in a new window").click()
    window = opened.value
    window.wait_for_url(PLACE)
    expect(window.get_by_role("button", name=re.compile("Send link"))).to_be_visible()
    expect(window.get_by_text("RIVERA").first).to_be_visible()
    assert window.evaluate("window.opener") is None
    window.reload()
    expect(window.get_by_role("button", name=re.compile("Send link"))).to_be_visible()


@pytest.mark.smart("H73")
def test_where_the_app_may_keep_no_cookie_at_all_it_says_so_and_does_not_go_round(
    browse: Browse, live: Live, desk: Desk
) -> None:
    """In a whole window there is one second try, then a page."""
    context = browse(blocked=((live.app_url, "*"),))
    ehr = signed_in(context, live)
    ehr.goto(f"{live.sandbox_url}/ehr/chart/{CHART}/")
    mark = desk.mark()
    with context.expect_page() as opened:
        ehr.get_by_role("button", name="Open in a new window").click()
    window = opened.value
    expect(window.get_by_role("heading", name="The app could not be opened")).to_be_visible()
    expect(window.get_by_text("keeps no cookie")).to_be_visible()
    assert not [cookie for cookie in context.cookies() if cookie["domain"] == "127.0.0.1"]
    journal = desk.journal(since=mark)
    assert len([entry for entry in journal if entry["path"] == "/auth/authorize"]) == 2
    assert not [entry for entry in journal if entry["path"] == "/auth/token"], "no code was used"


@pytest.mark.parametrize("third_party", [True, False], ids=["taken", "refused"])
def test_a_sign_in_that_leaves_the_frame_comes_back_to_an_open_launch(
    browse: Browse, live: Live, desk: Desk, third_party: bool
) -> None:
    """Some EHRs show their sign-in in the whole window. The cookie of the frame is then not there: the code is thrown
    away and one new sign-in begins in this window."""
    told = desk.call("POST", "/control/launch", {"patient": CHART, "user": "ada"})
    ehr = browse(third_party=third_party).new_page()  # nobody is signed in to the EHR
    mark = desk.mark()
    ehr.goto(f"{live.sandbox_url}/healthz")
    framing(ehr, told["url"])
    sign_in = ehr.frame_locator("iframe")
    expect(sign_in.get_by_role("button", name="Sign in")).to_be_visible()
    sign_in.locator("body").evaluate(
        "body => { body.innerHTML = '<a target=_top>whole window</a>'; body.firstChild.href = location.href; }"
    )
    sign_in.get_by_text("whole window").click()
    ehr.get_by_role("button", name="Sign in").click()
    ehr.wait_for_url(PLACE)
    expect(ehr.get_by_role("button", name=re.compile("Send link"))).to_be_visible()
    expect(ehr.get_by_text("RIVERA").first).to_be_visible()
    tokens = [entry for entry in desk.journal(since=mark) if entry["path"] == "/auth/token"]
    assert len([entry for entry in tokens if "authorization_code" in entry["body"]]) == 1, "the first code was not used"
    ehr.reload()
    expect(ehr.get_by_role("button", name=re.compile("Send link"))).to_be_visible()


def framing(page: Page, address: str) -> None:
    """Put one more frame into a page."""
    script = "src => { const f = document.createElement('iframe'); f.src = src; document.body.append(f); }"
    page.evaluate(script, address)


def test_a_page_that_comes_back_from_memory_asks_the_server_again(
    browse: Browse, live: Live, desk: Desk, database: Database, elsewhere: int
) -> None:
    """The EHR's page decides whether its frame is kept in memory; what the app showed there may be long over. Here the
    EHR's page is one that browsers may keep, at an origin that was registered for it."""
    database.rows(f"{FRAMES} frame_origins || %s WHERE slug = 'demo' RETURNING id", f" http://localhost:{elsewhere}")
    context = browse()
    signed_in(context, live)
    told = desk.call("POST", "/control/launch", {"patient": CHART, "user": "ada"})
    ehr = context.new_page()
    ehr.goto(f"http://localhost:{elsewhere}/frame?src={quote(told['url'], safe='')}")
    app = ehr.frame_locator("iframe")
    expect(app.get_by_role("button", name=re.compile("Send link"))).to_be_visible()
    ehr.evaluate("addEventListener('pageshow', event => { window.fromMemory = event.persisted; })")
    ehr.goto(f"http://localhost:{elsewhere}/frame")
    mark = desk.mark()
    ehr.evaluate("history.back()")
    # Playwright loses sight of a frame that comes back from memory; the EHR sees that its chart is read again.
    read = partial(desk.journal, "ehr", mark)
    wait_for(lambda: any("/fhir/R4/Patient" in entry["path"] for entry in read()), "the chart to be read again")
    assert ehr.evaluate("window.fromMemory") is True, "the browser kept the page: else this test shows nothing"
