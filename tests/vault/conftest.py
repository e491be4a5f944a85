"""Sealed values of a whole shop."""

from tests.commerce.fixtures import commits, shop, transactional_db

__all__ = ["commits", "shop", "transactional_db"]
