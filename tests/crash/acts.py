"""What the judge says of acts: whether each was allowed at its moment, was written down before, and followed a legal path
(invariants I6 to I9)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from ehrcommerce.commerce.orders.states import IllegalMove, way
from tests.crash.people import Buyer
from tests.crash.town import Town
from tests.journeys.database import Database

ACTS = ("capture", "void", "refund")
MESSAGES = ("link.sent", "checkout.code_sent", "patient.notified")
# Of people, of charts, of those who take back a yes: nothing else stops an order.
STOPPED = ("cancelled", "refunded", "stopped", "changed", "unconsented")
SENT_ANEW, NEVER_ANEW = "replacement", ("quoted", "cancelled", "refused")
# How old a reading may be at the dispatch, with the time that the call itself takes; and how long before a call its intent
# may have been written down: a process may be frozen in between.
FRESH_S, SAID_WITHIN_S = 65.0, 120.0
Row = dict[str, Any]


@dataclass(frozen=True)
class Break:
    """An invariant that does not hold, for which order, and what shows it."""

    invariant: str
    order: str
    says: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.order}: {self.says}"


class OfActs:
    """The half of the oracle that knows of acts."""

    town: Town
    buyers: list[Buyer]
    ours: Database
    journal: list[Row]
    sessions: list[Row]
    posts: dict[str, list[Row]]

    def _told(self) -> Iterator[Break]:
        """I7: what was answered with 200 is written down, once; and what the EHR told is looked at."""
        rows = self.ours.rows("SELECT event_id, count(*) AS n FROM suppliers_callbackseen GROUP BY 1")
        taken = {row["event_id"]: int(row["n"]) for row in rows}
        for entry in self.journal:
            if not entry["partner"].endswith("-callback") or not 200 <= (entry["status"] or 0) < 300:
                continue
            event = header_of(entry, "x-event-id")
            if taken.get(event) != 1:
                says = f"callback {event} was answered with {entry['status']} and taken {taken.get(event, 0)} times"
                yield Break("I7", self._named(entry["body"]), says)
        if self.ours.rows(
            "SELECT 1 FROM ehr_notification WHERE state = 'waiting' AND received_at < now() - interval '2 minutes'"
            " AND (taken_until IS NULL OR taken_until < now() - interval '1 minute')"
        ):
            yield Break("I7", "", "an event of the EHR lies in the inbox, and nobody looks")

    def _named(self, body: str) -> str:
        return next((buyer.number for buyer in self.buyers if any(one in body for one in buyer.subjects)), "")

    def _allowed(self, buyer: Buyer, order: Row) -> Iterator[tuple[str, str]]:
        """I6: at the moment of each dispatch, also of each that repeats one."""
        if order["state"] in ("cancel_requested", "cancelled") and buyer.ending not in STOPPED:
            yield "I6", "was stopped, though neither the patient nor the chart stopped it"
        for part in self._rows("fulfillment_fulfillment", order):
            reference = str(part["public_id"])
            sent = self.posts.get(f"orders:{reference}", ())
            if not sent:
                continue
            for at in [float(entry["started"]) for entry in sent]:
                if not self._consented(order, part, at):
                    yield "I6", "dispatched without a consent to this recipient that stood"
                if not self._read_live(buyer, order, reference, at):
                    yield "I6", "dispatched without reading the order again, live"
                yield from self._held_money(buyer, order, at)
            if buyer.ending == "stopped":
                yield "I6", "dispatched although the chart had stopped it"
            if buyer.ending == "changed":
                yield "I6", "dispatched although the chart had changed it"

    def _read_live(self, buyer: Buyer, order: Row, reference: str, at: float) -> bool:
        """What was read before the dispatch was planned (for the link, for the page) is no second reading."""
        planned = self.ours.one(
            "SELECT min(created_at) AS at FROM outbox_effect WHERE kind = 'fulfillment.dispatch' AND subject = %s",
            reference,
        )["at"]
        begins = max(at - FRESH_S, (planned or order["placed_at"]).timestamp())
        order_id = next(iter(buyer.cy.chart.orders.values())).partition("/")[2]
        return any(
            entry["partner"] == "ehr" and entry["method"] == "GET" and begins <= entry["started"] <= at
            and entry["status"] == 200 and is_active(json_of(entry["answer"]), order_id)
            for entry in self.journal
        )  # fmt: skip

    def _held_money(self, buyer: Buyer, order: Row, at: float) -> Iterator[tuple[str, str]]:
        """Somebody had paid on the processor's own page, the whole sum, and it had not been given back."""
        total = order["patient_cents"] + order["shipping_cents"] + order["tax_cents"]
        if not total:
            return
        mine = [row for row in self.sessions if row["reference"] in buyer.payments]
        paid = [row for row in mine if self._paid_at(row) <= at]
        given_back = [
            row for row in paid
            if any(e["status"] == 200 and e["ended"] <= at for e in self.posts.get(f"void:{row['reference']}", ()))
        ]  # fmt: skip
        living = [row for row in paid if row not in given_back]
        if not living:
            yield "I6", "dispatched without a hold at the processor"
        elif max(row["amount_cents"] for row in living) != total:
            yield "I6", "dispatched on a hold of another sum"

    def _paid_at(self, session: Row) -> float:
        pages = [
            float(entry["started"]) for entry in self.journal
            if entry["method"] == "POST" and entry["path"].strip("/") == f"pay/hosted/{session['public_id']}"
            and "choice=pay" in entry["body"]
        ]  # fmt: skip
        return min(pages, default=float("inf"))

    def _consented(self, order: Row, part: Row, at: float) -> bool:
        rows = self.ours.rows(
            "SELECT c.given_at, c.withdrawn_at, c.identity_level FROM disclosure_consent c JOIN offers_offer o"
            " ON c.subject = o.public_id::text JOIN suppliers_supplier s ON c.recipient = 'supplier:' || s.public_id::text"
            " WHERE o.id = %s AND s.id = %s AND c.purpose = %s", order["offer_id"], part["supplier_id"], part["kind"],
        )  # fmt: skip
        moment = datetime.fromtimestamp(at, tz=UTC)
        return any(
            row["identity_level"] >= 2 and row["given_at"] <= moment
            and (row["withdrawn_at"] is None or row["withdrawn_at"] > moment)
            for row in rows
        )  # fmt: skip

    def _history(self, buyer: Buyer, order: Row) -> Iterator[tuple[str, str]]:
        """I8: from event to event along the table of moves, and the last one is where the order stands. Only what is sent
        anew takes an order back, and none that is over. An effect ends once."""
        events = sorted(self._rows("orders_orderevent", order), key=lambda row: int(row["id"]))
        for before, after in pairwise(events):
            try:
                if not (after["code"] == SENT_ANEW and before["state"] not in NEVER_ANEW):
                    way(before["state"], after["state"])
            except IllegalMove:
                yield "I8", f"went from {before['state']} to {after['state']}"
        if events and events[-1]["state"] != order["state"] and order["state"] not in ("authorized", "gated"):
            yield "I8", f"stands at {order['state']} and its last event says {events[-1]['state']}"
        ended: dict[int, str] = {}
        for note in self.ours.rows(
            "SELECT n.effect_id, n.state, e.kind FROM outbox_note n JOIN outbox_effect e ON e.id = n.effect_id"
            " WHERE e.subject LIKE ANY(%s) ORDER BY n.id", [f"%{subject}%" for subject in buyer.subjects],
        ):  # fmt: skip
            if note["effect_id"] in ended:
                yield "I8", f"{note['kind']} had ended as {ended[note['effect_id']]}, and then became {note['state']}"
            if note["state"] in ("done", "rejected"):
                ended[note["effect_id"]] = note["state"]

    def _audited(self, buyer: Buyer, order: Row) -> Iterator[tuple[str, str]]:
        """I9: the intent of every outward act was committed before the partner saw it, each time that it saw it; and so was
        the reading that the act stands on. What a bell calls to is committed before it rings."""
        wanted = [
            *((f"orders:{one}", f"fulfillment:{one}", "fulfillment.sending") for one in buyer.parts),
            *((f"{act}:{one}", f"payment:{one}", f"payment.{act}.sending") for one in buyer.payments for act in ACTS),
            *((f"sessions:{one}", f"payment:{one}", "payment.open.sending") for one in buyer.payments),
        ]
        for name, entity, action in wanted:
            said = self.ours.rows("SELECT at FROM audit_auditevent WHERE entity = %s AND action = %s", entity, action)
            yield from self._said_before(name, [row["at"].timestamp() for row in said], f"{action} of {entity}")
        early = self.town.early_bells()
        for effect in self._effects(buyer, "TRUE"):
            cause = f"effect:{effect['public_id']}"
            said = self.ours.rows("SELECT at, action FROM audit_auditevent WHERE cause = %s", cause)
            times = [row["at"].timestamp() for row in said if row["action"] in MESSAGES]
            yield from self._said_before(f"messages:{effect['public_id']}", times, f"the message of {effect['kind']}")
            if str(effect["public_id"]) in early:
                yield "I9", f"the bell of {effect['kind']} rang before its row was committed"
            was_sent = effect["kind"] == "fulfillment.dispatch" and self.posts.get(f"orders:{effect['subject']}")
            if was_sent and effect["state"] == "done" and not any(row["action"] == "orders.read" for row in said):
                yield "I9", "the reading before the dispatch is not in the audit"

    def _said_before(self, name: str, said: list[float], what: str) -> Iterator[tuple[str, str]]:
        for entry in self.posts.get(name, ()):
            seen = float(entry["ended"] or entry["started"])
            if not any(seen - SAID_WITHIN_S <= at <= seen for at in said):
                yield "I9", f"{what} is not in the audit before it went out"

    # -------------------------------------------------------------------------------------------------------- helpers
    def _rows(self, table: str, order: Row) -> list[Row]:
        return self.ours.rows(f"SELECT * FROM {table} WHERE order_id = %s", order["id"])

    def _effects(self, buyer: Buyer, condition: str) -> list[Row]:
        return self.ours.rows(
            f"SELECT * FROM outbox_effect WHERE {condition} AND subject LIKE ANY(%s)",
            [f"%{subject}%" for subject in buyer.subjects],
        )


def json_of(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_active(answer: Any, order_id: str) -> bool:
    """Whether this order stands in the answer, alone or in a Bundle, as one that is to be carried out."""
    if isinstance(answer, dict):
        if answer.get("id") == order_id and "status" in answer:
            return bool(answer["status"] == "active")
        return any(is_active(value, order_id) for value in answer.values())
    return isinstance(answer, list) and any(is_active(value, order_id) for value in answer)


def header_of(entry: Row, name: str) -> str:
    return next((str(value) for key, value in entry["headers"].items() if key.lower() == name), "")
