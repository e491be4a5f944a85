"""Finds resources in a folder: single resources, Bundles of any type, Bundles in Bundles, folders in folders."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ehrcommerce.sandbox.ehr import fhir_json, fhir_store
from ehrcommerce.sandbox.ehr.fhir_json import Json

Say = Callable[[str], None]
MAX_FILE_BYTES = 200 * 1024 * 1024


@dataclass
class Found:
    """A resource as it stands in a file. `names` are the addresses under which others may point at it."""

    file: str
    position: int
    resource: Json
    names: list[str]

    @property
    def type(self) -> str:
        """The resource type."""
        return str(self.resource["resourceType"])

    @property
    def folder(self) -> str:
        """The folder of the file, relative to the root."""
        return str(Path(self.file).parent)


def read_folder(root: Path, say: Say) -> list[Found]:
    """All resources of served types below a folder, in a stable order."""
    found: list[Found] = []
    for path in sorted(root.rglob("*.json")):
        name = str(path.relative_to(root))
        resource = _resource_of(path, name, say)
        if resource is not None:
            found += [
                Found(name, position, item, names) for position, (item, names) in enumerate(_flat(resource, name, say))
            ]
    return found


def _resource_of(path: Path, name: str, say: Say) -> Json | None:
    if path.stat().st_size > MAX_FILE_BYTES:
        say(f"skipped {name}: larger than {MAX_FILE_BYTES >> 20} MiB")
        return None
    try:
        value = fhir_json.parse(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError):
        say(f"skipped {name}: not JSON")
        return None
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        say(f"skipped {name}: not FHIR (no resourceType)")
        return None
    return value


def _flat(resource: Json, name: str, say: Say, address: str = "") -> Iterator[tuple[Json, list[str]]]:
    if resource["resourceType"] == "Bundle":
        yield from _entries(resource, name, say)
    elif resource["resourceType"] in fhir_store.TYPES:
        yield resource, _names(resource, address)
    else:
        say(f"left out of {name}: {resource['resourceType']} is not served here")


def _entries(bundle: Json, name: str, say: Say) -> Iterator[tuple[Json, list[str]]]:
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else []:
        inner = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(inner, dict) and isinstance(inner.get("resourceType"), str):
            yield from _flat(inner, name, say, str(entry.get("fullUrl", "")))


def _names(resource: Json, address: str) -> list[str]:
    own = resource.get("id")
    names = [f"{resource['resourceType']}/{own}", f"urn:uuid:{own}"] if isinstance(own, str) else []
    return [*names, *([address] if address else [])]
