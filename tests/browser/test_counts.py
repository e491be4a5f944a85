"""What the journey costs a person: taps, typed fields and bytes, counted with the keyboard alone and without script, so that
the same walk proves that neither a mouse nor JavaScript is needed. A number that rises here is a promise that breaks."""

import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, Frame, Locator, Page, Response, expect

from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.pictures import DESK, PHONE
from tests.journeys.cast import Ada, Cy, Desk
from tests.journeys.charts import new_chart
from tests.journeys.steps import sent

MOST_BYTES = 20_000
MOST_STOPS = 80  # how often a page may be tabbed through before a control counts as out of reach


@dataclass
class Hands:
    """Somebody with a keyboard: goes to a control by Tab, presses it, types into it; each act is counted."""

    page: Page
    taps: list[str] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)

    def go_to(self, control: Locator) -> None:
        expect(control).to_be_attached()
        for _ in range(MOST_STOPS):
            if control.evaluate("one => one === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no way by Tab to {control}")

    def tap(self, control: Locator, key: str = "Enter") -> None:
        self.go_to(control)
        self.taps.append(control.evaluate("one => (one.labels?.[0] || one).innerText.trim().split('\\n')[0]"))
        self.page.keyboard.press(key)

    def tick(self, control: Locator) -> None:
        """A box or a radio. Tab stops at a group of radios once: arrows go on."""
        if control.get_attribute("type") == "radio":
            group = self.page.locator(f"[name={control.get_attribute('name')}]")
            for _ in range(MOST_STOPS):
                if group.evaluate_all("all => all.includes(document.activeElement)"):
                    break
                self.page.keyboard.press("Tab")
            for _ in range(group.count()):
                if control.evaluate("one => one === document.activeElement"):
                    break
                self.page.keyboard.press("ArrowDown")
        self.tap(control, "Space")
        expect(control).to_be_checked()

    def type(self, name: str, words: str) -> None:
        control = self.page.locator(f"[name={name}]")
        self.go_to(control)
        self.typed.append(name)
        self.page.keyboard.type(words)


@contextmanager
def without_script(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=PHONE, locale="en-US", java_script_enabled=False)
    yield context
    context.close()


def test_from_the_message_to_paid_by_keyboard_without_script(
    browser: Browser, live: Live, ada: Ada, patient: Callable[..., Cy]
) -> None:
    """The link, the code, the choice, one yes, the address on file, pay: ten taps and four typed fields, below 20 KB."""
    cy = patient("device")
    address = sent(ada, cy, "device")
    weighed: dict[str, int] = {}
    elsewhere: set[str] = set()

    def weigh(response: Response) -> None:
        if not response.url.startswith(live.app_url):
            elsewhere.add(response.url)
        elif response.status == 200:
            weighed[response.url] = len(gzip.compress(response.body()))

    with without_script(browser) as context:
        page = context.new_page()
        page.on("response", weigh)
        hands = Hands(page, taps=["the link in the message"])
        page.goto(address)
        year, month, day = cy.born.split("-")
        for name, words in (("month", month), ("day", day), ("year", year)):
            hands.type(name, words)
        hands.tap(page.get_by_role("button", name="Send me a code"))
        page.wait_for_url("**/c/code/")
        hands.type("code", cy.code())
        hands.tap(page.get_by_role("button", name="Continue"))
        page.wait_for_url("**/c/check/")
        hands.tick(page.locator("[name=pay_with][value=full]"))
        hands.tap(page.get_by_role("button", name="Next: your price"))
        page.wait_for_url("**/c/price/")
        for box in page.locator("[name^=agree_]").all():
            hands.tick(box)
        hands.tap(page.get_by_role("button", name="Next: where to send it"))
        page.wait_for_url("**/c/where/")
        expect(page.locator("[name=place][value=file]")).to_be_checked()
        hands.tap(page.get_by_role("button", name="Next: pay"))
        page.wait_for_url("**/c/pay/")
        assert elsewhere == set()
        before_payment = sum(weighed.values())
        hands.tap(page.get_by_role("button", name=re.compile(r"^Pay \$")))
        page.wait_for_url(f"{live.sandbox_url}/pay/**")
        hands.tap(page.get_by_role("button", name="Pay with test card"))
        page.wait_for_url(f"{live.app_url}/c/**")
        page.goto(f"{live.app_url}/c/follow/")
        expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile("order|payment", re.I))
    assert hands.typed == ["month", "day", "year", "code"]
    assert len(hands.taps) == 10, hands.taps
    assert before_payment <= MOST_BYTES, weighed


def test_from_the_chart_to_sent_in_two_presses_by_keyboard(browser: Browser, live: Live, desk: Desk) -> None:
    """The app's button in the chart, then Send: what was signed in this visit is ticked already. And Enter in the page never
    sends by accident."""
    chart = new_chart("device")
    desk.put(*chart.resources)
    context = browser.new_context(viewport=DESK, locale="en-US")
    page = context.new_page()
    page.goto(f"{live.sandbox_url}/ehr/login")
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{live.sandbox_url}/ehr/chart/{chart.patient}/")
    hands = Hands(page)
    hands.tap(page.get_by_role("button", name="ehrcommerce", exact=True))
    send = page.frame_locator("iframe").get_by_role("button", name=re.compile("^Send link"))
    expect(send).to_be_visible()
    app_frame(page, live).evaluate("window.focus()")
    box = page.frame_locator("iframe").get_by_role("checkbox").first
    expect(box).to_be_checked()
    hands.go_to(box)
    page.keyboard.press("Enter")
    app = page.frame_locator("iframe")
    expect(app.get_by_role("heading", name="Exactly what leaves the chart")).to_be_visible()
    app.get_by_role("link", name="Back to orders").first.press("Enter")
    expect(send).to_be_visible()
    app_frame(page, live).evaluate("window.focus()")
    hands.tap(send)
    expect(page.frame_locator("iframe").get_by_role("heading", name=re.compile("Link sent"))).to_be_visible(
        timeout=30_000
    )
    context.close()
    assert len(hands.taps) == 2, hands.taps


def app_frame(page: Page, live: Live) -> Frame:
    return next(frame for frame in page.frames if frame.url.startswith(live.app_url))
