"""Two charts that are equal in all that the table names and different in everything else: other values, other sizes, more
elements or fewer. What comes out of the one must be, byte for byte, what comes out of the other. This finds what a search
for sentinels cannot: a length, a count, a choice that a forbidden element decides."""

import copy
import json
import random
from functools import cache
from typing import Any

from ehrcommerce.policy import derive, table
from tests.minimization import paths
from tests.minimization.charts import NPI, Json

WORDS = (
    "hepatitis",
    "oncology",
    "",
    "seven words that fill a little more room",
    "ñandú 漢字",
    "<b>markup</b>",
    "R",
    "true",
    "0.5",
)
PRESENT = derive.PRESENCE
# Not in the table, and yet the door looks: which resource it is, and a tag that says that an answer was cut.
SKELETON = {"resourceType", "id"}


@cache
def allowed(resource: str) -> frozenset[str]:
    return derive.paths(resource, tuple(table.ACT_REASON))


@cache
def above(resource: str) -> frozenset[str]:
    return frozenset(path[:place] for path in allowed(resource) for place, letter in enumerate(path) if letter == ".")


def shaken(resource: Json, dice: random.Random) -> Json:
    """The other one of the pair."""
    made: Json = _structure(copy.deepcopy(resource), str(resource["resourceType"]), "", dice)
    return made


def _structure(raw: Json, resource: str, prefix: str, dice: random.Random) -> Json:
    made: Json = {}
    for name, value in raw.items():
        path = f"{prefix}{name}"
        if not prefix and name in SKELETON:
            made[name] = value
        elif path in allowed(resource):
            made[name] = _other(value, dice) or [{"url": "x"}] if name in PRESENT else value
        elif path in above(resource):
            made[name] = _below(value, resource, f"{path}.", dice)
        elif dice.random() < 0.7:
            made[name] = _other(value, dice)
    for _ in range(dice.randrange(3)):
        made.setdefault(f"x{dice.randrange(10**6)}", _words(dice))
    for element in _absent(resource, prefix, made):
        if dice.random() < 0.15:
            made[element] = _other(None, dice)
    items = list(made.items())
    dice.shuffle(items)
    return dict(items)


@cache
def _names(resource: str, prefix: str) -> tuple[str, ...]:
    known = {path for name, path in paths.every_path() if name == resource and path.startswith(prefix)}
    here = {path[len(prefix) :] for path in known if "." not in path[len(prefix) :]}
    never = allowed(resource) | above(resource)
    return tuple(sorted(name for name in here if f"{prefix}{name}" not in never and name not in SKELETON))


def _absent(resource: str, prefix: str, made: Json) -> list[str]:
    return [name for name in _names(resource, prefix) if name not in made]


def _below(value: Any, resource: str, prefix: str, dice: random.Random) -> Any:
    if isinstance(value, list):
        return [_below(part, resource, prefix, dice) for part in value]
    if not isinstance(value, dict):
        return value
    if resource == "Practitioner" and prefix == "identifier." and value.get("system") != NPI:
        # Another number of the same person (DEA, license): it stays, whatever it is.
        return {**_structure(value, resource, prefix, dice), "system": f"urn:x:{dice.random()}", "value": _words(dice)}
    return _structure(value, resource, prefix, dice)


def _words(dice: random.Random) -> str:
    return f"{dice.choice(WORDS)} {dice.randrange(10**6)}" * dice.randint(1, 4)


def _other(value: Any, dice: random.Random) -> Any:
    """Something else of the same kind, or of another one."""
    kinds: tuple[Any, ...] = (
        _words(dice), dice.random() < 0.5, dice.randrange(10**9), {"text": _words(dice)},
        [{"text": _words(dice), "coding": [{"code": _words(dice), "display": _words(dice)}]} for _ in range(dice.randrange(1, 4))],
    )  # fmt: skip
    if isinstance(value, dict) and dice.random() < 0.7:
        return {name: _other(part, dice) for name, part in value.items()}
    return dice.choice(kinds)


def differ(one: Json, other: Json) -> bool:
    return json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True)
