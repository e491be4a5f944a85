"""PostgreSQL and Redis of our own, for the demo and the tests: on loopback, on a free port, with a random password,
ready in about half a second, and gone when this process is gone (see `keeper`).

A throwaway server lives in a temporary directory and does not wait for the disk; the demo's server keeps its data.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from ehrcommerce.workbench import binaries
from ehrcommerce.workbench.binaries import Account
from ehrcommerce.workbench.supervisor import Child, ChildFailed, Spec, free_port, is_ready, last_words, succeed

SUPERUSER = "postgres"
READY_S = 30.0
PROGRAM_ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
# Durability is for data that somebody wants back.
THROWAWAY = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum_naptime=5min"]
REDIS_CONFIG = """bind 127.0.0.1
port {port}
requirepass {password}
save ""
appendonly no
maxmemory-policy noeviction
dir {place}
"""


class OtherVersion(RuntimeError):
    """The kept data was made by another major version of PostgreSQL. Start anew with --reset."""


@dataclass
class Postgres:
    """A server that answers. `superuser_url` makes databases and roles; nothing of the app runs with it."""

    superuser_url: str
    child: Child | None = None

    def url(self, database: str, *, user: str | None = None, password: str = "") -> str:
        parts = urlsplit(self.superuser_url)
        login = f"{user}:{password}" if user is not None else parts.netloc.rpartition("@")[0]
        return urlunsplit((parts.scheme, f"{login}@{parts.netloc.rpartition('@')[2]}", f"/{database}", parts.query, ""))

    def execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.superuser_url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)

    def holds(self, table: str, column: str, value: str) -> bool:
        query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(column))
        with psycopg.connect(self.superuser_url, autocommit=True, connect_timeout=10) as connection:
            return connection.execute(query, [value]).fetchone() is not None

    def make_role(self, name: str, password: str, *attributes: str) -> None:
        """Make the role, or give an existing one this password and these attributes."""
        verb = sql.SQL("ALTER ROLE" if self.holds("pg_roles", "rolname", name) else "CREATE ROLE")
        words = sql.SQL(" ").join(map(sql.SQL, ("LOGIN", *attributes)))
        login = sql.SQL("{} {} {} PASSWORD {}").format(verb, sql.Identifier(name), words, sql.Literal(password))
        self.execute(login)

    def create_database(self, name: str, *, owner: str) -> bool:
        """Make the database unless it is there; says whether it was made."""
        if self.holds("pg_database", "datname", name):
            return False
        # Who is not a superuser must be a member of the role to give something to it.
        self.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(owner)))
        self.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))
        return True

    def databases(self) -> list[str]:
        with psycopg.connect(self.superuser_url, autocommit=True, connect_timeout=10) as connection:
            return [str(row[0]) for row in connection.execute("SELECT datname FROM pg_database")]

    def drop_database(self, name: str) -> None:
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def end_connections(self, *databases: str) -> None:
        """As a restart of the server does it to those who use these databases."""
        ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s)"
        with psycopg.connect(self.superuser_url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(ending, [list(databases)])

    def version(self) -> str:
        with psycopg.connect(self.superuser_url, connect_timeout=10) as connection:
            return f"PostgreSQL {connection.info.server_version // 10000}.{connection.info.server_version % 10000}"

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()

    def restart(self) -> None:
        """Down at once (open transactions are lost), and up again on the same port."""
        if self.child is None:
            raise ChildFailed("This PostgreSQL was given by DATABASE_URL: it cannot be restarted from here.")
        self.child.stop()
        self.child = launch(self.child.spec, self.child.log)


@dataclass
class Redis:
    url: str
    child: Child | None = None

    def version(self) -> str:
        return redis_version(self.url)

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()

    def start(self) -> None:
        """Again, after a stop: empty, on the same port."""
        if self.child is None:
            raise ChildFailed("This Redis was given by REDIS_URL: it cannot be stopped and started from here.")
        self.child = launch(self.child.spec, self.child.log)


# ---------------------------------------------------------------------------------------------------- PostgreSQL
def start_postgres(
    data: Path, *, throwaway: bool, password: str, log: Path, port: int | None = None, more: Sequence[str] = ()
) -> Postgres:
    """Start the server over `data` (made by initdb when empty). The parent of `data` must be open to `nobody`. `more`:
    further settings, as `name=value`."""
    runner = binaries.account()
    programs = binaries.reachable_postgres(runner, data.parent)
    major = binaries.version_of(programs / "postgres")[0]
    if (data / "PG_VERSION").exists():
        refuse_other_version(data, major)
        stop_leftover(data)
    else:
        initialize(data, programs=programs, major=major, password=password, runner=runner, log=log, throwaway=throwaway)
    port = port or free_port()
    options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=400"]
    options += [
        "shared_buffers=64MB",
        "log_min_messages=warning",
        "timezone=UTC",
        *(THROWAWAY if throwaway else []),
        *more,
    ]
    argv = [str(programs / "postgres"), "-D", str(data), *(word for option in options for word in ("-c", option))]
    spec = Spec("postgres", argv, PROGRAM_ENV, lambda: is_up(data), signal.SIGINT, runner.drop_to, cwd=data)
    child = launch(spec, log)
    return Postgres(f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres", child)


def initialize(
    data: Path, *, programs: Path, major: int, password: str, runner: Account, log: Path, throwaway: bool
) -> None:
    """initdb, beside the place and then moved there: a half made directory must not pass for a whole one."""
    fresh = data.with_name(f"{data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    runner.own(fresh)
    secret = data.parent / f"{secrets.token_hex(8)}.pw"
    secret.touch(mode=0o600)
    secret.write_text(password + "\n")
    runner.own(secret)
    # PostgreSQL's own collation is the same on every system; before 17 only C is.
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"] if major >= 17 else ["--locale=C"]
    argv = [str(programs / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={secret}"]
    argv += ["--encoding=UTF8", *locale, *(["--no-sync"] if throwaway else [])]
    try:
        run_once(Spec("initdb", argv, PROGRAM_ENV, user=runner.drop_to, cwd=fresh), log)
        fresh.rename(data)
    finally:
        secret.unlink()


def run_once(spec: Spec, log: Path) -> None:
    """To its end, under a keeper as everything that we start. Raises ChildFailed with its last lines."""
    child = Child(spec, log)
    try:
        succeed(child, deadline=time.monotonic() + 120)
    finally:
        child.stop()


def launch(spec: Spec, log: Path) -> Child:
    """Start a server and wait until it answers."""
    child = Child(spec, log)
    with ExitStack() as undo:
        undo.callback(child.stop)
        wait_until_up(child)
        undo.pop_all()
    return child


def wait_until_up(child: Child) -> None:
    deadline = time.monotonic() + READY_S
    while not is_ready(child.spec):
        if not child.running or time.monotonic() > deadline:
            raise ChildFailed(f"{child.spec.name} did not start. {last_words(child)}")
        time.sleep(0.02)


def is_up(data: Path) -> bool:
    """The server writes its state into line 8 of its pid file."""
    with suppress(OSError):
        lines = (data / "postmaster.pid").read_text().splitlines()
        return len(lines) >= 8 and lines[7].strip() == "ready"
    return False


def refuse_other_version(data: Path, major: int) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    if made_by != str(major):
        raise OtherVersion(
            f"The kept data was made by PostgreSQL {made_by} and this is {major}: start anew with --reset."
        )


def stop_leftover(data: Path) -> None:
    """A server that outlived its keeper (possible outside Linux) still holds the data: ask it to go.

    The number in the pid file may by now belong to a stranger, so the command line is looked at first.
    """
    pid_file = data / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError):
        pid = int(pid_file.read_text().splitlines()[0])
        while str(data) in command_line(pid):
            os.kill(pid, signal.SIGINT)
            time.sleep(0.1)
    pid_file.unlink(missing_ok=True)


def command_line(pid: int) -> str:
    """Of a running process; empty when there is none."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        except OSError:
            return ""
    return subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False).stdout


