"""An operator finds a stuck order on the first page of the back office and fixes it there, in a small window, with few
clicks: counted, since a minute of a person is clicks and reading, and a busy machine's seconds are not theirs."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.pictures import DESK, shoot
from tests.admin.live.conftest import Cleo
from tests.journeys.cast import Ada, Cy, Desk, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import paid, partner_of, references, state

TIME_GOES_BY = (
    "UPDATE outbox_effect SET next_run_at = now() WHERE kind = 'fulfillment.track' AND subject = %s AND state = 'planned'"
    " RETURNING id"
)


class Operator:
    """Somebody who sees the first page and clicks what it says."""

    def __init__(self, page: Page, live: Live) -> None:
        self.page, self.clicks = page, 0
        page.goto(f"{live.app_url}/admin/")

    def click(self, what: Locator) -> None:
        expect(what).to_be_visible()
        what.click()
        self.clicks += 1

    def choose(self, where: str, value: str) -> None:
        self.page.locator(where).select_option(value)
        self.clicks += 1

    def sees(self, *words: str) -> None:
        for each in words:
            expect(self.page.locator("#content")).to_contain_text(each)


@pytest.fixture
def operator(browser: Browser, live: Live, cleo: Cleo) -> Iterator[Callable[[], Operator]]:
    context = browser.new_context(viewport=DESK)
    jar = cleo.visitor.cookies["127.0.0.1"]
    context.add_cookies(
        [{"name": name, "value": value, "url": live.app_url.replace("http:", "https:")} for name, value in jar.items()]
    )
    yield lambda: Operator(context.new_page(), live)
    context.close()


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("EHRC_PICTURES", ""):
        shoot(page, Path(folder), f"admin-{name}")


def test_an_order_that_its_supplier_refuses_is_found_and_sent_in_two_clicks(
    operator: Callable[[], Operator], ada: Ada, patient: Callable[..., Cy], desk: Desk, database: Database
) -> None:
    desk.fault(partner="devices", path="/devices/orders.*", kind="status", status=401, times=100)
    order = paid(ada, patient("device"), database, "device")
    wait_for(lambda: state(database, order)["state"] == "exception", "the order to be stuck")
    desk.no_faults()  # somebody set the key right
    who = operator()
    item = who.page.get_by_role("link", name=f"{order['number']} Order to the supplier")
    expect(item).to_be_in_viewport()
    picture(who.page, "stuck-found")
    who.click(item)
    who.sees("The partner refused our key. Set the key under Suppliers, then press Retry.")
    picture(who.page, "stuck-order")
    who.click(who.page.get_by_role("button", name="Retry what waits"))
    wait_for(lambda: state(database, order)["state"] in ("dispatched", "accepted"), "the order to be with its supplier")
    who.page.reload()
    who.sees("Dispatched")
    picture(who.page, "stuck-fixed")
    assert who.clicks == 2


def test_a_parcel_that_is_lost_is_found_and_sent_again_in_four(
    operator: Callable[[], Operator], ada: Ada, patient: Callable[..., Cy], desk: Desk, database: Database
) -> None:
    order = paid(ada, patient("device"), database, "device")
    (reference,) = references(database, order)
    wait_for(lambda: partner_of(desk, reference), "the supplier to have the order")
    desk.advance(partner="devices", reference=reference, to="accepted")
    wait_for(lambda: state(database, order)["money"] == "captured", "the money to be captured")
    desk.advance(partner="devices", reference=reference, to="shipped")
    wait_for(lambda: state(database, order)["state"] == "shipped", "the parcel to leave")
    desk.advance(partner="carrier", reference=reference, to="exception")
    database.rows(TIME_GOES_BY, reference)  # the carrier is asked a few times a day
    wait_for(lambda: state(database, order)["state"] == "exception", "the carrier to say that it does not arrive")
    who = operator()
    who.click(who.page.get_by_role("link", name=f"{order['number']} A parcel that came back"))
    who.sees("The carrier says that the parcel does not arrive.")
    who.click(who.page.get_by_text("Send it again", exact=True))
    who.choose("#id_replace_reason", "lost")
    who.click(who.page.get_by_role("button", name="Send it again now"))
    said = who.page.locator(".messagelist")
    expect(said).to_contain_text("It goes out once more. The patient pays nothing and is told.")
    wait_for(lambda: state(database, order)["state"] == "dispatched", "the order to go out once more")
    assert who.clicks == 4
