"""Large families of cases go round: a default run takes a few of each, chosen by one seed; the night takes all.

The seed is a number in the environment, set once for a run by the process that prints it in the report's header, so that
every worker collects the same cases: EHRC_SEED=N takes the same ones again. Runs whose seeds follow each other take the
cases in turn, so that `ceil(cases / keep)` of them leave none out."""

import os
import secrets
from collections.abc import Iterable
from typing import TypeVar

SEED, WHOLE = "EHRC_SEED", "EHRC_ALL_CASES"
Case = TypeVar("Case")


class NotANumber(Exception):
    """EHRC_SEED must be a whole number: use the one that an earlier report printed, or leave it out."""


def begin(*, whole: bool) -> None:
    """Settle what this run and its workers take; a seed that was given stays."""
    os.environ.setdefault(SEED, str(secrets.randbelow(100_000)))
    if whole:
        os.environ[WHOLE] = "1"
    seed()


def seed() -> int:
    """For whatever else a test draws: histories, orders of steps, values. 0 outside a run."""
    text = os.environ.get(SEED, "0")
    if not text.isdecimal():
        raise NotANumber(NotANumber.__doc__)
    return int(text)


def is_whole() -> bool:
    """Whether this run leaves nothing for the night; so also where nothing was settled."""
    return SEED not in os.environ or WHOLE in os.environ


def rotating(cases: Iterable[Case], *, keep: int) -> list[Case]:
    """`keep` of the cases, spread over the whole list and in its order: for `parametrize`, or for a loop in a test."""
    every = list(cases)
    if is_whole() or keep >= len(every):
        return every
    places = {(seed() + each * len(every) // keep) % len(every) for each in range(keep)}
    return [case for place, case in enumerate(every) if place in places]


def headline() -> str:
    """What the report says, so that a run can be had again."""
    if is_whole():
        return f"cases: all of each family (seed {seed()})"
    return f"cases: a few of each large family, {SEED}={seed()} takes the same ones again, --nightly takes all"
