"""A database that commits, and a shop on it."""

from tests.commerce.fixtures import commits, shop, transactional_db

__all__ = ["commits", "shop", "transactional_db"]
