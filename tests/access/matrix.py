"""Reads matrix.txt and expands it: one verdict for every (address, principal, owner, method)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.access.cast import METHODS, OWNERS, PRINCIPALS
from tests.access.urls import Address, addresses

FILE = Path(__file__).with_name("matrix.txt")
VERDICTS = ("open", "login", "refused", "hidden", "unsigned", "method")


@dataclass(frozen=True, slots=True)
class Rule:
    line: int
    group: str
    principals: frozenset[str]
    owners: frozenset[str]
    methods: frozenset[str]
    verdict: str

    def fits(self, principal: str, owner: str, method: str) -> bool:
        return principal in self.principals and owner in self.owners and method in self.methods


@dataclass(frozen=True, slots=True)
class Cell:
    address: Address
    principal: str
    owner: str
    method: str
    verdict: str

    def __str__(self) -> str:
        return f"{self.principal} {self.method} {self.address.name} ({self.owner}): {self.verdict}"


@dataclass
class Matrix:
    principals: dict[str, frozenset[str]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    used: Counter[int] = field(default_factory=Counter)

    def verdict(self, group: str, principal: str, owner: str, method: str) -> str:
        for rule in self.rules:
            if rule.group == group and rule.fits(principal, owner, method):
                self.used[rule.line] += 1
                return rule.verdict
        raise LookupError(f"no line of [rules] decides {group} {principal} {owner} {method}")

    def cells(self) -> Iterator[Cell]:
        for address in addresses():
            for owner in OWNERS if address.fields else ("-",):
                for principal in PRINCIPALS:
                    for method in METHODS:
                        verdict = self.verdict(self.groups[address.name], principal, owner, method)
                        yield Cell(address, principal, owner, method, verdict)


@cache
def matrix() -> Matrix:
    read, part = Matrix(), ""
    for number, line in enumerate(FILE.read_text().splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith("["):
            part = words[0].strip("[]")
        elif part == "principals":
            read.principals[words[0]] = frozenset(words[1:])
        elif part == "addresses":
            name, group = words
            if name in read.groups:
                raise ValueError(f"{name} stands twice in {FILE.name}")
            read.groups[name] = group
        else:
            group, who, owners, methods, verdict = words
            named = read.principals.get(who, frozenset([who])) if who != "*" else frozenset(PRINCIPALS)
            if not named <= set(PRINCIPALS) or verdict not in VERDICTS:
                raise ValueError(f"{FILE.name}, line {number}: {line}")
            read.rules.append(Rule(number, group, named, _all(owners, (*OWNERS, "-")), _all(methods, METHODS), verdict))
    return read


def _all(text: str, every: tuple[str, ...]) -> frozenset[str]:
    return frozenset(every) if text == "*" else frozenset(text.split(","))
