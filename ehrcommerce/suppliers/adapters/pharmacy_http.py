"""A mail-order pharmacy. It alone gets the prescription, its prescriber and routing proof, and, where its row says so,
the patient's name and birth date. What was written as text stays text: no dose is ever computed here."""

from dataclasses import asdict
from typing import Any

from ehrcommerce.suppliers.adapters._http_supplier import HttpSupplier
from ehrcommerce.suppliers.ports import SupplyRequest


class Adapter(HttpSupplier):
    def more(self, request: SupplyRequest) -> dict[str, Any]:
        items = [{"sku": line.sku, **line.facts} for line in request.lines]
        return {"prescription": {"items": items}, **({"patient": asdict(request.person)} if request.person else {})}
