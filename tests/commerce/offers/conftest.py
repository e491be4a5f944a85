"""The shop, on a database that commits."""

from tests.commerce.fixtures import commits, shop, transactional_db

__all__ = ["commits", "shop", "transactional_db"]
