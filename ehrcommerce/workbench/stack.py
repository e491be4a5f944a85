"""PostgreSQL and Redis under a test run: throwaway ones of our own, or those that DATABASE_URL and REDIS_URL name.

Workers of pytest-xdist find the stack of their controller in one environment variable; each gets databases, ports and
a Redis number of its own.
"""

import hashlib
import hmac
import json
import os
import secrets
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ehrcommerce.workbench import binaries
from ehrcommerce.workbench.services import Postgres, Redis, start_postgres, start_redis
from ehrcommerce.workbench.site import BYTECODE, Site, new_secrets
from ehrcommerce.workbench.supervisor import free_port

VARIABLE = "EHRC_TEST_STACK"
SETTINGS = "ehrcommerce.settings.test"


@dataclass
class Stack:
    postgres: Postgres
    redis_url: str
    secrets: dict[str, str]
    place: Path
    suffix: str  # of database names: tells apart runs that share a server, and the workers of one run
    redis_is_ours: bool = True
    redis_number: int = 0
    server_log: Path | None = None  # PostgreSQL's own; none where the server was given to us

    def site(self, kind: str, *, settings: str = "ehrcommerce.settings.development", redis_url: str = "") -> Site:
        """A system of its own: free ports, databases named after `kind`, partners that move only when told to."""
        return Site(
            self.postgres,
            redis_url or self.own_redis_url,
            self.secrets,
            free_port(),
            free_port(),
            step_s=0,
            database=f"ehrc_{kind}{self.suffix}",
            sandbox_database=f"sandbox_{kind}{self.suffix}",
            settings=settings,
        )

    @property
    def own_redis_url(self) -> str:
        return f"{self.redis_url.rpartition('/')[0]}/{self.redis_number}" if self.redis_number else self.redis_url

    def logs(self, kind: str) -> Path:
        return self.place / f"logs-{kind}{self.suffix}"

    def to_json(self) -> str:
        url = self.postgres.superuser_url
        log = str(self.server_log or "")
        return json.dumps([url, self.redis_url, self.secrets, str(self.place), self.suffix, log])

    def own_redis(self, kind: str) -> Redis:
        """One more Redis, for a test that stops it; where none can be started, the one that was given."""
        try:
            return start_redis(self.place, password=secrets.token_urlsafe(24), log=self.place / f"redis-{kind}.log")
        except binaries.ServerNotFound:
            return Redis(self.own_redis_url)


def join_or_start(cleanup: ExitStack) -> Stack:
    """The stack of the controller when there is one, else a new one that ends with `cleanup`."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and VARIABLE in os.environ:
        superuser_url, redis_url, secret, place, suffix, log = json.loads(os.environ[VARIABLE])
        number = 1 + int(worker.removeprefix("gw") or 0)
        return Stack(
            Postgres(superuser_url), redis_url, secret, Path(place), f"{suffix}_{worker}", redis_number=number,
            server_log=Path(log) if log else None,
        )  # fmt: skip
    stack = start(cleanup)
    os.environ[VARIABLE] = stack.to_json()
    cleanup.callback(os.environ.pop, VARIABLE, None)
    return stack


def start(cleanup: ExitStack) -> Stack:
    place = binaries.open_directory(binaries.account())
    cleanup.callback(shutil.rmtree, place, ignore_errors=True)
    if "PYTHONDONTWRITEBYTECODE" in os.environ and BYTECODE not in os.environ:
        # Dozens of processes load the same thousand modules: compiled once, where nobody has to look at it.
        os.environ[BYTECODE] = str(place / "bytecode")
        cleanup.callback(os.environ.pop, BYTECODE, None)
    secret = new_secrets()
    given_database, given_redis = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if given_database:
        # The roles have fixed names and may be in use by another run on this server: both must mean the same password.
        for name in [name for name in secret if name.startswith("password:")]:
            secret[name] = hmac.new(given_database.encode(), name.encode(), hashlib.sha256).hexdigest()
        postgres, suffix = Postgres(given_database), f"_{os.getpid()}"
    else:
        password = secret["password:superuser"]
        postgres = start_postgres(place / "pg", throwaway=True, password=password, log=place / "postgres.log")
        cleanup.callback(postgres.stop)
        suffix = ""
    if given_redis:
        redis = Redis(given_redis)
    else:
        redis = start_redis(place, password=secret["password:redis"], log=place / "redis.log")
        cleanup.callback(redis.stop)
    log = None if postgres.child is None else postgres.child.log
    stack = Stack(postgres, redis.url, secret, place, suffix, redis_is_ours=not given_redis, server_log=log)
    if given_database:
        cleanup.callback(drop_databases, stack)
    return stack


def drop_databases(stack: Stack) -> None:
    """Of a server that is not ours nothing may remain but the roles."""
    for name in stack.postgres.databases():
        if name.startswith(("ehrc_", "sandbox_")) and f"{stack.suffix}_" in f"{name}_":
            stack.postgres.drop_database(name)


def given_hosts() -> list[str]:
    """Where the servers live that we were told to use."""
    return [urlsplit(os.environ[name]).hostname or "" for name in ("DATABASE_URL", "REDIS_URL") if name in os.environ]
