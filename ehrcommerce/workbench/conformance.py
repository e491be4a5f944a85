"""docs/smart-conformance.md: each SMART line, what it asks, and the tests that prove it.

Read from the tests' own marks, without running them: `@pytest.mark.smart("L1")` on a function, a class, or as a
module's `pytestmark`. A line without a test shows as "no test", so the page cannot claim more than the suite does."""

import ast
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from ehrcommerce.workbench.smart_lines import GROUPS, NOT_BUILT

PAGE = "smart-conformance.md"
LINES = {code: text for _, lines in GROUPS for code, text in lines.items()}

HEAD = """# SMART conformance

Written by `python3 manage.py test --write-conformance -m smart`, and only after a run in which every test of every line
passed, with all cases of the families of which a daily run takes a few. A house test holds the page against the marks of the
tests. The last column counts the tests that carry the line's mark, not the cases that one of them runs. The specification's
own words:
[SMART App Launch 2.2](https://hl7.org/fhir/smart-app-launch/STU2.2/).

"""

LAST = re.compile(r"^Last whole run: .*$", re.MULTILINE)

Proofs = dict[str, list[str]]


class Writer:
    """Writes the page at the end of a run in which every line was proved; else says which line was not."""

    def __init__(self, root: Path) -> None:
        self.root, self.ran, self.failed, self.passed, self.said = root, set[str](), set[str](), 0, ""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        codes = dict.fromkeys(code for mark in item.iter_markers("smart") for code in mark.args)
        item.user_properties += [("smart", code) for code in codes]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        codes = {str(code) for name, code in report.user_properties if name == "smart"}
        if report.when == "call" and report.passed:
            self.ran |= codes
            self.passed += 1
        if not report.passed:
            self.failed |= codes

    def pytest_sessionfinish(self) -> None:
        open_lines = sorted(self.failed | set(LINES) - set(NOT_BUILT) - self.ran)
        if open_lines:
            self.said = f"docs/{PAGE} was not written: no passing test of {', '.join(open_lines)} in this run."
            return
        told = f"Last whole run: {time.strftime('%Y-%m-%d', time.gmtime())}, every line, {self.passed} cases passed, none failed."
        (self.root / "docs" / PAGE).write_text(page(self.root / "tests", told))
        self.said = f"docs/{PAGE} was written."

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(self.said)


def proofs(tests: Path) -> Proofs:
    """Line -> `file::test` of each test that carries its mark."""
    found: Proofs = defaultdict(list)
    for file in sorted(tests.rglob("test_*.py")):
        for code, name in _marked(ast.parse(file.read_text())):
            found[code].append(f"{file.relative_to(tests)}::{name}")
    return dict(found)


def _marked(module: ast.Module) -> Iterator[tuple[str, str]]:
    everywhere = [code for node in module.body if _is_pytestmark(node) for code in _codes(node)]
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            outer = everywhere + [code for mark in node.decorator_list for code in _codes(mark)]
            for inner in node.body:
                yield from _of_test(inner, outer, f"{node.name}::")
        else:
            yield from _of_test(node, everywhere, "")


def _of_test(node: ast.stmt, outer: list[str], prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
        own = [code for mark in node.decorator_list for code in _codes(mark)]
        for code in dict.fromkeys(outer + own):
            yield code, prefix + node.name


def _is_pytestmark(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in targets)


def _codes(node: ast.AST) -> list[str]:
    """The words inside every `....smart("A", "B")` below this node, marks of single parameters included."""
    calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
    marks = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "smart"]
    words = [arg for call in marks for arg in call.args if isinstance(arg, ast.Constant)]
    return [str(word.value) for word in words]


def last_run(kept: str) -> str:
    """What a page says of the last run of all cases, which the tests alone do not tell."""
    found = LAST.search(kept)
    return found[0] if found else "Last whole run: none is recorded."


def page(tests: Path, told: str) -> str:
    """The whole page; `told` is its sentence of the last run of all cases."""
    found = proofs(tests)
    return f"{HEAD}{told}\n\n" + "\n".join(_table(title, lines, found) for title, lines in GROUPS)


def _table(title: str, lines: dict[str, str], found: Proofs) -> str:
    rows = [f"| {code} | {text} | {_tests(code, found)} | {_count(code, found)} |" for code, text in lines.items()]
    return "\n".join([f"## {title}\n", "| line | requirement | files | tests |", "|---|---|---|---|", *rows, ""])


def _count(code: str, found: Proofs) -> str:
    """How many tests carry the mark; that all passed is said once, at the head of the page."""
    return str(len(found[code])) if code in found else "not built"


def _tests(code: str, found: Proofs) -> str:
    if code in NOT_BUILT:
        return NOT_BUILT[code]
    return ", ".join(f"`{file}`" for file in dict.fromkeys(name.partition("::")[0] for name in found.get(code, [])))
