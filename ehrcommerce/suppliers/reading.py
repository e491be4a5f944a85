"""Looking for the answers of partners without an API: one effect for each such partner that returns by itself, so that a
slow one holds up nobody and a failed look is tried again."""

from datetime import datetime

from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Outcome, Refused, TryAgain
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier

FILES = "file_"
EVERY_S = 60.0


class ReadFiles(Handler):
    """One look into one partner's folder. It changes nothing there."""

    kind = "suppliers.read_files"

    def send(self, effect: Effect, body: bytes) -> Outcome:
        supplier = Supplier.objects.filter(public_id=effect.subject, active=True).first()
        if supplier is None:
            return Refused("not_wanted")
        chosen.agreed(supplier).read_files()
        return TryAgain("looked", after_s=EVERY_S)

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")


def plan(organization_id: int, at: datetime) -> int:
    """The sweeper's chore: each such partner has its effect."""
    partners = Supplier.objects.filter(organization_id=organization_id, active=True, adapter__startswith=FILES)
    for supplier in partners:
        outbox.plan_next(
            kind=ReadFiles.kind, subject=str(supplier.public_id), organization_id=organization_id, at=at
        )  # fmt: skip
    return len(partners)
