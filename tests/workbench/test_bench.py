"""The bench's own words: its arguments, its table, its clocks. What it measures is not asserted here: times differ."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ehrcommerce.workbench.bench import main, processes, registry, table
from ehrcommerce.workbench.bench.registry import Row, least, most


def test_all_means_every_part_and_parts_come_in_their_order() -> None:
    names = main.known()
    assert main.parse([]).part == main.parse(["all"]).part == names
    assert main.parse(["memory", names[0]]).part == list(dict.fromkeys([names[0], "memory"]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["lunch"], "no part is named 'lunch': choose among all, "),
        (["--rounds", "0"], "--rounds takes a number from 1 to 50."),
        (["--rounds", "many"], "invalid int value"),
        (["--seconds", "0"], "--seconds takes a number"),
        (["--json", "/nowhere/at/all.json"], "is not a file in a folder that exists"),
        (["--json", "/"], "is not a file in a folder that exists"),
        (["--lagre"], "unrecognized arguments: --lagre"),
    ],
)
def test_a_strange_argument_is_named(given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main.parse(given)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_a_goal_holds_or_falls_short_by_its_figure() -> None:
    assert most("L1", "depth", 2, 2).verdict == least("P1", "share", 0.7, 0.7).verdict == registry.HOLDS
    assert most("L1", "depth", 3, 2).verdict == least("P1", "share", 0.69, 0.7).verdict == registry.SHORT
    assert Row("M1", "sweeper", "90 MB").verdict == registry.SEEN
    rows = [most("L1", "depth", 3, 2), most("L2", "requests", 4, 6), Row("M1", "sweeper", "90 MB")]
    assert table.verdicts(rows) == "1 of 2 goals hold; fall short: L1 (depth)."
    assert table.verdicts(rows[1:]) == "1 of 1 goals hold."


def test_a_part_has_one_name_of_the_list() -> None:
    main.known()
    with pytest.raises(ValueError, match="one name of"):
        registry.part("memory", "again")(lambda _: [])
    with pytest.raises(ValueError, match="one name of"):
        registry.part("lunch", "not in the list")(lambda _: [])


def test_the_table_and_the_file_say_the_same(tmp_path: Path) -> None:
    row = most("P1", "CPU of a link page", 1.234, 1.3, "ms", reference="1.00 ms", ratio=1.234, part="link", note="warm")
    lines = table.table([row]).splitlines()
    assert lines[0].split() == [*table.HEADS, "verdict"]
    assert " ".join(lines[-2].split()) == "P1 CPU of a link page 1.23 ms <= 1.30 ms 1.00 ms 1.23 holds"
    assert lines[-1].strip() == "warm"
    table.write(tmp_path / "out.json", [row], {"cores": 2})
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["machine"] == {"cores": 2}
    assert told["rows"][0]["verdict"] == "holds"


@pytest.mark.parametrize(
    ("value", "said"), [(3.0, "3"), (0.123, "0.12"), (12.34, "12.3"), (1234.5, "1234"), (-0.5, "-0.50")]
)
def test_a_figure_has_as_many_digits_as_say_something(value: float, said: str) -> None:
    assert registry.figure(value) == said


def test_the_clocks_see_what_a_child_spent_after_it_has_ended() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    with processes.cost(here=os.getpid()) as spent:
        subprocess.run([sys.executable, "-c", burn], check=True, timeout=60)
    assert spent.cpu["here"] >= 0.25
    assert spent.ms("here", 10) >= 25
    assert os.getpid() in processes.tree(os.getppid())
    assert processes.pss_mb(os.getpid()) > 10


def test_medians_and_shares() -> None:
    assert processes.median([3.0, 1.0, 2.0]) == processes.share([3.0, 1.0, 2.0], 0.5) == 2.0
    assert processes.share([float(value) for value in range(100)], 0.95) == 95
    assert processes.median([]) == processes.share([], 0.5) == 0.0
