"""What the clinic's own people do: the staff at the pages of the back office, an operator at the console."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tests.minimization import desks, system
from tests.minimization.driving import Drive, Stopped

SHOW = "show_opened"


def staff_are_hired(drive: Drive) -> None:
    """While the journeys go on: the accounts with which the back office is walked afterwards."""
    with drive.branch("staff accounts made"):
        drive.staff = desks.make_staff(drive.live, drive.roles)


def staff_at_their_pages(drive: Drive) -> None:
    """Each role walks the back office."""

    def walk(role: str) -> None:
        with suppress(Stopped), drive.branch(f"admin pages of {role}"):
            pages = desks.walk(drive, role, drive.staff[role])
            assert pages > 3, pages

    with ThreadPoolExecutor(2, thread_name_prefix="staff") as pool:
        list(pool.map(walk, drive.roles))


def clerks_at_the_console(drive: Drive) -> None:
    """What an operator types: retention and purge, the audit's check. Then the rows as the proof reads them, by the same
    console."""
    with drive.branch("retention and purge", "audit verified", "all rows opened"):
        drive.console = system.console(drive.live, "sweeper --once", "verify_audit", SHOW)
        done = {line.removeprefix("DONE ") for line in drive.console if line.startswith("DONE ")}
        assert done == {"sweeper --once", "verify_audit", SHOW}, done


def only_the_rows(drive: Drive) -> None:
    with drive.branch("all rows opened"):
        drive.console = system.console(drive.live, SHOW)
