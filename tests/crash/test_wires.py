"""Wires that lie: answers that get lost, cut, doubled or delayed between us and our partners, and commits whose answer
never comes. [REL-P6, F5, F6, F16, F42]"""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import pytest

from ehrcommerce.workbench.rotation import rotating
from tests.crash.nemesis import Nemesis
from tests.crash.people import Buyer, until
from tests.crash.proxy import KINDS, Proxy
from tests.crash.test_kills import buy, judge
from tests.crash.told import done_before, in_shard, tell
from tests.crash.town import Town
from tests.journeys.cast import Desk
from tests.journeys.database import Database

# What is hit, by the first line of its request.
CALLS = (b"POST /devices/orders ", b"/capture HTTP", b"POST /messages ")
PEOPLE = [("device", "delivered", False), ("device", "refunded", False)] * 2
MOST_BUYERS = 24
CASES = [(kind, call) for kind in KINDS if kind != "half_close" for call in CALLS]


class Echo(BaseHTTPRequestHandler):
    """Says how often it was asked."""

    asked = 0
    counting = threading.Lock()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.counting:
            type(self).asked += 1
        body = json.dumps({"asked": self.asked}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not into the report."""


@pytest.fixture
def wire() -> Iterator[Proxy]:
    Echo.asked = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            with Proxy(("127.0.0.1", server.server_address[1])) as proxy:
                yield proxy
        finally:
            server.shutdown()
            thread.join(5)


def ask(proxy: Proxy, patience_s: float = 60.0) -> bytes:
    """What comes back from one request, until the other side ends it or the patience ends."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=patience_s) as line:
        line.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
        found = b""
        try:
            while data := line.recv(4096):
                found += data
        except OSError:
            return found + b"!"
        return found


def test_each_fault_of_the_proxy_does_what_its_name_says(wire: Proxy) -> None:
    assert b'"asked": 1' in ask(wire)
    wire.arm("drop_answer", b"POST /x")
    assert ask(wire) == b""
    assert Echo.asked == 2
    wire.arm("reset", b"POST /x")
    assert ask(wire) == b"!"
    assert Echo.asked == 2
    wire.arm("cut", b"POST /x", after=12)
    assert ask(wire) == b"HTTP/1.0 200"
    assert Echo.asked == 3
    wire.arm("black_hole", b"POST /x")
    assert ask(wire, 0.5) == b"!"
    assert Echo.asked == 3
    wire.arm("duplicate", b"POST /x")
    assert b"200" in ask(wire)
    until(lambda: Echo.asked == 5, "the second of two")
    wire.arm("delay", b"POST /x", delay_s=0.3)
    began = time.monotonic()
    assert b"200" in ask(wire)
    assert time.monotonic() - began >= 0.3
    assert [kind for kind, _ in wire.hits] == ["drop_answer", "reset", "cut", "black_hole", "duplicate", "delay"]


@pytest.mark.parametrize(("kind", "is_there"), [("drop_answer", 1), ("reset", 0)])
def test_a_commit_in_doubt_is_either_done_or_not(town: Town, database: Database, kind: str, is_there: int) -> None:
    database.url = town.owner_url
    with psycopg.connect(database.url, autocommit=True) as direct:
        direct.execute("CREATE TABLE IF NOT EXISTS doubt (kind text)")
        direct.execute("DELETE FROM doubt")
    # A commit of our own, by its comment: other processes commit behind the same wire, and it lies once.
    town.site.database_wire.arm(kind, b"/* in doubt */")
    url = town.site.behind_wire(town.owner_url)
    with psycopg.connect(url, autocommit=True) as line:
        line.execute("BEGIN")
        line.execute("INSERT INTO doubt VALUES ('x')")
        with pytest.raises(psycopg.OperationalError):
            line.execute("COMMIT /* in doubt */")
    assert database.one("SELECT count(*) AS n FROM doubt") == {"n": is_there}
    with psycopg.connect(database.url, autocommit=True) as direct:
        direct.execute("DROP TABLE doubt")


def test_lying_wires_lose_and_double_nothing(town: Town, desk: Desk, database: Database) -> None:
    cases = rotating(CASES, keep=5)
    for start in range(0, len(cases), 5):
        if in_shard(start // 5) and f"faults {start}" not in done_before():
            _round(town, desk, database, cases[start : start + 5], f"faults {start}")


@pytest.mark.nightly
def test_a_nemesis_loses_and_doubles_nothing(town: Town, desk: Desk, database: Database) -> None:
    """Commits come into doubt, sessions end, Redis forgets and falls silent, a worker sleeps past its lease, and one of
    two sweepers stands still. [REL-P4, P5, P8, F37, F39, F43, F44]"""
    if "nemesis" in done_before():
        return
    since, buyers = time.time(), list[Buyer]()
    with Nemesis(town) as nemesis:
        # A quick machine sells before every trouble had its turn: then more people buy.
        while not buyers or (not all(nemesis.done.values()) and len(buyers) < MOST_BUYERS):
            buyers += buy(town, desk, database, PEOPLE)
    verdict = judge(town, buyers, since)
    assert all(nemesis.done.values()), nemesis.done
    tell("faults", **verdict.counts, faults=nemesis.faults, by_name=nemesis.done, round="nemesis")


def _round(town: Town, desk: Desk, database: Database, cases: list[tuple[str, bytes]], name: str) -> None:
    partners = town.site.partner_wire
    since, before = time.time(), len(partners.hits)
    for kind, call in cases:
        partners.arm(kind, call, after=20, delay_s=1.0)
    try:
        buyers = buy(town, desk, database, PEOPLE)
    finally:
        partners.faults.clear()
    verdict = judge(town, buyers, since)
    hits = len(partners.hits) - before
    assert hits == len(cases)
    tell("faults", **verdict.counts, faults=hits, round=name)
