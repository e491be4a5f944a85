"""Sales tax and shipping fees by the organization's own rules. Whole cents in, whole cents out; no float, no default.

What no rule covers is not sold there: a tax that nobody set is not zero. The one rule that stands in the program is that
a prescription drug is exempt, as in every state of the US but one, and a row of the table overrides it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.db.models import Q

from ehrcommerce.commerce.catalog.models import PRESCRIPTION_DRUG, SHIPPING, ShippingRule, TaxRule

PPM = 1_000_000


class NoRule(Exception):
    """No rule says which tax or which shipping fee this order has in that state. An administrator adds one under Tax
    rules or Shipping rules, also where it is 0."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds in one state on one day, read in two queries."""

    rates: dict[str, int]
    fees: tuple[ShippingRule, ...]

    def tax(self, tax_class: str, cents: int) -> int:
        """Half up to the cent. Raises NoRule; nothing to tax needs no rule."""
        if not cents:
            return 0
        rate = self.rates.get(tax_class)
        if rate is None:
            if tax_class != PRESCRIPTION_DRUG:
                raise NoRule(tax_class)
            rate = 0
        return (cents * rate + PPM // 2) // PPM

    def shipping(self, kind: str, *, grams: int, cents: int) -> int:
        """The fee of one parcel: of the rules that it reaches the one for its state and kind, then the one that asks for
        the most worth, then for the most weight. Raises NoRule."""
        reached = [
            rule
            for rule in self.fees
            if rule.kind in ("", kind) and rule.from_grams <= grams and rule.from_cents <= cents
        ]
        if not reached:
            raise NoRule(kind)
        best = max(
            reached,
            key=lambda rule: (bool(rule.state), bool(rule.kind), rule.from_cents, rule.from_grams, rule.starts_on),
        )
        return best.fee_cents

    def shipping_tax(self, cents: int) -> int:
        return self.tax(SHIPPING, cents)


def rules_for(*, organization_id: int, state: str, on: date) -> Rules:
    """Everything that holds for parcels to `state` on that day of the clinic."""
    holds = Q(organization_id=organization_id, state__in=("", state.upper()), starts_on__lte=on)
    holds &= Q(ends_on=None) | Q(ends_on__gte=on)
    rates = {rule.tax_class: rule.rate_ppm for rule in sorted(TaxRule.objects.filter(holds), key=_rank)}
    return Rules(rates, tuple(ShippingRule.objects.filter(holds).order_by("pk")))


def _rank(rule: TaxRule) -> tuple[bool, date]:
    """The last one wins: a state's own rule over one for every state, the later over the earlier."""
    return bool(rule.state), rule.starts_on


def add_free_rules(*, organization_id: int, starts_on: date, tax_classes: Iterable[str] = ()) -> None:
    """No tax and no fee in every state, said as rules: for a clinic whose prices hold everything. Twice is once."""
    for tax_class in tax_classes or ("otc_drug", "medical_device", "lab_kit", "general", SHIPPING):
        TaxRule.objects.get_or_create(
            organization_id=organization_id, state="", tax_class=tax_class, starts_on=starts_on,
            defaults={"rate_ppm": 0},
        )  # fmt: skip
    ShippingRule.objects.get_or_create(
        organization_id=organization_id, state="", kind="", from_grams=0, from_cents=0, starts_on=starts_on,
        defaults={"fee_cents": 0},
    )  # fmt: skip
