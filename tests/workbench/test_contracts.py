"""What import-linter cannot see: it knows a foreign package only as a whole, and `http` holds HTTPStatus as well."""

import ast
import sys
from pathlib import Path

import pytest

from ehrcommerce.workbench.environment import ROOT

PACKAGE = ROOT / "ehrcommerce"
# wire is the one HTTP client; the workbench and the sandbox are worlds of their own.
MAY = {"wire", "workbench", "sandbox"}
CLIENTS = {"http.client", "urllib.request", "ftplib", "smtplib", "telnetlib", "xmlrpc.client"}


def imported(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("line", ["import http.client", "from http import client", "import urllib.request as r"])
def test_the_look_is_sharp(line: str) -> None:
    assert imported(line) & CLIENTS


def test_the_standard_library_s_http_clients_stay_in_wire() -> None:
    """Put the call into wire, or let suppliers' port make it."""
    found = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in MAY and imported(path.read_text()) & CLIENTS
    }
    assert found == set()


def test_the_workbench_stands_on_little_until_the_environment_exists() -> None:
    """manage.py imports these two modules, and the keeper runs with nothing installed."""

    for name in ("environment.py", "keeper.py", "__init__.py"):
        roots = {module.partition(".")[0] for module in imported((PACKAGE / "workbench" / name).read_text())}
        assert roots <= set(sys.stdlib_module_names), name
    assert Path(PACKAGE / "__init__.py").read_text() == ""
