"""Registers what a reset of the EHR clears: knobs, launches, codes, tokens; the chart itself stays."""

from django.apps import AppConfig
from django.utils import timezone


class EhrConfig(AppConfig):
    """The EHR of the sandbox."""

    name = "ehrcommerce.sandbox.ehr"
    label = "ehr"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Hang the clearing and the registered client onto the shared moments."""
        from ehrcommerce.sandbox import hooks
        from ehrcommerce.sandbox.ehr import fhir_store, seeding, subscribing, telling

        hooks.on_reset("ehr", seeding.forget_sessions)
        hooks.on_tick(lambda: telling.beat(timezone.now()))
        fhir_store.on_change(subscribing.written)
        fhir_store.on_change(telling.changed)
        hooks.on_load(seeding.register_demo_client)
