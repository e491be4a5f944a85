"""Outside parties that answer at once and remember what they were told. The real adapters have tests of their own."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

from ehrcommerce.outbox.handlers import LOOKUP, NATIVE_KEY
from ehrcommerce.outbox.outcomes import Done, Outcome, TryAgain
from ehrcommerce.policy.packets import ChartOrder, CoverageFacts, DispatchFacts, ShipTo
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import (
    ChartUnreachable,
    EligibilityAnswer,
    EligibilityRequest,
    Message,
    PaymentRequest,
    PaymentStatus,
)

HOME = ShipTo(name="Cy Rivera", line="12 Elm St", city="Seattle", state="WA", postal_code="98101")
PLAN = CoverageFacts(payer_name="Acme Health", payer_id="ACME1", member_id="M-77-1234", relationship="self")


class Chart:
    """Answers from `facts`; counts what it was asked."""

    asked: ClassVar[list[str]] = []
    plans: ClassVar[tuple[CoverageFacts, ...]] = (PLAN,)
    home: ClassVar[ShipTo | None] = HOME
    down: ClassVar[bool] = False
    orders: ClassVar[dict[str, ChartOrder | None]] = {}
    ships_kits: ClassVar[bool] = False
    looked: ClassVar[int] = 0

    @classmethod
    def begin(cls) -> None:
        cls.asked, cls.plans, cls.home, cls.down = [], (PLAN,), HOME, False
        cls.orders, cls.looked, cls.ships_kits = {}, 0, False

    def _ask(self, what: str) -> None:
        Chart.asked.append(what)
        if Chart.down:
            raise ChartUnreachable

    def current(self, *, organization_id: int, keys: Sequence[str], by: str) -> Mapping[str, ChartOrder | None]:
        """Not among what is asked of the person: whether the orders stand is asked at each step."""
        Chart.looked += 1
        if Chart.down:
            raise ChartUnreachable
        return {key: Chart.orders.get(key) for key in keys}

    def coverage(self, *, organization_id: int, customer_key: str, by: str) -> tuple[CoverageFacts, ...]:
        self._ask("coverage")
        return Chart.plans

    def ship_to(self, *, organization_id: int, customer_key: str, by: str) -> ShipTo | None:
        self._ask("ship_to")
        return Chart.home

    def ships_by_itself(self, *, organization_id: int) -> bool:
        return Chart.ships_kits

    def may_report(self, *, organization_id: int, key: str) -> bool:
        return False

    def dispatch_facts(self, *, organization_id: int, customer_key: str, by: str) -> DispatchFacts | None:
        self._ask("dispatch_facts")
        return None


@dataclass
class Messenger:
    sent: list[Message] = field(default_factory=list)
    waiting: dict[bytes, Message] = field(default_factory=dict)
    down: bool = False
    capability: str = LOOKUP

    def render(self, message: Message) -> bytes:
        body = json.dumps(asdict(message)).encode()
        self.waiting[body] = message
        return body

    def deliver(self, body: bytes, *, idempotency_key: str) -> Outcome:
        if self.down:
            return TryAgain("partner_busy")
        self.sent.append(self.waiting[body])
        return Done(reference=str(uuid4()))

    def find(self, reference: str) -> bool:
        return any(message.reference == reference for message in self.sent)


@dataclass
class Payer:
    answer: EligibilityAnswer | None = None
    pays_cents: int | None = 1200
    asked: list[EligibilityRequest] = field(default_factory=list)
    capability: str = NATIVE_KEY

    def render(self, request: EligibilityRequest) -> bytes:
        self.asked.append(request)
        return json.dumps(asdict(request)).encode()

    def check(self, body: bytes, *, idempotency_key: str) -> Outcome:
        lines = [line["line_id"] for line in json.loads(body)["lines"]]
        usual = EligibilityAnswer(state="covered", as_of="2026-11-21", pays=dict.fromkeys(lines, self.pays_cents))
        return Done(facts={"answer": self.answer or usual})


@dataclass
class Processor:
    """`state` is what the next look finds."""

    page_origin: str = "https://pay.example"
    state: str = "open"
    sessions: dict[str, PaymentStatus] = field(default_factory=dict)
    capability: str = LOOKUP

    def render(self, request: PaymentRequest) -> bytes:
        return json.dumps(asdict(request)).encode()

    def open(self, body: bytes, *, idempotency_key: str) -> Outcome:
        wanted = json.loads(body)
        reference = str(wanted["reference"])
        status = PaymentStatus(
            reference=reference, processor_reference=f"ps_{len(self.sessions) + 1}", state="open",
            amount_cents=wanted["amount_cents"], url=f"{self.page_origin}/p/{len(self.sessions) + 1}",
        )  # fmt: skip
        self.sessions[reference] = status
        return Done(reference=status.processor_reference, facts={"status": status})

    def find(self, reference: str) -> PaymentStatus | None:
        known = self.sessions.get(reference)
        return None if known is None else PaymentStatus(**{**asdict(known), "state": self.state})


@dataclass
class Outside:
    """Every partner of the clinic, by port."""

    messenger: Messenger = field(default_factory=Messenger)
    payer: Payer = field(default_factory=Payer)
    processor: Processor = field(default_factory=Processor)
    rows: dict[str, Supplier] = field(default_factory=dict)

    def adapter_of(self, supplier: Supplier) -> Any:
        return {"messaging": self.messenger, "eligibility": self.payer, "payment": self.processor}[supplier.port]

    @property
    def code(self) -> str:
        """The newest code that went out."""

        found = re.search(r"\b\d{6}\b", self.messenger.sent[-1].text)
        assert found is not None
        return found[0]
