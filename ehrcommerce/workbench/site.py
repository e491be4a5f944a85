"""The whole system as processes: what the demo starts for a person, and the tests start for themselves.

Two sites that share nothing but loopback: the app (web, worker, sweeper) on http://127.0.0.1, the sandbox with EHR and
partners on http://localhost, so that a browser takes them for strangers. The app logs into PostgreSQL as a role that
owns nothing and that row-level security holds; only `migrate` uses the owner.
"""

import base64
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ehrcommerce.workbench.environment import ROOT
from ehrcommerce.workbench.services import Postgres, ask_redis
from ehrcommerce.workbench.supervisor import ChildFailed, Spec, Supervisor

OWNER, LOGIN, SANDBOX = "ehrc_owner", "ehrc_login", "ehrc_sandbox"
# Read by the children, so nothing of the surroundings may leak into them under these beginnings.
OURS = ("EHRC_", "SANDBOX_", "DATABASE_", "REDIS_", "DJANGO_", "GUNICORN_", "CELERY_", "PG")
BYTECODE = "PYTHONPYCACHEPREFIX"
ALL = ("sandbox", "web", "worker", "sweeper")


def key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def new_secrets() -> dict[str, str]:
    """Everything secret that a system of one machine needs. URL-safe, so that it may stand in a database URL."""
    words = ("superuser", "redis", OWNER, LOGIN, SANDBOX)
    return {
        **{f"password:{word}": secrets.token_urlsafe(24) for word in words},
        "EHRC_SECRET_KEY": secrets.token_urlsafe(48),
        "EHRC_FIELD_KEYS": f"k1:{key()}",
        "EHRC_BLIND_INDEX_KEY": key(),
        "EHRC_LINK_KEY": key(),
        "EHRC_AUDIT_KEY": key(),
        "SANDBOX_SECRET_KEY": secrets.token_urlsafe(48),
        "SANDBOX_CONTROL_TOKEN": secrets.token_urlsafe(24),
        "SANDBOX_PARTNER_API_KEY": secrets.token_urlsafe(24),
        "SANDBOX_CALLBACK_SECRET": secrets.token_urlsafe(24),
    }


