"""The clinician's pages in the frame of the EHR: nobody scrolls sideways at 320 px (WCAG 1.4.10), and after each press
the focus stands on the heading that says what happened."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Frame, Page, expect

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Desk
from tests.journeys.charts import new_chart

DESK = {"width": 1024, "height": 600}
TOO_WIDE = """() => [...document.querySelectorAll('body *')]
  .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.ec-hidden'))
  .map(one => one.tagName + '.' + one.className).slice(0, 5)"""


@pytest.fixture
def desk(live: Live) -> Iterator[Desk]:
    made = Desk(live)
    yield made
    made.no_faults()


def launched(page: Page, live: Live, chart: str) -> Frame:
    """The app in its frame, in the chart of one patient."""
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    page.goto(f"{live.sandbox_url}/ehr/login")
    if page.get_by_role("button", name="Sign in").count():
        page.get_by_role("button", name="Sign in").click()
    page.goto(f"{live.sandbox_url}/ehr/chart/{chart}/")
    page.get_by_role("button", name="ehrcommerce", exact=True).click()
    expect(page.frame_locator("iframe").get_by_role("button", name=re.compile("link", re.I)).first).to_be_visible()
    return next(frame for frame in page.frames if frame.url.startswith(live.app_url))


def fits(page: Page, frame: Frame) -> None:
    """The frame made 320 px wide and wide again."""
    holder = page.locator("iframe")
    holder.evaluate("one => { one.style.cssText = 'position:fixed;left:0;top:0;width:320px;min-width:0;height:600px' }")
    for _ in range(60):  # the page's policy forbids the eval() with which Playwright would wait
        if frame.evaluate("innerWidth") == 320:
            break
        page.wait_for_timeout(50)
    assert frame.evaluate("innerWidth") == 320
    assert frame.evaluate(TOO_WIDE) == []
    assert frame.evaluate("document.documentElement.scrollWidth") == 320
    holder.evaluate("one => { one.style.cssText = '' }")


def stands_on(frame: Frame, words: str) -> None:
    """The heading is there and has the focus, in whichever of its two texts."""
    expect(frame.get_by_role("heading", level=1, name=re.compile(words))).to_be_focused(timeout=20_000)


def test_every_page_fits_320_px_and_focus_goes_to_the_heading(page: Page, live: Live, desk: Desk) -> None:
    fits(page, launched(page, live, "hector-rivera"))  # nearly every reason why an order is not sold
    chart = new_chart("prescription", "device", "kit")
    desk.put(*chart.resources)
    frame = launched(page, live, chart.patient)
    frame.get_by_role("button", name="See the exact values").last.click()
    expect(frame.get_by_role("heading", name="Exactly what leaves the chart")).to_be_visible()
    fits(page, frame)
    frame.get_by_role("link", name="Back to orders").first.click()
    expect(frame.get_by_role("checkbox").first).to_be_visible()
    for box in frame.get_by_role("checkbox").all():
        box.check()
    fits(page, frame)
    frame.get_by_role("button", name=re.compile("Send link")).click()
    stands_on(frame, "Link sent to")
    fits(page, frame)
    frame.get_by_role("link", name="Print the sheet").click()
    stands_on(frame, "Sheet to print")
    fits(page, frame)
    frame.get_by_role("link", name="Links", exact=True).click()
    stands_on(frame, "This patient's links")
    fits(page, frame)
    frame.get_by_role("link", name="Show").click()
    frame.get_by_role("button", name="Undo").click()
    stands_on(frame, "Undone: the link no longer works")
    fits(page, frame)


def test_the_printed_sheet_has_a_code_of_30_mm_and_names_nobody(page: Page, live: Live, desk: Desk) -> None:
    chart = new_chart("device")
    desk.put({key: value for key, value in chart.resources[0].items() if key != "telecom"}, *chart.resources[1:])
    frame = launched(page, live, chart.patient)
    frame.get_by_role("checkbox").first.check()
    frame.get_by_role("button", name=re.compile("Make a printed link")).click()
    stands_on(frame, "Link ready to print")
    frame.get_by_role("link", name="Print the sheet").click()
    stands_on(frame, "Sheet to print")
    box = frame.locator(".ec-sheet__qr").evaluate("one => one.getBoundingClientRect().bottom")
    assert box <= frame.evaluate("innerHeight"), "the code is in the first screen"
    assert not re.search(r"\b[A-Z][a-z]{2}\. \d", frame.locator(".ec-sheet").inner_text()), "one form of a day"
    page.emulate_media(media="print")
    width = frame.locator(".ec-sheet__qr").evaluate("one => one.getBoundingClientRect().width")
    assert width >= 30 / 25.4 * 96
    assert chart.family.upper() not in frame.locator("body").inner_text().upper()
    assert "lucose" not in frame.locator("body").inner_text()


def test_the_header_is_one_line_where_the_chart_does_not_answer(page: Page, live: Live, desk: Desk) -> None:
    chart = new_chart("device")
    desk.put(*chart.resources)
    frame = launched(page, live, chart.patient)
    # 500, since 503s would make the app leave the EHR alone for a while, and the next test with it.
    desk.fault(partner="ehr", path="/fhir/R4/Patient.*", kind="status", status=500, times=60)
    frame.get_by_role("link", name="Orders", exact=True).click()
    stands_on(frame, "The chart did not answer")
    expect(frame.get_by_text("Not confirmed: the patient whose chart you opened in")).to_be_visible()
    assert frame.locator(".ec-banner").evaluate("one => one.getBoundingClientRect().height") < 50
    fits(page, frame)
