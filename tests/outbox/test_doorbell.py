"""A broker that is down or does not answer costs a caller about a second, once, and fails nobody (REL-P4, REL-F37)."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import time, django
from django.conf import settings
settings.configure(CELERY_BROKER_URL={url!r}, SECRET_KEY="x", INSTALLED_APPS=[])
django.setup()
from ehrcommerce.outbox import doorbell
for _ in range(3):
    began = time.monotonic()
    doorbell.ring("8f0e", "partner")
    print(round(time.monotonic() - began, 2))
"""


def took(url: str) -> list[float]:
    """How long three rings in a row took, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(url=url)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return [float(line) for line in done.stdout.split()]


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield listener.getsockname()[1]


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_broker_that_is_down() -> None:
    first, second, third = took(f"redis://127.0.0.1:{closed_port()}/0")
    assert first < 2
    assert second + third < 0.1  # left alone for a while


def test_a_broker_that_does_not_answer() -> None:
    began = time.monotonic()
    with silent() as port:
        first, second, third = took(f"redis://127.0.0.1:{port}/0")
    assert first < 2.5
    assert second + third < 0.1
    assert time.monotonic() - began < 30
