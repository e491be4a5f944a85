"""A device supplier: SKU, quantity, and size, side or count in words. No diagnosis, no prescriber, no birth date."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ehrcommerce.suppliers.adapters._http_supplier import HttpSupplier
from ehrcommerce.suppliers.ports import SupplyRequest


class Adapter(HttpSupplier):
    # One sentence made of the parameters alone (commerce.fulfillment.payloads).
    sends: ClassVar[Mapping[str, str]] = {**HttpSupplier.sends, "lines.description": "OrderedItem.parameters"}

    def lines(self, request: SupplyRequest) -> list[dict[str, Any]]:
        return [
            {
                "sku": line.sku,
                "quantity": line.quantity,
                **({"description": line.description} if line.description else {}),
            }
            for line in request.lines
        ]
