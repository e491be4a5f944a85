"""A laboratory that mails specimen kits: SKU and quantity. It learns what the kit is for from its own SKU, and who the
sample is from when the patient registers the kit; we send neither. No result ever comes back through here."""

from collections.abc import Mapping
from typing import ClassVar

from ehrcommerce.suppliers.adapters._http_supplier import STATUS_OF, HttpSupplier

# The kit is with the patient once it is registered; our part is over when the laboratory has the sample.
KIT_STATUS_OF = {**STATUS_OF, "kit_registered": "delivered", "sample_received": "completed", "resulted": "completed"}


class Adapter(HttpSupplier):
    statuses: ClassVar[Mapping[str, str]] = KIT_STATUS_OF
