"""Purchases and their money."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "ehrcommerce.commerce.orders"

    def ready(self) -> None:
        from ehrcommerce.commerce.orders import chores as work
        from ehrcommerce.commerce.orders import effects
        from ehrcommerce.outbox import chores, handlers

        for handler in effects.HANDLERS:
            handlers.register(handler())
        chores.register("look at open payments", every_s=20.0, work=work.look_at_open_payments)
        chores.register("cancel unpaid orders", every_s=600.0, work=work.cancel_unpaid)
