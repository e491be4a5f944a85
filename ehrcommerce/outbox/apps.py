"""The outbox, and the chores that belong to no app above: checking the audit chain and sealing it."""

from datetime import datetime

from django.apps import AppConfig


def _seal(organization_id: int, at: datetime) -> int:
    from ehrcommerce.audit.services import seal

    return seal(organization_id=organization_id)


def _check(organization_id: int, at: datetime) -> int:
    from ehrcommerce.audit.verify import chore

    return chore(organization_id, at)


def _root(organization_id: int, at: datetime) -> int:
    from ehrcommerce.audit.roots import chore

    return chore(organization_id, at)


class OutboxConfig(AppConfig):
    name = "ehrcommerce.outbox"

    def ready(self) -> None:
        from ehrcommerce.audit import roots, verify
        from ehrcommerce.outbox import chores

        # In this order: what the check writes down is sealed in the same round.
        chores.register("check audit", every_s=verify.EVERY_S, work=_check)
        chores.register("seal audit", every_s=2.0, work=_seal)
        chores.register("audit roots", every_s=roots.EVERY_S, work=_root)
