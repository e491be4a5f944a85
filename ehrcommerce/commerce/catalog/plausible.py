"""Values of a prescription that are likely a slip: ten times the usual, grams for milligrams, pounds for kilograms, tablets for
milliliters, or words and numbers of the same order that do not agree. What is found is told to the prescriber, who lets
the order go as it stands or mends it in the chart. Nothing is ever corrected here: a packet goes in, sentences come out.
Pure, no database. What is usual is data of the catalog (models.UsualRange)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from ehrcommerce.policy.packets import PRESCRIPTION, OrderedItem

DOSE, DAILY, QUANTITY, DAYS = "dose", "daily", "quantity", "days"
TENFOLD, UNIT, WEIGHT, OUTSIDE, OTHER_UNIT, NO_UNIT = "tenfold", "unit", "weight", "outside", "other_unit", "no_unit"
TEXT, STRENGTH, SUPPLY = "text", "strength", "supply"
NAMES = {DOSE: "single dose", DAILY: "dose of a day", QUANTITY: "quantity", DAYS: "days of supply"}
_WHY = {
    TENFOLD: "Is a decimal point wrong?", UNIT: "It is a thousand times off: mg for mcg, or g for mg?",
    WEIGHT: "It is 2.2 times off: pounds for kilograms?", OUTSIDE: "", OTHER_UNIT: "Is the unit wrong?",
    NO_UNIT: "Its unit is missing.",
}  # fmt: skip
_MASS = {"mcg": Decimal(1), "mg": Decimal(1000), "g": Decimal(1_000_000), "kg": Decimal(1_000_000_000)}
_VOLUME = {"ml": Decimal(1), "l": Decimal(1000)}
_COUNT = ("tablet", "capsule", "patch", "puff", "drop", "spray", "suppository", "vial", "pen", "inhaler", "unit")
_SPELLED = {
    "ug": "mcg", "µg": "mcg", "μg": "mcg", "mcg": "mcg", "microgram": "mcg", "milligram": "mg", "mg": "mg", "gram": "g",
    "gm": "g", "g": "g", "kg": "kg", "kilogram": "kg", "ml": "ml", "milliliter": "ml", "cc": "ml", "l": "l", "liter": "l",
    "tab": "tablet", "tbl": "tablet", "cap": "capsule", "gtt": "drop", "iu": "unit", "patche": "patch",
    "actuation": "puff", "suppositorie": "suppository", **{one: one for one in _COUNT},
}  # fmt: skip
_WORDS = {
    "half": "0.5",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "eight": "8",
    "ten": "10",
}
_NUMBER = r"(?:\d+\s+)?\d+/\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+"
_SAID = rf"{_NUMBER}|{'|'.join(_WORDS)}"
_AMOUNT = re.compile(rf"(?<![\w.])({_SAID})(?:\s*(?:-|to|or)\s*({_SAID}))?\s*(?:a\s+)?([a-zµμ]+)\b", re.IGNORECASE)
_TIMING = re.compile(rf"({_NUMBER})(?:-({_NUMBER}))? per ({_NUMBER})(?:-({_NUMBER}))? (h|d|wk|min|mo)(?:,|$)")
_A_DAY = {"h": Decimal(24), "d": Decimal(1), "wk": Decimal(1) / 7, "min": Decimal(1440), "mo": Decimal(1) / 30}
_POUNDS = Decimal("2.20462")
# How far days of supply may be from what quantity and dose give: a bottle is rounded up, nobody counts to the tablet.
_SLACK = Decimal(4)


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for a product, in one unit."""

    measure: str
    low: Decimal
    high: Decimal
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """`code` for the audit, which holds no value; `sentence` for the prescriber's eyes."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of the order, and its unit in one spelling; "" where it names none that is known."""

    number: Decimal
    unit: str

    @property
    def kind(self) -> str:
        return "mass" if self.unit in _MASS else "volume" if self.unit in _VOLUME else self.unit

    @property
    def base(self) -> Decimal:
        return self.number * (_MASS.get(self.unit) or _VOLUME.get(self.unit) or 1)


