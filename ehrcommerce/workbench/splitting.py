"""How a run of everything is cut for two processes. A file stays whole, since its tests share what it made; a folder whose
tests share one running system of their own stays whole too, or that system would be started in both processes. What takes
longest comes first: a long piece that begins last leaves the other process idle."""

from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

# Longest first. Everything else follows in the order in which it was collected.
WHOLE = ("tests/crash/", "tests/minimization/", "tests/access/")
EARLY = (*WHOLE, "tests/browser/", "tests/journeys/", "tests/admin/live/", "tests/smart/")


def piece_of(nodeid: str) -> str:
    """The piece of work that a test belongs to: the folder, where that stays whole, else the file."""
    return next((folder for folder in WHOLE if nodeid.startswith(folder)), nodeid.partition("::")[0])


def rank_of(nodeid: str) -> int:
    return next((place for place, folder in enumerate(EARLY) if nodeid.startswith(folder)), len(EARLY))


class Pieces(LoadScopeScheduling):  # type: ignore[misc]  # the library ships no types
    def _split_scope(self, nodeid: str) -> str:
        return piece_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Pieces:
    return Pieces(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank_of(item.nodeid))
