"""The system of the proof: the databases, Redis and sandbox of a running one, with web, worker and sweeper of its own
that log down to DEBUG and write their files into a place that is searched afterwards."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.supervisor import Spec

OURS = ("web", "worker", "sweeper")
SETTINGS = "tests.minimization.site_settings"


def _spec(live: Live, name: str, place: Path, leaks: str) -> Spec:
    spec = live.site.process(name)
    env = {**spec.env, "DJANGO_SETTINGS_MODULE": SETTINGS, "TMPDIR": str(place), "EHRC_SEEDED_LEAKS": leaks}
    argv = list(spec.argv)
    if name == "web":
        # One process with more threads: it starts in half the time, and the machine may be busy.
        argv[argv.index("--workers") + 1] = "1"
        argv[argv.index("--threads") + 1] = "24"
    return replace(spec, env=env, argv=argv)


@contextmanager
def running(live: Live, place: Path, *, leaks: str = "") -> Iterator[None]:
    """In place of the usual three; the next test that asks for the running system gets those back."""
    place.mkdir(parents=True, exist_ok=True)
    for name in reversed(OURS):
        live.stop(name)
    live.supervisor.start(*(_spec(live, name, place, leaks) for name in OURS))
    try:
        yield
    finally:
        for name in reversed(OURS):
            live.stop(name)


def show_opened(live: Live) -> str:
    """All rows with their sealed values opened, by a command that runs in the app's own environment."""
    spec = live.site.command("command-show_opened", "show_opened")
    (said,) = live.supervisor.run(Spec(spec.name, [sys.executable, *list(spec.argv)[1:]], spec.env, cwd=spec.cwd))
    return said
