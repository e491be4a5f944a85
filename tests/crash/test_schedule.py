"""A seed rebuilds what a run does: which places, mistakes and lies are taken, in which order, and with which pauses."""

from itertools import islice
from pathlib import Path

import pytest

from ehrcommerce.workbench.rotation import SEED, WHOLE, rotating
from tests.crash.nemesis import schedule
from tests.crash.registry import BUGS, POINTS
from tests.crash.test_kills import rounds
from tests.crash.test_wires import CASES
from tests.crash.told import SHARD, WHERE, done_before, in_shard, tell

ACTS = ("one", "two", "three", "four", "five")


def run(seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """All that a default run with this seed draws."""
    monkeypatch.delenv(WHOLE, raising=False)
    monkeypatch.delenv(SHARD, raising=False)
    monkeypatch.setenv(SEED, str(seed))
    return (
        rounds(nightly=False), rotating(BUGS, keep=5), rotating(CASES, keep=5), list(islice(schedule(ACTS, seed), 40)),
    )  # fmt: skip


def test_the_same_seed_gives_the_same_schedule_and_another_another(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(7, monkeypatch) == run(7, monkeypatch)
    seven, eight = run(7, monkeypatch), run(8, monkeypatch)
    assert all(one != other for one, other in zip(seven, eight, strict=True))


def test_no_act_of_the_nemesis_is_left_out() -> None:
    assert {name for _, name in islice(schedule(ACTS, 3), len(ACTS))} == set(ACTS)


def test_a_shard_that_was_stopped_goes_on_after_the_rounds_that_it_came_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WHERE, str(tmp_path / "told.jsonl"))
    assert done_before() == set()
    tell("kills", orders=5, round="kills 0")
    tell("faults", orders=4)
    tell("kills", orders=5, round="kills 1")
    assert done_before() == {"kills 0", "kills 1"}


def test_the_shards_of_a_night_are_the_night_and_each_place_dies_at_both_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHARD, "1/1")
    whole = rounds(nightly=True)
    parts, taken = [], list[int]()
    for number in (1, 2, 3):
        monkeypatch.setenv(SHARD, f"{number}/3")
        parts += rounds(nightly=True)
        taken += [index for index in range(7) if in_shard(index)]
    assert sorted(taken) == list(range(7))
    assert sorted(map(repr, parts)) == sorted(map(repr, whole))
    assert {(name, hit) for armed, hit in whole for name in armed} == {(name, hit) for name in POINTS for hit in (1, 2)}
