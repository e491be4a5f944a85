"""Scopes as other EHRs write them into their token answers, and scopes that they refuse."""

from collections.abc import Mapping
from typing import Any

from ehrcommerce.sandbox.ehr import scopes

V1_VERBS = frozenset(scopes.V1_LETTERS)


def written(scope: str, manner: str) -> str | None:
    """The `scope` of a token answer; None for none at all."""
    match manner:
        case "absent":
            return None
        case "empty":
            return ""
        case "broader":
            return f"{scope} patient/*.cruds user/*.cruds system/*.cruds"
        case "narrower":
            return " ".join(word for word in scope.split() if "/" not in word or word.startswith("patient/Patient."))
        case "other_type":
            return " ".join([*_plain(scope), "patient/Observation.rs"])
        case "dus":
            return " ".join(word.partition(".")[0] + ".dus" if "/" in word else word for word in scope.split())
        case "odd_case":
            return " ".join(word.title() if "/" in word else word.upper() for word in scope.split())
        case "v1":
            return " ".join(map(_as_v1, scope.split()))
        case "epic":
            return _epic(scope)
    return scope


def _plain(scope: str) -> list[str]:
    return [word for word in scope.split() if "/" not in word]


def _as_v1(word: str) -> str:
    rule = scopes.parse(word)
    if rule is None or rule.verb in V1_VERBS:
        return word
    reads, writes = set(rule.letters) & set("rs"), set(rule.letters) & set("cud")
    return f"{rule.level}/{rule.type}.{'*' if reads and writes else 'write' if writes else 'read'}"


def _epic(scope: str) -> str:
    """Both cases of one verb beside each other, and one scope without its level."""
    words = [_as_v1(word) for word in scope.split()]
    doubled = [word for one in words for word in ([_capital(one), one] if "/" in one else [one])]
    return " ".join([*doubled, "Patient.read"])


def _capital(word: str) -> str:
    head, _, verb = word.rpartition(".")
    return f"{head}.{verb.capitalize()}"


def is_refused(scope: str, knobs: Mapping[str, Any]) -> bool:
    """Whether the knobs make the whole request invalid_scope."""
    words = scope.split()
    if set(words) & set(knobs["refused_scopes"]):
        return True
    verbs = [rule.verb for rule in scopes.resource_scopes(scope)]
    foreign = {"v1": [verb not in V1_VERBS for verb in verbs], "v2": [verb in V1_VERBS for verb in verbs]}
    return any(foreign.get(str(knobs["scope_dialect"]), []))
