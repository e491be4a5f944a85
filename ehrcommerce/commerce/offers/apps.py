"""What a clinician offers one patient."""

from django.apps import AppConfig


class OffersConfig(AppConfig):
    name = "ehrcommerce.commerce.offers"

    def ready(self) -> None:
        from ehrcommerce.commerce.offers import effects, links
        from ehrcommerce.disclosure import retention
        from ehrcommerce.outbox import chores, handlers

        handlers.register(effects.SendLink())
        chores.register("expire links", every_s=30.0, work=links.expire_due)
        retention.register("identity_digests", links.erase_digests)
