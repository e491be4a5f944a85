"""Registers the partners as a Django app and hangs them onto the sandbox's reset and clock."""

from django.apps import AppConfig


class PartnersConfig(AppConfig):
    """Suppliers, carrier, payer, payment and messages of the sandbox."""

    name = "ehrcommerce.sandbox.partners"
    label = "partners"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Hang the partners onto the sandbox's reset and its clock."""
        from ehrcommerce.sandbox import hooks

        from . import clock, forgetting

        hooks.on_reset("partners", forgetting.forget_partners)
        hooks.on_reset("messages", forgetting.forget_messages)
        hooks.on_tick(clock.beat)
