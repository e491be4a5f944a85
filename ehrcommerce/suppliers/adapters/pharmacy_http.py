"""A mail-order pharmacy. It alone gets the prescription, its prescriber and routing proof, and, where its row says so,
the patient's name and birth date. What was written as text stays text: no dose is ever computed here."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from ehrcommerce.policy.packets import DispatchFacts
from ehrcommerce.suppliers import last_line
from ehrcommerce.suppliers.adapters._http_supplier import HttpSupplier
from ehrcommerce.suppliers.ports import SupplyRequest


class Adapter(HttpSupplier):
    sends: ClassVar[Mapping[str, str]] = {
        **HttpSupplier.sends, **last_line.ordered_item("prescription.items."),
        "prescription.items.sku": "SupplyLine.sku", "prescription.items.routing_proof": "OfferLine.routing_proof",
        **last_line.of(DispatchFacts, below="patient."), "answer": "Fulfiller.answer", "text": "Fulfiller.answer",
    }  # fmt: skip

    def more(self, request: SupplyRequest) -> dict[str, Any]:
        items = [{"sku": line.sku, **line.facts} for line in request.lines]
        return {"prescription": {"items": items}, **({"patient": asdict(request.person)} if request.person else {})}
