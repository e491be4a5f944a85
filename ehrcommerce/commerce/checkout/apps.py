"""The patient's pages."""

from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    name = "ehrcommerce.commerce.checkout"

    def ready(self) -> None:
        from ehrcommerce.commerce.checkout.code import SendCode
        from ehrcommerce.commerce.checkout.coverage import AskPlan
        from ehrcommerce.commerce.checkout.services import end_due
        from ehrcommerce.disclosure import retention
        from ehrcommerce.outbox.handlers import register

        register(SendCode())
        register(AskPlan())
        retention.register("checkout_sessions", end_due)
