"""Purchases and their money."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "ehrcommerce.commerce.orders"

    def ready(self) -> None:
        from ehrcommerce.commerce.orders import chores as work
        from ehrcommerce.commerce.orders import effects, reconciling, refunding
        from ehrcommerce.outbox import chores, handlers

        for handler in (*effects.HANDLERS, refunding.RefundPayment):
            handlers.register(handler())
        chores.register("look at open payments", every_s=20.0, work=work.look_at_open_payments)
        for comparing in reconciling.HANDLERS:
            handlers.register(comparing())
        chores.register("reconcile with processors", every_s=1800.0, work=reconciling.reconcile_yesterday)
        chores.register("cancel unpaid orders", every_s=600.0, work=work.cancel_unpaid)
