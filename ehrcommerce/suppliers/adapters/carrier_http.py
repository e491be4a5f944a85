"""A parcel carrier's tracking: `track/{number}`. It knows numbers, not people."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from ehrcommerce.suppliers import last_line
from ehrcommerce.suppliers.adapters._http_partner import HttpPartner, text_of

# Their word -> ours. A word that is not here is "unknown": the parcel stays where we last knew it, and that is said.
STATUS_OF = {
    "label_created": "shipped",
    "in_transit": "shipped",
    "out_for_delivery": "shipped",
    "delivered": "delivered",
    "exception": "exception",
    "returned": "returned",
}


class Adapter(HttpPartner):
    sends: ClassVar[Mapping[str, str]] = {"number": "Shipment.tracking_number"}

    def track(self, number: str) -> str:
        last_line.require(self.supplier, self.sends, {"number": number})
        found = self.read(f"track/{quote(number, safe='')}")
        return "" if found is None else STATUS_OF.get(str(found.get("status")), "unknown")

    def read_callback(self, body: Mapping[str, Any]) -> str:
        return text_of(body.get("number"))[:64]
