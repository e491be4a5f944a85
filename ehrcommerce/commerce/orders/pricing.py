"""From an offer's lines and a plan's answer to three numbers for each line: full price, what the plan takes over, what
the patient pays. What the plan does not say never becomes zero: the patient then sees, and pays, the cash price."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any

from ehrcommerce.commerce.catalog.rules import Rules, rules_for
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
    tax_cents: int = 0


@dataclass(frozen=True, slots=True)
class Fee:
    """Shipping of one parcel: everything of one kind."""

    kind: str
    cents: int
    tax_cents: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What the patient confirms. `version` is the digest of every number in it (REL-P26)."""

    lines: tuple[QuoteLine, ...]
    uses_plan: bool
    plan_reason: str
    version: str
    state: str = ""
    fees: tuple[Fee, ...] = ()

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
    def shipping_cents(self) -> int:
        return sum(fee.cents for fee in self.fees)

    @property
    def tax_cents(self) -> int:
        return sum(line.tax_cents for line in self.lines) + sum(fee.tax_cents for fee in self.fees)

    @property
    def total_cents(self) -> int:
        """What is paid. Without shipping and tax as long as `state`, where it goes, is not known."""
        return self.patient_cents + self.shipping_cents + self.tax_cents

    @property
    def plan_unknown(self) -> bool:
        """Whether the plan was asked and did not say for some line."""
        return any(line.plan_state == UNKNOWN for line in self.lines)


def quote(lines: Sequence[OfferLine], answer: EligibilityAnswer | None = None) -> Quote:
    """Price `lines`; `answer` None means that the patient pays without a plan. `line_id` of the answer is the offer
    line's public id. Shipping and tax are not in it: `delivered` adds them."""
    priced = tuple(_line(line, answer) for line in lines)
    uses_plan = any(line.plan_state == COVERED for line in priced)
    reason = answer.reason if answer else ""
    return Quote(priced, uses_plan, reason, _version(priced, uses_plan))


def delivered(items: Quote, lines: Sequence[OfferLine], *, state: str, on: date) -> Quote:
    """The same items sent to `state`: with the shipping fee of each parcel, and the sales tax on what the patient pays
    for each item and each parcel. `on` is the clinic's day. Raises NoRule."""
    rules = rules_for(organization_id=lines[0].organization_id, state=state, on=on)
    by_id = {str(line.public_id): line for line in lines}
    taxed = tuple(
        replace(
            one, tax_cents=rules.tax(by_id[one.offer_line_public_id].product.taxed_as, one.patient_cents)
        )
        for one in items.lines
    )  # fmt: skip
    fees = tuple(_fee(kind, list(group), rules) for kind, group in _parcels(lines))
    version = _version(taxed, items.uses_plan, state=state, fees=fees)
    return Quote(taxed, items.uses_plan, items.plan_reason, version, state, fees)


def undelivered(value: Quote) -> Quote:
    """The items alone again, as they were before anybody knew where they go."""
    lines = tuple(replace(line, tax_cents=0) for line in value.lines)
    return Quote(lines, value.uses_plan, value.plan_reason, _version(lines, value.uses_plan))


def _parcels(lines: Sequence[OfferLine]) -> Iterator[tuple[str, Iterator[OfferLine]]]:
    return groupby(sorted(lines, key=lambda line: line.kind), key=lambda line: line.kind)


def _fee(kind: str, lines: Sequence[OfferLine], rules: Rules) -> Fee:
    grams = sum(line.product.weight_grams * line.quantity for line in lines)
    cents = rules.shipping(kind, grams=grams, cents=sum(line.price_cents * line.quantity for line in lines))
    return Fee(kind, cents, rules.shipping_tax(cents))


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


def _version(lines: Sequence[QuoteLine], uses_plan: bool, *, state: str = "", fees: Sequence[Fee] = ()) -> str:
    parts = [[asdict(line) for line in lines], uses_plan, state, [asdict(fee) for fee in fees]]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def as_json(value: Quote) -> dict[str, Any]:
    """A quote as a JSON object, for the checkout session; `from_json` is its inverse."""
    return asdict(value)


def _known(kind: type[QuoteLine | Fee], value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in kind.__slots__ if name in value}


def from_json(value: Mapping[str, Any]) -> Quote:
    """Also one that the other version of a deploy wrote: what only it knows is left out (REL-P33)."""
    lines = tuple(QuoteLine(**_known(QuoteLine, line)) for line in value["lines"])
    fees = tuple(Fee(**_known(Fee, fee)) for fee in value.get("fees", ()))
    return Quote(
        lines, value["uses_plan"], value["plan_reason"], value["version"], value.get("state", ""), fees
    )  # fmt: skip
