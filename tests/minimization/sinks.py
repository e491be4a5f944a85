"""THE SINKS: every place in which something of a chart can come to rest or pass by, and who stands there.

A new place (an export, a file, a partner) is one row here and one `keep(...)` where it is collected. What may lie in it
is never typed here: `verdict.py` asks the policy table for the recipient, the role or the way of keeping that a row
names."""

from collections import defaultdict
from dataclasses import dataclass
from threading import Lock

from ehrcommerce.policy import table


@dataclass(frozen=True, slots=True)
class Sink:
    """`recipient` is a hop of the table, `role` one who sees pages of ours, `stored` how values are kept there (the forms
    of policy.keeping). A sink that names none of them may hold nothing of any chart."""

    name: str
    recipient: str = ""
    role: str = ""
    stored: tuple[str, ...] = ()
    under_way: bool = False  # on its way to some recipient, whoever it is


CLEAR, SEALED = "in clear", "encrypted"
STAFF = ("support", "operations", "fulfillment", "catalog", "privacy", "integration", "administrator")

SINKS: tuple[Sink, ...] = (
    # -- at rest -------------------------------------------------------------------------------------------------
    Sink("database, raw", stored=(CLEAR,)),
    Sink("database, opened", stored=(CLEAR, SEALED)),
    Sink("database, handles of the EHR half opened", recipient=table.EHR),
    Sink("sessions, decoded"),
    Sink("history of the admin"),
    Sink("audit trail"),
    Sink("effects that are final, opened"),
    Sink("effects under way, opened", under_way=True),
    Sink("Redis, every key"),
    Sink("files left behind"),
    # -- passing by ----------------------------------------------------------------------------------------------
    Sink("Redis, every command"),
    Sink("task bodies"),
    Sink("log of PostgreSQL"),
    Sink("log of web, DEBUG"),
    Sink("log of worker, DEBUG"),
    Sink("log of sweeper, DEBUG"),
    Sink("output of commands"),
    Sink("health and metrics"),
    # -- outside parties -----------------------------------------------------------------------------------------
    Sink("EHR", recipient=table.EHR),
    Sink("pharmacy", recipient=table.PHARMACY),
    Sink("device supplier", recipient=table.DEVICE_SUPPLIER),
    Sink("laboratory", recipient=table.LABORATORY),
    Sink("payer", recipient=table.PAYER),
    Sink("payment processor", recipient=table.PROCESSOR),
    Sink("carrier", recipient=table.CARRIER),
    Sink("messenger", recipient=table.MESSENGER),
    Sink("texts and mails", recipient=""),
    Sink("foreign origin"),
    # -- pages ---------------------------------------------------------------------------------------------------
    Sink("pages of the clinician", role=table.CLINICIAN),
    Sink("printed sheet"),
    Sink("pages before identity"),
    Sink("pages of the verified patient", role=table.PATIENT),
    Sink("error pages"),
    Sink("answers to callbacks"),
    Sink("response headers"),
    Sink("cookies"),
    Sink("addresses"),
    Sink("downloads"),
    *(Sink(f"admin pages: {role}", role=role) for role in STAFF),
)
BY_NAME = {sink.name: sink for sink in SINKS}
# Filled by the console that opens all rows.
OPENED = {
    "database, opened", "database, handles of the EHR half opened", "sessions, decoded", "history of the admin",
    "audit trail", "effects that are final, opened", "effects under way, opened",
}  # fmt: skip


class Basin:
    """What was collected, by sink. Threads of several journeys write into it."""

    def __init__(self) -> None:
        self.content: dict[str, list[bytes]] = defaultdict(list)
        self._lock = Lock()

    def keep(self, sink: str, content: str | bytes, *, where: str = "") -> None:
        """`where` (an address, a table) is searched as well and shows in the report."""
        if sink not in BY_NAME:
            raise KeyError(f"{sink!r} is no row of tests/minimization/sinks.py")
        body = content.encode() if isinstance(content, str) else content
        with self._lock:
            self.content[sink].append(f"\n[{where}] ".encode() + body if where else body)

    def whole(self, sink: str) -> bytes:
        """Each line once: pages repeat their frame, dumps their defaults."""
        with self._lock:
            return b"\n".join(dict.fromkeys(line for part in self.content[sink] for line in part.split(b"\n")))

    def size(self) -> int:
        return sum(len(part) for parts in self.content.values() for part in parts)
