"""The main job on real processes: launch, link, identity, plan, payment, pharmacy, device, kit, parcel, chart."""

from collections.abc import Callable

import pytest

from tests.journeys.cast import Ada, Cy, Desk, at, rows_of, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import delivered, order_of, sent, state

Patient = Callable[..., Cy]


@pytest.mark.parametrize("plan", [True, False])
def test_three_kinds_in_one_link_are_paid_shipped_and_reported(
    ada: Ada, patient: Patient, desk: Desk, database: Database, plan: bool
) -> None:
    cy = patient("prescription", "device", "kit", member="A1-COV")
    mark = desk.mark()
    address = sent(ada, cy, "prescription", "device", "kit")
    page = at(cy.prove(address), "/c/check/")
    assert "Ada" in page.text or "Okafor" in page.text
    page = cy.to_payment(page, plan=plan)
    page = cy.pay(page)
    order = wait_for(lambda: order_of(database, cy), "the order")
    wait_for(lambda: state(database, order)["money"] == "authorized", "the authorization")
    delivered(desk, database, order)
    page = cy.visitor.get(f"{cy.live.app_url}/c/follow/")
    assert page.status == 200
    assert "elivered" in page.text
    ledger = database.one("SELECT sum(amount_cents) AS total FROM orders_ledgerentry WHERE order_id = %s", order["id"])
    assert ledger["total"] == 0
    coverage = [entry for entry in desk.journal("ehr", mark) if "/Coverage" in entry["path"]]
    assert bool(coverage) is plan
    assert bool(desk.journal("payer", mark)) is plan  # paid in full without the plan: neither read nor asked
    wait_for(
        lambda: completed_in_chart(desk, cy) == set(cy.chart.orders.values()), "the chart to be told of each order"
    )
    page = ada.launch(cy.chart.patient)
    assert "Delivered" in page.text
    (words,) = rows_of(page).values()  # nothing can be sent twice; of a medicine that arrived, the next fill can
    assert "Metformin" in words
    assert " left. Tick to send the next one." in words


def completed_in_chart(desk: Desk, cy: Cy) -> set[str]:
    """The orders of the chart of which it was told that they are done."""
    tasks = desk.call("GET", f"/control/fhir?type=Task&patient={cy.chart.patient}")["resources"]
    return {task["focus"]["reference"] for task in tasks if task["status"] == "completed"}


def test_what_partners_got_holds_nothing_that_stays_in_the_chart(
    ada: Ada, patient: Patient, desk: Desk, database: Database
) -> None:
    cy = patient("prescription", "device", "kit", member="A1-COV")
    mark = desk.mark()
    page = cy.to_payment(at(cy.prove(sent(ada, cy, "prescription", "device", "kit")), "/c/check/"), plan=True)
    cy.pay(page)
    order = wait_for(lambda: order_of(database, cy), "the order")
    delivered(desk, database, order)
    entries = [entry for entry in desk.journal(since=mark) if entry["partner"] != "ehr"]
    seen = {
        partner: " ".join(entry["body"] or "" for entry in entries if entry["partner"] == partner)
        for partner in {entry["partner"] for entry in entries}
    }
    assert not any("chart-only" in text for text in seen.values())
    for partner in ("pay", "payment", "messages", "carrier"):
        assert cy.chart.family not in seen.get(partner, "")
        assert "etformin" not in seen.get(partner, "")
    assert "861007" not in seen["devices"] + seen["lab"]
    assert cy.born not in seen["devices"] + seen["lab"]
    assert cy.born in seen["pharmacy"]
    for row in database.rows("SELECT * FROM django_session"):
        assert cy.chart.family not in str(row)


def test_the_link_page_shows_nothing_and_changes_nothing(ada: Ada, patient: Patient, database: Database) -> None:
    cy = patient("prescription")
    address = sent(ada, cy, "prescription")
    link = database.rows("SELECT * FROM offers_purchaselink ORDER BY id DESC LIMIT 1")[0]
    for _ in range(30):
        page = cy.visitor.get(address)
        assert page.status == 200
        assert not any(word in page.body for word in (cy.chart.family, "etformin", "Lakeside Family"))
        assert "set-cookie" not in page.headers or "__Host-l-" not in page.headers["set-cookie"]
    assert database.one("SELECT * FROM offers_purchaselink WHERE id = %s", link["id"]) == link


def test_a_spanish_speaker_is_written_to_and_served_in_spanish(ada: Ada, patient: Patient, desk: Desk) -> None:
    cy = patient("device", language="es")
    page = at(cy.prove(sent(ada, cy, "device")), "/c/check/")
    assert 'lang="es"' in page.body
    assert "mensaje" in desk.messages(cy.phone)[-1]["text"]