def surroundings() -> dict[str, str]:
    """What children inherit: PATH, HOME, locale and the like, and nothing of ours from outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    if BYTECODE in kept:
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), "EHRC_NO_BOOTSTRAP": "1"}


@dataclass
class Site:
    """Addresses and secrets of one running system. `step_s`: how fast the sandbox's partners move by themselves."""

    postgres: Postgres
    redis_url: str
    secrets: dict[str, str]
    app_port: int
    sandbox_port: int
    database: str = "ehrcommerce"
    sandbox_database: str = "sandbox"
    step_s: float = 6
    settings: str = "ehrcommerce.settings.development"

    @property
    def app_url(self) -> str:
        return f"http://127.0.0.1:{self.app_port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://localhost:{self.sandbox_port}"

    @property
    def database_url(self) -> str:
        return self._login(LOGIN, self.database)

    @property
    def control_token(self) -> str:
        return self.secrets["SANDBOX_CONTROL_TOKEN"]

    def _login(self, role: str, database: str) -> str:
        return self.postgres.url(database, user=role, password=self.secrets[f"password:{role}"])

    def make_database(self) -> None:
        self.postgres.create_database(self.database, owner=OWNER)

    def make_sandbox_database(self) -> None:
        self.postgres.create_database(self.sandbox_database, owner=SANDBOX)

    def make_roles(self) -> None:
        """Before the first migration: it grants the app's role to the login role that it finds."""
        attributes = {OWNER: ("CREATEROLE", "CREATEDB"), LOGIN: ("NOCREATEROLE", "NOCREATEDB"), SANDBOX: ()}
        for role, words in attributes.items():
            self.postgres.make_role(role, self.secrets[f"password:{role}"], *words)

    def app_environment(self) -> dict[str, str]:
        """Of web, worker, sweeper and management commands."""
        own = {name: value for name, value in self.secrets.items() if name.startswith("EHRC_")}
        # load_demo makes the rows of the partners, so the app is told what the sandbox expects of it.
        shared = {name: value for name, value in self.secrets.items() if name.startswith("SANDBOX_")}
        shared.pop("SANDBOX_SECRET_KEY")
        return {
            **own,
            **shared,
            "DJANGO_SETTINGS_MODULE": self.settings,
            "DATABASE_URL": self.database_url,
            "DATABASE_OWNER_URL": self._login(OWNER, self.database),
            "REDIS_URL": self.redis_url,
            "EHRC_BASE_URL": self.app_url,
            "EHRC_SANDBOX_URL": self.sandbox_url,
        }

    def sandbox_environment(self) -> dict[str, str]:
        own = {name: value for name, value in self.secrets.items() if name.startswith("SANDBOX_")}
        return {
            **own,
            "SANDBOX_DATABASE_URL": self._login(SANDBOX, self.sandbox_database),
            "SANDBOX_BASE_URL": self.sandbox_url,
            "SANDBOX_APP_URL": self.app_url,
            "SANDBOX_STEP_S": f"{self.step_s:g}",
        }

    # ------------------------------------------------------------------------------------------------- processes
    def process(self, name: str) -> Spec:
        """`web`, `worker`, `sweeper` or `sandbox`."""
        python = sys.executable
        if name == "web":
            server = ["-m", "gunicorn", "ehrcommerce.wsgi:application", "--bind", f"127.0.0.1:{self.app_port}"]
            server += ["--worker-class", "gthread", "--workers", "2", "--threads", "16", "--graceful-timeout", "5"]
            server += ["--no-control-socket", "--log-level", "warning"]
            return self._app(name, [python, *server], ready=f"{self.app_url}/healthz")
        if name == "worker":
            worker = ["-m", "celery", "-A", "ehrcommerce.celery", "worker", "-P", "threads", "-c", "16"]
            worker += ["-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
            spec = self._app(name, [python, *worker])
            return Spec(spec.name, spec.argv, spec.env, self.worker_listens, cwd=ROOT)
        if name == "sweeper":
            return self._app(name, [python, "manage.py", "sweeper"])
        serve = ["serve", "--host", "127.0.0.1", "--port", str(self.sandbox_port)]
        return self.sandbox_command("sandbox", *serve, ready=f"{self.sandbox_url}/healthz")

    def _app(self, name: str, argv: list[str], *, ready: str | None = None) -> Spec:
        return Spec(name, argv, {**surroundings(), **self.app_environment()}, ready, cwd=ROOT)

    def worker_listens(self) -> bool:
        """Celery's own ping is switched off; a worker that waits for work is a blocked reader at the broker."""
        try:
            return "cmd=brpop" in ask_redis(self.redis_url, "CLIENT", "LIST")
        except OSError:
            return False

    # -------------------------------------------------------------------------------------------------- commands
    def command(self, name: str, *words: str) -> Spec:
        """A management command of the app."""
        return self._app(name, [sys.executable, "manage.py", *words])

    def sandbox_command(self, name: str, *words: str, ready: str | None = None) -> Spec:
        argv = [sys.executable, "-m", "ehrcommerce.sandbox", *words]
        return Spec(name, argv, {**surroundings(), **self.sandbox_environment()}, ready, cwd=ROOT)

    def migrate(self, supervisor: Supervisor) -> None:
        supervisor.run(
            self.command("migrate", "migrate", "--no-input"), self.sandbox_command("sandbox-migrate", "migrate")
        )

    def load_sandbox(self, supervisor: Supervisor, *, fhir_data: Path | None = None) -> str:
        extra = ["--fhir-data", str(fhir_data)] if fhir_data is not None else []
        (said,) = supervisor.run(self.sandbox_command("sandbox-load", "load", *extra))
        return said

    def load_demo(self, supervisor: Supervisor, *, events: bool = False, any_age: bool = False) -> dict[str, str]:
        """Needs the sandbox running: it tells the partners where to call back. Returns what the last line says.
        `events`: the EHR tells of changes by itself, which most tests would only be disturbed by. `any_age`: old
        prescriptions are taken too."""
        switches = [*(["--events"] if events else []), *(["--any-age"] if any_age else [])]
        (said,) = supervisor.run(self.command("load_demo", "load_demo", *switches))
        facts = [line for line in said.splitlines() if line.startswith('{"admin"')]
        if not facts:
            raise ChildFailed(f"load_demo did not say who the administrator is:\n{said}")
        return {name: str(value) for name, value in json.loads(facts[-1])["admin"].items()}


@contextmanager
def stopping(supervisor: Supervisor) -> Iterator[None]:
    """Whatever happens inside, no child is left."""
    try:
        yield
    finally:
        supervisor.stop_all()
