"""How the harness speaks with the processes: by files in one directory, so that nothing has to be started anew.

armed/<point>@<hit>   whoever reaches it first dies there; the file's text, if any, is the subject that is meant
fired/<point>         who died, when, with which effect in hand
reached.log           every point that any process ever passed
bugs.json             {bug or fault: [subjects]}
paused                while it is there, workers and sweepers claim nothing
usual                 while it is there, sweepers leave as much time to the doorbell as in life
rang.log              every bell that rang within a transaction: its effect
rounds.log            one byte for each time that a sweeper looked"""

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

PLACE = "EHRC_CRASH_PLACE"
HAND = "EHRC_CRASH_HAND"  # set for workers and sweepers
# Where the EHR of these tests may tell of changes, and how it proves itself.
HOOK, HOOK_SECRET, HOOK_HEADER = "6b1f6f0e-57b4-4d0c-9a53-0c1b7f1f3a11", "told-by-the-ehr-of-these-tests", "X-Told-By"
PAUSED, USUAL = "paused", "usual"
ONCE = "EHRC_CRASH"  # name:hit, for one process that a person starts by hand
_passed: set[str] = set()
_counted: dict[str, int] = {}
_lock = threading.Lock()
_bugs: dict[str, Any] = {"at": 0, "on": {}}


class Now(threading.local):
    """What this thread has in hand."""

    subject = ""
    key: str | None = None


now = Now()


def place() -> Path:
    return Path(os.environ.get(PLACE, "/nonexistent"))


def hit(name: str, effect: str = "") -> None:
    """This thread stands at a point."""
    with _lock:
        first = name not in _passed
        _passed.add(name)
        _counted[name] = _counted.get(name, 0) + 1
    if first and place().is_dir():
        with (place() / "reached.log").open("a") as log:
            log.write(f"{name}\n")
    wanted, _, number = os.environ.get(ONCE, "").rpartition(":")
    if wanted == name and int(number) == _counted[name]:
        os.kill(os.getpid(), signal.SIGKILL)
    _fire(name, effect)


def _fire(name: str, effect: str) -> None:
    armed = place() / "armed"
    try:
        meant = (armed / f"{name}@1").read_text()
    except OSError:
        _come_closer(armed, name)
        return
    if meant and meant not in now.subject:
        return
    try:
        os.rename(armed / f"{name}@1", place() / "fired" / f"{name}.taken")
    except OSError:
        return  # another process was first
    facts = {"name": name, "at": time.time(), "effect": effect, "pid": os.getpid()}
    (place() / "fired" / f"{name}.part").write_text(json.dumps(facts))
    os.replace(
        place() / "fired" / f"{name}.part", place() / "fired" / f"{name}.json"
    )  # who reads meanwhile reads it whole
    os.kill(os.getpid(), signal.SIGKILL)


def _come_closer(armed: Path, name: str) -> None:
    """The second hit becomes the first."""
    try:
        os.rename(armed / f"{name}@2", armed / f"{name}@1")
    except OSError:
        return


def is_paused() -> bool:
    return HAND in os.environ and (place() / PAUSED).exists()


def count_round() -> None:
    if place().is_dir():
        with (place() / "rounds.log").open("ab") as log:
            log.write(b".")


def note_early_bell(effect_id: str) -> None:
    with (place() / "rang.log").open("a") as log:
        log.write(f"{effect_id}\n")


def is_on(bug: str, subject: str = "") -> bool:
    """Whether this mistake is made for what this thread has in hand."""
    path = place() / "bugs.json"
    try:
        at = path.stat().st_mtime_ns
    except OSError:
        return False
    if at != _bugs["at"]:
        _bugs["on"], _bugs["at"] = json.loads(path.read_text()), at
    meant = _bugs["on"].get(bug, ())
    return any(one in (subject or now.subject) for one in meant)
