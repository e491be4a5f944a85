"""Gives each resource its id here, and points references at the ids: the same file first, then its folder, then all.

Ids are worked out from the files alone, so that a second load comes to the same ones.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from ehrcommerce.sandbox.ehr import fhir_store
from ehrcommerce.sandbox.ehr.fhir_include import references_in
from ehrcommerce.sandbox.ehr.fhir_interactions import FHIR_ID
from ehrcommerce.sandbox.ehr.loading.reading import Found

ROOT = "."


@dataclass
class Links:
    """Who took which id, and which name means which resource in which scope."""

    taken: dict[str, str] = field(default_factory=dict)
    meaning: dict[tuple[str, str], str] = field(default_factory=dict)

    def claim(self, kind: str, wish: str, digest: str) -> str:
        """The id, or the id with a number where another resource has it already."""
        number = 1
        while True:
            fhir_id = wish if number == 1 else f"{wish[:60]}-{number}"
            if self.taken.setdefault(f"{kind}/{fhir_id}", digest) == digest:
                return fhir_id
            number += 1

    def learn(self, found: Found, reference: str) -> None:
        """In each scope the first one that bears a name keeps it."""
        for scope in _scopes(found.file):
            for name in found.names:
                self.meaning.setdefault((scope, name), reference)

    def resolve(self, file: str, reference: str) -> str | None:
        """The relative reference that is meant, None when nothing loaded is meant."""
        bare = reference.partition("/_history/")[0].rstrip("/")
        names = [bare, "/".join(bare.split("/")[-2:])] if "/" in bare else [bare]
        for scope in _scopes(file):
            for name in names:
                if (scope, name) in self.meaning:
                    return self.meaning[scope, name]
        return None


def _scopes(file: str) -> list[str]:
    """The file, its folder, and the folders around that."""
    parts = file.split("/")
    return [file, *("/".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)), ROOT]


def link(found: Iterable[Found], *, taken: Iterable[str]) -> Links:
    """Number the resources. `taken`: references that are others' already."""
    links = Links(dict.fromkeys(taken, ""))
    for row in found:
        own = row.resource.get("id")
        valid = isinstance(own, str) and FHIR_ID.fullmatch(own) is not None
        wish = str(own) if valid else generated_id(row.type, f"{row.file}#{row.position}")
        row.resource["id"] = links.claim(row.type, wish, fhir_store.digest(row.resource))
        links.learn(row, f"{row.type}/{row.resource['id']}")
    return links


def rewrite(row: Found, links: Links) -> None:
    """Point each literal reference at what is loaded; the others stay as they are. Once: the result is final."""
    for holder in references_in(row.resource):
        reference = holder["reference"]
        if not reference.startswith("#") and (target := links.resolve(row.file, reference)):
            holder["reference"] = target


def generated_id(kind: str, seed: str) -> str:
    """An id for a resource that brings none."""
    return f"{kind.lower()}-{hashlib.sha256(seed.encode()).hexdigest()[:12]}"
