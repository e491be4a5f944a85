"""The last line before the socket: what is about to go to an outside party is compared, field by field, with what the
table grants that hop. Whatever was made wrong before, here it stops.

Every adapter has `sends`: path of its partner's body -> field of the table (`"plan.rxbin": "CoverageFacts.rx_bin"`), and
hands each body to require() in the function that makes the call. A body that is no JSON (a form, a file, X12) is handed
over as the mapping that it was written from."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.outbox.outcomes import Halt, NeedsHuman
from ehrcommerce.policy import derive, leaves
from ehrcommerce.policy.packets import Coding, OrderedItem, Parameter, ShipTo
from ehrcommerce.policy.purposes import HOP_OF_PORT
from ehrcommerce.suppliers.models import Supplier

Sends = Mapping[str, str]


class FieldNotGranted(Halt):
    """What was to be sent holds a field that the policy table does not grant this recipient. Nothing was sent. Compare the
    adapter's `sends` with ehrcommerce/policy."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(NeedsHuman(sorted(problems.values())[0]))
        self.problems = problems


def require(supplier: Supplier, sends: Sends, body: bytes | Mapping[str, Any]) -> None:
    """Raises FieldNotGranted, which ends the try with NeedsHuman, and tells the privacy officer: names, no values."""
    value = _read(body) if isinstance(body, bytes) else body
    hop = HOP_OF_PORT[supplier.port]
    problems = {"?": "unknown_field"} if value is None else leaves.problems(value, sends, derive.granted(hop))
    if problems:
        audit.record(
            organization_id=supplier.organization_id, by=audit.system("last line"), action="disclosure.refused",
            entity=f"supplier:{supplier.public_id}", at=timezone.now(), recipient=supplier.party, elements=problems,
            outcome="security", reason=sorted(problems.values())[0],
        )  # fmt: skip
        raise FieldNotGranted(problems)


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def of(packet: type, *, below: str = "", names: Mapping[str, str] | None = None) -> dict[str, str]:
    """`sends` of a packet that goes out under its own field names, or under those of `names` (theirs -> ours). What the
    table does not grant may stand here: it is refused when a body has it."""
    chosen = names or {one.name: one.name for one in fields(packet)}
    return {f"{below}{theirs}": f"{packet.__name__}.{ours}" for theirs, ours in chosen.items()}


SHIP_TO = of(ShipTo, below="ship_to.")
_PARTS = {"codings": Coding, "parameters": Parameter}


def ordered_item(below: str) -> dict[str, str]:
    """A prescription or a device as it goes out under its own names, codes and details with their parts."""
    plain = {path: field for path, field in of(OrderedItem, below=below).items() if path[len(below) :] not in _PARTS}
    parts = {
        f"{below}{name}.{one.name}": f"OrderedItem.{name}" for name, part in _PARTS.items() for one in fields(part)
    }
    return plain | parts