# --------------------------------------------------------------------------------------------------------- Redis
def start_redis(place: Path, *, password: str, log: Path, port: int | None = None) -> Redis:
    """An empty server that keeps nothing: whatever must survive is a row."""
    runner = binaries.account()
    program = binaries.reachable_redis(runner, place)
    port = port or free_port()
    config = REDIS_CONFIG.format(port=port, password=password, place=place).encode()
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    argv = [str(program), "-"]  # configured by stdin: the password stays out of the process list
    spec = Spec("redis", argv, PROGRAM_ENV, lambda: pings(url), user=runner.drop_to, cwd=place, stdin=config)
    return Redis(url, launch(spec, log))


def ask_redis(url: str, *command: str) -> str:
    """One command in the plain protocol. Raises OSError when nobody answers."""
    parts = urlsplit(url)
    words = ["AUTH", *filter(None, (parts.username, parts.password))]
    with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), timeout=5) as line:
        for request in ([words] if parts.password else []) + [list(command)]:
            line.sendall(f"*{len(request)}\r\n".encode() + b"".join(bulk(word) for word in request))
            answer = line.recv(65536).decode(errors="replace")
        return answer


def bulk(word: str) -> bytes:
    return f"${len(word.encode())}\r\n{word}\r\n".encode()


def pings(url: str) -> bool:
    try:
        return ask_redis(url, "PING").startswith("+PONG")
    except OSError:
        return False


def redis_version(url: str) -> str:
    """Names Valkey as Valkey: it says to be a Redis of its own."""
    facts = dict(line.split(":", 1) for line in ask_redis(url, "INFO", "server").splitlines() if ":" in line)
    if "valkey_version" in facts:
        return f"Valkey {facts['valkey_version']}"
    return f"Redis {facts.get('redis_version', '?')}"


# ---------------------------------------------------------------------------------------------------------- both
@dataclass
class Services:
    postgres: Postgres
    redis: Redis


@contextmanager
def services(
    place: Path, *, throwaway: bool, passwords: dict[str, str], ports: dict[str, int], logs: Path
) -> Iterator[Services]:
    """Both servers in `place`, for the length of the block."""
    postgres = start_postgres(
        place / "data",
        throwaway=throwaway,
        password=passwords["superuser"],
        log=logs / "postgres.log",
        port=ports["postgres"],
    )
    try:
        redis = start_redis(place, password=passwords["redis"], log=logs / "redis.log", port=ports["redis"])
        try:
            yield Services(postgres, redis)
        finally:
            redis.stop()
    finally:
        postgres.stop()
