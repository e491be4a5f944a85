"""Published FHIR of many producers: where it lies, which producer an order came from, and docs/real-data.md, the page
that says what became of each. The resources belong to others and are read from beside the project, never kept in it."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ehrcommerce.workbench.environment import ROOT

ORDER_TYPES = ("MedicationRequest", "DeviceRequest", "ServiceRequest")
# What a search of the app asks for (disclosure/fhir.py); an order in any other state is over, or says nothing.
OPEN = frozenset({"active", "on-hold", "draft"})

HEAD = """# Real data

Published test and example persons of {producers} producers, loaded beside the demo into the sandbox EHR
(`python3 manage.py demo --fhir-data DIR`), and each chart with an order launched by a clinician. The page below says
what became of each order: it can be sent, or the clinician reads why not. The refusal of a patient (deceased, minor,
merged) comes before that of an order. The published prescriptions are years old: for this page the clinic's longest age
of a prescription (`prescription_max_age_days`, one year where nobody changes it) is switched off, as that command does
for the demo's clinic and says. Else they would be refused as too old.

Made by `EHRC_WRITE_REAL_DATA=1 python3 manage.py test tests/journeys/test_real_data.py`; the same test compares it on
each run where the data is there. The data is not part of the project: `EHRC_REALDATA` names its folder.

"""
COLUMNS = (
    "producer",
    "orders seen",
    "over in the chart",
    "listed",
    "sellable",
    "refused, and why",
)


def folder() -> Path | None:
    """The folder that EHRC_REALDATA names, else the one that lies beside the project; None where there is none."""
    named = os.environ.get("EHRC_REALDATA", "")
    path = Path(named) if named else ROOT.parent / "shared" / "realdata"
    return path if path.is_dir() else None


@dataclass
class Tally:
    """What became of the orders of one producer."""

    closed: int = 0
    sellable: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, sentence: str) -> None:
        """One more listed order, with what the clinician read; "" where it can be sent."""
        self.sellable += not sentence
        self.refused.update([sentence] if sentence else [])

    @property
    def listed(self) -> int:
        return self.sellable + self.refused.total()

    @property
    def seen(self) -> int:
        return self.closed + self.listed


def is_listed(order: Mapping[str, Any]) -> bool:
    """Whether the clinician's page has a row for it: open. A plan has one too, which says why it is not sold."""
    return order.get("status") in OPEN


class Producers:
    """Whose a resource is, known by what it says: the loader may have given it another id and other references."""

    def __init__(self, place: Path) -> None:
        self._folders: dict[str, set[str]] = {}
        for path in sorted(place.glob("*/*.json")):
            for resource in _resources(path):
                self._folders.setdefault(fingerprint(resource), set()).add(path.parent.name)

    def of(self, resource: Mapping[str, Any], patient: Mapping[str, Any]) -> str:
        """The producer of an order; of two that publish the same one, the one whose patient it is. "" for others'."""
        found = self._folders.get(fingerprint(resource), set())
        both = found & self._folders.get(fingerprint(patient), set())
        return min(both or found, default="")


def _resources(path: Path) -> Iterator[dict[str, Any]]:
    try:
        value = json.loads(path.read_text("utf-8-sig"), parse_float=str)
    except ValueError:
        return
    entries = value.get("entry", []) if value.get("resourceType") == "Bundle" else [{"resource": value}]
    yield from (entry["resource"] for entry in entries if "resourceType" in entry.get("resource", {}))


def fingerprint(resource: Mapping[str, Any]) -> str:
    """The resource without what a server or a loader writes into it."""
    return json.dumps(
        _bare({key: value for key, value in resource.items() if key not in ("id", "meta")}), sort_keys=True
    )


def _bare(value: Any) -> Any:
    if isinstance(value, Mapping):
        # An invented patient is referred to where no reference stood: an empty subject and none are the same.
        kept = {key: _bare(part) for key, part in value.items() if key != "reference"}
        return {key: part for key, part in kept.items() if part != {}}
    if isinstance(value, list):
        return [_bare(part) for part in value]
    return str(value)


def page(tallies: Mapping[str, Tally]) -> str:
    """docs/real-data.md: one row a producer, then the reasons."""
    rows = [_row(name, tallies[name]) for name in sorted(tallies)]
    whole = _sum(tallies.values())
    table = [
        f"| {' | '.join(COLUMNS)} |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        *rows,
        _row("**all**", whole),
    ]
    reasons = [f"| {sentence} | {count} |" for sentence, count in sorted(whole.refused.items(), key=_most_first)]
    head = [HEAD.format(producers=len(tallies)) + "## By producer\n"]
    return "\n".join(
        [*head, *table, "\n## Reasons\n", "| the clinician reads | orders |", "| --- | ---: |", *reasons, ""]
    )


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _row(name: str, tally: Tally) -> str:
    why = "; ".join(f"{count}: {sentence}" for sentence, count in sorted(tally.refused.items(), key=_most_first))
    cells = (name, tally.seen, tally.closed, tally.listed, tally.sellable, why or "-")
    return f"| {' | '.join(map(str, cells))} |"


def _sum(tallies: Iterable[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.closed += tally.closed
        whole.sellable += tally.sellable
        whole.refused.update(tally.refused)
    return whole
