"""The journey in a real browser: the app framed by another site, third-party cookies blocked, the patient on a phone."""

import os
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page

from ehrcommerce.workbench.journey import Take, Walk, no_picture
from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.pictures import shoot
from tests.journeys.cast import Desk, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import partner_of, references


def advance(desk: Desk, database: Database, status: str) -> None:
    """All suppliers of the newest order move to `status`."""
    order = database.rows("SELECT id FROM orders_order ORDER BY id DESC LIMIT 1")[0]
    for reference in wait_for(lambda: references(database, order), "the fulfillments"):
        partner = wait_for(partial(partner_of, desk, reference), "the supplier")
        desk.advance(partner=partner, reference=reference, to=status)


def taker() -> Take:
    """Keeps a picture of each page where `manage.py screenshots` asks for them; else only walks."""
    folder = os.environ.get("EHRC_PICTURES", "")
    if not folder:
        return no_picture

    def take(name: str, page: Page) -> None:
        shoot(page, Path(folder), name)

    return take


def test_the_whole_journey_in_a_browser(browser: Browser, live: Live, desk: Desk, database: Database) -> None:
    marisol = desk.resource("Patient/marisol-rivera")
    contacts = {each["system"]: each["value"] for each in marisol["telecom"]}
    walk = Walk(browser, live.app_url, live.sandbox_url, lambda status: advance(desk, database, status), taker())
    walk.whole(contacts["phone"], contacts.get("email", ""))
    assert walk.complaints == []
    assert walk.requested <= {live.app_url, live.sandbox_url, "data:image"} | {
        each for each in walk.requested if each.startswith("data:")
    }
