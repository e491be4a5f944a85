"""Processes that die and come back at once: `python -m tests.crash.again <settings> <steps as JSON>`.

The parent loads the app, once, and does nothing else; whatever works is a child of it, forked, which needs no second of
loading. So a run can afford many processes and many deaths of each. Which pid has which name stands in files: each is
killed, frozen and asked to stop by itself. Steps, in their order:

["run", name, words]      to its end, which must be a good one
["keep", name, words]     from now on; whichever way it ends, the next one takes its place
["touch", path]           tells others that we are so far
["wait", path]            until others are so far"""

import json
import os
import runpy
import signal
import sys
import time
from pathlib import Path
from types import FrameType

LOGS, PIDS, HAND = "EHRC_CRASH_LOGS", "EHRC_CRASH_PIDS", "EHRC_CRASH_HAND"
MOST_FAILURES = 20


class Parent:
    """Forks until it is told to stop."""

    def __init__(self) -> None:
        self.kept: dict[str, list[str]] = {}
        self.children: dict[int, str] = {}
        self.failures = 0
        self.stops = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.stops = True
        for child in list(self.children):
            os.kill(child, number)

    def take(self, act: str, *what: str | list[str]) -> None:
        name, words = str(what[0]), list(what[-1])
        if act == "run":
            _, status = os.waitpid(self.fork(name, words), 0)
            if status:
                sys.exit(f"{name} ended with {os.waitstatus_to_exitcode(status)}")
        elif act == "keep":
            self.kept[name] = words
            self.children[self.fork(name, words)] = name
        elif act == "touch":
            Path(name).touch()
        else:
            while not (Path(name).exists() or self.stops):
                time.sleep(0.02)

    def look_after(self) -> None:
        while self.children:
            pid, status = os.wait()
            name = self.children.pop(pid, "")
            self.failures += os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
            if self.failures > MOST_FAILURES:  # who is killed comes back; who gives up again and again needs a person
                sys.exit(f"{name} ended by itself, {self.failures} times")
            if name and not self.stops:
                self.children[self.fork(name, self.kept[name])] = name

    def fork(self, name: str, words: list[str]) -> int:
        child = os.fork()
        if child:
            return child
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setpgid(0, 0)  # its own children are reached with it, and its parent is not
        log = os.open(Path(os.environ[LOGS]) / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        new = Path(os.environ[PIDS]) / f"{name}.new"
        new.write_text(str(os.getpid()))
        new.replace(new.with_suffix(".pid"))
        if name == "web":  # whoever only answers pages is no hand: it never pauses
            os.environ.pop(HAND, None)
        if name == "migrate":
            as_owner()
        work(words)
        sys.stdout.flush()
        sys.exit(0)


def as_owner() -> None:
    """What the settings see to where the command stands in the words of the process."""
    import environ
    from django.conf import settings

    settings.DATABASES["default"].update(environ.Env().db_url("DATABASE_OWNER_URL"))


def work(words: list[str]) -> None:
    """As the interpreter would have been started with these words."""
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


def main(settings: str, steps: list[list[str | list[str]]]) -> int:
    # The app looks at these words while it is loaded, to see whether it is a worker.
    sys.argv = ["again", *(word for _, *what in steps for word in what[-1] if len(what) > 1)]
    os.environ["DJANGO_SETTINGS_MODULE"] = settings
    import django

    django.setup()
    if settings.startswith("tests."):
        from ehrcommerce.celery import app

        app.loader.import_default_modules()
    parent = Parent()
    signal.signal(signal.SIGTERM, parent.stop)
    for act, *what in steps:
        parent.take(str(act), *what)
    parent.look_after()
    return 0


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2])))
