"""`manage.py bench [part ...]`: private servers, the app beside a reference, a table of goals. No network."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from ehrcommerce.workbench import binaries
from ehrcommerce.workbench.bench.registry import ORDER, PARTS, Row
from ehrcommerce.workbench.bench.system import QUICK_SECONDS, Bench
from ehrcommerce.workbench.bench.table import machine, table, verdicts, words_of, write
from ehrcommerce.workbench.demo import Stopped, stopped_by_signals
from ehrcommerce.workbench.environment import ROOT, say
from ehrcommerce.workbench.supervisor import ChildFailed, PortTaken

ROUNDS = 5
MOST_ROUNDS, MOST_SECONDS = 50, 4 * 3600


def known() -> list[str]:
    """The parts that this checkout has, each a module beside this one, in their order."""
    for name in ORDER:
        if Path(__file__).with_name(f"{name}_part.py").exists():
            import_module(f"ehrcommerce.workbench.bench.{name}_part")
    return [name for name in ORDER if name in PARTS]


def parse(arguments: list[str]) -> argparse.Namespace:
    names = known()
    lines = "\n".join(f"  {name:<13}{PARTS[name].title}" for name in names)
    parser = argparse.ArgumentParser(
        prog="manage.py bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure the app beside a reference, on servers of this run alone, without a network.",
        epilog=f"parts:\n{lines}\n\nExit code 0: all goals of what was run hold; 1: one falls short; 2: nothing was run.",
    )  # fmt: skip
    parser.add_argument("part", nargs="*", default=["all"], metavar="part", help=f"all, or some of: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"turns of each comparison ({ROUNDS})")
    parser.add_argument(
        "--seconds", type=int, default=QUICK_SECONDS, metavar="N", help=f"length of a load ({QUICK_SECONDS})"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as well")
    parser.add_argument("--large", action="store_true", help="10^7 rows and loads of ten minutes; takes hours")
    asked = parser.parse_args(arguments)
    strange = [name for name in asked.part if name not in (*names, "all")]
    if strange:
        parser.error(f"no part is named {', '.join(map(repr, strange))}: choose among all, {', '.join(names)}.")
    if not 1 <= asked.rounds <= MOST_ROUNDS:
        parser.error(f"--rounds takes a number from 1 to {MOST_ROUNDS}.")
    if not 1 <= asked.seconds <= MOST_SECONDS:
        parser.error(f"--seconds takes a number from 1 to {MOST_SECONDS}.")
    if asked.json is not None and (asked.json.is_dir() or not asked.json.absolute().parent.is_dir()):
        parser.error(f"--json: {asked.json} is not a file in a folder that exists.")
    asked.part = names if "all" in asked.part else [name for name in names if name in asked.part]
    return asked


def main(arguments: list[str]) -> int:
    asked = parse(arguments)
    rows: list[Row] = []
    try:
        with stopped_by_signals(), Bench(rounds=asked.rounds, large=asked.large, seconds=asked.seconds) as bench:
            began = time.monotonic()
            told = machine(bench.versions())
            print(f"bench {' '.join(asked.part)}: {words_of(told)}\n", flush=True)
            for name in asked.part:
                rows += run(name, bench)
            report(rows, told, asked.json, time.monotonic() - began)
    except Stopped:
        say("Stopped: nothing was measured to its end.")
        return 2
    except (PortTaken, binaries.ServerNotFound, ChildFailed) as problem:
        say(str(problem))
        return 2
    return 1 if any(row.holds is False for row in rows) else 0


def run(name: str, bench: Bench) -> list[Row]:
    """One part, its rows told as soon as they are there."""
    began, load = time.monotonic(), bench.load_average()
    say(f"[{name}] {PARTS[name].title} (load average {load:.1f}) ...")
    rows = [replace(row, part=name, load=load) for row in PARTS[name].run(bench)]
    say(f"[{name}] {time.monotonic() - began:.0f} s; {verdicts(rows)}")
    return rows


def report(rows: Sequence[Row], told: dict[str, object], file: Path | None, seconds: float) -> None:
    print(table(rows))
    print(f"\n{verdicts(rows)} {seconds:.0f} s.")
    if file is not None:
        write(file, rows, told)
        print(f"Written to {shown(file)}.")


def shown(file: Path) -> Path:
    return file.relative_to(ROOT) if file.is_absolute() and file.is_relative_to(ROOT) else file


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
