"""A device supplier: SKU, quantity, and size, side or count in words. No diagnosis, no prescriber, no birth date."""

from typing import Any

from ehrcommerce.suppliers.adapters._http_supplier import HttpSupplier
from ehrcommerce.suppliers.ports import SupplyRequest


class Adapter(HttpSupplier):
    def lines(self, request: SupplyRequest) -> list[dict[str, Any]]:
        return [
            {
                "sku": line.sku,
                "quantity": line.quantity,
                **({"description": line.description} if line.description else {}),
            }
            for line in request.lines
        ]
