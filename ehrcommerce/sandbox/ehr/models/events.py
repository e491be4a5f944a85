"""Who is told of changes in the chart, and what was told: the outgoing side of FHIR Subscriptions, in rows."""

from typing import ClassVar

from django.db import models


class Subscriber(models.Model):
    """One address that is told. `number`: how many events there were since it began, told or not."""

    name = models.CharField(max_length=64, unique=True)
    profile = models.CharField(max_length=60, default="", blank=True)
    scheme = models.CharField(max_length=16)
    endpoint = models.TextField()
    headers = models.JSONField(default=list)
    secret = models.TextField(default="", blank=True)
    content = models.CharField(max_length=16, default="", blank=True)
    types = models.JSONField(default=list)
    topic = models.TextField(default="", blank=True)
    heartbeat_s = models.IntegerField(default=0)
    state = models.CharField(max_length=12, default="requested")
    number = models.BigIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Subscription/{self.name}"


class Message(models.Model):
    """One notification: an event of the chart, or a handshake or heartbeat (without a number). What is not sent any
    more has no `next_try_at`."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="messages")
    kind = models.CharField(max_length=20)
    number = models.BigIntegerField(null=True, blank=True)
    focus = models.CharField(max_length=120, default="", blank=True)
    version = models.IntegerField(default=0)
    deleted = models.BooleanField(default=False)
    text = models.TextField(default="", blank=True)
    at = models.DateTimeField()
    next_try_at = models.DateTimeField(null=True, blank=True)
    tries = models.IntegerField(default=0)
    copies = models.IntegerField(default=1)
    outcome = models.CharField(max_length=200, default="", blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["next_try_at"], name="message_due", condition=models.Q(next_try_at__isnull=False)),
            models.Index(fields=["subscriber", "number"], name="message_number"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number or ''}".strip()
