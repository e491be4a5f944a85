"""The system of the proof: the databases, Redis and sandbox of a running one, with web, worker and sweeper of its own
that log down to DEBUG and write their files into a place that is searched afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ehrcommerce.workbench.live import OURS, Live
from ehrcommerce.workbench.supervisor import Spec

# What stands in for a log file of the console: it shows everything, so it is no place where anything was left.
CONSOLE = "command-console"
TYPED = """
from django.core.management import call_command
for words in {commands!r}:
    name, *rest = words.split()
    call_command(name, *rest)
    print("DONE", words, flush=True)
"""
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
    """In place of the usual three, should they run; the next test that asks for the running system gets those back."""
    place.mkdir(parents=True, exist_ok=True)
    for name in reversed(OURS):
        live.stop(name)
    live.supervisor.start(*(_spec(live, name, place, leaks) for name in OURS))
    try:
        yield
    finally:
        for name in reversed(OURS):
            live.stop(name)


def console(live: Live, *commands: str) -> list[str]:
    """What an operator types, one after the other in one process of the app's own environment: a start of the app costs
    more than any of them. The lines that they said; `DONE <command>` ends each."""
    typed = live.site.command(CONSOLE, "shell", "-v", "0", "-c", TYPED.format(commands=commands))
    (said,) = live.supervisor.run(typed)
    return said.splitlines()
