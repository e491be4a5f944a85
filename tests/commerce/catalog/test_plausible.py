"""Slips are found and shown, clean orders pass, and nothing is ever corrected. [REL-P19]"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from ehrcommerce.commerce.catalog import plausible
from ehrcommerce.commerce.catalog.plausible import Usual
from ehrcommerce.policy.packets import PRESCRIPTION, ChartOrder, OrderedItem
from ehrcommerce.workbench.demo_catalog import PRODUCTS
from tests.disclosure.charts import demo_order
from tests.disclosure.test_real_data import REAL, packets_of
from tests.sandbox.data.expected import EXPECTED


@dataclass(frozen=True)
class Drug:
    """What is usual of one medicine, as a clinic's catalog has it. Strengths in `unit`."""

    name: str
    strengths: tuple[str, ...]
    unit: str
    form: str
    doses: tuple[str, str]


DRUGS = (
    Drug("Metformin", ("500", "850", "1000"), "mg", "tablet", ("500", "1000")),
    Drug("Levothyroxine", ("25", "50", "100", "112"), "mcg", "tablet", ("25", "200")),
    Drug("Lisinopril", ("2.5", "5", "10", "20"), "mg", "tablet", ("2.5", "40")),
    Drug("Digoxin", ("125", "250"), "mcg", "tablet", ("62.5", "250")),
    Drug("Amoxicillin", ("250", "500"), "mg", "capsule", ("250", "1000")),
    Drug("Amoxicillin suspension", ("5", "7.5", "10"), "mL", "", ("2.5", "10")),
)
OFTEN = (("once daily", "1 per 1 d", 1), ("twice daily", "2 per 1 d", 2), ("every 8 hours", "1 per 8 h", 3))


def usual_of(drug: Drug) -> list[Usual]:
    low, high = (Decimal(one) for one in drug.doses)
    found = [Usual("dose", low, high, drug.unit), Usual("days", Decimal(5), Decimal(100))]
    if drug.form:
        found += [Usual("dose", Decimal("0.5"), Decimal(2), drug.form), Usual("quantity", Decimal(5), Decimal(540), drug.form)]
    return found


def clean(dice: random.Random) -> tuple[Drug, OrderedItem]:
    """An order as EHRs write them: the dose in mass, in tablets or in mL, with words beside it, or without."""
    drug = dice.choice(DRUGS)
    strength = dice.choice([one for one in drug.strengths if Decimal(one) <= Decimal(drug.doses[1])])
    words, timing, times = dice.choice(OFTEN)
    days = dice.choice([7, 10, 14, 30, 90])
    if not drug.form:
        dose, name, unit = f"{strength} {drug.unit}", drug.name, drug.unit
        said, count = f"Take {strength} mL by mouth {words}", Decimal(strength) * times * days
    else:
        most = int(Decimal(drug.doses[1]) / Decimal(strength))
        pieces = dice.randint(1, max(1, min(2, most)))
        name, unit = f"{drug.name} {strength} {drug.unit}", drug.form
        mass = f"{Decimal(strength) * pieces:f} {drug.unit}"
        dose = dice.choice([mass, f"{pieces} {drug.form}"])
        said = dice.choice([
            f"Take {pieces} {drug.form}{'s' if pieces > 1 else ''} by mouth {words}",
            f"Take {pieces} {drug.form}s ({mass}) by mouth {words}", f"Take {mass} by mouth {words}",
        ])  # fmt: skip
        count = Decimal(pieces * times * days)
    return drug, OrderedItem(
        key="k", kind=PRESCRIPTION, name=name, dose=dose, directions=said, timing=timing, quantity=f"{count:f}",
        quantity_unit=unit, days_supply=str(days),
    )  # fmt: skip


def _times(factor: str) -> Callable[[str], str]:
    def slip(dose: str) -> str:
        number, unit = dose.split(" ")
        return f"{(Decimal(number) * Decimal(factor)).normalize():f} {unit}"

    return slip


def _unit(dose: str) -> str:
    number, unit = dose.split(" ")
    return f"{number} { {'mg': 'mcg', 'mcg': 'mg', 'g': 'mg', 'tablet': 'mL', 'capsule': 'mL', 'mL': 'tablet'}[unit] }"


SLIPS: dict[str, Callable[[str], str]] = {
    "too much by ten": _times("10"), "too little by ten": _times("0.1"), "pounds": _times("2.2046"),
    "kilograms": _times("0.45359"), "unit": _unit,
}  # fmt: skip


def slipped(dice: random.Random) -> tuple[Drug, OrderedItem]:
    """The same with one slip, in the dose or in the quantity."""
    drug, item = clean(dice)
    kind = dice.choice(list(SLIPS))
    if dice.random() < 0.25 and kind in ("too much by ten", "too little by ten"):
        return drug, replace(item, quantity=SLIPS[kind](f"{item.quantity} x").split(" ")[0])
    return drug, replace(item, dose=SLIPS[kind](item.dose))


