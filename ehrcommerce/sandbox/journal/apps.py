"""Registers what a reset clears: the journal with its checks, and the faults that were planted."""

from django.apps import AppConfig


class JournalConfig(AppConfig):
    """The journal of the sandbox."""

    name = "ehrcommerce.sandbox.journal"
    label = "journal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Hang the clearing of the tables onto the reset."""
        from ehrcommerce.sandbox import hooks
        from ehrcommerce.sandbox.journal import recording

        hooks.on_reset("journal", recording.forget_entries)
        hooks.on_reset("journal", recording.forget_checks)
        hooks.on_reset("faults", recording.forget_faults)