def doubts(item: OrderedItem, usual: Iterable[Usual] = ()) -> tuple[Doubt, ...]:
    """What stands against this prescription, each once; empty where nothing does."""
    if item.kind != PRESCRIPTION:
        return ()
    ranges = list(usual)
    doses = amounts(item.dose)
    if item.dose and not doses and (number := _number(item.dose.split(" ")[0])) is not None:
        doses = [Amount(number, "")]
    found = [_against(DOSE, one, ranges) for one in doses]
    found += [_against(DAILY, one, ranges) for one in _daily(item, doses)]
    if (quantity := _quantity(item)) is not None:
        found.append(_against(QUANTITY, quantity, ranges))
    if (days := _number(item.days_supply)) is not None:
        found.append(
            _against(DAYS, Amount(days, "day"), [Usual(one.measure, one.low, one.high, "day") for one in ranges])
        )
    found += [_words(item, doses), _supply(item, doses)]
    return tuple(dict.fromkeys(one for one in found if one is not None))


# ------------------------------------------------------------------------------------------------- against what is usual
def _against(measure: str, amount: Amount, usual: Sequence[Usual]) -> Doubt | None:
    """None where one of the usual ranges holds it, or there is none of this measure."""
    mine = [one for one in usual if one.measure == measure]
    if not mine:
        return None
    same = [one for one in mine if _usual(one).kind == amount.kind]
    if not same:
        # A dose in mg says nothing against a range in tablets, which another range in mg would.
        swapped = amount.unit and {_usual(mine[0]).kind, amount.kind} & {"volume", "tablet", "capsule"}
        if amount.unit and not swapped:
            return None
        return _doubt(measure, OTHER_UNIT if amount.unit else NO_UNIT, amount, mine[0])
    if any(_holds(one, amount.base) for one in same):
        return None
    return _doubt(measure, next(filter(None, (_slip(one, amount.base) for one in same)), OUTSIDE), amount, same[0])


def _usual(one: Usual) -> Amount:
    return Amount(one.high, unit_of(one.unit) or one.unit)


def _holds(one: Usual, base: Decimal) -> bool:
    unit = unit_of(one.unit) or one.unit
    return Amount(one.low, unit).base <= base <= Amount(one.high, unit).base


def _slip(one: Usual, base: Decimal) -> str:
    """Which slip would bring it back into the range; "" for none."""
    for name, factor in ((TENFOLD, Decimal(10)), (TENFOLD, Decimal(100)), (UNIT, Decimal(1000)), (WEIGHT, _POUNDS)):
        if _holds(one, base / factor) or _holds(one, base * factor):
            return name
    return ""


def _doubt(measure: str, why: str, amount: Amount, usual: Usual) -> Doubt:
    span = f"{_plain(usual.low)} to {_plain(usual.high)} {usual.unit}".strip()
    told = f"{_plain(amount.number)} {amount.unit}".strip()
    return Doubt(f"{measure}_{why}", f"The {NAMES[measure]}, {told}, is not the usual {span}. {_WHY[why]}".strip())


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


# ----------------------------------------------------------------------------------------------- against the order itself
def _words(item: OrderedItem, doses: Sequence[Amount]) -> Doubt | None:
    """The words of the directions say another dose than the numbers. Tablets are milligrams where the name says of how
    many each is."""
    written = amounts(item.directions)
    for kind in {one.kind for one in doses if one.unit}:
        said = {one.base for one in written if one.kind == kind}
        if said and any(one.base not in said for one in doses if one.kind == kind):
            return Doubt(f"{DOSE}_{TEXT}", "The words of the directions say another dose than its number.")
    strength = strength_of(item)
    if strength is None:
        return None
    counted, weighed = _parted(written)
    doses_counted, doses_weighed = _parted(doses)
    # Of each way of saying it one side: tablets in words and mass in numbers, or the other way about.
    ways: tuple[tuple[set[Decimal], set[Decimal], set[Decimal]], ...] = (
        (doses_weighed, counted, weighed),
        ({one * strength.base for one in doses_counted}, set(), weighed),
    )
    for said, pieces, mass in ways:
        makes = mass or {one * strength.base for one in pieces}
        if said and makes and not said <= makes:
            return Doubt(f"{DOSE}_{STRENGTH}", "The dose is not what so many of this strength make.")
    return None


