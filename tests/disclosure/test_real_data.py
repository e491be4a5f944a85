"""Published resources of many producers go through the door's extractors: none crashes, none lets out what it must not.

They are no part of this project. Where the folder is absent (EHRC_REALDATA names another) one loud line says so."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ehrcommerce.disclosure import extract, people, plans
from ehrcommerce.policy import derive, table
from ehrcommerce.policy.refusals import REFUSALS
from ehrcommerce.wire.errors import BadAnswer
from ehrcommerce.wire.fhir import read_json
from tests.disclosure.charts import BASE, TODAY, key_of

FOLDER = Path(os.environ.get("EHRC_REALDATA") or Path(__file__).parents[2].parent / "shared" / "realdata")
# Whatever stands below one of these must not be in a packet, unless an allowed element says the same words.
FORBIDDEN = (
    "text", "note", "reasonCode", "reasonReference", "encounter", "extension", "identifier", "supportingInfo",
    "supportingInformation", "photo", "contact", "maritalStatus", "generalPractitioner", "insurance", "bodySite",
    "specimen", "patientInstruction", "additionalInstruction", "statusReason", "basedOn", "groupIdentifier",
)  # fmt: skip


def resources() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in sorted(FOLDER.rglob("*.json")):
        try:
            raw = read_json(path.read_bytes())
        except BadAnswer:
            continue
        inner = [entry["resource"] for entry in raw.get("entry", [])] if raw.get("resourceType") == "Bundle" else [raw]
        found += [(f"{path.parent.name}/{path.stem}#{place}", one) for place, one in enumerate(inner)]
    return found


REAL = resources()


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)
    elif isinstance(value, str):
        yield value


def packets_of(raw: dict[str, Any]) -> list[Any]:
    """Everything that the door could make of this resource, read as its own patient's."""
    kind = str(raw.get("resourceType"))
    if kind in derive.KIND_OF_TYPE:
        reference = (raw.get("subject") or {}).get("reference") or "Patient/none"
        own = {
            **raw,
            "id": raw.get("id") or "none",
            "subject": {"reference": f"Patient/{reference[-20:].rpartition('/')[2]}"},
        }
        return [
            extract.order(own, extract.Chart(BASE, own["subject"]["reference"].removeprefix("Patient/"), key_of, TODAY))
        ]
    if kind == "Patient":
        return [
            people.banner(raw, on=TODAY, adult_age=18), people.identity(raw, on=TODAY), people.contacts(raw, on=TODAY),
            people.language(raw), people.ship_to(raw, on=TODAY), people.dispatch_facts(raw, on=TODAY),
        ]  # fmt: skip
    return [plans.plans([raw], base=BASE, on=TODAY)] if kind == "Coverage" else []


def allowed_words(raw: dict[str, Any]) -> str:
    """What the table lets through of the resource and of what it contains."""
    parts = [raw, *(one for one in raw.get("contained", []) if isinstance(one, dict))]
    purposes = tuple(table.ACT_REASON)
    return json.dumps(
        [derive.project(one, derive.paths(str(one.get("resourceType")), purposes)) for one in parts], ensure_ascii=False
    )


@pytest.mark.parametrize(
    ("name", "raw"), REAL or [("absent", {})], ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_published_resource_makes_packets_with_nothing_forbidden_in_them(name: str, raw: dict[str, Any]) -> None:
    if name == "absent":
        return
    seen, fair = repr(packets_of(raw)), allowed_words(raw)
    fair += "".join(c for c in fair if c.isdigit())
    for element in FORBIDDEN:
        for words in strings(raw.get(element)):
            if len(words) > 5 and words not in fair:
                assert words not in seen, f"{name}: {element} came through"


@pytest.mark.parametrize(
    ("name", "raw"), REAL or [("absent", {})], ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_published_order_is_sellable_or_refused_by_a_known_sentence(name: str, raw: dict[str, Any]) -> None:
    if raw.get("resourceType") in derive.KIND_OF_TYPE:
        (order,) = packets_of(raw)
        assert order.state.refusal in {"", *REFUSALS}
        assert order.item.name


def test_the_folder_is_there_or_its_absence_is_said_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    if not REAL:
        with capsys.disabled():
            print(f"\n!!! NO REAL DATA at {FOLDER}: published resources of many producers were NOT tried !!!")
    assert not REAL or len(REAL) > 90
