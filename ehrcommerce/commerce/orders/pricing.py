"""From an offer's lines and a plan's answer to three numbers for each line: full price, what the plan takes over, what
the patient pays. What the plan does not say never becomes zero: the patient then sees, and pays, the cash price."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.suppliers.ports import EligibilityAnswer

NOT_ASKED, COVERED, NOT_COVERED, UNKNOWN = "not_asked", "covered", "not_covered", "unknown"


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """`plan_state`: not_asked, covered, not_covered, or unknown (then the page says so)."""

    offer_line_public_id: str
    sku: str
    quantity: int
    full_cents: int
    plan_cents: int
    patient_cents: int
    plan_state: str


@dataclass(frozen=True, slots=True)
class Quote:
    """What the patient confirms. `version` is the digest of every number in it (REL-P26)."""

    lines: tuple[QuoteLine, ...]
    uses_plan: bool
    plan_reason: str
    version: str

    @property
    def full_cents(self) -> int:
        return sum(line.full_cents for line in self.lines)

    @property
    def plan_cents(self) -> int:
        return sum(line.plan_cents for line in self.lines)

    @property
    def patient_cents(self) -> int:
        return sum(line.patient_cents for line in self.lines)

    @property
    def plan_unknown(self) -> bool:
        """Whether the plan was asked and did not say for some line."""
        return any(line.plan_state == UNKNOWN for line in self.lines)


def quote(lines: Sequence[OfferLine], answer: EligibilityAnswer | None = None) -> Quote:
    """Price `lines`; `answer` None means that the patient pays without a plan. `line_id` of the answer is the offer
    line's public id."""
    priced = tuple(_line(line, answer) for line in lines)
    uses_plan = any(line.plan_state == COVERED for line in priced)
    reason = answer.reason if answer else ""
    return Quote(priced, uses_plan, reason, _version(priced, uses_plan))


def _line(line: OfferLine, answer: EligibilityAnswer | None) -> QuoteLine:
    full = line.price_cents * line.quantity
    state, pays = _pays(line, full, answer)
    return QuoteLine(str(line.public_id), line.sold_as, line.quantity, full, full - pays, pays, state)


def _pays(line: OfferLine, full: int, answer: EligibilityAnswer | None) -> tuple[str, int]:
    if answer is None:
        return NOT_ASKED, full
    if answer.state in ("unknown", "unreachable"):
        return UNKNOWN, full
    if str(line.public_id) not in answer.pays:
        return NOT_COVERED, full
    pays = answer.pays[str(line.public_id)]
    return (UNKNOWN, full) if pays is None else (COVERED, min(pays, full))


def _version(lines: Sequence[QuoteLine], uses_plan: bool) -> str:
    text = json.dumps([[asdict(line) for line in lines], uses_plan], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def as_json(value: Quote) -> dict[str, Any]:
    """A quote as a JSON object, for the checkout session; `from_json` is its inverse."""
    return asdict(value)


def from_json(value: Mapping[str, Any]) -> Quote:
    lines = tuple(QuoteLine(**line) for line in value["lines"])
    return Quote(lines, value["uses_plan"], value["plan_reason"], value["version"])
