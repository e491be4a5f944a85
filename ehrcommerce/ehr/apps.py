"""Everything that speaks with an EHR."""

from django.apps import AppConfig


class EhrConfig(AppConfig):
    name = "ehrcommerce.ehr"
    verbose_name = "EHR"

    def ready(self) -> None:
        """What others may ask of this room without importing it: its chores and its eraser."""
        from ehrcommerce.accounts import whom as contacts
        from ehrcommerce.disclosure import retention
        from ehrcommerce.ehr import (
            cds_cards,
            drain,
            forgetting,
            inbox,
            listening,
            polling,
            revocation,
            sessions,
            silence,
            versions,
            whom,
        )
        from ehrcommerce.outbox import chores, handlers
        from ehrcommerce.policy.keeping import IN_MEMORY, INBOX, OFFER, SKELETON

        contacts.register(whom.ehr_of)
        chores.register("ehr.sessions", every_s=300, work=sessions.tidy)
        chores.register("ehr.inbox", every_s=5.0, work=drain.pick_up)
        chores.register("ehr.polling", every_s=10.0, work=polling.due)
        chores.register("ehr.old versions", every_s=60.0, work=versions.alarm)
        chores.register("ehr.listening", every_s=15.0, work=listening.tend)
        chores.register("ehr.silence", every_s=300, work=silence.watch)
        from ehrcommerce.ehr import arrivals, automatic, automation, refills, subscriptions, waiting

        arrivals.witness("ehr.waiting", waiting.witness)
        chores.register("ehr.waiting orders", every_s=15.0, work=waiting.tend)
        columns = ("ehr.WaitingOrder.resource_id", "ehr.WaitingOrder.customer_key")
        retention.register("waiting_orders", waiting.erase, dict.fromkeys(columns, INBOX))
        retention.FORGETTERS["waiting_orders"] = waiting.forget

        for handler in (revocation.Revoke(), drain.Drain(), polling.Poll(), subscriptions.Make(), subscriptions.Check()):
            handlers.register(handler)
        handlers.register(automatic.Automatic())
        handlers.register(refills.NextFill())
        chores.register("ehr.refills", every_s=60.0, work=refills.plan_due)
        arrivals.register("automation", automation.consider, waits=automation.any_rule)
        acts = ("ehr.AutomaticAct.customer_key", "ehr.AutomaticAct.order_key")
        retention.register("automatic_acts", automation.erase, dict.fromkeys(acts, SKELETON))
        retention.FORGETTERS["automatic_acts"] = automation.forget
        retention.register("notifications", inbox.forget, {"ehr.Notification.resource_id": INBOX})
        context = [f"ehr.EhrSession.{one}" for one in sessions.CONTEXT]
        retention.register("launches", sessions.forget_context, dict.fromkeys(context, IN_MEMORY))
        ids = ("ehr.ChartReference.resource_id", "ehr.ChartReference.patient_id")
        retention.register("chart_references", forgetting.erase_references, dict.fromkeys(ids, OFFER))
        retention.FORGETTERS["chart_references"] = forgetting.forget
        chores.register("ehr.hook_calls", every_s=300, work=cds_cards.tidy)
        retention.register("cards", cds_cards.erase, {"ehr.AppContext.orders": IN_MEMORY})
        retention.FORGETTERS["cards"] = cds_cards.forget
