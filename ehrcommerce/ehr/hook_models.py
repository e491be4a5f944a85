"""What is kept for CDS Hooks: who may call, that a call was heard, and what a card pointed to until it is opened. Bodies
are never kept."""

import uuid
from typing import TYPE_CHECKING

from django.db import models

from ehrcommerce.vault.fields import SealedJson


class HookClient(models.Model):
    """The CDS client of one connection: off until two people switched it on, since what a card says inside the EHR is a
    matter of the clinic's policy."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    connection = models.OneToOneField("ehr.EhrConnection", on_delete=models.CASCADE, related_name="hook_client")
    enabled = models.BooleanField(default=False)
    hooks = models.CharField(
        max_length=120, default="order-sign",
        help_text="Of order-sign, order-select, order-dispatch and patient-view those that are answered.",
    )  # fmt: skip
    issuer = models.CharField(max_length=255, help_text="`iss` of its signed calls, letter by letter.")
    jku = models.CharField(
        max_length=255, help_text="Where its keys are published: on the EHR's own or one of its further origins."
    )
    algs = models.CharField(max_length=60, default="ES384 RS384", help_text="Signatures that are accepted.")
    tenant = models.CharField(
        max_length=255, blank=True, default="", help_text="`tenant` of its calls, where one CDS client serves several."
    )

    class Meta:
        verbose_name, verbose_name_plural = "CDS Hooks client", "CDS Hooks clients"

    if TYPE_CHECKING:
        organization_id: int
        connection_id: int

    def __str__(self) -> str:
        return f"CDS Hooks of {self.connection}"


class HookToken(models.Model):
    """A signed call that was heard (`jti`): the same one is not heard again before it is over by itself."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    connection = models.ForeignKey("ehr.EhrConnection", on_delete=models.CASCADE, related_name="+")
    jti_sha256 = models.BinaryField(max_length=32)
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "jti_sha256"], name="hook_token_once")]

    def __str__(self) -> str:
        return f"call until {self.until:%H:%M:%S}"


class AppContext(models.Model):
    """One card: what its link opens, for whom. The EHR carries a handle of random characters, of which only the hash is
    here; it counts once, at one EHR, in one chart, for one user. `public_id` is the card's uuid."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    connection = models.ForeignKey("ehr.EhrConnection", on_delete=models.CASCADE, related_name="+")
    handle_sha256 = models.BinaryField(max_length=32, unique=True)
    hook = models.CharField(max_length=16)
    patient_digest = models.BinaryField(max_length=32)
    user_digest = models.BinaryField(max_length=32)
    orders = SealedJson(help_text="Type/id of the orders that the card spoke of.")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.public_id)


class HookFeedback(models.Model):
    """What became of a card, as the EHR told it. Comments of the user are thrown away unread: they may speak of
    anything."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    card = models.ForeignKey(AppContext, on_delete=models.CASCADE, related_name="feedback")
    outcome = models.CharField(max_length=10)
    outcome_at = models.DateTimeField()
    heard_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["card", "outcome", "outcome_at"], name="hook_feedback_once")]

    def __str__(self) -> str:
        return self.outcome
