"""Cy's shop, for pages that are looked at."""

from tests.commerce.checkout.conftest import cy, outside, shop

__all__ = ["cy", "outside", "shop"]
