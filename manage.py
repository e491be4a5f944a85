#!/usr/bin/env python3
"""The one entry. `demo` and `test` make their own environment first, so a fresh clone needs Python and nothing else;
every other subcommand is plain Django. Until that environment exists only the standard library is imported here."""

import os
import sys
from pathlib import Path

# Commands of the workbench: each is a module there with a main(), run inside `.venv`.
WORKBENCH = {"demo": "demo", "test": "testing", "screenshots": "screenshots"}
SUPPORTED = ((3, 11), (3, 15))


def run_workbench(command: str, arguments: "list[str]") -> int:
    from importlib import import_module

    from ehrcommerce.workbench import environment

    environment.enter(command, arguments)
    code: int = import_module("ehrcommerce.workbench." + WORKBENCH[command]).main(arguments)
    return code


def run_django(argv: "list[str]") -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ehrcommerce.settings.development")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError:
        sys.exit("This Python has no Django: use .venv/bin/python manage.py ... (python3 manage.py demo makes it).")
    execute_from_command_line(argv)


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
