"""`python3 manage.py prove_minimization`: nothing leaves the chart but what the policy table names, shown by one command.

It runs tests/minimization with all its cases on a throwaway system (databases, web, worker, sweeper, sandbox) and prints a
table in place of pytest's report. Exit code 0 only when everything was planted, driven, searched and caught; else 1, with the
path, the sink and the encoding of each leak. `--charts` and `--search` do the first and the last step alone, for a
staging system that somebody else drives (docs/minimization.md)."""

import argparse
import importlib
import io
import os
import time
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from ehrcommerce.workbench import rotation

TESTS = "tests/minimization"
QUIET = ["-o", "addopts=", "-p", "ehrcommerce.workbench.pytest_plugin", "-p", "no:cacheprovider", "-s"]
WIDTH = 44


class Table:
    """Collects what the tests tell, and says what is going on meanwhile."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}
        self.faults: list[str] = []
        self.said: set[str] = set()
        self.begun = time.monotonic()

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """pytest's own report goes nowhere; other plugins still find somebody under its name."""
        theirs = config.pluginmanager.getplugin("terminalreporter")
        if theirs is not None:
            config.pluginmanager.unregister(theirs)
            config.pluginmanager.register(TerminalReporter(config, io.StringIO()), "terminalreporter")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        name = nodeid.rpartition("::")[2].partition("[")[0].removeprefix("test_").replace("_", " ")
        if name not in self.said:
            self.said.add(name)
            print(f"... {name}", flush=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.lines |= {str(what): str(value) for what, value in report.user_properties}
        if report.failed:
            self.faults.append(f"{report.nodeid}\n{report.longreprtext}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.faults.append(f"{report.nodeid}\n{report.longreprtext}")

    def show(self, code: int) -> None:
        rows = {**self.lines, "Seconds": f"{time.monotonic() - self.begun:.0f}", "Seed": str(rotation.seed())}
        print()
        for what, value in rows.items():
            print(f"{what + ' ':.<{WIDTH}} {value}")
        for fault in self.faults:
            print(f"\n{fault}")
        print("\nProved." if code == 0 else "\nNOT PROVED: see above.")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py prove_minimization", description=__doc__)
    parser.add_argument("--seed", type=int, help="the same sentinels, cases and pairs as a run that printed this seed")
    parser.add_argument("--nightly", action="store_true", help="5,000 pairs of charts as well")
    parser.add_argument("--charts", type=Path, metavar="DIR", help="only write charts, for your staging EHR")
    parser.add_argument("--search", type=Path, metavar="LEDGER", help="only search")
    parser.add_argument("--database-url", default="", help="owner's login of the staging database (raw dump)")
    parser.add_argument("--redis-url", default="", help="its Redis")
    where = "files or folders to search, and the sink that each stands for (tests/minimization/sinks.py)"
    parser.add_argument("--files", nargs="*", default=[], metavar="SINK=PATH", help=where)
    options = parser.parse_args(arguments)
    if options.seed is not None:
        os.environ[rotation.SEED] = str(options.seed)
    rotation.begin(whole=True)
    if options.charts or options.search:
        staging = importlib.import_module("tests.minimization.staging")
        return int(staging.main(options, rotation.seed()))
    table = Table()
    wanted = [TESTS, *QUIET, f"--ignore={TESTS}/test_staging.py", *(["--nightly"] if options.nightly else [])]
    code = int(pytest.main(wanted, plugins=[table]))
    table.show(code)
    return 0 if code == 0 else 1
