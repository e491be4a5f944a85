"""Writes what was read, and says in a table what came of it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from ehrcommerce.sandbox.ehr import fhir_json, fhir_store
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.loading.inventing import invent_missing
from ehrcommerce.sandbox.ehr.loading.linking import link, rewrite
from ehrcommerce.sandbox.ehr.loading.reading import Say, read_folder


def load_resources(resources: Iterable[Json], *, at: datetime) -> Counter[tuple[str, str]]:
    """Write each resource; counts by (type, what happened)."""
    outcome: Counter[tuple[str, str]] = Counter()
    for resource in resources:
        saved = fhir_store.save(resource, at=at, loaded=True)
        word = "new" if saved.created else "changed" if saved.changed else "unchanged"
        outcome[str(resource["resourceType"]), word] += 1
    return outcome


def load_folder(root: Path, *, taken: Iterable[str], at: datetime, say: Say) -> Counter[tuple[str, str]]:
    """Everything below a folder, linked and completed. `taken`: references of the demo's own resources."""
    found = read_folder(root, say)
    links = link(found, taken=taken)
    invented = list(invent_missing(found, links, say))
    for row in [*invented, *found]:
        rewrite(row, links)
    outcome = load_resources((row.resource for row in [*invented, *found]), at=at)
    for row in invented:
        outcome[row.type, "invented"] += 1
    return outcome


def table(outcome: Counter[tuple[str, str]]) -> str:
    """Types down, outcomes across."""
    words = ("new", "changed", "unchanged", "invented")
    lines = [f"{'':20}" + "".join(f"{word:>11}" for word in words)]
    for kind in sorted({kind for kind, _ in outcome}):
        lines.append(f"{kind:20}" + "".join(f"{outcome[kind, word]:>11}" for word in words))
    return "\n".join(lines)


def exact(resources: Iterable[Json]) -> list[Json]:
    """The same resources, so that this server alone may write into them."""
    return [fhir_json.parse_object(fhir_json.write(resource)) for resource in resources]
