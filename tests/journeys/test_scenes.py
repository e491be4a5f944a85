"""What happens by itself, seen in a browser: a signed lab order becomes a kit that is tracked to the door, a signed
prescription becomes a text on the patient's phone, and a cancel in the last second stops a kit. Nobody opens the app. [J3, J4, J7]

The demo's own rules and patient; nobody waits for a hold or a parcel in a test: their rows are moved."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.pictures import DESK, PHONE
from tests.journeys.cast import Desk, wait_for
from tests.journeys.charts import HCPCS
from tests.journeys.database import Database
from tests.journeys.steps import at_partner, partner_of

CHART, PHONE_NUMBER = "tobias-wren", "+15035550182"
FERRITIN, VITAMIN_D, GLIPIZIDE = (
    "ServiceRequest/tobias-ferritin-draft", "ServiceRequest/tobias-vitamin-d-draft", "MedicationRequest/tobias-glipizide-draft",
)  # fmt: skip
ON = (
    "UPDATE ehr_subscription SET enabled = true WHERE managed", "UPDATE ehr_pollingwatermark SET enabled = true WHERE true",
    "UPDATE ehr_automationrule SET enabled = true WHERE true",
)  # fmt: skip
OFF = (
    "UPDATE ehr_subscription SET enabled = false", "UPDATE ehr_pollingwatermark SET enabled = false",
    "UPDATE ehr_automationrule SET enabled = false", "UPDATE ehr_hookclient SET enabled = false",
    "UPDATE catalog_product SET price_cents = 4700 WHERE sku = 'KT-FERRITIN'",
    "UPDATE catalog_product SET price_cents = 5400 WHERE sku = 'KT-VITAMIN-D'",
)  # fmt: skip
ACTS = "SELECT a.id, a.public_id, a.state, a.did, a.code FROM ehr_automaticact a WHERE a.id > %s ORDER BY a.id"


def soon(look: Callable[[], Any], what: str) -> Any:
    """Several processes have to move for it, and the machine may be busy."""
    return wait_for(look, what, 60.0)


@pytest.fixture
def listening(live: Live, desk: Desk, database: Database) -> Iterator[None]:
    """The EHR tells, and the demo's rules are on; for this test alone, since others would be disturbed by it."""
    live.run("load_demo", "--events")
    for statement in ON:
        database.rows(f"{statement} RETURNING 1")
    told = "SELECT state FROM ehr_subscription WHERE managed AND enabled"
    soon(lambda: database.one(told)["state"] == "active", "the EHR to shake hands")
    yield
    for statement in OFF:
        database.rows(f"{statement}{'' if 'WHERE' in statement else ' WHERE true'} RETURNING 1")


@pytest.fixture
def chart(browser: Browser, live: Live) -> Iterator[Page]:
    """Doctor Lund in Tobias Wren's chart."""
    context = browser.new_context(viewport=DESK, locale="en-US")
    page = context.new_page()
    page.goto(f"{live.sandbox_url}/ehr/")
    page.get_by_label("User name").fill("lund")
    page.get_by_role("button", name="Sign in").click()
    page.locator(f'a[href$="/ehr/chart/{CHART}/"]').click()
    yield page
    context.close()


def press(chart: Page, order: str, what: str) -> None:
    """One button of one order's row in the EHR. Signing shows a page between, with what the app's service says of it."""
    row = chart.locator(f'tr[id="{order.replace("/", "-")}"]')
    if what == "Sign":
        row.get_by_role("link", name=re.compile("^Sign")).click()
        chart.get_by_role("button", name="Sign", exact=True).click()
    else:
        row.get_by_role("button", name=re.compile(f"^{what}")).click()
    expect(chart.get_by_role("alert")).to_have_count(0)


def last_act(database: Database) -> int:
    return int(database.one("SELECT coalesce(max(id), 0) AS id FROM ehr_automaticact")["id"])


def over(database: Database, act: dict[str, object]) -> None:
    """The hold of this act is over now."""
    database.rows("UPDATE ehr_automaticact SET due_at = now() WHERE id = %s RETURNING id", act["id"])
    database.rows(
        "UPDATE outbox_effect SET next_run_at = now() WHERE kind = 'ehr.automatic' AND subject = %s RETURNING id",
        str(act["public_id"]),
    )


def test_three_scenes_without_a_click_in_the_app(
    browser: Browser, live: Live, desk: Desk, database: Database, listening: None, chart: Page
) -> None:
    _a_signed_lab_order_is_a_kit_at_the_door(chart, desk, database)
    _a_signed_prescription_is_a_text(browser, chart, live, desk, database)
    _a_cancel_in_the_last_second_stops_the_kit(chart, desk, database)


