"""The camera of the docs' pictures, and the eyes that look at each page on the way: without a folder to keep pictures in, the
walks still prove that each page is reached and stands every check of a machine."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.pictures import DESK, PHONE, shoot
from tests.journeys.cast import Ada, Cy, Desk
from tests.journeys.database import Database
from tests.looks.inspector import PATIENT_PX, STAFF_PX, Inspector


@dataclass
class Scene:
    """Everybody who is needed to reach a page, in one language."""

    live: Live
    desk: Desk
    database: Database
    browser: Browser
    patient: Callable[..., Cy]
    folder: Path
    speech: str = "en"
    eyes: Inspector = field(default_factory=Inspector)

    @property
    def app(self) -> str:
        return self.live.app_url

    @cached_property
    def ada(self) -> Ada:
        """One clinician with one browser."""
        return Ada(self.live, self.desk)

    def person(self, *kinds: str, **more: str) -> Cy:
        """A new patient who speaks the language of this walk."""
        return self.patient(*(kinds or ("device",)), language=self.speech, **more)

    def take(self, name: str, page: Page) -> None:
        """Look at what is on the page now; keep its picture, where somebody asked for pictures."""
        full = name if self.speech == "en" else f"{name}-{self.speech}"
        if os.environ.get("EHRC_PICTURES"):
            shoot(page, self.folder, full)
        staff = name.startswith(("clinician", "admin"))
        speech = "" if name.startswith("error") else self.speech  # those speak both languages
        self.eyes.look(full, page, speech=speech, least=STAFF_PX if staff else PATIENT_PX)

    def on(self, size: ViewportSize, **more: Any) -> BrowserContext:
        locale = "es-US" if self.speech == "es" else "en-US"
        return self.browser.new_context(viewport=size, locale=locale, **more)

    def phone(self, cy: Cy | None = None) -> Page:
        """A phone; with the session of somebody who went ahead over HTTP."""
        context = self.on(PHONE, has_touch=True, is_mobile=True)
        if cy is not None:
            self.hand_over(cy, context)
        return context.new_page()

    def hand_over(self, cy: Cy, context: BrowserContext) -> None:
        """A Secure cookie is taken on loopback, but only by an https address."""
        url = self.app.replace("http:", "https:")
        jar = cy.visitor.cookies.get("127.0.0.1", {})
        context.add_cookies([{"name": name, "value": value, "url": url} for name, value in jar.items()])

    def frame(self) -> Page:
        """The EHR on a desk, Ada signed in."""
        page = self.on(DESK).new_page()
        page.goto(f"{self.live.sandbox_url}/ehr/login")
        page.get_by_role("button", name="Sign in").click()
        return page

    @contextmanager
    def changed(self, statement: str, undo: str) -> Iterator[None]:
        """A fact of the clinic's database that is otherwise for the time of one picture."""
        self.database.rows(statement)
        try:
            yield
        finally:
            self.database.rows(undo)


def folder(otherwise: Path) -> Path:
    return Path(os.environ.get("EHRC_PICTURES") or otherwise)


def press(page: Page, field: str) -> None:
    """The button of the form that holds this field."""
    page.locator(f"form:has([name={field}]) button").first.click()


def born(page: Page, birth_date: str) -> None:
    """Type a birth date and send it."""
    for part, value in zip(("year", "month", "day"), birth_date.split("-"), strict=True):
        page.locator(f"[name={part}]").fill(value)
    press(page, "month")
