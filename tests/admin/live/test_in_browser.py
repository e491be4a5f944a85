"""The pages in a browser at 1280x720: nothing breaks the content security policy, nothing is asked of anybody else, and
what an operator needs stands on the first screen. [SEC-B11]"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.pictures import shoot
from tests.admin.live.conftest import Cleo
from tests.journeys.cast import Ada, Cy, Desk, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import paid, state

PLACES = (
    "orders/order/",
    "outbox/effect/?waits=person",
    "catalog/unmappedcode/",
    "catalog/product/",
    "ehr/ehrconnection/",
    "suppliers/supplier/",
    "accounts/agreement/",
    "accounts/user/",
    "accounts/user/add/",
    "audit/auditevent/",
    "offers/offer/",
    "offers/purchaselink/",
    "ehr/ehrsession/",
    "password_change/",
)


@pytest.fixture
def window(browser: Browser, live: Live, cleo: Cleo) -> Iterator[Page]:
    """Cleo's browser, signed in by her cookie. A Secure cookie is taken on loopback."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    jar = cleo.visitor.cookies["127.0.0.1"]
    context.add_cookies(
        [{"name": name, "value": value, "url": live.app_url.replace("http:", "https:")} for name, value in jar.items()]
    )
    yield context.new_page()
    context.close()


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("EHRC_PICTURES", ""):
        shoot(page, Path(folder), f"admin-{name}")


def test_all_pages_keep_the_policy_and_fit_the_screen(
    window: Page, live: Live, ada: Ada, patient: Callable[..., Cy], desk: Desk, database: Database
) -> None:
    complaints: list[str] = []
    asked: set[str] = set()
    window.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    window.on("pageerror", lambda error: complaints.append(str(error)))
    window.on("request", lambda request: asked.add("/".join(request.url.split("/")[:3])))
    desk.fault(partner="devices", path="/devices/orders.*", kind="status", status=401, times=100)
    order = paid(ada, patient("prescription", "device"), database, "prescription", "device")
    wait_for(lambda: state(database, order)["state"] == "exception", "the order to be stuck")
    window.goto(f"{live.app_url}/admin/")
    expect(window.get_by_role("link", name=f"{order['number']} Order to the supplier")).to_be_in_viewport()
    picture(window, "index")
    window.get_by_role("link", name=f"{order['number']} Order to the supplier").click()
    expect(window.get_by_role("button", name="Retry what waits")).to_be_in_viewport()
    expect(window.get_by_role("heading", name="Timeline")).to_be_in_viewport()
    picture(window, "order")
    window.get_by_role("link", name="Order to the supplier", exact=True).click()
    expect(window.get_by_role("button", name="Retry")).to_be_in_viewport()
    window.get_by_role("link", name="Show its order").click()
    window.get_by_text("Cancel this order").click()
    expect(window.get_by_role("button", name="Cancel the order now")).to_be_in_viewport()
    picture(window, "order-cancel")
    for place in PLACES:
        window.goto(f"{live.app_url}/admin/{place}")
        expect(window.locator("h1").first).to_be_visible()
        picture(window, place.split("?")[0].strip("/").replace("/", "-"))
        first = window.locator("#result_list tbody th a").first
        if first.count():
            first.click()
            expect(window.locator("h1").first).to_be_visible()
            picture(window, f"{place.split('?')[0].strip('/').replace('/', '-')}-one")
        wide = window.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, place
    assert complaints == []
    assert asked <= {live.app_url, "data:image"} | {each for each in asked if each.startswith("data:")}


def test_one_more_code_of_a_product_is_added_without_a_reload(window: Page, live: Live) -> None:
    """Django's own scripts for rows work under the policy."""
    complaints: list[str] = []
    window.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    window.goto(f"{live.app_url}/admin/catalog/product/")
    window.locator("#result_list tbody th a").first.click()
    more = window.get_by_role("button", name="Add another Code")
    expect(more).to_be_visible()
    before = window.locator("tr.dynamic-codes").count()
    more.click()
    expect(window.locator("tr.dynamic-codes")).to_have_count(before + 1)
    assert complaints == []
