"""Steps that several journeys share: a link sent, an order paid, a parcel delivered."""

from functools import partial
from typing import Any

from tests.journeys.cast import Ada, Cy, Desk, at, wait_for
from tests.journeys.database import Database
from tests.journeys.story import story

NAMES = {"prescription": "Metformin", "device": "glucose", "kit": "HbA1c"}


def sent(ada: Ada, cy: Cy, *kinds: str) -> str:
    """Ada sends a link for these orders; its address comes back from Cy's phone."""
    page = ada.launch(cy.chart.patient)
    assert cy.chart.family.upper() in page.text, page.text[:500]
    page = ada.send(page, *(NAMES[kind] for kind in kinds))
    assert "/sent/" in page.path, (page.status, page.text[:600])
    return cy.address()


def order_of(database: Database, cy: Cy) -> dict[str, Any]:
    """The newest order; tests make theirs one after the other."""
    return database.rows("SELECT * FROM orders_order ORDER BY id DESC LIMIT 1")[0]


def delivered(desk: Desk, database: Database, order: dict[str, Any]) -> None:
    """Let every supplier of the order work until the parcel is there."""
    told = partial(story, database, order, desk)
    for row in database.rows("SELECT public_id FROM fulfillment_fulfillment WHERE order_id = %s", order["id"]):
        reference = str(row["public_id"])
        partner = wait_for(partial(partner_of, desk, reference), "the supplier to have the order", story=told)
        desk.advance(partner=partner, reference=reference, to="accepted")
    wait_for(lambda: state(database, order)["money"] == "captured", "the money to be captured", story=told)
    for row in database.rows("SELECT public_id FROM fulfillment_fulfillment WHERE order_id = %s", order["id"]):
        reference = str(row["public_id"])
        desk.advance(partner=partner_of(desk, reference), reference=reference, to="delivered")
    wait_for(
        lambda: state(database, order)["state"] in ("delivered", "completed"), "the order to be delivered", story=told
    )


def partner_of(desk: Desk, reference: str) -> str:
    for partner in ("pharmacy", "devices", "lab"):
        found = desk.call("GET", f"/control/orders?partner={partner}")
        rows = found["orders"] if isinstance(found, dict) else found
        if any(row["reference"] == reference for row in rows):
            return partner
    return ""


def state(database: Database, order: dict[str, Any]) -> dict[str, Any]:
    return database.one("SELECT state, money FROM orders_order WHERE id = %s", order["id"])


def paid(ada: Ada, cy: Cy, database: Database, *kinds: str, plan: bool = False) -> dict[str, Any]:
    """From the chart to an authorized payment; the order."""
    page = at(cy.prove(sent(ada, cy, *kinds)), "/c/check/")
    cy.pay(cy.to_payment(page, plan=plan))
    order: dict[str, Any] = wait_for(lambda: order_of(database, cy), "the order")
    wait_for(lambda: state(database, order)["money"] == "authorized", "the authorization")
    return order


def references(database: Database, order: dict[str, Any]) -> list[str]:
    """What our suppliers call this order's fulfillments by."""
    rows = database.rows("SELECT public_id FROM fulfillment_fulfillment WHERE order_id = %s ORDER BY id", order["id"])
    return [str(row["public_id"]) for row in rows]


def at_partner(desk: Desk, partner: str, reference: str) -> list[dict[str, Any]]:
    """Every order that a supplier has under our reference: one, or we doubled it."""
    found = desk.call("GET", f"/control/orders?partner={partner}")
    rows = found["orders"] if isinstance(found, dict) else found
    return [row for row in rows if row["reference"] == reference]
