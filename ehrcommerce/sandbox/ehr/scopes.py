"""SMART scopes, both dialects: what a string means, what a client is granted of it, and what a token then allows.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html ; granular constraints (`?query`) are
dropped and the plain scope granted, as a server without them does.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

RESOURCE_SCOPE = re.compile(r"(patient|user|system)/([A-Za-z]+|\*)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)(?:\?.*)?")
V1_LETTERS = {"read": "rs", "write": "cud", "*": "cruds"}


@dataclass(frozen=True)
class ResourceScope:
    """`level`/`type`.`letters`, where letters are a part of "cruds"; `verb` is the wording that was used."""

    level: str
    type: str
    letters: str
    verb: str

    def covers(self, resource_type: str, letter: str) -> bool:
        """Whether this one scope allows one interaction on a type."""
        return self.type in (resource_type, "*") and letter in self.letters


def parse(scope: str) -> ResourceScope | None:
    """The meaning of one resource scope; None for any other word."""
    match = RESOURCE_SCOPE.fullmatch(scope)
    if not match:
        return None
    level, resource_type, verb = match.groups()
    return ResourceScope(level, resource_type, V1_LETTERS.get(verb, verb), verb)


def resource_scopes(scope: str) -> list[ResourceScope]:
    """The resource scopes among the words."""
    return [parsed for word in scope.split() if (parsed := parse(word))]


def grant(*, requested: str, allowed: str) -> str:
    """What of `requested` is within `allowed`, each in the dialect in which it was asked for."""
    words = set(allowed.split())
    rules = resource_scopes(allowed)
    return " ".join(dict.fromkeys(_granted(requested, words, rules)))


def _granted(requested: str, words: set[str], rules: list[ResourceScope]) -> Iterator[str]:
    for word in requested.split():
        wish = parse(word)
        if wish is None:
            if word in words:
                yield word
        elif verb := _granted_verb(wish, rules):
            yield f"{wish.level}/{wish.type}.{verb}"


def _granted_verb(wish: ResourceScope, rules: list[ResourceScope]) -> str:
    fitting = [rule for rule in rules if rule.level == wish.level and rule.type in (wish.type, "*")]
    letters = "".join(letter for letter in wish.letters if any(letter in rule.letters for rule in fitting))
    return wish.verb if letters and wish.verb in V1_LETTERS else letters


def without_level(scope: str, level: str) -> str:
    """The words that are not resource scopes of this level."""
    return " ".join(word for word in scope.split() if not word.startswith(f"{level}/"))


def wants_refresh(scope: str, by: Iterable[str]) -> bool:
    """Whether a refresh token goes with it: `by` are the scopes by which this EHR gives one."""
    return not set(by).isdisjoint(scope.split())
