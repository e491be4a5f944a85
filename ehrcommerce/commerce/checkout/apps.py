"""The patient's pages."""

from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    name = "ehrcommerce.commerce.checkout"

    def ready(self) -> None:
        from ehrcommerce.audit import traces
        from ehrcommerce.commerce.checkout import people, rights
        from ehrcommerce.commerce.checkout import traces as ours
        from ehrcommerce.commerce.checkout.code import SendCode
        from ehrcommerce.commerce.checkout.coverage import AskPlan
        from ehrcommerce.commerce.checkout.forgetting import ForgetPartner
        from ehrcommerce.commerce.checkout.services import end_due
        from ehrcommerce.disclosure import retention
        from ehrcommerce.outbox import chores
        from ehrcommerce.outbox.handlers import register
        from ehrcommerce.policy.keeping import IN_MEMORY

        register(SendCode())
        register(AskPlan())
        register(ForgetPartner())
        fields = ("eligibility", "quote", "address_on_file", "ship_to")
        held = [f"checkout.CheckoutSession.{one}" for one in fields]
        retention.register("checkout_sessions", end_due, dict.fromkeys(held, IN_MEMORY))
        chores.register("erasure requests", every_s=600.0, work=rights.settle_waiting)
        traces.register("order", ours.of_order)
        traces.register("offer", ours.of_offer)
        traces.register_finder(people.customers_at)
