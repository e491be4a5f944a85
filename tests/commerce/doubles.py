"""The outside, in this process: a chart, suppliers, a payment processor and a messenger that do what a test tells them,
write down what they were told, and fail on demand. Each answers as its port says (suppliers/ports.py)."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import connection

from ehrcommerce.outbox.handlers import LOOKUP
from ehrcommerce.outbox.outcomes import Done, Outcome, Refused
from ehrcommerce.policy.packets import ChartOrder, CoverageFacts, DispatchFacts, OrderedItem, OrderState, ShipTo
from ehrcommerce.suppliers.ports import (
    ChartUnreachable,
    Message,
    PaymentRequest,
    PaymentStatus,
    SupplyRequest,
    SupplyStatus,
)
from ehrcommerce.wire.errors import NotSent, Unanswered


def outside_any_transaction() -> None:
    """No call is made while a transaction is open (design law 5): each double refuses to answer then."""
    assert not connection.in_atomic_block, "a call to the outside inside a transaction"


@dataclass
class Faults:
    """What goes wrong next: names of faults, one for each call, then all is well."""

    coming: list[str | Outcome] = field(default_factory=list)

    def meet(self, act: Callable[[], Outcome]) -> Outcome:
        """down: never reached. drop: it acts, and the answer is lost. An Outcome is the answer, without an act."""
        outside_any_transaction()
        fault = self.coming.pop(0) if self.coming else ""
        if fault == "down":
            raise NotSent("partner")
        if fault == "drop":
            act()
            raise Unanswered("partner")
        if fault == "lost":
            raise Unanswered("partner")
        return act() if isinstance(fault, str) else fault


@dataclass
class FakeChart:
    """The EHR as commerce sees it: orders by key, and whether they can be read now."""

    orders: dict[str, ChartOrder] = field(default_factory=dict)
    person: DispatchFacts | None = field(default_factory=lambda: DispatchFacts("Cy Rivera", "1980-02-29"))
    problem: Exception | None = None
    reads: int = 0
    reported: list[tuple[str, str]] = field(default_factory=list)
    reports: bool = False
    ships_kits: bool = False
    while_reading: Callable[[], object] | None = None

    def put(self, item: OrderedItem) -> None:
        self.orders[item.key] = ChartOrder(item, OrderState(version="1", updated_at="", status="active"))

    def change(self, key: str, **changes: str) -> None:
        """The clinician edits the order in place."""
        now = self.orders[key]
        self.orders[key] = ChartOrder(replace(now.item, **changes), replace(now.state, version="2"))  # type: ignore[arg-type]

    def refuse(self, key: str, refusal: str) -> None:
        now = self.orders[key]
        self.orders[key] = ChartOrder(now.item, replace(now.state, refusal=refusal, version="2"))

    def current(self, *, organization_id: int, keys: Sequence[str], by: str) -> Mapping[str, ChartOrder | None]:
        outside_any_transaction()
        self.reads += 1
        if self.problem:
            raise self.problem
        found = {key: self.orders.get(key) for key in keys}
        if self.while_reading:
            self.while_reading()
        return found

    def coverage(self, *, organization_id: int, customer_key: str, by: str) -> tuple[CoverageFacts, ...]:
        return ()

    def ship_to(self, *, organization_id: int, customer_key: str, by: str) -> ShipTo | None:
        return None

    def dispatch_facts(self, *, organization_id: int, customer_key: str, by: str) -> DispatchFacts | None:
        outside_any_transaction()
        return self.person

    def ships_by_itself(self, *, organization_id: int) -> bool:
        return self.ships_kits

    def may_report(self, *, organization_id: int, key: str) -> bool:
        return self.reports

    def report(self, *, organization_id: int, key: str, order_id: str, status: str, at: str) -> Outcome:
        outside_any_transaction()
        if self.problem:
            raise ChartUnreachable
        self.reported.append((key, status))
        return Done()


@dataclass
class FakeSupplier:
    """Keeps one order for each reference, as a supplier that honors ours would."""

    capability: str = LOOKUP
    placed: list[tuple[str, bytes]] = field(default_factory=list)
    orders: dict[str, SupplyStatus] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    cancel_faults: Faults = field(default_factory=Faults)
    answers: list[tuple[str, str, str]] = field(default_factory=list)

    def render(self, request: SupplyRequest) -> bytes:
        return json.dumps(asdict(request), sort_keys=True).encode()

    def place(self, body: bytes, *, idempotency_key: str) -> Outcome:
        return self.faults.meet(lambda: self._place(body, idempotency_key))

    def _place(self, body: bytes, key: str) -> Outcome:
        reference = json.loads(body)["reference"]
        self.placed.append((key, body))
        self.orders.setdefault(reference, SupplyStatus(reference, f"S-{len(self.orders) + 1}", "dispatched"))
        return Done(self.orders[reference].supplier_reference, {"status": self.orders[reference]})

    def find(self, reference: str) -> SupplyStatus | None:
        outside_any_transaction()
        return self.orders.get(reference)

    def says(self, reference: Any, state: str, **more: Any) -> None:
        self.orders[str(reference)] = replace(self.orders[str(reference)], state=state, **more)

    def cancel(self, supplier_reference: str, *, idempotency_key: str) -> Outcome:
        return self.cancel_faults.meet(lambda: self._cancel(supplier_reference))

    def _cancel(self, supplier_reference: str) -> Outcome:
        reference = next(key for key, one in self.orders.items() if one.supplier_reference == supplier_reference)
        if self.orders[reference].state in ("shipped", "delivered"):
            return Refused("too_late")
        self.says(reference, "cancelled")
        return Done(supplier_reference)

    def answer(self, supplier_reference: str, answer: str, text: str, *, idempotency_key: str) -> Outcome:
        return self.faults.meet(lambda: self._answer(supplier_reference, answer, text))

    def _answer(self, supplier_reference: str, answer: str, text: str) -> Outcome:
        reference = next(key for key, one in self.orders.items() if one.supplier_reference == supplier_reference)
        if not self.orders[reference].question:
            return Refused("no_question")
        self.answers.append((reference, answer, text))
        self.says(reference, self.orders[reference].state, question="")
        return Done(supplier_reference)

    def read_callback(self, body: Mapping[str, Any]) -> str:
        return str(body.get("reference", ""))


@dataclass
class FakePayments:
    """A processor's sessions by our reference."""

    capability: str = LOOKUP
    page_origin: str = "https://pay.example.org"
    sessions: dict[str, PaymentStatus] = field(default_factory=dict)
    acts: list[tuple[str, int]] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    def render(self, request: PaymentRequest) -> bytes:
        return json.dumps(asdict(request), sort_keys=True).encode()

    def open(self, body: bytes, *, idempotency_key: str) -> Outcome:
        return self.faults.meet(lambda: self._open(json.loads(body)))

    def _open(self, asked: dict[str, Any]) -> Outcome:
        reference = asked["reference"]
        self.sessions.setdefault(
            reference,
            PaymentStatus(
                reference, f"P-{len(self.sessions) + 1}", "open", asked["amount_cents"], asked["currency"],
                url=f"{self.page_origin}/p/{len(self.sessions) + 1}",
            ),
        )  # fmt: skip
        return self._told(reference)

    def _told(self, reference: str) -> Outcome:
        return Done(self.sessions[reference].processor_reference, {"status": self.sessions[reference]})

    def find(self, reference: str) -> PaymentStatus | None:
        outside_any_transaction()
        return self.sessions.get(reference)

    def says(self, reference: Any, state: str, **more: Any) -> None:
        self.sessions[str(reference)] = replace(self.sessions[str(reference)], state=state, **more)

    def _act(self, processor_reference: str, verb: str, needs: str, amount: int, **more: Any) -> Outcome:
        reference = next(key for key, one in self.sessions.items() if one.processor_reference == processor_reference)
        if self.sessions[reference].state != needs:
            return Refused("wrong_state")
        self.acts.append((verb, amount))
        self.sessions[reference] = replace(self.sessions[reference], **more)
        return self._told(reference)

    def capture(self, processor_reference: str, amount_cents: int, *, idempotency_key: str) -> Outcome:
        return self.faults.meet(
            lambda: self._act(
                processor_reference,
                "capture",
                "authorized",
                amount_cents,
                state="captured",
                captured_cents=amount_cents,
            )
        )

    def void(self, processor_reference: str, *, idempotency_key: str) -> Outcome:
        return self.faults.meet(lambda: self._act(processor_reference, "void", "authorized", 0, state="voided"))

    def refund(self, processor_reference: str, amount_cents: int, *, idempotency_key: str) -> Outcome:
        return self.faults.meet(lambda: self._refund(processor_reference, amount_cents))

    def _refund(self, processor_reference: str, amount_cents: int) -> Outcome:
        now = next(one for one in self.sessions.values() if one.processor_reference == processor_reference)
        total = now.refunded_cents + amount_cents
        state = "refunded" if total == now.captured_cents else "captured"
        return self._act(processor_reference, "refund", "captured", amount_cents, state=state, refunded_cents=total)

    def listed(self, since: datetime, until: datetime) -> Sequence[PaymentStatus]:
        outside_any_transaction()
        return list(self.sessions.values())

    def read_callback(self, body: Mapping[str, Any]) -> str:
        return str(body.get("reference", ""))


@dataclass
class FakeMessenger:
    """Remembers what it was given to deliver."""

    capability: str = LOOKUP
    sent: list[Message] = field(default_factory=list)

    def render(self, message: Message) -> bytes:
        return json.dumps(asdict(message)).encode()

    def deliver(self, body: bytes, *, idempotency_key: str) -> Outcome:
        outside_any_transaction()
        self.sent.append(Message(**json.loads(body)))
        return Done()

    def find(self, reference: str) -> bool:
        return any(message.reference == reference for message in self.sent)


@dataclass
class FakeCarrier:
    """One word for every parcel."""

    word: str = ""

    def track(self, number: str) -> str:
        outside_any_transaction()
        return self.word

    def read_callback(self, body: Mapping[str, Any]) -> str:
        return str(body.get("number", ""))
