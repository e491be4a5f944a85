"""The proof: every path, every sink, every branch; no sentinel where the table does not let it. And the other way: leaks
that are made on purpose are all caught. [SEC-3.4]"""

from functools import partial
from pathlib import Path

import pytest

from ehrcommerce.workbench import rotation
from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Desk
from tests.minimization import collecting, proof
from tests.minimization.branches import a_sale_that_leaks
from tests.minimization.conftest import Tell
from tests.minimization.office import only_the_rows, staff_are_hired, staff_at_their_pages
from tests.minimization.seeded.leaks import LEAKS
from tests.minimization.sinks import OPENED, STAFF

ROLES, SEEDED = 2, 5
COLUMN = "ALTER TABLE offers_offer {} seeded_leak{}"


def test_nothing_leaves_the_chart_but_what_the_table_names(
    prepared: Live, desk: Desk, tmp_path: Path, server_log: Path | None, tell: Tell
) -> None:
    roles = tuple(rotation.rotating(STAFF, keep=ROLES))
    outcome = proof.run(
        prepared,
        desk,
        tmp_path / "files",
        seed=rotation.seed(),
        server_log=server_log,
        roles=roles,
        say=partial(print, flush=True),
    )
    for what, value in outcome.lines().items():
        tell(what, value)
        print(f"{what}: {value}")
    if faults := outcome.faults():
        pytest.fail("\n".join(faults), pytrace=False)


def test_leaks_that_were_made_on_purpose_are_caught(
    prepared: Live, desk: Desk, tmp_path: Path, server_log: Path | None, tell: Tell
) -> None:
    seen = [leak for leak in LEAKS if not set(leak.sinks) <= collecting.unread(server_log)]
    seeded = rotation.rotating(seen, keep=SEEDED)
    wanted = {sink for leak in seeded for sink in leak.sinks}
    needs_admin = any(leak.needs_admin for leak in seeded)
    collecting.rows(prepared.owner_url, COLUMN.format("ADD COLUMN", " text") + " DEFAULT NULL", fetch=False)
    try:
        outcome = proof.run(
            prepared, desk, tmp_path / "files", seed=rotation.seed() + 1_000_000, server_log=server_log,
            leaks="|".join(leak.name for leak in seeded), roles=("administrator",), say=partial(print, flush=True),
            journeys=(a_sale_that_leaks, *((staff_are_hired,) if needs_admin else ())),
            later=(staff_at_their_pages,) if needs_admin else (), last=(only_the_rows,) if wanted & OPENED else (),
            only=wanted,
        )  # fmt: skip
    finally:
        collecting.rows(prepared.owner_url, COLUMN.format("DROP COLUMN", ""), fetch=False)
    found = {(leak.mark.resource, leak.mark.path, leak.sink) for leak in outcome.found.leaks}
    missed = [leak.name for leak in seeded if not any((leak.resource, leak.path, sink) in found for sink in leak.sinks)]
    tell("Leaks made on purpose, caught", f"{len(seeded) - len(missed)} of {len(seeded)}")
    if missed or outcome.drive.failed:
        pytest.fail(
            "\n".join([*(f"not caught: {name}" for name in missed), *outcome.drive.failed.values()]), pytrace=False
        )


def test_there_are_at_least_25_leaks_and_each_leaks_something_of_its_own() -> None:
    assert len(LEAKS) >= 25
    assert len({leak.name for leak in LEAKS}) == len({(leak.resource, leak.path) for leak in LEAKS}) == len(LEAKS)
