"""What a clinician offers one patient."""

from django.apps import AppConfig


class OffersConfig(AppConfig):
    name = "ehrcommerce.commerce.offers"

    def ready(self) -> None:
        from ehrcommerce.commerce.offers import arrivals, effects, finding, links, reminders
        from ehrcommerce.disclosure import retention
        from ehrcommerce.outbox import chores, handlers
        from ehrcommerce.policy.keeping import DIGEST
        from ehrcommerce.suppliers import messages

        handlers.register(effects.SendLink())
        handlers.register(arrivals.Undelivered())
        messages.told.connect(arrivals.heard, dispatch_uid="offers")
        chores.register("expire links", every_s=30.0, work=links.expire_due)
        chores.register("reminders", every_s=120.0, work=reminders.remind_due)
        chores.register("contact digests", every_s=3600.0, work=finding.fill_digests)
        digests = [f"offers.Offer.{what}_digest" for what in ("birth", "family", "postal")]
        retention.register("identity_digests", links.erase_digests, dict.fromkeys(digests, DIGEST))
