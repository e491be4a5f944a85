"""Everything that speaks with an EHR."""

from django.apps import AppConfig


class EhrConfig(AppConfig):
    name = "ehrcommerce.ehr"
    verbose_name = "EHR"

    def ready(self) -> None:
        """What others may ask of this room without importing it: its chores and its eraser."""
        from ehrcommerce.disclosure import retention
        from ehrcommerce.ehr import revocation, sessions
        from ehrcommerce.outbox import chores, handlers

        chores.register("ehr.sessions", every_s=300, work=sessions.tidy)
        handlers.register(revocation.Revoke())
        retention.register("launches", sessions.forget_context)
