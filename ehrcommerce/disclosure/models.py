"""What the patient agreed to and what went to whom: names of elements and digests of payloads, never values."""

import uuid

from django.db import models


class ConsentText(models.Model):
    """The exact words that were shown, once for each version and language."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    sha256 = models.BinaryField(max_length=32)
    language = models.CharField(max_length=2)
    text = models.TextField()
    first_shown_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "sha256"], name="consent_text_once")]

    def __str__(self) -> str:
        return f"{self.language} {self.pk}"


class Consent(models.Model):
    """One person's yes to one purpose and one recipient; withdrawn at any time, never deleted.

    `recipient` is `supplier:<public id>`; `subject` is the offer's public id; `payload_digest` stands for what exactly
    the recipient may get. A standing yes is for orders to come: its subject is the audit's own name of the person, and
    the yes to each order that follows from it names it (`standing`). `attested_by`: the clinic says that it was given
    there, on `attested_on`; the words are those that were read out.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    customer_key = models.CharField(max_length=64)
    subject = models.CharField(max_length=64)
    purpose = models.CharField(max_length=32)
    recipient = models.CharField(max_length=64)
    recipient_name = models.CharField(max_length=120)
    payload_digest = models.BinaryField(max_length=32, default=b"", db_default=b"")
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="+")
    identity_level = models.PositiveSmallIntegerField()
    standing = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="followed")
    attested_by = models.CharField(max_length=80, blank=True, default="", db_default="")
    attested_on = models.DateField(null=True)
    acting = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        help_text="What who said it is to the patient; empty: the patient.",
    )
    given_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name, verbose_name_plural = "standing yes", "standing yes: kits without asking"
        indexes = [models.Index(fields=["organization", "subject"], name="consent_subject")]
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "purpose", "recipient"],
                name="consent_one_live",
                condition=models.Q(withdrawn_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.public_id}"


class DisclosureState(models.TextChoices):
    PLANNED = "planned"
    CONSENTED = "consented"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    RECALLED = "recalled"
    RECALL_REFUSED = "recall_refused"


class Disclosure(models.Model):
    """One recipient, one payload: its digest, the names of its elements, and how far it went."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    customer_key = models.CharField(max_length=64)
    subject = models.CharField(max_length=64)
    purpose = models.CharField(max_length=32)
    recipient = models.CharField(max_length=64)
    recipient_name = models.CharField(max_length=120)
    elements = models.TextField()
    payload_digest = models.BinaryField(max_length=32)
    acting = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        help_text="What who agreed is to the patient; empty: the patient.",
    )
    state = models.CharField(max_length=16, choices=DisclosureState.choices, default=DisclosureState.PLANNED)
    planned_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "subject"], name="disclosure_subject")]
        constraints = [
            models.UniqueConstraint(fields=["subject", "recipient", "payload_digest"], name="disclosure_once"),
        ]

    def __str__(self) -> str:
        return f"{self.recipient_name} {self.public_id}"


class LegalHold(models.Model):
    """Nothing of this person is erased while it stands: who ordered that, why, and until when. Standing or released."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    customer_key = models.CharField(max_length=64)
    why = models.CharField(max_length=120, help_text="The case or the law, without a word about the person.")
    placed_by = models.CharField(max_length=80)
    placed_at = models.DateTimeField()
    until = models.DateField(null=True, help_text="Empty: until somebody releases it.")
    released_by = models.CharField(max_length=80, blank=True)
    released_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "customer_key"], name="legal_hold_customer")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(released_at=None, released_by="") | models.Q(released_at__isnull=False),
                name="legal_hold_released_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class PurgeCertificate(models.Model):
    """What one run of one rule erased: how many rows, of which class, when. Never what stood in them."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    rule = models.CharField(max_length=48)
    kept = models.CharField(max_length=160, help_text="Names of the table's classes.")
    rows = models.PositiveIntegerField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["organization", "at"], name="purge_certificate_at")]

    def __str__(self) -> str:
        return f"{self.rule}: {self.rows}"


class ErasureRequest(models.Model):
    """A person asked to be forgotten. It waits while an order is open or a hold stands, and says for which."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    customer_key = models.CharField(max_length=64)
    asked_by = models.CharField(max_length=80)
    asked_at = models.DateTimeField()
    reason = models.CharField(max_length=64)
    waits_for = models.CharField(max_length=16, blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "customer_key"],
                name="erasure_request_one_open",
                condition=models.Q(done_at=None),
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)
