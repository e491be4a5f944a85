"""The outside as commerce sees it."""

from django.apps import AppConfig


class SuppliersConfig(AppConfig):
    name = "ehrcommerce.suppliers"

    def ready(self) -> None:
        from ehrcommerce.outbox import chores
        from ehrcommerce.suppliers import callbacks

        chores.register("forget callbacks", every_s=3600.0, work=callbacks.forget)
