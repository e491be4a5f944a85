"""The system is run from the admin alone: an unknown code becomes sellable, a stuck order goes on, and no page on the
way says who the patient is."""

import secrets
from collections.abc import Callable
from typing import Any

from tests.admin.crawl import crawl
from tests.admin.live.conftest import Cleo
from tests.journeys.cast import Ada, Cy, Desk, rows_of, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import at_partner, delivered, paid, references, state

Patient = Callable[..., Cy]


def link_to(page: Any, part: str, words: str = "") -> str:
    found = [link for link in page.links if part in link]
    assert found, f"no link {part!r} ({words}) on {page.url}: {page.text[:600]}"
    return str(found[0])


def test_an_unmapped_code_is_mapped_here_and_sold_at_the_next_launch(
    ada: Ada, patient: Patient, desk: Desk, cleo: Cleo
) -> None:
    cy = patient("device")
    code = f"E{secrets.randbelow(9000) + 1000}"
    order = next(dict(each) for each in cy.chart.resources if each["resourceType"] == "DeviceRequest")
    words = f"Unheard-of walker {code}"
    order["codeCodeableConcept"] = {
        "coding": [
            {"system": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "code": code, "display": words}
        ],
        "text": words,
    }
    desk.put(order)
    page = ada.launch(cy.chart.patient)
    assert rows_of(page) == {}
    assert "no product" in page.text.lower()
    wait_for(lambda: words in cleo.see("/admin/").text, "the code on the first page")
    queue = cleo.see(f"/admin/catalog/unmappedcode/?q={code}")
    form = cleo.visitor.get(f"{cleo.live.app_url}{link_to(queue, '/catalog/unmappedcode/', words).split('?')[0]}")
    product = cleo.database.one(
        "SELECT id FROM catalog_product WHERE kind = 'device' AND active AND price_cents > 0 ORDER BY id LIMIT 1"
    )
    done = cleo.visitor.submit(form, "/change/", product=str(product["id"]))
    assert f"Mapped: {code}" in done.text
    page = ada.launch(cy.chart.patient)
    assert len(rows_of(page)) == 1
    assert words in page.text
    assert words not in cleo.see("/admin/").text


def test_a_stuck_order_is_found_and_goes_on_from_the_admin_alone(
    ada: Ada, patient: Patient, database: Database, desk: Desk, cleo: Cleo
) -> None:
    cy = patient("device")
    desk.fault(partner="devices", path="/devices/orders.*", kind="status", status=401, times=100)
    order = paid(ada, cy, database, "device")
    wait_for(lambda: state(database, order)["state"] == "exception", "the order to be stuck")
    start = cleo.see("/admin/")
    assert order["number"] in start.text
    assert "The partner refused our key" in start.text
    page = cleo.see(f"/admin/orders/order/of-effect/{stuck_effect(database, order)}/")
    assert page.path == f"/admin/orders/order/{order['id']}/change/"
    assert "Needs a person" in page.text
    desk.no_faults()
    page = cleo.visitor.submit(page, "/retry/")
    assert "will be tried now" in page.text
    (reference,) = references(database, order)
    wait_for(lambda: at_partner(desk, "devices", reference), "the supplier to have the order")
    delivered(desk, database, order)
    assert len(at_partner(desk, "devices", reference)) == 1
    page = cleo.see(f"/admin/orders/order/{order['id']}/change/")
    assert "Needs a person" not in page.text
    assert order["number"] not in cleo.see("/admin/").text
    told = database.rows("SELECT action FROM audit_auditevent WHERE action = 'effect.retried'")
    assert told


def stuck_effect(database: Database, order: dict[str, Any]) -> int:
    row = database.one(
        "SELECT e.id FROM outbox_effect e JOIN fulfillment_fulfillment f ON f.public_id::text = e.subject"
        " WHERE f.order_id = %s AND e.kind = 'fulfillment.dispatch'", order["id"],
    )  # fmt: skip
    return int(row["id"])


def test_an_order_is_cancelled_here_and_the_money_goes_back(
    ada: Ada, patient: Patient, database: Database, desk: Desk, cleo: Cleo
) -> None:
    cy = patient("device")
    order = paid(ada, cy, database, "device")
    (reference,) = references(database, order)
    wait_for(lambda: at_partner(desk, "devices", reference), "the supplier to have the order")
    page = cleo.see(f"/admin/orders/order/{order['id']}/change/")
    page = cleo.visitor.submit(page, "/cancel/", reason="patient_asked")
    assert "Asked to cancel" in page.text
    wait_for(lambda: state(database, order) == {"state": "cancelled", "money": "voided"}, "the money to go back")
    page = cleo.see(f"/admin/orders/order/{order['id']}/change/")
    assert "Cancel this order" not in page.text


def test_no_page_of_the_running_admin_says_who_the_patient_is(
    ada: Ada, patient: Patient, database: Database, cleo: Cleo
) -> None:
    cy = patient("prescription", "device", member="A1-COV", email="cy.canary@example.org")
    order = paid(ada, cy, database, "prescription", "device", plan=True)
    hidden = [
        cy.chart.family,
        cy.chart.patient,
        cy.born,
        "14 March",
        cy.phone.lstrip("+"),
        "cy.canary@",
        "12 Elm",
        "98101",
        "A1-COV",
    ]
    pages = crawl(lambda address: cleo.see(address).body, alike=6)
    assert f"/admin/orders/order/{order['id']}/change/" in {address.split("?")[0] for address in pages}
    assert {(word, address) for address, body in pages.items() for word in hidden if word in body} == set()
