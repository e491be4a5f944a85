"""What a failed wait prints: why an order stands still is told by its rows, and by nothing that a page shows."""

from typing import Any

from tests.journeys.cast import Desk
from tests.journeys.database import Database

ASKED = (
    ("order", "SELECT state, money, event_at, changed_at FROM orders_order WHERE id = %s"),
    ("part", "SELECT public_id, kind, state, reason, changed_at FROM fulfillment_fulfillment WHERE order_id = %s"),
    ("payment", "SELECT public_id, state, checked_at, changed_at FROM orders_payment WHERE order_id = %s"),
    ("event", "SELECT at, code, detail, actor FROM orders_orderevent WHERE order_id = %s ORDER BY id"),
)
EFFECTS = (
    "SELECT id, kind, subject, generation, state, code, attempt, tries, created_at, changed_at, next_run_at, lease_until"
    " FROM outbox_effect WHERE subject = ANY(%s) ORDER BY id"
)
NOTES = "SELECT effect_id, at, state, code FROM outbox_note WHERE effect_id = ANY(%s) ORDER BY id"
OTHERS = (
    "SELECT kind, state, code, count(*) AS n, min(next_run_at) AS first_run_at FROM outbox_effect"
    " WHERE state IN ('planned', 'sending', 'unknown') GROUP BY 1, 2, 3 ORDER BY n DESC LIMIT 12"
)


def story(database: Database, order: dict[str, Any], desk: Desk) -> str:
    """An order, its parts and payments, their effects, the callbacks about them, and what else waits in the outbox."""
    found = [(name, row) for name, sql in ASKED for row in database.rows(sql, order["id"])]
    subjects = [str(order["public_id"]), *(str(row["public_id"]) for _, row in found if "public_id" in row)]
    effects = database.rows(EFFECTS, subjects)
    found += [("effect", row) for row in effects]
    found += [("note", row) for row in database.rows(NOTES, [row["id"] for row in effects])]
    for subject in subjects:
        told = desk.call("GET", f"/control/callbacks?reference={subject}")["events"]
        found += [("callback", row) for row in told]
    found += [("others", row) for row in database.rows(OTHERS)]
    lines = [f"{name}: " + " ".join(f"{key}={value}" for key, value in row.items()) for name, row in found]
    return "\n".join([f"now: {database.one('SELECT now()::text AS now')['now']}", *lines])