def _a_signed_lab_order_is_a_kit_at_the_door(chart: Page, desk: Desk, database: Database) -> None:
    before = last_act(database)
    press(chart, FERRITIN, "Sign")
    (act,) = soon(lambda: database.rows(ACTS, before), "the rule to hold the order")
    assert act["state"] == "waiting"
    over(database, act)
    soon(lambda: database.rows(ACTS, before)[0]["state"] != "waiting", "the hold to end")
    soon(lambda: database.rows(ACTS, before)[0]["state"] == "done", "the rule to ship the kit")
    assert database.rows(ACTS, before)[0]["did"] == "kit", database.rows(ACTS, before)
    order = database.rows("SELECT * FROM orders_order ORDER BY id DESC LIMIT 1")[0]
    found = database.one("SELECT public_id FROM fulfillment_fulfillment WHERE order_id = %s", order["id"])
    reference = str(found["public_id"])
    soon(lambda: partner_of(desk, reference) == "lab", "the laboratory to have the order")
    desk.advance(partner="lab", reference=reference, to="delivered")
    state = "SELECT state FROM orders_order WHERE id = %s"
    soon(lambda: database.one(state, order["id"])["state"] in ("delivered", "completed"), "the kit at the door")
    parcel = (
        "SELECT s.state FROM fulfillment_shipment s JOIN fulfillment_fulfillment f ON f.id = s.fulfillment_id"
        " WHERE f.order_id = %s"
    )
    assert [row["state"] for row in database.rows(parcel, order["id"])] == ["delivered"]
    assert len(at_partner(desk, "lab", reference)) == 1
    told = soon(lambda: desk.messages(PHONE_NUMBER), "the patient to be told")
    assert not any("ferritin" in str(one).lower() for one in told), "a text names no test"


def _a_signed_prescription_is_a_text(browser: Browser, chart: Page, live: Live, desk: Desk, database: Database) -> None:
    before, texts = last_act(database), len(desk.messages(PHONE_NUMBER))
    press(chart, GLIPIZIDE, "Sign")
    (act,) = soon(lambda: database.rows(ACTS, before), "the rule to hold the order")
    over(database, act)
    soon(lambda: len(desk.messages(PHONE_NUMBER)) > texts, "the text")
    phone = browser.new_context(viewport=PHONE, locale="en-US").new_page()
    phone.goto(f"{live.sandbox_url}/phone/{PHONE_NUMBER}/")
    bubble = phone.locator(".bubble", has_text="/l/").first
    expect(bubble).to_be_visible()
    assert "glipizide" not in bubble.inner_text().lower()
    bubble.get_by_role("link").first.click()
    expect(phone.get_by_label("Month")).to_be_visible()
    phone.context.close()


def _a_cancel_in_the_last_second_stops_the_kit(chart: Page, desk: Desk, database: Database) -> None:
    before, orders = last_act(database), database.one("SELECT count(*) AS n FROM orders_order")["n"]
    at_lab = len(desk.call("GET", "/control/orders?partner=lab")["orders"])
    press(chart, VITAMIN_D, "Sign")
    (act,) = soon(lambda: database.rows(ACTS, before), "the rule to hold the order")
    press(chart, VITAMIN_D, "Stop")
    over(database, act)
    soon(lambda: database.rows(ACTS, before)[0]["state"] == "stopped", "the chart to stop it")
    assert database.one("SELECT count(*) AS n FROM orders_order")["n"] == orders
    assert len(desk.call("GET", "/control/orders?partner=lab")["orders"]) == at_lab


def test_the_page_that_signs_shows_a_card_which_opens_the_app_with_that_order(
    chart: Page, desk: Desk, listening: None
) -> None:
    """CDS Hooks: a signed call, a card, and a launch that carries its context."""
    drafted = {**desk.resource("DeviceRequest/tobias-nebulizer-revoked"), "id": "tobias-card", "status": "draft"}
    desk.put(
        {
            **drafted,
            "codeCodeableConcept": {"coding": [{"system": HCPCS, "code": "E0607"}], "text": "Blood glucose meter"},
        }
    )
    chart.reload()
    chart.locator('tr[id="DeviceRequest-tobias-card"]').get_by_role("link", name=re.compile("^Sign")).click()
    card = chart.get_by_role("complementary", name=re.compile("Advice"))
    for _ in range(40):  # an answer takes 350 ms or is empty (H4), and this machine may be busy
        if card.count():
            break
        chart.reload()
    expect(card).to_contain_text("1 order can be sent")
    assert "glucose" not in card.inner_text().lower(), "a card names no product"
    chart.get_by_role("button", name="Sign", exact=True).click()
    chart.get_by_role("complementary").get_by_role("button").click()
    frame = chart.frame_locator("iframe")
    expect(frame.get_by_role("button", name=re.compile("Send link"))).to_be_visible(timeout=20_000)
    ticked = frame.locator("tr:has(input[type=checkbox]:checked)")
    expect(ticked).to_have_count(1)
    expect(ticked).to_contain_text("lucose")