def _parted(listed: Iterable[Amount]) -> tuple[set[Decimal], set[Decimal]]:
    """Counts of tablets or capsules, and masses."""
    kept = list(listed)
    counts = {one.base for one in kept if one.unit in ("tablet", "capsule")}
    return counts, {one.base for one in kept if one.kind == "mass"}


def _supply(item: OrderedItem, doses: Sequence[Amount]) -> Doubt | None:
    """The quantity lasts for far longer or shorter than the order says."""
    quantity, days, taken = _quantity(item), _number(item.days_supply), _counted(item, doses)
    if quantity is None or not quantity.unit or not taken:
        return None
    if any(one.kind != quantity.kind for one in taken):
        swapped = {quantity.kind, *(one.kind for one in taken)} >= {"volume"} and "mass" not in {
            one.kind for one in taken
        }
        return (
            Doubt(f"{QUANTITY}_{OTHER_UNIT}", "The dose and the quantity are in different kinds of unit.")
            if swapped
            else None
        )
    often = _often(item)
    if days is None or days <= 0 or not often or "as needed" in item.timing:
        return None
    lasts = [quantity.base / (one.base * times) for one in taken for times in often if one.base * times > 0]
    if lasts and not min(lasts) / _SLACK <= days <= max(lasts) * _SLACK:
        return Doubt(f"{DAYS}_{SUPPLY}", "The quantity does not last for the days that the order says.")
    return None


def _counted(item: OrderedItem, doses: Sequence[Amount]) -> list[Amount]:
    """Doses as the quantity counts them: milligrams as tablets where the strength is known."""
    strength, quantity = strength_of(item), _quantity(item)
    if quantity is None or strength is None or quantity.unit not in ("tablet", "capsule"):
        return [one for one in doses if one.unit]
    return [Amount(one.base / strength.base, quantity.unit) if one.kind == "mass" else one for one in doses if one.unit]


def _daily(item: OrderedItem, doses: Sequence[Amount]) -> list[Amount]:
    """What it makes in a day at most; nothing where a step is not understood."""
    often = _often(item)
    return [Amount(one.number * max(often), one.unit) for one in doses] if often and len(doses) == 1 else []


def _often(item: OrderedItem) -> list[Decimal]:
    """Times a day, at least and at most; nothing for more than one step."""
    found = _TIMING.search(item.timing)
    if found is None or ";" in item.timing or "times in all" in item.timing:
        return []
    low, high, period, longer, unit = found.groups()
    times = [_number(one) for one in (low, high) if one]
    spans = [_number(one) for one in (period, longer) if one]
    return [n * _A_DAY[unit] / span for n in times for span in spans if n and span]


# ------------------------------------------------------------------------------------------------------------- small parts
def amounts(text: str) -> list[Amount]:
    """Every number with a unit that is known; both ends of `1-2 tablets`."""
    found = []
    for low, high, word in _AMOUNT.findall(text):
        unit = unit_of(word)
        if unit:
            found += [Amount(number, unit) for one in (low, high) if one and (number := _number(one)) is not None]
    return found


def strength_of(item: OrderedItem) -> Amount | None:
    """The mass of one tablet or capsule by the names of the order; None where they name none, or several."""
    named = {one for text in (item.name, *(coding.display for coding in item.codings)) for one in amounts(text)}
    masses = {one.base: one for one in named if one.kind == "mass" and one.base}
    return next(iter(masses.values())) if len(masses) == 1 else None


def _quantity(item: OrderedItem) -> Amount | None:
    number = _number(item.quantity)
    return None if number is None else Amount(number, unit_of(item.quantity_unit.split(" ")[0]))


def unit_of(word: str) -> str:
    """One spelling of a unit; "" for one that is not known."""
    low = word.strip().strip("{}[].").casefold()
    return _SPELLED.get(low) or _SPELLED.get(low.rstrip("s"), "")


def _number(text: str) -> Decimal | None:
    """Numbers keep all their digits: no float."""
    whole, _, part = text.strip().rpartition(" ")
    above, slash, below = part.partition("/")
    if slash and above.isdecimal() and below.isdecimal() and int(below) and (whole.strip() or "0").isdecimal():
        return Decimal(whole.strip() or "0") + Decimal(above) / Decimal(below)
    try:
        number = Decimal(_WORDS.get(text.strip().casefold(), text.strip().replace(",", "")))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None
