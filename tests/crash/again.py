"""A process that dies and comes back at once: `python -m tests.crash.again -m celery ...` or `... manage.py sweeper`.

The parent loads the app and does nothing else; what works is a child of it, forked. Whichever way the child dies, the next
one needs no second of loading, so that a run can afford many deaths. Both are one process group: who kills that, as
kill -9 of the service would, kills both, and the nurse begins anew."""

import os
import runpy
import signal
import sys
from types import FrameType


class Parent:
    """Forks until it is told to stop, or until its child ends by itself."""

    def __init__(self, words: list[str]) -> None:
        self.words, self.child, self.stops = words, 0, False

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.stops = True
        if self.child:
            os.kill(self.child, number)

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self.stop)
        while not self.stops:
            self.child = os.fork()
            if self.child == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                work(self.words)
                return 0
            _, status = os.waitpid(self.child, 0)
            if not os.WIFSIGNALED(status):
                return os.waitstatus_to_exitcode(status)
        return 0


def work(words: list[str]) -> None:
    """As the interpreter would have been started with these words."""
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


def main(words: list[str]) -> int:
    # The app looks at these words while it is loaded, to see whether it is a worker.
    sys.argv = ["again", *words]
    import django

    django.setup()
    from ehrcommerce.celery import app

    app.loader.import_default_modules()
    return Parent(words).run()


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    sys.exit(main(sys.argv[1:]))
