"""Fixtures for everybody: the running system, the sandbox alone, a browser. Of a session, made when first asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ehrcommerce.workbench import browser
from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.services import Redis
from ehrcommerce.workbench.site import Site
from ehrcommerce.workbench.stack import Stack
from ehrcommerce.workbench.supervisor import Supervisor

STACK = pytest.StashKey[Stack]()
SITE = pytest.StashKey[Site]()
RUNNING = pytest.StashKey[list[Live]]()


def running(config: pytest.Config, live: Live) -> Live:
    config.stash.setdefault(RUNNING, []).append(live)
    return live


@pytest.fixture(scope="session")
def prepared(pytestconfig: pytest.Config) -> Iterator[Live]:
    """The databases, Redis and sandbox of a whole system, migrated and loaded once; web, worker and sweeper do not run
    for it. For tests that start those three themselves, in another way than the usual one.

    It has databases and a Redis of its own; PostgreSQL is shared with the tests of this process.
    """
    mine = pytestconfig.stash[STACK]
    redis = mine.own_redis("live")
    site = mine.site("live", redis_url=redis.url)
    system = running(pytestconfig, Live(site, Supervisor(mine.logs("live")), redis))
    try:
        system.prepare()
        yield system
    finally:
        system.end()
        system.redis_stop()


@pytest.fixture(scope="session")
def live(prepared: Live) -> Live:
    """A whole system on real processes: web, worker, sweeper and sandbox."""
    prepared.begin_ours()
    return prepared


@pytest.fixture(scope="session")
def sandbox(pytestconfig: pytest.Config) -> Iterator[Live]:
    """The sandbox site alone, at the address that settings.SANDBOX_URL names, with the demo's patients."""
    mine, site = pytestconfig.stash[STACK], pytestconfig.stash[SITE]
    system = running(pytestconfig, Live(site, Supervisor(mine.logs("tests")), Redis(site.redis_url)))
    try:
        system.begin_sandbox()
        yield system
    finally:
        system.end()


@pytest.fixture(scope="session")
def browser_path() -> Path:
    """A Chromium that can be started. Where none can be had the test fails and says how to get one."""
    try:
        return browser.find_or_fetch()
    except browser.NoBrowser as problem:
        pytest.fail(str(problem), pytrace=False)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_path: Path, pytestconfig: pytest.Config) -> dict[str, object]:
    """Takes the place of pytest-playwright's own, whose browser may not be downloaded."""
    arguments: dict[str, object] = {"executable_path": str(browser_path), "args": browser.flags()}
    if pytestconfig.getoption("--headed"):
        arguments["headless"] = False
    if slowmo := pytestconfig.getoption("--slowmo"):
        arguments["slow_mo"] = slowmo
    return arguments
