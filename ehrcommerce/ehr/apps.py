"""Everything that speaks with an EHR."""

from django.apps import AppConfig


class EhrConfig(AppConfig):
    name = "ehrcommerce.ehr"
    verbose_name = "EHR"

    def ready(self) -> None:
        """What others may ask of this room without importing it: its chores and its eraser."""
        from ehrcommerce.disclosure import retention
        from ehrcommerce.ehr import forgetting, revocation, sessions
        from ehrcommerce.outbox import chores, handlers
        from ehrcommerce.policy.keeping import IN_MEMORY, OFFER

        chores.register("ehr.sessions", every_s=300, work=sessions.tidy)
        handlers.register(revocation.Revoke())
        context = [f"ehr.EhrSession.{one}" for one in sessions.CONTEXT]
        retention.register("launches", sessions.forget_context, dict.fromkeys(context, IN_MEMORY))
        ids = ("ehr.ChartReference.resource_id", "ehr.ChartReference.patient_id")
        retention.register("chart_references", forgetting.erase_references, dict.fromkeys(ids, OFFER))
        retention.FORGETTERS["chart_references"] = forgetting.forget