def test_of_two_thousand_slips_ninety_nine_in_a_hundred_are_held_and_of_clean_orders_one_at_most() -> None:
    dice = random.Random(19)
    missed = [item for drug, item in (slipped(dice) for _ in range(2000)) if not plausible.doubts(item, usual_of(drug))]
    false = [item for drug, item in (clean(dice) for _ in range(2000)) if plausible.doubts(item, usual_of(drug))]
    assert len(missed) <= 20, missed[:3]
    assert len(false) <= 20, [(one, plausible.doubts(one)) for one in false[:3]]


METFORMIN = usual_of(DRUGS[0])
PLAIN = OrderedItem(key="k", kind=PRESCRIPTION, name="Metformin 500 mg")


@pytest.mark.parametrize(("changes", "codes"), [
    ({"dose": "500 mg"}, []), ({"dose": "0.5 g"}, []), ({"dose": "0.50 tablet"}, []), ({"dose": ""}, []),
    ({"dose": "5000 mg"}, ["dose_tenfold"]), ({"dose": "50 mg"}, ["dose_tenfold"]), ({"dose": "500 mcg"}, ["dose_unit"]),
    ({"dose": "500 g"}, ["dose_unit"]), ({"dose": "1102.31 mg"}, ["dose_weight"]), ({"dose": "3333 mg"}, ["dose_outside"]),
    ({"dose": "2 mL"}, ["dose_other_unit"]), ({"dose": "500"}, ["dose_no_unit"]),
    ({"dose": "1 tablet", "directions": "Take one tablet twice daily"}, []),
    ({"dose": "1-2 tablet", "directions": "Take 1 to 2 tablets every 4-6 hours"}, []),
    ({"dose": "1 tablet", "directions": "Take half a tablet"}, ["dose_text"]),
    ({"dose": "500 mg", "directions": "Take 2 tablets"}, ["dose_strength"]),
    ({"dose": "500 mg", "directions": "Take 1,000 mg"}, ["dose_text"]),
    ({"dose": "1 tablet", "timing": "2 per 1 d", "quantity": "60", "quantity_unit": "tablet", "days_supply": "30"}, []),
    ({"dose": "1 tablet", "timing": "2 per 1 d", "quantity": "6", "quantity_unit": "tablet", "days_supply": "30"}, ["days_supply"]),
    ({"dose": "1 tablet", "timing": "2 per 1 d, as needed", "quantity": "6", "quantity_unit": "tablet", "days_supply": "30"}, []),
    ({"dose": "1 tablet", "quantity": "60", "quantity_unit": "mL"}, ["quantity_other_unit"]),
    ({"days_supply": "900"}, ["days_tenfold"]), ({"quantity": "NaN", "dose": "Infinity mg"}, []),
], ids=str)  # fmt: skip
def test_each_slip_has_its_name(changes: dict[str, Any], codes: list[str]) -> None:
    found = plausible.doubts(replace(PLAIN, **changes), METFORMIN)
    assert sorted({one.code for one in found}) == codes


def test_without_a_usual_range_only_what_the_order_says_against_itself_is_held() -> None:
    assert plausible.doubts(replace(PLAIN, dose="5000 mg")) == ()
    assert [one.code for one in plausible.doubts(replace(PLAIN, dose="5000 mg", directions="Take 1 tablet"))] == ["dose_strength"]


def test_of_the_demo_only_the_order_that_contradicts_itself_is_held() -> None:
    """Methotrexate: four tablets once a week in words, one tablet a day in numbers. The others are in order."""
    usual = {product.codes[0][1]: product.usual for product in PRODUCTS if product.usual}
    held: dict[str, set[str]] = {}
    for item in [demo_order(name).item for name in EXPECTED if name.startswith("MedicationRequest/")]:
        rows = next((usual[coding.code] for coding in item.codings if coding.code in usual), ())
        found = plausible.doubts(item, [Usual(one, Decimal(low), Decimal(high), unit) for one, low, high, unit in rows])
        held |= {item.name: {one.code for one in found}} if found else {}
    assert held == {"methotrexate 2.5 MG Oral Tablet": {"dose_text"}}
    assert len(usual) > 4


@pytest.mark.skipif(not REAL, reason="the folder of published resources is not here")
def test_published_orders_are_seldom_held() -> None:
    """Without usual ranges: only what an order says against itself."""
    raws = [raw for _, raw in REAL if raw.get("resourceType") == "MedicationRequest"]
    items = [packet.item for raw in raws for packet in packets_of(raw) if isinstance(packet, ChartOrder)]
    held = [(item, found) for item in items if (found := plausible.doubts(item))]
    assert len(held) <= len(items) // 50 + 1, held[:5]
