"""The outside as commerce sees it."""

from django.apps import AppConfig


class SuppliersConfig(AppConfig):
    name = "ehrcommerce.suppliers"

    def ready(self) -> None:
        from ehrcommerce.outbox import chores, handlers
        from ehrcommerce.suppliers import callbacks, reading

        chores.register("forget callbacks", every_s=3600.0, work=callbacks.forget)
        chores.register("read partners' files", every_s=reading.EVERY_S, work=reading.plan)
        handlers.register(reading.ReadFiles())
