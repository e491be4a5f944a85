"""`python3 manage.py demo`: the whole journey on this machine, in one command, from nothing.

What it keeps lies in `.demo/` of the project: the state with the secrets (readable by its owner alone), the logs, the
database. A second start finds it all; `--reset` begins anew.
"""

import argparse
import fcntl
import hashlib
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from ehrcommerce.workbench import binaries
from ehrcommerce.workbench.environment import LOCK, ROOT, say
from ehrcommerce.workbench.services import OtherVersion, Services, services
from ehrcommerce.workbench.site import ALL, Site, new_secrets, stopping
from ehrcommerce.workbench.supervisor import ChildFailed, PortTaken, Supervisor, claim_port, free_port

DEFAULT_PORT = 8700
PACKAGE = ROOT / "ehrcommerce"
# A change of one of these means that the second start has something to do.
SCHEMA = ("ehrcommerce/**/migrations/*.py",)
DATA = ("ehrcommerce/sandbox/**/*", "ehrcommerce/workbench/demo*", "ehrcommerce/workbench/management/**/*.py")


class AlreadyRunning(RuntimeError):
    """A demo of this checkout runs already. Use that one, or stop it first."""


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="manage.py demo", description="Run the whole system on this machine.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the app; the sandbox takes the next one")
    parser.add_argument("--reset", action="store_true", help="forget what an earlier demo kept, and begin anew")
    parser.add_argument("--fhir-data", type=Path, metavar="DIR", help="a folder of FHIR JSON to load into the EHR")
    parser.add_argument("--check", action="store_true", help="start, see that everything answers, stop")
    options = parser.parse_args(arguments)
    if not 1024 <= options.port <= 65534:
        parser.error("--port takes a number from 1024 to 65534.")
    if options.fhir_data is not None and not options.fhir_data.is_dir():
        parser.error(f"--fhir-data: {options.fhir_data} is not a folder.")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # a Ctrl-C in the middle of a query is nothing to report
    try:
        with stopped_by_signals(), only_one(ROOT / ".demo") as home:
            run(options, home)
    except Stopped:
        say("Stopped.")
    except (AlreadyRunning, PortTaken, OtherVersion, binaries.ServerNotFound, ChildFailed) as problem:
        say(str(problem))
        return 1
    return 0


def run(options: argparse.Namespace, home: Path) -> None:
    claim_port(options.port)
    claim_port(options.port + 1)
    began = time.monotonic()
    state = State(home)
    if options.reset:
        state.forget()
    supervisor = Supervisor(home / "logs")
    with servers(state, supervisor) as both:
        site = Site(both.postgres, both.redis.url, state.secrets, options.port, options.port + 1)
        with stopping(supervisor):
            prepare(site, state, supervisor, fhir_data=options.fhir_data)
            left = [name for name in ALL if name not in supervisor.children]
            say(f"Starting {', '.join(left)} ...")
            supervisor.start(*(site.process(name) for name in left))
            print(table(site, state.admin, seconds=time.monotonic() - began), flush=True)
            with told(site, home):
                if not options.check:
                    supervisor.watch()


@contextmanager
def told(site: Site, home: Path) -> Iterator[None]:
    """While the demo runs, `manage.py <any command>` works on it: its settings, readable by the owner alone."""
    file = home / "environment.json"
    write_private(file, site.app_environment())
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def write_private(file: Path, values: object) -> None:
    """JSON that only the owner can read, replaced as a whole."""
    fresh = file.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        json.dump(values, output, indent=1)
    fresh.replace(file)


# --------------------------------------------------------------------------------------------------------- state
class State:
    """`.demo/state.json`: secrets, what was loaded, where the data lies. Mode 0600, replaced as a whole."""

    def __init__(self, home: Path) -> None:
        self.home, self.file = home, home / "state.json"
        self.values: dict[str, Any] = json.loads(self.file.read_text()) if self.file.exists() else {}
        if "secrets" not in self.values:
            # Data that an earlier demo left cannot be opened without its secrets.
            shutil.rmtree(home / "servers", ignore_errors=True)
            self.save(secrets=new_secrets())

    @property
    def secrets(self) -> dict[str, str]:
        return dict(self.values["secrets"])

    @property
    def admin(self) -> dict[str, str]:
        return dict(self.values.get("admin", {}))

    def save(self, **values: object) -> None:
        self.values.update(values)
        write_private(self.file, self.values)

    def remember_admin(self, told: dict[str, str]) -> None:
        """The password is told once, when it is made."""
        known = self.admin
        kept = [name for name in ("password", "second_password") if told.get(name, "").startswith("(")]
        told = {**told, **{name: known[name] for name in kept if name in known}}
        self.save(admin=told)

    def place(self) -> Path:
        """Where the servers live: in `.demo`, or, when `nobody` cannot get there, in a temporary directory of ours."""
        kept = self.values.get("place")
        if kept is not None and is_ours(Path(kept)):
            return Path(kept)
        place = binaries.open_directory(binaries.account(), self.home / "servers", kept=True)
        self.values.pop("loaded", None)
        self.save(place=str(place))
        return place

    def forget(self) -> None:
        if (place := self.values.get("place")) is not None and is_ours(Path(place)):
            shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(self.home / "logs", ignore_errors=True)
        self.values = {}
        self.save(secrets=new_secrets())


