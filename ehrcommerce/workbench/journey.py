"""The whole journey in a real browser: the clinician in the frame of the EHR, the patient on a phone. One walk for the
test that proves it and for the script that takes the pictures of the docs, so that no picture shows what is not tested."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, FrameLocator, Locator, Page, ViewportSize, expect

from ehrcommerce.workbench.pictures import DESK, PHONE

CHART = "marisol-rivera"
BORN = ("3", "14", "1968")
ITEMS = ("metformin", "glucose monitor", "Hemoglobin A1c")
Take = Callable[[str, Page], None]


def no_picture(name: str, page: Page) -> None:
    """For the test: it only walks."""


@dataclass
class Walk:
    """One clinician, one patient, on a running app and sandbox. `take(name, page)` is called on every page.

    advance(partner, status): lets a supplier of the order move. sizes: what the pages measured, for the test.
    """

    browser: Browser
    app_url: str
    sandbox_url: str
    advance: Callable[[str], None]
    take: Take = no_picture
    complaints: list[str] = field(default_factory=list)
    requested: set[str] = field(default_factory=set)

    def context(self, size: ViewportSize, **more: object) -> BrowserContext:
        context = self.browser.new_context(viewport=size, locale="en-US", **more)  # type: ignore[arg-type]
        context.on("console", lambda message: self._complain(message.type, message.text))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", lambda request: self.requested.add(re.sub(r"^(\w+://[^/]+).*", r"\1", request.url)))
        return context

    def _complain(self, kind: str, text: str) -> None:
        # The walk meets a refused birth date (422) and a link that nobody made (404): the console calls both errors.
        if (kind == "error" and not re.search("status of (422|404)", text)) or "Content Security Policy" in text:
            self.complaints.append(text)

    # ---------------------------------------------------------------------------------------------- the clinician
    def launch(self, page: Page, chart: str = CHART) -> FrameLocator:
        """Sign in to the EHR, open the chart, press the app's button: the app's page, framed by another site."""
        page.goto(f"{self.sandbox_url}/ehr/")
        if page.get_by_label("User name").count():
            self.take("ehr-sign-in", page)
            page.get_by_label("User name").fill("ada")
            page.get_by_role("button", name="Sign in").click()
        self.take("ehr-patients", page)
        page.locator(f'a[href$="/ehr/chart/{chart}/"]').click()
        self.take("ehr-chart", page)
        page.get_by_role("button", name="ehrcommerce").click()
        frame = page.frame_locator("iframe")
        expect(frame.get_by_role("button", name=re.compile("Send link"))).to_be_visible()
        return frame

    def send(self, page: Page, frame: FrameLocator) -> str:
        """Tick, look at the exact values, send: the address of the link."""
        self.take("clinician-first-look", page)
        for item in ITEMS:
            box = frame.locator("tr", has_text=item).get_by_role("checkbox").first
            if not box.is_checked():
                box.check()
        self.take("clinician-orders", page)
        frame.get_by_role("button", name="See the exact values").last.click()
        expect(frame.get_by_role("heading", name="Exactly what leaves the chart")).to_be_visible()
        self.take("clinician-values", page)
        frame.get_by_role("link", name="Back to orders").first.click()
        for item in ITEMS:
            box = frame.locator("tr", has_text=item).get_by_role("checkbox").first
            if not box.is_checked():
                box.check()
        frame.get_by_role("button", name=re.compile("Send link")).click()
        expect(frame.get_by_label("Address")).to_be_visible()
        expect(frame.get_by_role("heading", name=re.compile("Link sent"))).to_be_visible(timeout=20_000)
        self.take("clinician-sent", page)
        return frame.get_by_label("Address").input_value()

    # ------------------------------------------------------------------------------------------------ the patient
    def message(self, page: Page, number: str, words: str) -> Locator:
        """The newest message on the sandbox's phone that has these words."""
        page.goto(f"{self.sandbox_url}/phone/{number}/")
        bubble = page.locator(".bubble", has_text=words).first
        expect(bubble).to_be_visible(timeout=20_000)
        return bubble

    def identify(self, page: Page, number: str, mailbox: str = "") -> None:
        """Follow the link in the text, say who I am, type the code that comes to another place."""
        link = self.message(page, number, "/l/").get_by_role("link").first
        self.take("phone-message", page)
        link.click()
        expect(page.get_by_label("Month")).to_be_visible()
        self.take("patient-who", page)
        self._wrong_first(page)
        self._born(page, BORN)
        expect(page.get_by_label(re.compile("6 numbers"))).to_be_visible()
        self.take("patient-code", page)
        code = self._code(page, number, mailbox)
        page.get_by_label(re.compile("6 numbers")).fill(code)
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("radio").first).to_be_visible()

    def _wrong_first(self, page: Page) -> None:
        self._born(page, ("3", "14", "1969"))
        expect(page.get_by_role("alert").or_(page.locator(".ec-summary"))).to_be_visible()
        self.take("patient-who-wrong", page)

    def _born(self, page: Page, born: tuple[str, str, str]) -> None:
        for label, value in zip(("Month", "Day", "Year"), born, strict=True):
            page.get_by_label(label).fill(value)
        page.get_by_role("button", name="Send me a code").click()

    def _code(self, page: Page, number: str, mailbox: str) -> str:
        """The one-time code, read in another tab of the same phone: in the mailbox or among the texts."""
        tab = page.context.new_page()
        try:
            for _ in range(40):
                for place in (f"/mailbox/{mailbox}/" if mailbox else "", f"/phone/{number}/"):
                    if place:
                        tab.goto(f"{self.sandbox_url}{place}")
                        found = re.search(r"\b(\d{6})\b", tab.locator("main").inner_text())
                        if found:
                            return found[1]
                tab.wait_for_timeout(250)
        finally:
            tab.close()
        raise AssertionError("no code came")

    def pay(self, page: Page) -> None:
        """Plan, consent, address, hosted payment page, and back to the order."""
        self.take("patient-check", page)
        page.get_by_role("radio").first.check()
        page.get_by_label("Yes, ask my plan").check()
        page.get_by_role("button", name="Next: your price").click()
        boxes = page.get_by_label(re.compile("^Yes, share with"))
        expect(boxes.first).to_be_visible()
        self.take("patient-price", page)
        for box in boxes.all():
            box.check()
        page.get_by_role("button", name="Next: where to send it").click()
        expect(page.get_by_role("button", name="Next: pay")).to_be_visible()
        page.get_by_role("radio").first.check()
        self.take("patient-where", page)
        page.get_by_role("button", name="Next: pay").click()
        pay = page.get_by_role("button", name=re.compile(r"^Pay \$"))
        expect(pay).to_be_visible()
        self.take("patient-pay", page)
        pay.click()
        page.wait_for_url(f"{self.sandbox_url}/pay/**")
        self.take("payment-page", page)
        page.get_by_role("button", name="Pay with test card").click()
        page.wait_for_url(f"{self.app_url}/c/**")
        page.goto(f"{self.app_url}/c/follow/")

    def follow(self, page: Page) -> None:
        """Watch the order until it is there."""
        self.take("patient-follow-paid", page)
        for status, words in (("accepted", "."), ("shipped", "On its way"), ("delivered", "Delivered|here|arrived")):
            self.advance(status)
            self._until(page, words)
            if status != "accepted":
                self.take(f"patient-follow-{status}", page)
        page.goto(f"{self.app_url}/c/receipt/")
        self.take("patient-receipt", page)
        page.goto(f"{self.app_url}/c/shared/")
        self.take("patient-shared", page)

    def _until(self, page: Page, words: str) -> None:
        for _ in range(60):
            page.goto(f"{self.app_url}/c/follow/")
            if re.search(words, page.locator("h1").inner_text()):
                return
            page.wait_for_timeout(250)
        raise AssertionError(f"the order never came to {words!r}: {page.locator('main').inner_text()[:400]}")

    def aside(self, page: Page) -> None:
        """Pages beside the way: another language, a link that nobody made."""
        page.goto(f"{self.app_url}/c/follow/?lang=es")
        expect(page.locator("html")).to_have_attribute("lang", "es")
        page.goto(f"{self.app_url}/c/follow/?lang=en")
        page.goto(f"{self.app_url}/l/{'A' * 26}/")
        self.take("patient-link-unknown", page)

    def whole(self, number: str, mailbox: str = "") -> None:
        """Everything, once."""
        desk = self.context(DESK)
        clinician = desk.new_page()
        frame = self.launch(clinician)
        self.send(clinician, frame)
        phone = self.context(PHONE, has_touch=True, is_mobile=True)
        patient = phone.new_page()
        self.identify(patient, number, mailbox)
        self.pay(patient)
        self.follow(patient)
        self.aside(patient)
        frame = self.launch(clinician)
        expect(frame.get_by_text("Delivered").first).to_be_visible()
        self.take("clinician-delivered", clinician)
        frame.get_by_role("link", name="Links", exact=True).click()
        expect(frame.get_by_role("heading", name="This patient's links")).to_be_visible()
        self.take("clinician-links", clinician)
        clinician.goto(f"{self.sandbox_url}/ehr/")
        clinician.locator(f'a[href$="/ehr/chart/{CHART}/"]').click()
        self.take("ehr-chart-told", clinician)
        desk.close()
        phone.close()
