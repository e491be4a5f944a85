"""The app inside the EHR's frame, in a browser that blocks third-party cookies: the EHR on http://localhost and the app
on http://127.0.0.1 are two sites for it. [SEC-B2]"""

import re

import pytest
from playwright.sync_api import BrowserContext, FrameLocator, Page, expect

from ehrcommerce.workbench.live import Live


@pytest.fixture
def ehr(page: Page, live: Live) -> Page:
    """Ada is signed in to the EHR and sees her patients."""
    page.goto(f"{live.sandbox_url}/ehr/login")
    page.get_by_role("button", name="Sign in").click()
    return page


def charts(ehr: Page, live: Live) -> list[str]:
    """Addresses of two charts."""
    ehr.goto(f"{live.sandbox_url}/ehr/")
    links = ehr.locator("a[href*='/ehr/chart/']").evaluate_all("all => all.map(a => a.href)")
    return list(dict.fromkeys(links))[:2]


def open_app(tab: Page, chart: str) -> FrameLocator:
    """Press the app's button in a chart; returns the frame."""
    tab.goto(chart)
    tab.get_by_role("button", name="ehrcommerce", exact=True).click()
    return tab.frame_locator("iframe")


def place_of(tab: Page, live: Live) -> str:
    """The app's address inside the frame, once it shows something."""
    expect(tab.frame_locator("iframe").locator("h1").first).to_be_visible()
    frame = next(frame for frame in tab.frames if frame.url.startswith(live.app_url))
    frame.wait_for_url(re.compile(r"/ehr/c/[\w-]{12}/"))
    return frame.url


def test_a_launch_inside_the_frame_opens_and_survives_a_reload(ehr: Page, live: Live, context: BrowserContext) -> None:
    chart = charts(ehr, live)[0]
    app = open_app(ehr, chart)
    expect(app.locator("h1").first).to_be_visible()
    place = place_of(ehr, live)
    key = place.split("/")[5]
    cookies = {cookie["name"]: cookie for cookie in context.cookies()}
    assert cookies[f"__Host-l-{key}"].get("partitionKey") == "http://localhost"
    frame = next(frame for frame in ehr.frames if frame.url == place)
    frame.goto(place)
    expect(app.locator("h1").first).to_be_visible()
    assert "over" not in app.locator("h1").first.inner_text()


def test_two_charts_in_two_tabs_at_once_stay_two_launches(ehr: Page, live: Live, context: BrowserContext) -> None:
    one, two = charts(ehr, live)
    other = context.new_page()
    ehr.goto(one)
    other.goto(two)
    for tab in (ehr, other):
        tab.get_by_role("button", name="ehrcommerce", exact=True).click(no_wait_after=True)
    for tab in (ehr, other):
        expect(tab.frame_locator("iframe").locator("h1").first).to_be_visible()
    places = [place_of(tab, live) for tab in (ehr, other)]
    assert places[0] != places[1]
    for tab, place in ((ehr, places[0]), (other, places[1])):
        next(frame for frame in tab.frames if frame.url == place).goto(place)
        assert "over" not in tab.frame_locator("iframe").locator("h1").first.inner_text()


def test_the_address_of_a_launch_opens_nothing_in_another_window(
    ehr: Page, live: Live, context: BrowserContext
) -> None:
    open_app(ehr, charts(ehr, live)[0])
    place = place_of(ehr, live)
    window = context.new_page()
    response = window.goto(place)
    assert response is not None
    assert response.status == 403
    expect(window.locator("h1")).to_have_text("This launch is over")


def test_a_launch_in_a_window_of_its_own_works_beside_the_frame(ehr: Page, live: Live, context: BrowserContext) -> None:
    open_app(ehr, charts(ehr, live)[0])
    framed = place_of(ehr, live)
    ehr.goto(charts(ehr, live)[0])
    with context.expect_page() as opened:
        ehr.get_by_role("button", name="Open in a new window").click()
    window = opened.value
    window.wait_for_url(re.compile(r"/ehr/c/[\w-]{12}/"))
    assert window.url != framed
