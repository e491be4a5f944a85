"""`python3 manage.py prove_reliability [--nightly] [--seed N] [--shard K/N] [--write]`: kills, faults and mistakes on real
processes, and then the table of what was promised and what was counted.

Without --nightly: a quarter of the crash points and five of the seeded bugs, which the seed chooses. Ends with 1 where an
invariant does not hold; its journals are kept, and named."""

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from ehrcommerce.workbench import promises
from ehrcommerce.workbench.environment import ROOT, say
from ehrcommerce.workbench.rotation import SEED, seed

WHERE = "EHRC_PROOF_FILE"
SHARD = "EHRC_PROOF_SHARD"
PAGE = ROOT / "docs" / "reliability.md"
# What the harness itself proves, in the order of the table.
ROWS = (
    ("kills", "processes killed at named places"), ("faults", "faults on the wires"),
    ("bugs", "seeded bugs"), ("no_redis", "a whole order without Redis"),
    ("deploys", "replaced while people buy"),
)  # fmt: skip


def main(arguments: list[str]) -> int:
    asked = parse(arguments)
    if asked.write:
        PAGE.write_text(promises.page(ROOT / "tests"))
        say("docs/reliability.md says what the tests say.")
        return 0
    if asked.seed is not None:
        os.environ[SEED] = str(asked.seed)
    if asked.nightly:
        os.environ[SHARD] = asked.shard
        place = shard_place(asked)
    else:
        place = Path(tempfile.mkdtemp(prefix="prove-reliability-"))
    os.environ[WHERE] = str(place / "told.jsonl")
    began = time.monotonic()
    words = ["tests/crash", "-q", "--no-header", "-p", "no:cacheprovider", *(["--nightly"] if asked.nightly else [])]
    code = int(pytest.main(words))
    told = read(place / "told.jsonl")
    verdict = {pytest.ExitCode.OK: "PROVED", pytest.ExitCode.INTERRUPTED: "STOPPED"}.get(pytest.ExitCode(code), "FAILED")
    print(table(told, seconds=time.monotonic() - began, verdict=verdict))
    if code:
        night = f" --nightly --shard {asked.shard}" if asked.nightly else ""
        then = "To go on" if verdict == "STOPPED" and asked.nightly else "Again"
        print(f"Journals and logs: {place}\n{then}: python3 manage.py prove_reliability --seed {seed()}{night}")
    return 1 if code else 0


def shard_place(asked: argparse.Namespace) -> Path:
    """Where a shard of a night writes what it did: the same words after a kill go on where they were, round by round."""
    if SEED not in os.environ:
        os.environ[SEED] = str(secrets.randbelow(100_000))
    place = ROOT / ".prove" / f"night-{seed()}-{asked.shard.replace('/', 'of')}"
    place.mkdir(parents=True, exist_ok=True)
    done = len(read(place / "told.jsonl"))
    say(
        f"Seed {seed()}, shard {asked.shard}"
        + (f": goes on after {done} lines of an earlier run" if done else "")
        + f". To go on after a stop: prove_reliability --nightly --seed {seed()} --shard {asked.shard}"
    )
    return place


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="manage.py prove_reliability", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--nightly", action="store_true", help="every crash point, fault and bug, many times")
    parser.add_argument("--seed", type=int, metavar="N", help="take the same places and mistakes as an earlier run")
    parser.add_argument("--shard", default="1/1", metavar="K/N", help="one of N parts of the night; can be repeated")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md and do nothing else")
    return parser.parse_args(arguments)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(told: list[dict[str, Any]], *, seconds: float, verdict: str) -> str:
    """What a stranger reads: one line for each kind of trouble, then the sums."""

    def total(name: str, rows: list[dict[str, Any]]) -> int:
        return sum(int(row.get(name, 0)) for row in rows)

    lines = [
        "",
        f"prove_reliability, seed {seed()}",
        "",
        f"{'trouble':36} {'rounds':>6} {'orders':>6} {'hits':>6}  result",
    ]
    for what, words in ROWS:
        rows = [row for row in told if row["what"] == what]
        if not rows:
            lines.append(f"{words:36} {'-':>6} {'-':>6} {'-':>6}  not run")
            continue
        hits = total("kills", rows) + total("faults", rows) + total("seeded", rows) + total("replaced", rows)
        said = f"{total('caught', rows)} of {total('seeded', rows)} caught" if what == "bugs" else _lost(rows)
        lines.append(f"{words:36} {len(rows):>6} {total('orders', rows):>6} {hits:>6}  {said}")
    honest = [row for row in told if row["what"] != "bugs"]
    longest = max((float(row.get("recovery_s", 0)) for row in honest), default=0.0)
    lines += [
        "", f"orders {total('orders', honest)}, kills {total('kills', honest)}, faults {total('faults', honest)}: "
        f"lost {total('lost', honest)}, doubled {total('doubled', honest)}, ledger difference "
        f"{total('ledger_difference_cents', honest)} cents, longest recovery {longest:.1f} s",
        *_claims(),
        f"{verdict} in {seconds:.0f} s on {os.cpu_count()} cores, Python {sys.version.split()[0]}",
    ]  # fmt: skip
    return "\n".join(lines)


def _lost(rows: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{name.partition('_')[0]} {sum(int(row.get(name, 0)) for row in rows)}"
        for name in ("lost", "doubled", "ledger_difference_cents")
    )


def _claims() -> list[str]:
    """How much of the list has a test, and what is not claimed."""
    proven = promises.proofs(ROOT / "tests")
    lines = []
    for title, codes in (("promises", promises.PROMISES), ("faults", promises.FAULTS)):
        missing = [code for code in codes if code not in proven]
        lines.append(
            f"{len(codes) - len(missing)} of {len(codes)} {title} have a test (docs/reliability.md); not built: "
            f"{', '.join(missing) or 'none'}"
        )
    return lines
