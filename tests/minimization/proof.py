"""One run of the canary proof: plant, drive, collect, search, judge."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Desk
from tests.minimization import collecting, paths, system, verdict
from tests.minimization.branches import JOURNEYS, LAST, LATER, Journey
from tests.minimization.driving import Drive
from tests.minimization.sentinels import Ledger
from tests.minimization.sinks import SINKS, STAFF
from tests.minimization.verdict import Found

# The EHR hands out whole resources whatever `_elements` asks: the projection has to do it alone.
KNOBS = {"elements": "ignore"}
MOST_SHOWN = 40
RAW = "database, raw"
# Elements that the table gives to somebody and that no sentinel can follow there, each with why.
UNSEEN: dict[tuple[str, str], str] = {
    ("MedicationRequest", "dosageInstruction.sequence"): "puts the steps in order, and is not said",
    ("Patient", "telecom.period.end"): "chooses the number, and is not said",
    ("Patient", "telecom.rank"): "chooses the number, and is not said",
    ("Patient", "id"): "becomes a handle",
    ("DeviceRequest", "parameter.code.text"): "passes only where it is a word of the list (size, side, count)",
    ("DeviceRequest", "parameter.code.coding.display"): "passes only as a word of the list, and where there is no text",
    ("MedicationRequest", "dispenseRequest.quantity.code"): "said only where there is no unit, and then a known one",
    ("Coverage", "payor.display"): "crosses the door, decides whether a plan can be asked, and is sent to nobody yet",
    ("Organization", "name"): "as above",
    ("Coverage", "relationship.coding.code"): "crosses the door and is sent to nobody yet",
    ("MedicationRequest", "dispenseRequest.expectedSupplyDuration.code"): "passes only where it says days or weeks",
}
# Sinks in which a good system leaves nothing.
MAY_BE_EMPTY = {"foreign origin", "log of web, DEBUG", "log of sweeper, DEBUG", "history of the admin", "carrier"}


@dataclass
class Outcome:
    """What one run found."""

    seed: int
    ledger: Ledger
    drive: Drive
    found: Found
    seconds: dict[str, float] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()  # sinks that this machine does not show us, and the reader is told

    def faults(self) -> list[str]:
        """Everything that fails the proof, in words."""
        missing = sorted(paths.every_path() - self.ledger.planted)
        unseen = sorted(set(verdict.must_arrive(self.ledger)) - set(self.found.arrived) - UNSEEN.keys())
        unasked = {f"admin pages: {role}" for role in set(STAFF) - set(self.drive.roles)}
        empty = sorted(set(self.found.empty) - MAY_BE_EMPTY - unasked - self.unread)
        leaks = [f"LEAK: {leak}" for leak in self.found.leaks]
        more = [f"... and {len(leaks) - MOST_SHOWN} more leaks"] if len(leaks) > MOST_SHOWN else []
        return [
            *(f"not planted: {resource}.{path}" for resource, path in missing),
            *(f"branch not driven: {name}: {why}" for name, why in self.drive.failed.items()),
            *(f"nothing was collected in: {name}" for name in empty),
            *leaks[:MOST_SHOWN],
            *more,
            *(f"allowed by the table and never seen anywhere: {resource}.{path}" for resource, path in unseen),
        ]

    def lines(self) -> dict[str, str]:
        """What was done, for a reader."""
        found, every = self.found, paths.every_path()
        beside = len(self.ledger.planted - every)
        held = len(SINKS) - len(found.empty)
        size = sum(found.searched.values()) / 1e6
        return {
            "Element paths planted": f"{len(every & self.ledger.planted):,} of {len(every):,}, and {beside:,} beside them",
            "Sentinels": f"{len(self.ledger.texts) + len(self.ledger.digits) + len(self.ledger.days):,}",
            "Sinks searched": f"{len(SINKS)}, {held} of them with something in it ({size:.1f} MB)",
            "Branches driven": f"{len(self.drive.branches)}",
            "Elements that arrived where they may": f"{len(found.arrived)}",
            "Leaks": f"{len(found.leaks)}",
            **{f"Not read: {name}": "the server was given to us" for name in sorted(self.unread)},
        }


def run(
    live: Live,
    desk: Desk,
    place: Path,
    *,
    seed: int,
    server_log: Path | None = None,
    leaks: str = "",
    journeys: Sequence[Journey] = JOURNEYS,
    later: Sequence[Journey] = LATER,
    last: Sequence[Journey] = LAST,
    only: Collection[str] = (),
    roles: tuple[str, ...] = STAFF,
    say: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """All of it on a system that is prepared. Leaves the system without web, worker and sweeper. `only` are the sinks that
    are searched, where not all are."""
    seconds: dict[str, float] = {}
    ledger = Ledger(seed)
    drive = Drive(live, desk, ledger, say=say, roles=roles)
    begun = {name: _size(live.log_path(name)) for name in collecting.LOGS}
    log_begun, since, clock = _size(server_log), desk.mark(), time.monotonic()
    with system.running(live, place, leaks=leaks):
        seconds["start"] = time.monotonic() - clock
        desk.call("POST", "/control/knobs", KNOBS)
        try:
            with collecting.monitored(live.redis_url, drive.basin):
                drive.run(*journeys)
                drive.run(*later)
                collecting.health(live.app_url, drive.basin)
                collecting.redis_keys(live.redis_url, drive.basin)
                drive.run(*last)
        finally:
            desk.call("DELETE", "/control/knobs")
        seconds["drive"] = time.monotonic() - clock - seconds["start"]
    clock = time.monotonic()
    if not only or RAW in only:
        collecting.raw_tables(live.owner_url, drive.basin)
    collect(drive, since=since, begun=begun, place=place, server_log=server_log, log_begun=log_begun)
    seconds["collect"] = time.monotonic() - clock
    clock = time.monotonic()
    found = verdict.search(drive.basin, ledger, only=only)
    seconds["search"] = time.monotonic() - clock
    say("  ".join(f"{name} {spent:.1f} s" for name, spent in seconds.items()))
    return Outcome(seed, ledger, drive, found, seconds, collecting.unread(server_log))


def collect(
    drive: Drive, *, since: int, begun: dict[str, int], place: Path, server_log: Path | None, log_begun: int
) -> None:
    """Everything that lies still once the processes have ended."""
    live, basin = drive.live, drive.basin
    collecting.console(drive.console, basin)
    collecting.journals(drive.desk, since, basin)
    collecting.messages(drive.desk, basin)
    collecting.logs(live, begun, basin)
    collecting.files(place, basin)
    if server_log is not None:
        collecting.server_log(server_log, log_begun, basin)


def _size(path: Path | None) -> int:
    return path.stat().st_size if path and path.exists() else 0
