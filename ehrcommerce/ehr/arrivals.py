"""The seam for whatever acts by itself: "this order of this patient is new or changed, and here it is".

A consumer registers in AppConfig.ready. It is called in the drain, inside the organization's walls, with no transaction
open, after the order was read through the door at this moment; at least once for each event, so it must stand a second
call. Only orders of patients are handed on who are known here from a launch or an order: nobody else's are read beyond
whose they are. Without a consumer nothing of this is read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.policy.packets import ChartOrder


@dataclass(frozen=True, slots=True)
class Arrival:
    """One order as the chart holds it now. `is_new`: nothing of it was sent to the patient yet. `access` may read more of
    this chart through the door with the same scopes, and be handed to `references.remember`."""

    connection: EhrConnection
    order: ChartOrder
    customer_key: str
    is_new: bool
    at: datetime
    access: FhirAccess = field(repr=False)

    @property
    def organization_id(self) -> int:
        return self.connection.organization_id


Consumer = Callable[[Arrival], None]
Waits = Callable[[int], bool]
_consumers: dict[str, tuple[Consumer, Waits]] = {}


def register(name: str, consumer: Consumer, *, waits: Waits = lambda organization_id: True) -> None:
    """Twice under one name is once. `waits`: whether it wants anything of this organization now."""
    _consumers[name] = (consumer, waits)


_witnesses: dict[str, Consumer] = {}


def witness(name: str, consumer: Consumer) -> None:
    """Told of every arrival after the consumers; for its sake alone nothing is read. Twice under one name is once."""
    _witnesses[name] = consumer


def unregister(name: str) -> None:
    _consumers.pop(name, None)


def awaited(organization_id: int) -> bool:
    """Whether anybody waits for orders of this organization that are not known yet."""
    return any(waits(organization_id) for _, waits in list(_consumers.values()))


def announce(arrival: Arrival) -> None:
    """To each in turn. A fault of one is a fault of the program: the event stays in the inbox and is tried again."""
    for consumer, waits in list(_consumers.values()):
        if waits(arrival.organization_id):
            consumer(arrival)
    for seen in list(_witnesses.values()):
        seen(arrival)
