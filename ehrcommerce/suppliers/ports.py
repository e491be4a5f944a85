"""The ports: what commerce asks of the outside, as frozen requests and receipts. An adapter speaks the partner's
language on one side and these on the other; it raises wire.errors for faults of the world and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ehrcommerce.outbox.outcomes import Outcome
from ehrcommerce.policy.packets import ChartOrder, CoverageFacts, DispatchFacts, ShipTo


class SupplierProblem(Exception):
    """An outside party cannot be used. Its row in the admin says which and why."""


class NoSupplier(SupplierProblem):
    """No active supplier with a live agreement serves this. An administrator adds one under Suppliers."""


class SupplierUnreachable(SupplierProblem):
    """The supplier was not reached. Nothing was asked of it; ask again later."""


class SupplierUnclear(SupplierProblem):
    """The supplier's answer was lost or could not be read. Ask again, or by phone."""


class ChartUnreachable(SupplierProblem):
    """The chart cannot be read now. Nothing was changed; it is tried again."""


class ChartNotPermitted(SupplierProblem):
    """The EHR does not let the app read this without the clinician. The clinic opens the app again from the chart."""


@dataclass(frozen=True, slots=True)
class SupplyLine:
    """What one supplier hop may know of a line (derived in fulfillment from the packet, per recipient).

    `facts`: for a pharmacy the prescription with its prescriber and routing proof, for others empty."""

    line_id: str
    sku: str
    quantity: int
    description: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SupplyRequest:
    """An order to a pharmacy, device supplier or laboratory. `person` only where the law asks for it."""

    reference: str
    ship_to: ShipTo
    lines: tuple[SupplyLine, ...]
    person: DispatchFacts | None = None


# What a pharmacist may ask the prescriber, and what can be answered: closed, so that nothing else travels either way.
QUESTIONS = ("dose", "quantity", "substitution", "no_prescription", "other")
ANSWERS = ("as_written", "new_prescription", "substitute", "stop")
ANSWER_CHARS = 200
QUESTION_CHARS = 200


@dataclass(frozen=True, slots=True)
class SupplyParcel:
    """One parcel of an order that goes in several. `state`: shipped | delivered | returned | exception."""

    tracking_number: str
    carrier: str = ""
    state: str = "shipped"
    skus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SupplyStatus:
    """What a supplier says of an order. `state` is one of ours (commerce.orders.states), "unknown" for a word that
    no contract knows; `accepted` per SKU, empty as long as the supplier has not decided. `backordered`: SKU -> the day
    it is expected (ISO date, "" where they do not say). `question`: one of QUESTIONS while the pharmacist waits for
    the prescriber; `question_text`: the pharmacist's own words to it, at most QUESTION_CHARS. `copies`: how many orders
    they work on under our reference, 0 where that was not looked at; more than one is a fault of theirs."""

    reference: str
    supplier_reference: str
    state: str
    reason: str = ""
    carrier: str = ""
    tracking_number: str = ""
    accepted: Mapping[str, bool] = field(default_factory=dict)
    parcels: tuple[SupplyParcel, ...] = ()
    backordered: Mapping[str, str] = field(default_factory=dict)
    question: str = ""
    question_text: str = ""
    copies: int = 0


class Fulfiller(Protocol):
    """Pharmacy, device supplier and kit laboratory."""

    capability: str

    def render(self, request: SupplyRequest) -> bytes:
        """The exact bytes that will be sent. No network."""

    def place(self, body: bytes, *, idempotency_key: str) -> Outcome:
        """Done(reference=<their id>, facts={"status": SupplyStatus}) | Refused | TryAgain | OutcomeUnknown."""

    def find(self, reference: str) -> SupplyStatus | None:
        """By our reference; None where they never heard of it."""

    def cancel(self, supplier_reference: str, *, idempotency_key: str) -> Outcome:
        """Done | Refused("too_late") | ..."""

    def answer(self, supplier_reference: str, answer: str, text: str, *, idempotency_key: str) -> Outcome:
        """The prescriber's answer to `question`: one of ANSWERS and at most ANSWER_CHARS of text. Pharmacies only;
        Refused("no_question") where nothing waits for one."""

    def read_callback(self, body: Mapping[str, Any]) -> str:
        """Our reference that a verified callback speaks of. Callbacks are hints: the status is asked with find()."""


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """All that a payment processor ever learns: an opaque reference and a sum."""

    reference: str
    amount_cents: int
    currency: str
    success_url: str
    cancel_url: str
    # In seconds since 1970; after that the page takes no payment any more. None leaves it to the processor.
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """`state`: open | authorized | captured | voided | failed | expired | refunded. `hold_ends_at`: when an
    authorization lapses by itself, None where the processor does not say. `disputed`: the payer's bank asks the money
    back; the state stays what it is."""

    reference: str
    processor_reference: str
    state: str
    amount_cents: int
    currency: str = "USD"
    captured_cents: int = 0
    refunded_cents: int = 0
    url: str = ""
    hold_ends_at: datetime | None = None
    disputed: bool = False


