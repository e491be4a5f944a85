"""A database that commits, a clinic on it, and a handler that does what it is told."""

from tests.commerce.fixtures import commits, transactional_db
from tests.outbox.probe import clinic, probe

__all__ = ["clinic", "commits", "probe", "transactional_db"]
