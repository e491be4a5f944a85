"""The first and the last step of the proof alone, for a staging system that its own people drive: write charts full of
sentinels with a ledger of what stands where, and later search what that system left behind."""

import argparse
import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.minimization import charts, collecting, refusals, verdict
from tests.minimization.charts import Plan
from tests.minimization.sentinels import Ledger
from tests.minimization.sinks import BY_NAME, Basin

PLANS = (
    Plan("A", dense=True),
    Plan("B", variant=1),
    Plan("C", variant=2),
    Plan("D", variant=3),
    Plan("R", ("device",), extra=(*refusals.ORDERS, *refusals.MEDICINES, *refusals.OTHERS)),
    *(plan for plan, _, _ in refusals.charts()),
)


def main(options: argparse.Namespace, seed: int) -> int:
    return write(options.charts, seed) if options.charts else search(options)


def write(place: Path, seed: int) -> int:
    """One Bundle for each chart, as transactions of PUTs, and the ledger beside them."""
    place.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(seed)
    for plan in PLANS:
        made = charts.chart(ledger, plan)
        entries = [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in made.resources
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        name = plan.name.replace(": ", "-").replace(" ", "-")
        (place / f"chart-{name}.json").write_text(json.dumps(bundle, ensure_ascii=False))
        print(f"chart-{name}.json: Patient/{made.patient}, born {made.born}, phone {made.phone or 'none'}")
    (place / "ledger.json").write_text(json.dumps({"seed": seed}))
    print(f"ledger.json: seed {seed}, {len(ledger.planted):,} paths. Load the charts, drive your journeys, then:")
    print(f"  python3 manage.py prove_minimization --search {place / 'ledger.json'} --database-url ... --files ...")
    return 0


@cache
def planted(seed: int) -> Ledger:
    """The ledger of a seed: charts are made the same way each time. Nobody adds to it."""
    ledger = Ledger(seed)
    for plan in PLANS:
        charts.chart(ledger, plan)
    return ledger


def search(options: argparse.Namespace) -> int:
    """Exit code 1 where an element lies in a place that the table does not allow, or nothing was searched."""
    ledger, basin = planted(int(json.loads(options.search.read_text())["seed"])), Basin()
    steps: list[Callable[[], None]] = []
    if options.database_url:
        steps.append(lambda: collecting.raw_tables(options.database_url, basin))
    if options.redis_url:
        steps.append(lambda: collecting.redis_keys(options.redis_url, basin))
    for wish in options.files:
        sink, _, path = str(wish).partition("=")
        if sink not in BY_NAME or not Path(path).exists():
            print(f"{wish}: say SINK=PATH with a sink of {', '.join(BY_NAME)}", file=sys.stderr)
            return 2
        steps.append(lambda sink=sink, path=Path(path): _files(basin, sink, path))  # type: ignore[misc]
    for step in steps:
        step()
    found = verdict.search(basin, ledger)
    for name, size in found.searched.items():
        if size:
            print(f"{name + ' ':.<44} {size / 1e6:.2f} MB")
    print(f"{'Elements that arrived where they may ':.<44} {len(found.arrived)}")
    print(f"{'Leaks ':.<44} {len(found.leaks)}")
    for leak in found.leaks:
        print(f"LEAK: {leak}")
    nothing = not any(found.searched.values())
    if nothing or not found.arrived:
        print("NOT PROVED: nothing was searched, or no sentinel was found anywhere: were the charts driven?")
    return 1 if found.leaks or nothing or not found.arrived else 0


def _files(basin: Basin, sink: str, path: Path) -> None:
    for one in [path] if path.is_file() else sorted(path.rglob("*")):
        if one.is_file():
            basin.keep(sink, one.read_bytes(), where=one.name)
