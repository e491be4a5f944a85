"""The judge: our database against the books and journals of partners that never died. It knows what happened from them
alone, and asks no code of ours (REL-P1, P2, P24, P25; invariants I1 to I12)."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from ehrcommerce.workbench.services import ask_redis
from tests.crash.acts import Break, OfActs, Row, header_of, json_of
from tests.crash.people import Buyer
from tests.crash.town import Town

FINAL = ("completed", "cancelled", "refused", "returned", "delivered")
DEAD = ("cancelled", "rejected")
ITEM_WORDS = ("glucose", "metformin", "hba1c")
MONEY = {"authorized": "authorized", "captured": "captured", "voided": "voided", "refunded": "refunded"}


@dataclass
class Verdict:
    breaks: list[Break] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def of(self, number: str) -> set[str]:
        return {one.invariant for one in self.breaks if one.order == number}


class Oracle(OfActs):
    """Everything is read once, when it is made."""

    def __init__(self, town: Town, buyers: Iterable[Buyer], *, since: float) -> None:
        self.town, self.buyers = town, list(buyers)
        ours, theirs = town.ours, town.theirs
        self.ours = ours
        self.orders = {row["number"]: row for row in ours.rows("SELECT * FROM orders_order")}
        self.journal = theirs.rows("SELECT * FROM journal_journalentry WHERE started >= %s ORDER BY id", since)
        self.held = theirs.rows("SELECT * FROM partners_supplierorder")
        self.since = since
        self.sessions = theirs.rows("SELECT * FROM partners_paysession")
        self.messages = theirs.rows("SELECT * FROM partners_message")
        self.posts = self._posts()
        self.redis = _redis(town.redis_url)
        self.logs = town.logs()

    def _posts(self) -> dict[str, list[Row]]:
        """What was asked of the partners, by our reference: acts on money by the session's."""
        reference_of = {row["public_id"]: row["reference"] for row in self.sessions}
        found: dict[str, list[Row]] = defaultdict(list)
        for entry in self.journal:
            parts = entry["path"].strip("/").split("/")
            if entry["method"] != "POST":
                continue
            if (len(parts) == 2 and parts[1] in ("orders", "sessions")) or parts == ["messages"]:
                found[f"{parts[-1]}:{json_of(entry['body']).get('reference', '')}"].append(entry)
            elif len(parts) == 4 and parts[:2] == ["pay", "sessions"]:
                found[f"{parts[3]}:{reference_of.get(parts[2], '')}"].append(entry)
        return found

    # ---------------------------------------------------------------------------------------------------- the verdict
    def verdict(self) -> Verdict:
        breaks = [*self._everywhere()]
        for buyer in self.buyers:
            if buyer.number:
                breaks += self._of(buyer)
        mine = {reference for buyer in self.buyers for reference in buyer.payments}
        counts = {
            "orders": len([buyer for buyer in self.buyers if buyer.number]),
            "lost": sum(one.invariant == "I1" for one in breaks),
            "doubled": sum(one.invariant in ("I2", "I3") for one in breaks),
            "ledger_difference_cents": sum(
                abs(self._difference(row)) for row in self.sessions if row["reference"] in mine
            ),
        }
        return Verdict(breaks, counts)

    def _everywhere(self) -> Iterator[Break]:
        parts = {str(row["public_id"]) for row in self.ours.rows("SELECT public_id FROM fulfillment_fulfillment")}
        mine = {reference: buyer.number for buyer in self.buyers for reference in buyer.parts}
        for row in self.held:
            # What is older was judged in its own round: a mistake that was made on purpose leaves its stray behind.
            if row["reference"] not in parts and row["created_at"].timestamp() >= self.since:
                yield Break("I3", self._whose(row, mine), f"{row['partner']} holds an order that no row of ours knows")
        payments = {str(row["public_id"]) for row in self.ours.rows("SELECT public_id FROM orders_payment")}
        for row in self.sessions:
            if row["reference"] not in payments and row["created_at"].timestamp() >= self.since:
                yield Break("I1", "", f"the processor has a payment {row['public_id']} that no row of ours knows")
        yield from self._told()

    def _whose(self, stray: Row, mine: dict[str, str]) -> str:
        """Whose stray order this is: the buyer to whose house it went in the same breath."""
        for buyer in self.buyers:
            if buyer.cy.chart.family.lower() in json.dumps(stray["ship_to"]).lower():
                return buyer.number
        return ""

    def _of(self, buyer: Buyer) -> Iterator[Break]:
        order = self.orders.get(buyer.number)
        if order is None:
            yield Break("I1", buyer.number, "the patient saw it placed, and there is no such order")
            return
        for check in (
            self._kept, self._once, self._same_at_supplier, self._money, self._waits, self._allowed, self._history,
            self._audited, self._amounts, self._dose, self._silent,
        ):  # fmt: skip
            for invariant, says in check(buyer, order):
                yield Break(invariant, buyer.number, says)

    # -------------------------------------------------------------------------------------------------- one invariant
    def _kept(self, buyer: Buyer, order: Row) -> Iterator[tuple[str, str]]:
        """I1: at its end, or somebody looks again, or a person has it; and what we call sent is somewhere."""
        if order["state"] not in FINAL and not self._effects(buyer, "state <> 'done' AND state <> 'rejected'"):
            yield "I1", f"stands at {order['state']} and nobody will look again"
        for part in self._rows("fulfillment_fulfillment", order):
            sent = part["state"] in ("dispatched", "accepted", "shipped", "delivered", "completed")
            if sent and not self._held(part):
                yield "I1", f"is called {part['state']} and {part['kind']} house has never heard of it"

    def _once(self, buyer: Buyer, order: Row) -> Iterator[tuple[str, str]]:
        """I2: again only under the same key with the same bytes."""
        for name, entries in self.posts.items():
            act, _, reference = name.partition(":")
            if reference not in buyer.subjects:
                continue
            whole = [entry for entry in entries if entry["body"]]  # others broke off on the way
            keys = {header_of(entry, "idempotency-key") for entry in whole}
            if "" in keys:
                yield "I2", f"{act} of {reference} went out without a key"
            if len({entry["body"] for entry in whole}) > len(keys):
                yield "I2", f"{act} of {reference} went out with other bytes under the same key"
            if len(keys) > 1 and not (act == "refund" and self._many_refunds(reference)):
                yield from self._another_key(act, reference, whole)
        for effect in self._effects(buyer, "kind = 'fulfillment.notify'"):
            told = [row for row in self.messages if row["reference"] == str(effect["public_id"])]
            if len(told) > 1:
                yield "I2", f"the patient got {len(told)} messages of one effect"

    def _another_key(self, act: str, reference: str, entries: list[Row]) -> Iterator[tuple[str, str]]:
        """A processor may keep an error under a key for ever, so an act on money gets another key after the processor was
        asked and knew nothing of it; never before, and nothing else ever does (REL-F20)."""
        for first, second in pairwise(sorted(entries, key=lambda entry: float(entry["started"]))):
            if header_of(first, "idempotency-key") == header_of(second, "idempotency-key"):
                continue
            asked = act not in ("orders", "messages") and any(
                entry["method"] == "GET" and entry["path"].startswith("/pay/sessions") and entry["status"] == 200
                and reference in f"{entry['query']}{entry['answer']}"
                and first["started"] <= entry["started"] <= second["started"]
                for entry in self.journal
            )  # fmt: skip
            if not asked:
                yield "I2", f"{act} of {reference} went out under another key, and nobody had asked"
        done = {header_of(entry, "idempotency-key") for entry in entries if entry["status"] in (200, 201)}
        if len(done) > 1:
            yield "I2", f"{act} of {reference} was done under {len(done)} keys"

    def _many_refunds(self, reference: str) -> bool:
        """Several refunds of one payment are right where several were planned."""
        rows = self.ours.rows(
            "SELECT id FROM outbox_effect WHERE kind = 'payment.refund' AND subject = %s AND state = 'done'", reference
        )
        return len(rows) > 1

    def _same_at_supplier(self, buyer: Buyer, order: Row) -> Iterator[tuple[str, str]]:
        """I3: an order that lives at a supplier lives in our books; one each."""
        for part in self._rows("fulfillment_fulfillment", order):
            held = self._held(part)
            if len(held) > 1:
                yield "I3", f"{len(held)} orders under one reference"
            if held and held[0]["status"] not in DEAD and part["state"] in ("cancelled", "refused"):
                yield "I3", f"we call it {part['state']}, and the supplier works on it"

    def _money(self, buyer: Buyer, order: Row) -> Iterator[tuple[str, str]]:
        """I4: books and processor agree; taken after acceptance, whole, and given back where nothing is owed."""
        entries = self._rows("orders_ledgerentry", order)
        if sum(row["amount_cents"] for row in entries):
            yield "I4", "the ledger does not sum to zero"
        taken = 0
        for row in self.sessions:
            if row["reference"] not in buyer.payments:
                continue
            taken += row["captured_cents"] - row["refunded_cents"]
            if self._difference(row):
                yield "I4", f"the ledger differs from the processor by {self._difference(row)} cents"
            if row["status"] == "authorized" and order["state"] in ("cancelled", "refused"):
                yield "I4", "the order is over and its hold stands"
            if row["status"] == "open" and order["money"] in MONEY:
                yield "I4", f"we call it {order['money']} and the processor says that nobody has paid"
            yield from self._early(buyer, row)
        if order["state"] in FINAL and taken != (due := self._due(order)):
            yield "I4", f"{taken} cents are taken and {due} are due"

    def _early(self, buyer: Buyer, session: Row) -> Iterator[tuple[str, str]]:
        captures = [entry["started"] for entry in self.posts.get(f"capture:{session['reference']}", ())]
        accepted = [
            datetime.fromisoformat(step["at"]).timestamp()
            for row in self.held if row["reference"] in buyer.parts for step in row["history"]
            if step["status"] in ("accepted", "packed", "shipped", "delivered")
        ]  # fmt: skip
        if captures and (not accepted or min(captures) < min(accepted)):
            yield "I4", "money was taken before the supplier accepted"

    def _due(self, order: Row) -> int:
        """What the lines that a supplier took cost, with tax and one shipping fee for each kind."""
        if order["state"] in ("cancelled", "refused"):
            return 0
        return int(order["patient_cents"] + order["shipping_cents"] + order["tax_cents"])

    def _difference(self, session: Row) -> int:
        found = self.ours.rows(
            "SELECT coalesce(sum(l.amount_cents), 0) AS cents FROM orders_ledgerentry l WHERE l.account = 'processor'"
            " AND l.cause LIKE %s", f"payment:{session['reference']}:%",
        )  # fmt: skip
        return int(found[0]["cents"]) - int(session["captured_cents"] - session["refunded_cents"])

    def _waits(self, buyer: Buyer, order: Row) -> Iterator[tuple[str, str]]:
        """I5: whatever is open is looked at again within the hour that a back-off may last."""
        for effect in self._effects(
            buyer, "state = 'sending' AND lease_until < now() AND next_run_at > now() + interval '1 hour'"
        ):
            yield (
                "I5",
                f"{effect['kind']} is sending past its lease and nobody looks again before {effect['next_run_at']}",
            )

    def _amounts(self, buyer: Buyer, order: Row) -> Iterator[tuple[str, str]]:
        """I10: of each thing no more than was offered and paid, all orders at the suppliers together."""
        rows = self.ours.rows(
            "SELECT f.sku, sum(o.quantity) AS n FROM orders_orderline o JOIN offers_offerline f ON f.id = o.offer_line_id"
            " WHERE o.order_id = %s GROUP BY 1", order["id"],
        )  # fmt: skip
        offered = {row["sku"]: int(row["n"]) for row in rows}
        asked: dict[str, int] = defaultdict(int)
        for row in self.held:
            if row["reference"] in buyer.parts:
                for line in row["lines"]:
                    asked[line["sku"]] += int(line["quantity"])
        for sku, number in asked.items():
            if number > offered.get(sku, 0):
                yield "I10", f"{number} of {sku} were asked for and {offered.get(sku, 0)} were offered"

    def _dose(self, buyer: Buyer, order: Row) -> Iterator[tuple[str, str]]:
        """I11: what the pharmacy holds has the chart's own characters."""
        if buyer.item != "prescription":
            return
        chart = next(each for each in buyer.cy.chart.resources if each["resourceType"] == "MedicationRequest")
        words = chart["dosageInstruction"][0]["text"]
        for row in self.held:
            if row["reference"] in buyer.parts and words not in json.dumps(row["prescription"], ensure_ascii=False):
                yield "I11", "the dose at the pharmacy is not the chart's"

    def _silent(self, buyer: Buyer, order: Row) -> Iterator[tuple[str, str]]:
        """I12: logs, Redis, messages and the processor know no name, no number, no item."""
        chart = buyer.cy.chart
        names = (chart.family.lower(), chart.phone.removeprefix("+1"), chart.patient)
        paid = [
            json.dumps(entry["body"]) for name in buyer.payments for entry in self.posts.get(f"sessions:{name}", ())
        ]
        texts = [row for row in self.messages if row["to"] in (chart.phone, chart.email)]
        places = {"a log": self.logs, "Redis": self.redis, "the processor": " ".join(paid)}
        for place, words in places.items():
            if any(name in words.lower() for name in names):
                yield "I12", f"{place} knows who this is"
        for row in texts:
            said = f"{row['subject']} {row['text']} {row['html']}".lower()
            if chart.family.lower() in said or any(word in said for word in ITEM_WORDS):
                yield "I12", "a message names the person or the item"

    def _held(self, part: Row) -> list[Row]:
        return [row for row in self.held if row["reference"] == str(part["public_id"])]


def _redis(url: str) -> str:
    """What lies in Redis now: the names of all keys, and what stands in each list and value."""
    try:
        names = ask_redis(url, "KEYS", "*")
        keys = [line for line in names.splitlines() if line and line[0] not in "*$"]
        held = [ask_redis(url, *how) for key in keys for how in (("LRANGE", key, "0", "-1"), ("GET", key))]
    except OSError:
        return ""
    return "\n".join([names, *held])
