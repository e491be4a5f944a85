"""What a test run stands on: the servers are up and the environment is set before pytest-django reads the settings.

Also: no socket leaves this machine, tests marked `nightly` wait for --nightly, large families of cases rotate by a seed,
and a failed test that used the running system shows the last lines of its logs.
"""

import os
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from ehrcommerce.workbench import conformance, fixtures, loopback, rotation, stack
from ehrcommerce.workbench.services import redis_version

STACK = pytest.StashKey[stack.Stack]()
LEFT = pytest.StashKey[int]()
NEEDS_NOTHING = {"--help", "-h", "--version", "-V", "--markers", "--fixtures"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ehrcommerce")
    group.addoption(
        "--nightly", action="store_true", help="run also the tests marked nightly, and all cases of a family"
    )
    group.addoption(
        "--write-conformance", action="store_true", help="as --nightly, and write docs/smart-conformance.md"
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> Generator[None, object, object]:
    """A wrapper, so that it comes before pytest-django's own, which imports the settings."""
    if not NEEDS_NOTHING.intersection(args):
        known = early_config.known_args_namespace
        # A case that somebody names is run, whatever the seed would choose.
        named = any("[" in arg for arg in args)
        rotation.begin(whole=known.nightly or known.write_conformance or named)
        cleanup = ExitStack()
        early_config.add_cleanup(cleanup.close)
        early_config.stash[STACK] = mine = stack.join_or_start(cleanup)
        hosts = stack.given_hosts()
        site = mine.site("tests", settings=stack.SETTINGS)
        if "PYTEST_XDIST_WORKER" not in os.environ:
            site.make_roles()
        os.environ.update(site.app_environment())
        early_config.stash[fixtures.SITE] = site
        loopback.close_the_doors(but_for=hosts)
        cleanup.callback(loopback.open_the_doors)
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    # Registered now, after all other plugins: a fixture of the same name as one of pytest-playwright's must win.
    if STACK in config.stash:
        config.stash[fixtures.STACK] = config.stash[STACK]
        config.pluginmanager.register(fixtures, "ehrcommerce-fixtures")
    if config.getoption("--write-conformance"):
        config.pluginmanager.register(conformance.Writer(config.rootpath))


def pytest_report_header(config: pytest.Config) -> list[str]:
    if STACK not in config.stash:
        return []
    mine = config.stash[STACK]
    origin = "given by DATABASE_URL" if mine.postgres.child is None else "throwaway"
    redis = "throwaway" if mine.redis_is_ours else "given by REDIS_URL"
    servers = f"servers: {mine.postgres.version()} ({origin}), {redis_version(mine.redis_url)} ({redis})"
    return [servers, rotation.headline()]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--nightly") or config.getoption("--write-conformance"):
        return
    left = [item for item in items if item.get_closest_marker("nightly") is not None]
    if left:
        items[:] = [item for item in items if item.get_closest_marker("nightly") is None]
        config.hook.pytest_deselected(items=left)
    config.stash[LEFT] = len(left)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if count := config.stash.get(LEFT, 0):
        terminalreporter.write_line(f"{count} tests are left for the night: python3 manage.py test --nightly")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each test that uses a running system finds all of it running, whatever the one before did to it."""
    asked = set(getattr(item, "fixturenames", ()))
    if asked & {"live", "sandbox", "prepared"}:
        for running in item.config.stash.get(fixtures.RUNNING, []):
            running.heal(ours="live" in asked)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and item.config.stash.get(fixtures.RUNNING, None):
        for running in item.config.stash[fixtures.RUNNING]:
            for name, child in running.supervisor.children.items():
                report.sections.append((f"last lines of {name}", child.last_lines()))
    return report
