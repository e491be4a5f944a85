"""Fetches what lies in the stores and journals of a running system into the basin."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
import redis

from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.services import bulk
from tests.journeys.cast import Desk
from tests.minimization.sinks import Basin
from tests.minimization.system import CONSOLE

PARTNERS = {
    "ehr": "EHR", "pharmacy": "pharmacy", "devices": "device supplier", "lab": "laboratory", "payer": "payer",
    "pay": "payment processor", "payment": "payment processor", "carrier": "carrier", "messages": "messenger",
    "stranger": "foreign origin", "foreign": "foreign origin",
}  # fmt: skip
LOGS = {"web": "log of web, DEBUG", "worker": "log of worker, DEBUG", "sweeper": "log of sweeper, DEBUG"}
HANDLES = {"ehr_chartreference", "ehr_ehrsession"}
APART = {
    "django_session": "sessions, decoded",
    "django_admin_log": "history of the admin",
    "audit_auditevent": "audit trail",
}
SERVER_LOG = "log of PostgreSQL"
UNDER_WAY = ("planned", "sending", "unknown", "needs_human")


@contextmanager
def monitored(url: str, basin: Basin) -> Iterator[None]:
    """Every command that Redis gets meanwhile, as Redis itself tells it."""
    parts = urlsplit(url)
    line = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), timeout=5)
    words = ["AUTH", *filter(None, (parts.username, parts.password))]
    for request in ([words] if parts.password else []) + [["MONITOR"]]:
        line.sendall(f"*{len(request)}\r\n".encode() + b"".join(bulk(word) for word in request))
        line.recv(65536)
    line.settimeout(0.5)
    heard, over = bytearray(), threading.Event()

    def listen() -> None:
        while not over.is_set():
            try:
                heard.extend(line.recv(1 << 20))
            except TimeoutError:
                continue
            except OSError:
                return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        line.close()
        # MONITOR escapes what is no printable character, and every quote.
        said = bytes(heard).replace(b'\\"', b'"').replace(b"\\\\", b"\\")
        basin.keep("Redis, every command", said)
        basin.keep("task bodies", b"\n".join(row for row in said.splitlines() if b"PUSH" in row.upper()))


def redis_keys(url: str, basin: Basin) -> None:
    client = redis.Redis.from_url(url)
    for key in client.scan_iter(count=1000):
        basin.keep("Redis, every key", bytes(key) + b" " + (client.dump(key) or b""))
    basin.keep("Redis, every key", str(client.info()))
    client.close()


def raw_tables(owner_url: str, basin: Basin) -> None:
    """As pg_dump writes them: COPY of each table, bytes in hex."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        # Each whole table once: a part of one is read with it.
        named = (
            "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
        )
        for (table,) in connection.execute(named).fetchall():
            with connection.cursor().copy(f"COPY (SELECT * FROM {table}) TO STDOUT".encode()) as copy:
                content = b"".join(bytes(part) for part in copy)
            basin.keep("database, raw", content, where=table)


def console(said: list[str], basin: Basin) -> None:
    """What `show_opened` printed, each table into its sink; what other commands said is output of commands."""
    for line in said:
        if not line.startswith("["):
            basin.keep("output of commands", line)
            continue
        table, column, value = json.loads(line)
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        basin.keep(_sink_of(table, column), shown, where=f"{table}.{column}")


def _sink_of(table: str, column: str) -> str:
    if table in HANDLES:
        return "database, handles of the EHR half opened"
    if table == "outbox_effect":
        under_way = column.endswith(UNDER_WAY)
        return "effects under way, opened" if under_way else "effects that are final, opened"
    return APART.get(table, "database, opened")


def journals(desk: Desk, since: int, basin: Basin) -> None:
    """What each outside party was asked; its own answers are not ours."""
    for entry in desk.journal(since=since):
        asked = {name: entry.get(name) for name in ("method", "path", "query", "headers", "body")}
        if sink := PARTNERS.get(entry["partner"]):
            if sink == "EHR" and "/auth/" in str(entry["path"]):
                continue  # the clinician's own browser at the sign-in of the EHR
            basin.keep(sink, json.dumps(asked, ensure_ascii=False), where=str(entry["path"]))


def messages(desk: Desk, basin: Basin) -> None:
    for message in desk.messages():
        words = {name: value for name, value in message.items() if name not in ("to", "id", "reference")}
        basin.keep("texts and mails", json.dumps(words, ensure_ascii=False))


def logs(live: Live, begun: dict[str, int], basin: Basin) -> None:
    for name, sink in LOGS.items():
        path = live.log_path(name)
        if path.exists():
            basin.keep(sink, path.read_bytes()[begun.get(name, 0) :])
    for path in live.supervisor.logs.glob("command-*.log"):
        if CONSOLE not in path.name:
            basin.keep("output of commands", path.read_bytes())


def server_log(path: Path, begun: int, basin: Basin) -> None:
    if path.exists():
        basin.keep(SERVER_LOG, path.read_bytes()[begun:] or b"(silent)")


def unread(path: Path | None) -> frozenset[str]:
    """Of a server that was given to us only its owner reads the log."""
    return frozenset() if path else frozenset({SERVER_LOG})


def files(place: Path, basin: Basin) -> None:
    basin.keep("files left behind", f"looked into {place.name}")
    for path in place.rglob("*"):
        if path.is_file():
            basin.keep("files left behind", path.read_bytes(), where=path.name)


def health(app_url: str, basin: Basin) -> None:
    for path in ("/healthz", "/readyz", "/healthz/sweeper", "/metrics", "/.well-known/jwks.json"):
        try:
            with urlopen(app_url + path, timeout=10) as answer:
                basin.keep("health and metrics", answer.read(), where=path)
        except OSError as problem:
            basin.keep("health and metrics", str(problem), where=path)


def rows(url: str, sql: str, *values: Any, fetch: bool = True) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row, autocommit=True) as connection:
        found = connection.execute(sql.encode(), values)
        return list(found.fetchall()) if fetch else []
