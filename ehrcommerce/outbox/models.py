"""EVERY EFFECT ON THE OUTSIDE WORLD, written before it is tried. The row is the work; a Celery message is a doorbell."""

import uuid

from django.db import models

from ehrcommerce.vault.fields import SealedField


class State(models.TextChoices):
    """planned -> sending -> done | rejected | unknown | needs_human; unknown asks before it sends again."""

    PLANNED = "planned"
    SENDING = "sending"
    UNKNOWN = "unknown"
    DONE = "done"
    REJECTED = "rejected"
    NEEDS_HUMAN = "needs_human"


OPEN = (State.PLANNED, State.SENDING, State.UNKNOWN)


class Effect(models.Model):
    """One act on the outside world.

    `subject` is the opaque id of the row that the act belongs to. `recipient` is the party that was chosen for it, where
    no retry may choose another. `generation` rises only when the act before is
    proven not to have happened. `attempt` counts runs that did not come to an end (a job that kills its worker
    still counts); `tries` counts all. Bytes are kept while the effect is open, encrypted, and blanked when it ends.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization_id = models.BigIntegerField()
    kind = models.CharField(max_length=48)
    subject = models.CharField(max_length=64)
    recipient = models.CharField(max_length=64, blank=True, default="", db_default="")
    generation = models.PositiveIntegerField(default=1)
    queue = models.CharField(max_length=16, default="partner")
    state = models.CharField(max_length=16, choices=State.choices, default=State.PLANNED)
    attempt = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    fence = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    next_run_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    request_sha256 = models.BinaryField(max_length=32, null=True)
    body = SealedField()
    code = models.CharField(max_length=64, blank=True)
    reference = models.CharField(max_length=128, blank=True)
    owner = models.CharField(max_length=80, blank=True, default="", db_default="", help_text="Who looks after it.")
    ask_first = models.BooleanField(
        default=False, db_default=False, help_text="The database was restored: it may have happened already."
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "kind", "subject", "generation"], name="effect_once"),
            models.CheckConstraint(condition=models.Q(state__in=State.values), name="effect_state_known"),
            # Nothing waits in silence: an open effect always has a time at which somebody looks again.
            models.CheckConstraint(
                condition=~models.Q(state__in=OPEN) | models.Q(next_run_at__isnull=False),
                name="effect_open_has_next_run",
            ),
        ]
        indexes = [
            # By organization, so that each gets its turn however much of another waits.
            models.Index(
                fields=["organization_id", "next_run_at"], name="effect_turn", condition=models.Q(state__in=OPEN)
            ),
            models.Index(fields=["organization_id", "kind", "subject"], name="effect_subject"),
            models.Index(
                fields=["organization_id", "changed_at"], name="effect_human", condition=models.Q(state="needs_human")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"

    # Set by whoever makes the bytes; a value that is only read names its key itself.
    sealed_for: uuid.UUID | None = None
    envelope_optional = True

    def envelope(self) -> uuid.UUID | None:
        """Whose key seals the bytes; None: they say nothing of a person."""
        return self.sealed_for

    @property
    def idempotency_key(self) -> str:
        """The same for every try of this act, another for the next generation."""
        return str(
            uuid.uuid5(
                uuid.NAMESPACE_URL, f"ehrcommerce:{self.organization_id}:{self.kind}:{self.subject}:{self.generation}"
            )
        )

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class Note(models.Model):
    """What happened to an effect, appended: the timeline that an operator reads."""

    organization_id = models.BigIntegerField()
    effect = models.ForeignKey(Effect, on_delete=models.CASCADE, related_name="notes")
    at = models.DateTimeField()
    state = models.CharField(max_length=16)
    code = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=80, blank=True)

    class Meta:
        indexes = [models.Index(fields=["organization_id", "effect"], name="note_effect")]

    def __str__(self) -> str:
        return f"{self.state} {self.code}"


class Heartbeat(models.Model):
    """One row for each kind of process that must never fall silent. Of the installation, not of an organization."""

    name = models.CharField(max_length=32, unique=True)
    at = models.DateTimeField()
    skew_s = models.FloatField(default=0.0, help_text="How far that machine's clock is from the database's.")

    def __str__(self) -> str:
        return self.name


POISON_AFTER = 5
