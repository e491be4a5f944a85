"""Makes `.venv` from `uv.lock` before anything else runs. Standard library alone: nothing is installed yet.

Three ways, the first that works: uv on the PATH; uv through pip; pip alone with the hashes of an export of the lock.
A stamp in `.venv` says which group of packages it holds and for which lock, so the next start costs nothing.
EHRC_NO_BOOTSTRAP=1 leaves the environment to whoever set it up (containers, packagers); EHRC_GROUP names another group.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "ehrcommerce.json"
LOCK = ROOT / "uv.lock"
UV = "uv==0.13.8"
# Each group holds the ones before it. Sizes in MB as measured on Linux, so that a slow line knows what it waits for.
GROUPS = {"demo": 85, "test": 146, "dev": 178}
UV_MB = 17


class CannotPrepare(RuntimeError):
    """No way of making the environment worked. The lines above say why each one failed."""


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def group_for(command: str) -> str:
    given = os.environ.get("EHRC_GROUP", "")
    if given and given not in GROUPS:
        raise CannotPrepare(f"EHRC_GROUP={given} names no group: choose one of {', '.join(GROUPS)}.")
    return given or ("demo" if command in ("demo", "bench") else "test")


def enter(command: str, arguments: list[str]) -> None:
    """Return only when this is the Python of a complete `.venv`; else make it and start over inside it."""
    if os.environ.get("EHRC_NO_BOOTSTRAP") == "1":
        return
    try:
        group = group_for(command)
        if not is_complete(group):
            prepare(group)
    except CannotPrepare as problem:
        sys.exit(str(problem))
    if Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(PYTHON, [str(PYTHON), str(ROOT / "manage.py"), command, *arguments])


def lock_hash() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def is_complete(group: str) -> bool:
    """Whether `.venv` holds at least this group, from this lock."""
    try:
        stamp = json.loads(STAMP.read_text())
        order = list(GROUPS)
        return PYTHON.exists() and stamp["lock"] == lock_hash() and order.index(stamp["group"]) >= order.index(group)
    except (OSError, ValueError, KeyError):
        return False


# ------------------------------------------------------------------------------------------------------ the ways
def ways(group: str) -> list[tuple[str, Callable[[str], bool]]]:
    """What to try, in order, with the words for it."""
    found: list[tuple[str, Callable[[str], bool]]] = []
    if shutil.which("uv"):
        found.append((f"uv from the PATH; about {GROUPS[group]} MB of packages", by_uv_on_path))
    found.append((f"uv, fetched by pip ({UV_MB} MB); about {GROUPS[group]} MB of packages", by_own_uv))
    found.append((f"pip with hashes; about {GROUPS[group]} MB of packages, slower", by_pip))
    return found


def prepare(group: str) -> None:
    say(f"Preparing {VENV.name}/ with the packages for '{group}' (once; everything stays below {VENV}).")
    for words, way in ways(group):
        say(f"  Fetching: {words} ...")
        if way(group):
            STAMP.write_text(json.dumps({"group": group, "lock": lock_hash()}) + "\n")
            say("  Done.")
            return
        say("  That did not work; trying the next way.")
    raise CannotPrepare(
        "The environment could not be made. Is there a network, and a package index that pip can reach? "
        "On Debian: apt-get install python3-venv python3-pip."
    )


def by_uv_on_path(group: str) -> bool:
    return sync("uv", group)


def by_own_uv(group: str) -> bool:
    own = VENV / "bin" / "uv"
    return make_venv() and (own.exists() or pip("install", UV)) and sync(str(own), group)


def by_pip(group: str) -> bool:
    hashed = Path(__file__).with_name(f"requirements-{group}.txt")
    return make_venv() and pip("install", "--require-hashes", "--requirement", str(hashed))


def sync(uv: str, group: str) -> bool:
    command = [uv, "sync", "--frozen", "--inexact", "--no-default-groups", "--group", group, "--python", base_python()]
    extra = {"UV_PROJECT_ENVIRONMENT": str(VENV), "UV_PYTHON_DOWNLOADS": "never"}
    if Path(ssl.get_default_verify_paths().cafile or "/none").exists():
        # As pip and the browser do here: a house behind an inspecting proxy has put its own authority there.
        extra["UV_SYSTEM_CERTS"] = "1"
    return run(command, extra=extra)


def base_python() -> str:
    """The interpreter behind any environment that we may run in: `.venv` must not be made out of itself."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def make_venv() -> bool:
    """Debian without python3-venv lacks ensurepip: then the environment borrows pip from outside."""
    if PYTHON.exists():
        return True
    bare = [] if importlib.util.find_spec("ensurepip") else ["--without-pip"]
    return run([base_python(), "-m", "venv", "--clear", *bare, str(VENV)])


def pip(*arguments: str) -> bool:
    quiet = ["--disable-pip-version-check", "--no-input", "--quiet"]
    if (VENV / "bin" / "pip").exists():
        return run([str(PYTHON), "-m", "pip", *arguments, *quiet])
    return run([base_python(), "-m", "pip", "--python", str(PYTHON), *arguments, *quiet])


def run(command: list[str], *, extra: dict[str, str] | None = None) -> bool:
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    try:
        return subprocess.run(command, cwd=ROOT, env={**environ, **(extra or {})}, check=False).returncode == 0
    except OSError as problem:
        say(f"  {command[0]}: {problem}")
        return False
