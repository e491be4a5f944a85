"""No page waits for its log, and none falls with it: the disk of the log may be full, and whoever reads it may stand
still. What is lost is counted. [REL-F60, F61]"""

import os
import subprocess
import sys

import pytest
from django.test import Client

from tests.house.test_boot import ENVIRONMENT, ROOT

# More than any pipe holds, then a page, then how many lines were lost.
TALKS = """
import logging
from ehrcommerce.wsgi import application
from django.test import Client
from ehrcommerce.settings.logs import lost_lines
for number in range(12000):
    logging.getLogger("ehrcommerce").warning("line %s %s", number, "x" * 60)
answer = Client(headers={"Host": "clinic.example"}).get("/healthz", secure=True)
print(answer.status_code, lost_lines(), flush=True)
"""


def talk(err: int) -> tuple[str, int]:
    """The page's status and the number of lost lines of a process that writes much, with this as its stderr."""
    base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    words = [sys.executable, "-W", "ignore", "-c", TALKS]
    done = subprocess.run(
        words, cwd=ROOT, env={**base, **ENVIRONMENT}, stdout=subprocess.PIPE, stderr=err, text=True, timeout=60
    )
    status, _, lost = done.stdout.strip().rpartition(" ")
    return status, int(lost)


def test_a_log_that_nobody_reads_makes_no_page_wait() -> None:
    reads, writes = os.pipe()
    try:
        status, lost = talk(writes)
        os.close(writes)
        with os.fdopen(reads, "rb", closefd=False) as log:
            heard = log.read()
    finally:
        os.close(reads)
    assert status == "200"
    assert lost > 1000
    # What was heard before the standstill is whole and in its order.
    assert [line.split()[5] for line in heard.splitlines()[:100]] == [str(number).encode() for number in range(100)]


def test_a_full_disk_under_the_log_takes_no_page_along() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        assert talk(full) == ("200", 12000)
    finally:
        os.close(full)


def test_what_gets_through_again_says_what_was_lost(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import logging

    from ehrcommerce.settings import logs

    handler, line = logs.Unhurried(), logging.makeLogRecord({"msg": "a line"})
    with monkeypatch.context() as still:
        still.setattr(logs, "_write_now", lambda line: 0)
        still.setattr(logs, "WAITING", 3)
        for _ in range(5):
            handler.handle(line)
    handler.handle(line)
    handler.flush()
    assert capfd.readouterr().err.splitlines() == ["a line", "2 log lines were lost", *["a line"] * 3]


@pytest.mark.django_db
def test_a_monitor_sees_the_number() -> None:
    assert "\nehrc_log_lines_lost 0\n" in Client().get("/metrics").content.decode()
