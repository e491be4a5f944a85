"""The journey in a real browser: the app framed by another site, third-party cookies blocked, the patient on a phone. A few of
its pages, others in each run, stand every check of a machine on the way; the galleries of tests/browser look at all of them."""

import os
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page

from ehrcommerce.workbench.journey import Walk
from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.pictures import shoot
from ehrcommerce.workbench.rotation import rotating
from tests.journeys.cast import Desk, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import partner_of, references
from tests.looks.inspector import PATIENT_PX, STAFF_PX, Inspector

# What the walk passes, in its order.
PASSED = (
    "clinician-first-look", "patient-who", "clinician-orders", "patient-code", "clinician-values", "patient-check",
    "clinician-sent", "patient-price", "clinician-delivered", "patient-where", "clinician-links", "patient-pay",
    "patient-follow-paid", "patient-receipt", "patient-shared", "patient-link-unknown",
)  # fmt: skip


def advance(desk: Desk, database: Database, status: str) -> None:
    """All suppliers of the newest order move to `status`."""
    order = database.rows("SELECT id FROM orders_order ORDER BY id DESC LIMIT 1")[0]
    for reference in wait_for(lambda: references(database, order), "the fulfillments"):
        partner = wait_for(partial(partner_of, desk, reference), "the supplier")
        desk.advance(partner=partner, reference=reference, to=status)


class Camera:
    """Looks at some of the pages; keeps a picture of each where `manage.py screenshots` asks for them."""

    def __init__(self) -> None:
        self.folder, self.eyes = os.environ.get("EHRC_PICTURES", ""), Inspector()
        self.chosen = rotating(PASSED, keep=3)

    def take(self, name: str, page: Page) -> None:
        if self.folder:
            shoot(page, Path(self.folder), name)
        if name in self.chosen:
            least = STAFF_PX if name.startswith("clinician") else PATIENT_PX
            self.eyes.look(name, page, speech="en", least=least)


def test_the_whole_journey_in_a_browser(browser: Browser, live: Live, desk: Desk, database: Database) -> None:
    marisol = desk.resource("Patient/marisol-rivera")
    contacts = {each["system"]: each["value"] for each in marisol["telecom"]}
    camera = Camera()
    walk = Walk(browser, live.app_url, live.sandbox_url, lambda status: advance(desk, database, status), camera.take)
    walk.whole(contacts["phone"], contacts.get("email", ""))
    camera.eyes.verdict()
    assert camera.eyes.looked_at == len(camera.chosen)
    assert walk.complaints == []
    assert walk.requested <= {live.app_url, live.sandbox_url, "data:image"} | {
        each for each in walk.requested if each.startswith("data:")
    }
