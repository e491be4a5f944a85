#!/usr/bin/env python3
"""The one entry. `demo` and `test` make their own environment first, so a fresh clone needs Python and nothing else;
every other subcommand is plain Django. Until that environment exists only the standard library is imported here."""

import json
import os
import sys
from pathlib import Path

# Commands of the workbench: each is a module there with a main(), run inside `.venv`.
WORKBENCH = {
    "demo": "demo", "test": "testing", "screenshots": "screenshots", "prove_reliability": "reliability",
    "prove_minimization": "prove_minimization", "bench": "bench.main",
}  # fmt: skip
SUPPORTED = ((3, 11), (3, 15))
WELCOME = """Nothing is installed here yet. Start with one of these; each makes what it needs first:

  python3 manage.py demo           the whole system on this machine  (--reset, --port N, --fhir-data DIR)
  python3 manage.py test           all tests  (pytest's own arguments may follow)
  python3 manage.py screenshots    the pictures of docs/pictures.md
  python3 manage.py prove_reliability   kills processes while people buy, and counts  (--seed N, --nightly)
  python3 manage.py prove_minimization  shows that nothing leaves the chart but what the table names  (--seed N)
  python3 manage.py bench          how fast, beside a reference, on servers of its own  (--rounds N, --json FILE)

After that all other commands work too: python3 manage.py help lists them."""


def run_workbench(command: str, arguments: "list[str]") -> int:
    from importlib import import_module

    from ehrcommerce.workbench import environment

    environment.enter(command, arguments)
    code: int = import_module("ehrcommerce.workbench." + WORKBENCH[command]).main(arguments)
    return code


def run_django(argv: "list[str]") -> None:
    use_running_demo()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ehrcommerce.settings.development")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError:
        enter_environment(argv)
        return
    try:
        execute_from_command_line(argv)
    except ImproperlyConfigured as problem:
        sys.exit(f"{problem}\nSettings come from the environment (docs/operations.md), or from a running demo.")


def use_running_demo() -> None:
    """Without settings of its own, a command works on the demo of this checkout while that runs."""
    home = Path(__file__).resolve().parent / ".demo"
    told = home / "environment.json"
    given = "EHRC_SECRET_KEY" in os.environ or "DJANGO_SETTINGS_MODULE" in os.environ
    if not given and told.exists() and is_held(home / "lock"):
        os.environ.update(json.loads(told.read_text()))
        print("Settings: those of the running demo.", file=sys.stderr)


def is_held(lock: Path) -> bool:
    """Whether a demo lives: a killed one leaves its files, never its lock."""
    import fcntl

    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def enter_environment(argv: "list[str]") -> None:
    """Go on in `.venv` where it has been made; else say what makes it."""
    root = Path(__file__).resolve().parent
    python = root / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != python.parents[1]:
        os.execv(python, [str(python), str(root / "manage.py"), *argv[1:]])
    asked_for_help = len(argv) < 2 or argv[1] in ("help", "--help", "-h")
    print(WELCOME, file=sys.stdout if asked_for_help else sys.stderr)
    sys.exit(0 if asked_for_help else 1)


def main() -> None:
    low, high = SUPPORTED
    if not low <= sys.version_info[:2] < high:
        version = ".".join(map(str, sys.version_info[:2]))
        sys.exit("ehrcommerce needs Python 3.11 to 3.14, and this is " + version + ": start it with another one.")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in WORKBENCH:
        if os.name != "posix":
            sys.exit("manage.py " + command + " starts its own servers, on Linux and macOS: on Windows use WSL.")
        os.chdir(Path(__file__).resolve().parent)
        try:
            sys.exit(run_workbench(command, sys.argv[2:]))
        except KeyboardInterrupt:
            sys.exit(130)
    run_django(sys.argv)


if __name__ == "__main__":
    main()
