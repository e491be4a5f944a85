"""What other EHRs demand of a request before they answer it: parameters that must be there, or must not."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ehrcommerce.sandbox.ehr.fhir_errors import FhirRefusal, NotAllowed, NotFound
from ehrcommerce.sandbox.ehr.fhir_interactions import Ask

FREE: Final = frozenset({"_include", "_elements", "_count", "_page", "_sort", "_format", "_total", "_summary"})
"""Parameters about the answer, which no list of search parameters names."""


def check(ask: Ask, knobs: Mapping[str, Any]) -> None:
    """Refuse what this EHR does not take. Raises FhirRefusal."""
    parts = ask.path.strip("/").split("/")
    if parts[0] in knobs["absent_types"]:
        raise NotFound(f"The type {parts[0]} is not supported.")
    posted_search = parts[-1] == "_search"
    if posted_search and knobs["post_search"] == "refuse":
        raise NotFound("Search by POST is not supported.")
    if ask.method in ("POST", "PUT") and not posted_search and knobs["writes"] == "refused":
        raise NotAllowed("Writing is not offered.")
    if posted_search or (ask.method == "GET" and len(parts) == 1):
        _check_search(parts[0], {name.partition(":")[0] for name, _ in ask.params}, knobs)
        _check_values(parts[0], ask.params, knobs)


def _check_search(kind: str, names: set[str], knobs: Mapping[str, Any]) -> None:
    if "_page" in names:
        return
    for group in knobs["required_params"].get(kind, []):
        if not names & set(group.split("|")):
            raise FhirRefusal(f"No supported search parameters provided: {kind} needs {group.replace('|', ' or ')}.")
    for group in knobs["exclusive_params"].get(kind, []):
        if set(group) <= names:
            raise FhirRefusal(f"{' and '.join(group)} cannot be used together.")
    known = knobs["search_params"].get(kind)
    if known is not None and knobs["unknown_params"] == "refuse" and (strange := names - set(known) - FREE):
        raise FhirRefusal(f"Unknown search parameters: {', '.join(sorted(strange))}.")


def _check_values(kind: str, params: Iterable[tuple[str, str]], knobs: Mapping[str, Any]) -> None:
    """Values that this EHR alone knows of a parameter."""
    known: Mapping[str, list[str]] = knobs["param_values"].get(kind, {})
    for name, value in params:
        if name in known and (strange := set(value.split(",")) - set(known[name])):
            raise FhirRefusal(f"{kind}: {name} knows {' and '.join(known[name])}, not {', '.join(sorted(strange))}.")
