"""docs/add-a-supplier.md, steps 12 to 14, over HTTP with the pages alone: an administrator adds a supplier that an adapter
already speaks to, a second person lets it be switched on, and a patient's order goes there, is cancelled there, and comes
back by its own callbacks."""

import secrets
import time
from collections.abc import Callable, Iterator
from html import unescape

import pytest

from ehrcommerce.workbench.live import Live
from tests.admin.live.conftest import Cleo, approve
from tests.admin.live.test_connecting import put_in_force
from tests.journeys.cast import Ada, Cy, Desk, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import at_partner, paid, references, state
from tests.journeys.visitor import Page

LIST = "/admin/suppliers/supplier/"
OLD = "UPDATE suppliers_supplier SET active = %s WHERE port = 'device' AND name = 'Harbor Medical Supply' RETURNING id"
SENT = "SELECT s.name FROM fulfillment_fulfillment f JOIN suppliers_supplier s ON s.id = f.supplier_id WHERE f.order_id = %s"


@pytest.fixture
def alone(database: Database, desk: Desk) -> Iterator[None]:
    """The supplier that the demo has for devices takes nothing meanwhile; afterwards it is called back as before."""
    before = desk.call("GET", "/control/callbacks")["callbacks"]
    database.rows(OLD, False)
    yield
    database.rows("UPDATE suppliers_supplier SET active = false WHERE name LIKE 'Corner Supply%%' RETURNING id")
    database.rows(OLD, True)
    desk.call("POST", "/control/callbacks", {"devices": before["devices"]})


def form_of(page: Page, **changes: str) -> dict[str, str | list[str]]:
    """The fields of the row's own form, as they stand, with these entered."""
    form = next(each for each in page.forms if "base_url" in {name for name, _ in each.fields})
    page.forms[:] = [form]
    kept = {name: value for name, value in form.fields if not name.startswith("_")}
    return {**kept, **changes}


def added(cleo: Cleo, dara: Cleo, live: Live, name: str) -> str:
    """Steps 12 to 14 up to the switch. Returns the address at which it calls us."""
    page = cleo.see(f"{LIST}add/")
    saved = cleo.visitor.submit(
        page, "", values=form_of(
            page, name=name, port="device", adapter="device_http", base_url=f"{live.sandbox_url}/devices",
            new_api_key=live.site.secrets["SANDBOX_PARTNER_API_KEY"], phone="1-800-555-0142",
            new_callback_secret=live.site.secrets["SANDBOX_CALLBACK_SECRET"],
        ),
    )  # fmt: skip
    assert saved.path == LIST, saved.text[:900]
    row = cleo.database.one("SELECT id, active FROM suppliers_supplier WHERE name = %s", name)
    assert row["active"] is False
    page = cleo.see(f"{LIST}{row['id']}/change/")
    assert "None: nothing is sent" in page.text
    (record,) = {unescape(link) for link in page.links if "/agreement/add/?" in link}
    form = cleo.visitor.get(f"{live.app_url}{record}")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    done = cleo.visitor.submit(
        form, "/agreement/add/", document="folder 9", effective=day, signed_off_by="Cleo", services=["all"],
        document_sha256="7a" * 32, breach_contact="+1 555 0101",
    )  # fmt: skip
    assert "in force." in put_in_force(cleo, done).text
    page = cleo.see(f"{LIST}{row['id']}/change/")
    saved = cleo.visitor.submit(page, "", values=form_of(page, active="on"))
    assert "Waits for a second person" in saved.text, saved.text[:900]
    assert "Approved, and done" in approve(dara).text
    page = cleo.see(f"{LIST}{row['id']}/change/")
    return next(word for word in page.text.split() if word.startswith(f"{live.app_url}/hooks/supplier/"))


@pytest.mark.nightly
def test_a_supplier_is_added_by_two_people_and_an_order_goes_there_and_is_cancelled_there(
    live: Live, cleo: Cleo, dara: Cleo, ada: Ada, patient: Callable[..., Cy], desk: Desk, database: Database, alone: None
) -> None:  # fmt: skip
    name = f"Corner Supply {secrets.token_hex(2)}"
    desk.call("POST", "/control/callbacks", {"devices": added(cleo, dara, live, name)})
    order = paid(ada, patient("device"), database, "device")
    assert database.rows(SENT, order["id"]) == [{"name": name}]
    (reference,) = references(database, order)
    wait_for(lambda: at_partner(desk, "devices", reference), "the new supplier to have the order")
    desk.advance(partner="devices", reference=reference, to="accepted")
    wait_for(lambda: state(database, order)["money"] == "captured", "its word to reach us")
    told = desk.call("GET", f"/control/callbacks?reference={reference}")["events"]
    assert {event["outcome"] for event in told} == {"200"}
    page = cleo.see(f"/admin/orders/order/{order['id']}/change/")
    assert "Corner Supply" in page.text
    other = paid(ada, patient("device"), database, "device")
    (reference,) = references(database, other)
    wait_for(lambda: at_partner(desk, "devices", reference), "the second order to be there")
    page = cleo.see(f"/admin/orders/order/{other['id']}/change/")
    cleo.visitor.submit(page, "/cancel/", reason="patient_asked")
    wait_for(lambda: state(database, other)["state"] == "cancelled", "the second order to be stopped there")
    assert "Partners in trouble" in (first := cleo.see("/admin/").text)
    assert name not in first
