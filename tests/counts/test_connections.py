"""What the running system does with its database while partners answer slowly: no transaction stays open during a call
to the outside, and no task opens a connection of its own. Seen in PostgreSQL's own books."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Ada, Cy, Desk, at, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import delivered, order_of, paid, sent, state

LOOK_EVERY_S = 0.02
# Between what a busy machine takes between two statements and what the slowest partner takes.
LONGEST_IDLE_S = 0.5
SLOW_S = 0.8
IDLE = """
SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s, left(query, 160) AS query
FROM pg_stat_activity
WHERE datname = %s AND usename = %s AND state LIKE 'idle in transaction%%'
"""
BACKENDS = """
SELECT pid, backend_start FROM pg_stat_activity
WHERE datname = %s AND usename = %s AND backend_type = 'client backend'
"""
SESSIONS = "SELECT sessions FROM pg_stat_database WHERE datname = %s"


class Steady(Database):
    """Looks over one connection, so that looking opens none."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.connection = psycopg.connect(url, row_factory=psycopg.rows.dict_row, autocommit=True)
        self.lock = threading.Lock()

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with self.lock:
            return list(self.connection.execute(sql.encode(), values).fetchall())

    def close(self) -> None:
        self.connection.close()


class Books:
    """PostgreSQL's own, read by the superuser from another database: what others see of a role's sessions is blank."""

    def __init__(self, live: Live) -> None:
        self.database, self.login = live.site.database, str(conninfo_to_dict(live.database_url)["user"])
        self.look = Steady(live.postgres.superuser_url)

    def idle(self) -> list[dict[str, Any]]:
        return self.look.rows(IDLE, self.database, self.login)

    def backends(self) -> set[tuple[int, Any]]:
        return {(row["pid"], row["backend_start"]) for row in self.look.rows(BACKENDS, self.database, self.login)}

    def sessions(self) -> int:
        """How many were ever opened, once the books (which come a little late) stand still."""
        counts: list[int] = []
        while len(counts) < 20 and (len(counts) < 5 or len(set(counts[-5:])) > 1):
            counts.append(int(self.look.one(SESSIONS, self.database)["sessions"]))
            time.sleep(0.1)
        return counts[-1]


class Watch(threading.Thread):
    """Looks all the time; `worst` is the longest that a transaction of the app was seen doing nothing."""

    def __init__(self, books: Books) -> None:
        super().__init__(daemon=True)
        self.books, self.stop = books, threading.Event()
        self.worst: dict[str, Any] = {"age_s": 0.0}
        self.looks = 0

    def run(self) -> None:
        while not self.stop.wait(LOOK_EVERY_S):
            self.looks += 1
            for row in self.books.idle():
                self.worst = max(self.worst, row, key=lambda one: float(one["age_s"]))

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.join(5)


@pytest.fixture
def books(live: Live) -> Iterator[Books]:
    made = Books(live)
    yield made
    made.look.close()


@pytest.fixture
def steady(live: Live) -> Iterator[Steady]:
    made = Steady(live.owner_url)
    yield made
    made.close()


def test_the_watch_sees_a_transaction_that_waits(live: Live, books: Books) -> None:
    with Watch(books) as watch, psycopg.connect(live.database_url) as connection:
        connection.execute("SELECT 1")
        wait_for(lambda: watch.worst["age_s"] >= LONGEST_IDLE_S, "the watch to see it", 5)


def slowly(desk: Desk) -> None:
    """Every partner takes its time before it answers."""
    desk.call("POST", "/control/knobs", {"latency_ms": 700})
    for partner in ("payer", "payment", "messages", "pharmacy", "devices", "lab"):
        desk.fault(partner=partner, kind="delay", delay_s=SLOW_S, times=2)


def test_no_transaction_is_open_while_a_partner_is_asked(
    desk: Desk, ada: Ada, patient: Callable[..., Cy], steady: Steady, books: Books
) -> None:
    cy = patient("prescription", member="A1-COV")
    slowly(desk)
    with Watch(books) as watch:
        page = at(cy.prove(sent(ada, cy, "prescription")), "/c/check/")
        cy.pay(cy.to_payment(page, plan=True))
        order = wait_for(lambda: order_of(steady, cy), "the order")
        wait_for(lambda: state(steady, order)["money"] == "authorized", "the authorization")
        delivered(desk, steady, order)
    assert watch.looks > 50
    assert watch.worst["age_s"] < LONGEST_IDLE_S, watch.worst


def test_no_task_opens_a_connection_of_its_own(
    desk: Desk, ada: Ada, patient: Callable[..., Cy], steady: Steady, books: Books
) -> None:
    """Threads open one when they first need it and keep it: as many were opened as are open still."""
    delivered(desk, steady, paid(ada, patient("prescription"), steady, "prescription"))
    before, known, done = books.sessions(), books.backends(), runs(steady)
    for _ in range(2):
        delivered(desk, steady, paid(ada, patient("prescription"), steady, "prescription"))
    opened, now = books.sessions() - before, books.backends()
    assert runs(steady) - done >= 10, "too few tasks to tell"
    assert known <= now, "a connection was closed"
    assert opened == len(now - known)


def runs(steady: Steady) -> int:
    """How often an effect was run, by whomever."""
    return int(steady.one("SELECT coalesce(sum(tries), 0) AS tries FROM outbox_effect")["tries"])
