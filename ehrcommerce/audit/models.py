"""Who did what, to whose record, for which purpose: rows that nothing can change, sealed into one chain for each
organization. Names of elements, never values (45 CFR 164.312(b); IHE BALP for the vocabulary)."""

from django.db import models


def genesis() -> bytes:
    """What the first seal of a chain follows."""
    return bytes(32)


class AuditEvent(models.Model):
    """One act. Written in the transaction of the act; a trigger refuses every later change but the sealing.

    `cause` is the effect (`effect:<id>`) within which it happened; tries of one effect are one act. The table has a part
    for each month (migration 0005); its key there is (id, at)."""

    organization_id = models.BigIntegerField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=80)
    action = models.CharField(max_length=64)
    entity = models.CharField(max_length=80)
    purpose = models.CharField(max_length=32, blank=True)
    recipient = models.CharField(max_length=80, blank=True)
    elements = models.TextField(blank=True)
    outcome = models.CharField(max_length=32, default="success")
    reason = models.CharField(max_length=64, blank=True)
    patient_ref = models.BinaryField(max_length=32, null=True)
    cause = models.CharField(max_length=48, blank=True, default="", db_default="")
    seal_number = models.BigIntegerField(null=True)
    seal = models.BinaryField(max_length=32, null=True)

    class Meta:
        verbose_name, verbose_name_plural = "audit event", "audit log"
        indexes = [
            models.Index(fields=["organization_id", "id"], name="audit_org_id"),
            models.Index(fields=["organization_id", "id"], name="audit_unsealed", condition=models.Q(seal_number=None)),
            models.Index(fields=["organization_id", "entity"], name="audit_entity"),
            models.Index(fields=["organization_id", "actor", "id"], name="audit_actor"),
            models.Index(fields=["organization_id", "patient_ref", "id"], name="audit_patient"),
            models.Index(fields=["organization_id", "at"], name="audit_time"),
            models.Index(fields=["organization_id", "seal_number"], name="audit_chain"),
        ]

    def __str__(self) -> str:
        return f"{self.action} #{self.pk}"


class AuditCheck(models.Model):
    """How far the chain of one organization was checked, and the last end of it that was seen."""

    organization_id = models.BigIntegerField(unique=True)
    known_number = models.BigIntegerField(default=0)
    known_seal = models.BinaryField(max_length=32, default=bytes)
    walked_number = models.BigIntegerField(default=0)
    walked_seal = models.BinaryField(max_length=32, default=genesis)
    round_began_at = models.DateTimeField()
    round_over = models.BooleanField(default=False)
    round_breaks = models.PositiveIntegerField(default=0)
    alarmed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"checked to {self.walked_number}"


class AuditRoot(models.Model):
    """Where a chain stood when a day was over. `root` follows from the root before it and from `number` and `seal`: kept
    on paper or by another party, it shows that nothing before it was rewritten, also by who holds the audit's key."""

    organization_id = models.BigIntegerField()
    day = models.DateField()
    number = models.BigIntegerField()
    seal = models.BinaryField(max_length=32)
    root = models.BinaryField(max_length=32)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "day"], name="audit_one_root_a_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.number}"


class AuditGap(models.Model):
    """Numbers `first` to `last` of a chain stood in the part of a month that was dropped when its six years were over.
    `upto` is the first day after that month, `seal` what the next row's seal follows. Written by the owner's function."""

    organization_id = models.BigIntegerField()
    upto = models.DateField()
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    seal = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "first"], name="audit_gone_once")]

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"
