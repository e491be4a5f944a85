"""The door."""

from django.apps import AppConfig


class DisclosureConfig(AppConfig):
    name = "ehrcommerce.disclosure"

    def ready(self) -> None:
        from ehrcommerce.audit import months
        from ehrcommerce.disclosure import consent, holds, retention
        from ehrcommerce.policy.keeping import AUDITED, SKELETON

        notes = ("accounts.Reveal.note", "accounts.BreakGlass.note")
        retention.register("notes", retention.erase_notes, dict.fromkeys(notes, AUDITED))
        kept = ("Disclosure.customer_key", "Disclosure.recipient_name", "Disclosure.elements", "Consent.customer_key")
        retention.register("receipts", retention.erase_receipts, {f"disclosure.{one}": SKELETON for one in kept})
        retention.FORGETTERS["standing_consents"] = consent.forget_standing
        months.KEEPERS.append(holds.persons)
