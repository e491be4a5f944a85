"""The outside parties of one organization: what they do (port), who speaks with them (adapter), and how they are reached."""

import uuid
from typing import TYPE_CHECKING

from django.db import models

from ehrcommerce.vault.fields import SealedText


class Port(models.TextChoices):
    """What commerce needs from the outside."""

    PHARMACY = "pharmacy"
    DEVICE = "device"
    KIT = "kit"
    CARRIER = "carrier"
    PAYMENT = "payment"
    ELIGIBILITY = "eligibility"
    MESSAGING = "messaging"


class Supplier(models.Model):
    """One outside party. `adapter` is the name of a module in suppliers/adapters."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="suppliers")
    port = models.CharField(max_length=16, choices=Port.choices)
    adapter = models.CharField(max_length=48)
    name = models.CharField(max_length=120, help_text="As patients read it.")
    base_url = models.CharField(max_length=255)
    api_key = SealedText()
    callback_secret = SealedText()
    previous_callback_secret = SealedText()
    ca_file = models.CharField(max_length=255, blank=True)
    client_certificate = models.CharField(max_length=255, blank=True)
    licensed_states = models.CharField(
        max_length=255, blank=True, help_text="Two-letter codes, comma separated; empty: all."
    )
    phone = models.CharField(max_length=20, blank=True)
    needs_birth_date = models.BooleanField(default=False, help_text="The law asks for the birth date on the label.")
    active = models.BooleanField(default=True)

    if TYPE_CHECKING:
        organization_id: int

    class Meta:
        indexes = [models.Index(fields=["organization", "port"], name="supplier_port")]
        constraints = [models.CheckConstraint(condition=models.Q(port__in=Port.values), name="supplier_port_known")]

    def __str__(self) -> str:
        return self.name

    @property
    def party(self) -> str:
        """Its name in the agreement registry."""
        return f"supplier:{self.public_id}"

    def serves(self, state: str) -> bool:
        return not self.licensed_states or state.upper() in {
            part.strip().upper() for part in self.licensed_states.split(",")
        }


class CallbackSeen(models.Model):
    """Ids of callbacks that were taken, so that a replay is a no-op. Kept 30 days."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    supplier = models.ForeignKey(Supplier, on_delete=models.CASCADE, related_name="+")
    event_id = models.CharField(max_length=128)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["supplier", "event_id"], name="callback_once")]
        indexes = [models.Index(fields=["organization", "at"], name="callback_age")]

    def __str__(self) -> str:
        return self.event_id