class Payments(Protocol):
    """A processor with hosted page and manual capture."""

    capability: str
    page_origin: str
    # Processor's ids by our references, told by whoever asks (chosen.payments).
    known: Mapping[str, str]

    def render(self, request: PaymentRequest) -> bytes: ...

    def open(self, body: bytes, *, idempotency_key: str) -> Outcome:
        """Done(reference=processor's id, facts={"status": PaymentStatus})."""

    def find(self, reference: str) -> PaymentStatus | None: ...

    def capture(self, processor_reference: str, amount_cents: int, *, idempotency_key: str) -> Outcome: ...

    def void(self, processor_reference: str, *, idempotency_key: str) -> Outcome: ...

    def refund(self, processor_reference: str, amount_cents: int, *, idempotency_key: str) -> Outcome: ...

    def listed(self, since: datetime, until: datetime) -> Sequence[PaymentStatus]:
        """Every payment that the processor moved (opened, authorized, captured, refunded, disputed ...) from `since`
        until just before `until`, as it stands now: its own list, for the daily reconciliation. All pages or NotSent:
        half a list would look like missing payments."""

    def read_callback(self, body: Mapping[str, Any]) -> str: ...


@dataclass(frozen=True, slots=True)
class EligibilityLine:
    line_id: str
    system: str
    code: str
    price_cents: int
    service_type: str


@dataclass(frozen=True, slots=True)
class EligibilityRequest:
    reference: str
    plan: CoverageFacts
    person: DispatchFacts | None
    provider_npi: str
    lines: tuple[EligibilityLine, ...]


@dataclass(frozen=True, slots=True)
class EligibilityAnswer:
    """`state`: covered (some line) | not_covered | unknown | unreachable. pays: line id -> what the patient pays in
    cents, None where the plan does not say; a line that is absent is not covered."""

    state: str
    as_of: str
    pays: Mapping[str, int | None] = field(default_factory=dict)
    reason: str = ""


class Eligibility(Protocol):
    capability: str

    def render(self, request: EligibilityRequest) -> bytes: ...

    def check(self, body: bytes, *, idempotency_key: str) -> Outcome:
        """Done(facts={"answer": EligibilityAnswer}); unreachable payers are a Done with state "unreachable"."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message in neutral words. `channel` is sms or email."""

    reference: str
    channel: str
    to: str
    text: str
    subject: str = ""
    html: str = ""
    sender: str = ""


class Messaging(Protocol):
    capability: str

    def render(self, message: Message) -> bytes: ...

    def deliver(self, body: bytes, *, idempotency_key: str) -> Outcome: ...

    def find(self, reference: str) -> bool: ...


class Carrier(Protocol):
    def track(self, number: str) -> str:
        """shipped | delivered | exception | returned | unknown; "" where the carrier has never heard of it."""

    def read_callback(self, body: Mapping[str, Any]) -> str:
        """The number of the parcel that a verified callback speaks of; "" for none. A hint: track() is asked."""


class Chart(Protocol):
    """Commerce's questions about the chart, answered by the ehr half through the door. Keys are opaque.

    Raises ChartUnreachable, ChartNotPermitted, accounts.agreements.NoAgreement. `purpose` rows of the table decide
    what is pulled; each pull is audited as done by `by`."""

    def current(self, *, organization_id: int, keys: Sequence[str], by: str) -> Mapping[str, ChartOrder | None]:
        """Each order as it stands in the chart at this moment; None where it is gone."""

    def coverage(self, *, organization_id: int, customer_key: str, by: str) -> tuple[CoverageFacts, ...]:
        """Active plans of today, the one to ask first in front. Empty where the chart has none."""

    def ship_to(self, *, organization_id: int, customer_key: str, by: str) -> ShipTo | None:
        """The current home address on file, or None."""

    def dispatch_facts(self, *, organization_id: int, customer_key: str, by: str) -> DispatchFacts | None:
        """Name and birth date for the pharmacy; None where the patient may get no medicine (deceased, merged)."""

    def ships_by_itself(self, *, organization_id: int) -> bool:
        """Whether a rule of this clinic ships kits without asking each time: then patients are asked for a standing yes."""

    def may_report(self, *, organization_id: int, key: str) -> bool:
        """Whether the connection allows status write-back."""

    def report(self, *, organization_id: int, key: str, order_id: str, status: str, at: str) -> Outcome:
        """Write or update the Task of this order in the chart: status enum and time, nothing else."""