def is_ours(directory: Path) -> bool:
    """Somebody else may have taken a name below a temporary directory after it was cleared."""
    return directory.is_dir() and not directory.is_symlink() and directory.stat().st_uid == os.geteuid()


@contextmanager
def only_one(home: Path) -> Iterator[Path]:
    """Hold `.demo/lock`; the kernel lets go of it however this process ends."""
    home.mkdir(exist_ok=True)
    home.chmod(0o711)
    with (home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            lock.seek(0)
            raise AlreadyRunning(
                f"A demo of this checkout runs already (process {lock.read().strip()}): use it, or stop it first."
            ) from problem
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield home


class Stopped(BaseException):
    """Somebody asked us to stop. Not an Exception, so that nothing on the way mistakes it for a fault."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """The first signal unwinds everything; later ones must not disturb that."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(_number: int, _frame: object) -> NoReturn:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        say("\nStopping ...")
        raise Stopped

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --------------------------------------------------------------------------------------------------------- parts
@contextmanager
def servers(state: State, supervisor: Supervisor) -> Iterator[Services]:
    """PostgreSQL and Redis, on the ports of the last time where these are free."""
    say("Starting PostgreSQL and Redis ...")
    supervisor.logs.mkdir(mode=0o700, exist_ok=True)
    ports = {name: port_again(state.values.get("ports", {}).get(name)) for name in ("postgres", "redis")}
    passwords = {name: state.secrets[f"password:{name}"] for name in ("superuser", "redis")}
    with services(state.place(), throwaway=False, passwords=passwords, ports=ports, logs=supervisor.logs) as both:
        state.save(ports=ports)
        for child in filter(None, (both.postgres.child, both.redis.child)):
            supervisor.spectate(child)
        yield both


def port_again(port: int | None) -> int:
    with suppress(PortTaken):
        if port is not None:
            claim_port(port)
            return port
    return free_port()


ANY_AGE = (
    "Published prescriptions are often years old. The demo clinic takes them at any age now\n"
    "(Admin > Organizations > Prescription max age days: 0; one year where nobody changes it)."
)


def prepare(site: Site, state: State, supervisor: Supervisor, *, fhir_data: Path | None) -> None:
    """Migrate and load what is new since the last start. Where nothing is, nothing runs yet: the sandbox can start side by
    side with the rest. Otherwise it is left running."""
    schema, data = fingerprint(SCHEMA, LOCK), fingerprint(DATA, LOCK, site.app_url)
    loaded = state.values.get("loaded", {})
    if loaded.get("schema") != schema:
        say("Migrating the databases ...")
        site.make_roles()
        site.make_database()
        site.make_sandbox_database()
        site.migrate(supervisor)
    if fhir_data is not None or loaded.get("data") != data:
        say("Loading patients and orders into the sandbox ...")
        said = site.load_sandbox(supervisor, fhir_data=fhir_data)
        if fhir_data is not None:
            say(said.rstrip())
        supervisor.start(site.process("sandbox"))
        say("Loading clinic, catalog and suppliers ...")
        state.remember_admin(site.load_demo(supervisor, events=True, any_age=fhir_data is not None))
        if fhir_data is not None:
            say(ANY_AGE)
    state.save(loaded={"schema": schema, "data": data})


def fingerprint(patterns: tuple[str, ...], *others: Path | str) -> str:
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    for other in others:
        digest.update(other.read_bytes() if isinstance(other, Path) else other.encode())
    return digest.hexdigest()


def table(site: Site, admin: dict[str, str], *, seconds: float) -> str:
    rows = [
        ("EHR (start here)", f"{site.sandbox_url}/", "users ada and lund, password demo"),
        ("Patient's messages", f"{site.sandbox_url}/phone/", f"e-mail: {site.sandbox_url}/mailbox/"),
        ("Admin", f"{site.app_url}/admin/", f"user {admin['username']}, password {admin['password']}"),
    ]
    lines = [f"  {what:<20}{where:<38}{who}" for what, where, who in rows]
    lines += ["", "  One-time codes for the admin: add this to an authenticator app", f"  {admin['otpauth']}"]
    if "second_otpauth" in admin:
        lines += ["", "  Some changes take a second person (a new address of an EHR or a supplier, keys, purge):"]
        lines += [f"  user {admin['second_username']}, password {admin['second_password']}", f"  {admin['second_otpauth']}"]
    first, last = f"ehrcommerce is running (ready after {seconds:.1f} s).", "Logs: .demo/logs/. Stop: Ctrl-C."
    return "\n".join(["", first, "", *lines, "", last])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
