"""The outbox, and the chores that belong to no app above: those of the audit, which is below."""

from datetime import datetime

from django.apps import AppConfig

# A clinic that writes more than this in one round of the clock goes on in the next, after the others.
SEAL_AT_ONCE, SEAL_BATCHES = 1000, 10


def _seal(organization_id: int, at: datetime) -> int:
    from ehrcommerce.audit.services import seal

    sealed = 0
    for _ in range(SEAL_BATCHES):
        moved = seal(organization_id=organization_id, limit=SEAL_AT_ONCE)
        sealed += moved
        if moved < SEAL_AT_ONCE:
            break
    return sealed


def _check(organization_id: int, at: datetime) -> int:
    from ehrcommerce.audit.verify import chore

    return chore(organization_id, at)


def _root(organization_id: int, at: datetime) -> int:
    from ehrcommerce.audit.roots import chore

    return chore(organization_id, at)


def _months(organization_id: int, at: datetime) -> int:
    from ehrcommerce.audit.months import make

    return make(organization_id, at)


def _drop(organization_id: int, at: datetime) -> int:
    from ehrcommerce.audit.months import drop_due

    return drop_due(organization_id, at)


class OutboxConfig(AppConfig):
    name = "ehrcommerce.outbox"

    def ready(self) -> None:
        from ehrcommerce.audit import months, roots, verify
        from ehrcommerce.outbox import chores

        # In this order: what the check writes down is sealed in the same round.
        chores.register("check audit", every_s=verify.EVERY_S, work=_check)
        chores.register("seal audit", every_s=2.0, work=_seal)
        chores.register("audit roots", every_s=roots.EVERY_S, work=_root)
        chores.register("audit months", every_s=months.EVERY_S, work=_months)
        chores.register("audit retention", every_s=months.EVERY_S, work=_drop)
