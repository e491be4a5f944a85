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
    ca_pem = models.TextField(blank=True, default="", db_default="")
    client_certificate = models.CharField(max_length=255, blank=True)
    client_pem = SealedText(null=True, default=None)
    callback_certificates = models.CharField(max_length=255, blank=True, default="", db_default="")
    host_key = models.CharField(max_length=1024, blank=True, default="", db_default="")
    account = models.CharField(max_length=120, blank=True, default="", db_default="")
    sender = models.CharField(max_length=254, blank=True, default="", db_default="")
    page_origin = models.CharField(max_length=255, blank=True, default="", db_default="")
    options = models.JSONField(blank=True, default=dict, db_default=models.Value({}, output_field=models.JSONField()))
    at_once = models.PositiveSmallIntegerField(default=4, db_default=4)
    owner = models.CharField(max_length=120, blank=True, default="", db_default="")
    escalation = models.CharField(max_length=254, blank=True, default="", db_default="")
    runbook_url = models.CharField(max_length=255, blank=True, default="", db_default="")
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

    @property
    def callback_path(self) -> str:
        """Where it calls us, below our own address; "" where it has nothing to tell."""
        room = {Port.PAYMENT: "payment", Port.MESSAGING: "message", Port.ELIGIBILITY: ""}.get(Port(self.port), "supplier")
        return f"/hooks/{room}/{self.public_id}/" if room else ""

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


class Health(models.TextChoices):
    """ok; degraded: its last calls failed; open: left alone but for a probe each 15 s, and all work for it waits."""

    OK = "ok"
    DEGRADED = "degraded"
    OPEN = "open"


class PartnerHealth(models.Model):
    """How calls to one partner go, as the process that called last saw it: for people, never for decisions."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    supplier = models.OneToOneField(Supplier, on_delete=models.CASCADE, related_name="health")
    state = models.CharField(max_length=16, choices=Health.choices)
    code = models.CharField(max_length=48, blank=True)
    since = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(state__in=Health.values), name="partner_health_known")]
        indexes = [
            models.Index(fields=["organization"], name="partner_unwell", condition=~models.Q(state="ok")),
        ]

    def __str__(self) -> str:
        return self.state


class OptOut(models.Model):
    """Somebody who asked for no more messages on one address. The address is kept as a keyed digest only."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    channel = models.CharField(max_length=8)
    address_digest = models.BinaryField(max_length=32)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "channel", "address_digest"], name="opt_out_once")
        ]

    def __str__(self) -> str:
        return self.channel


class MessageNews(models.Model):
    """What a messenger told of one message: delivered, bounced, failed, complained. No address, no words."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    supplier = models.ForeignKey(Supplier, on_delete=models.CASCADE, related_name="+")
    reference = models.UUIDField()
    kind = models.CharField(max_length=16)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["supplier", "reference", "kind"], name="message_news_once")]
        indexes = [models.Index(fields=["organization", "at"], name="message_news_age")]

    def __str__(self) -> str:
        return self.kind


class FileOut(models.Model):
    """A file for a partner without an API: written here before it is written there. `placed_at`: surely there."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    supplier = models.ForeignKey(Supplier, on_delete=models.CASCADE, related_name="+")
    reference = models.UUIDField()
    kind = models.CharField(max_length=8)
    file_digest = models.BinaryField(max_length=32)
    skus = models.JSONField(default=list)
    placed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["supplier", "reference", "kind"], name="file_out_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class FileIn(models.Model):
    """A file that such a partner left for us, by its digest: read once. `problem`: why it was not, or not all of it."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    supplier = models.ForeignKey(Supplier, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=120)
    file_digest = models.BinaryField(max_length=32)
    taken = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name, verbose_name_plural = "file of a partner", "files of partners"
        constraints = [models.UniqueConstraint(fields=["supplier", "file_digest"], name="file_in_once")]
        indexes = [models.Index(fields=["organization", "at"], name="file_in_age")]

    def __str__(self) -> str:
        return self.name


class FileAck(models.Model):
    """One line of such a file: what became of one of our lines. A row that comes twice is one row."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    supplier = models.ForeignKey(Supplier, on_delete=models.CASCADE, related_name="+")
    reference = models.UUIDField()
    sku = models.CharField(max_length=64)
    status = models.CharField(max_length=24)
    reason = models.CharField(max_length=24, blank=True)
    carrier = models.CharField(max_length=60, blank=True)
    tracking_number = SealedText()
    row_digest = models.BinaryField(max_length=32)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["supplier", "row_digest"], name="file_ack_once")]
        indexes = [models.Index(fields=["supplier", "reference"], name="file_ack_of")]

    def __str__(self) -> str:
        return f"{self.sku} {self.status}"
