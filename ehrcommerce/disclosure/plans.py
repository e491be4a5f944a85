"""From Coverage resources, as raw JSON, to the plans that one eligibility question may name. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date

from ehrcommerce.disclosure import people, values
from ehrcommerce.disclosure.values import Json, Reference, at_path, many, text
from ehrcommerce.policy import derive, table
from ehrcommerce.policy.packets import CoverageFacts

FIELD_OF_CLASS = {"group": "group", "plan": "plan", "rxbin": "rx_bin", "rxpcn": "rx_pcn", "rxgroup": "rx_group"}
_PATHS = derive.paths("Coverage", (table.ELIGIBILITY,))
_PAYER_PATHS = derive.paths("Organization", (table.ELIGIBILITY,))


def payers(raw: Json, base: str) -> set[Reference]:
    """The Organization that pays, if it must be read."""
    found = values.reference(at_path(derive.project(raw, _PATHS), "payor", "reference"), base)
    return {found} if found and found[0] == "Organization" else set()


def plans(
    coverages: Iterable[Json], *, base: str, on: date, found: Mapping[Reference, Json] | None = None
) -> tuple[CoverageFacts, ...]:
    """Active plans of today with a payer's name or number, the one to ask first in front."""
    rows = []
    for raw in coverages:
        kept = derive.project(raw, _PATHS)
        if _is_live(kept, on):
            place = int(values.number(kept.get("order")).split(".")[0] or 99)
            rows.append((place, _facts(kept, raw, base, found or {})))
    in_order = (facts for _, facts in sorted(rows, key=lambda row: row[0]))
    return tuple(facts for facts in in_order if facts.payer_name or facts.payer_id)


def _is_live(kept: Json, on: date) -> bool:
    period = kept.get("period")
    in_time = not values.is_over(period, on) and not values.is_ahead(period, on)
    stopped = values.is_modified(kept) or values.is_restricted(kept)
    return values.code(kept.get("status")) == "active" and in_time and not stopped


def _facts(kept: Json, raw: Json, base: str, found: Mapping[Reference, Json]) -> CoverageFacts:
    said = at_path(kept, "payor", "reference")
    whole = found.get(values.reference(said, base) or ("", "")) or people.contained(raw, said, "Organization")
    payer = derive.project(whole, _PAYER_PATHS)
    number = at_path(kept, "payor", "identifier", "value") or at_path(payer, "identifier", "value")
    classes = {
        FIELD_OF_CLASS[code]: text(one.get("value"), values.CODE_CAP)
        for one in reversed(many(kept.get("class")))
        for code in values.codes(one.get("type"))
        if code in FIELD_OF_CLASS
    }
    relationship = sorted(values.codes(kept.get("relationship")))
    return CoverageFacts(
        payer_name=text(at_path(kept, "payor", "display")) or text(payer.get("name")),
        payer_id=text(number, values.CODE_CAP),
        member_id=text(kept.get("subscriberId"), values.CODE_CAP),
        relationship=relationship[0] if relationship else "", **classes,
    )  # fmt: skip
