"""The books that the partners keep. They are not ours: nothing here shares a table, a key or a type with the app.

Money is whole cents. Times are given by the caller. What is only shown again (an address, lines) is JSON as it came.
"""

import secrets
from typing import Any

from django.conf import settings
from django.db import models

SUPPLIERS = ("pharmacy", "devices", "lab")
PAYMENT = "payment"


def order_id() -> str:
    """A public id of an order, not guessable and without meaning."""
    return f"ord_{secrets.token_hex(10)}"


def session_id() -> str:
    """The id of a payment session; whoever holds it may pay, so it is long."""
    return f"pay_{secrets.token_hex(16)}"


def message_id() -> str:
    """The id of a message."""
    return f"msg_{secrets.token_hex(8)}"


def event_id() -> str:
    """The id of a callback; it stays the same over all tries."""
    return f"evt_{secrets.token_hex(10)}"


def tracking_number() -> str:
    """A number as carriers print it."""
    return f"SP{secrets.randbelow(10**12):012d}"


class Switchboard(models.Model):
    """One row: what the environment says about pace and callbacks, as overridden at run time."""

    step_s = models.FloatField(null=True)
    callbacks = models.JSONField(default=dict)

    def __str__(self) -> str:
        return "switchboard"

    @classmethod
    def current(cls) -> "Switchboard":
        """The row, made when it is first asked for."""
        return cls.objects.get_or_create(pk=1)[0]

    def pace_s(self) -> float:
        """Seconds between two automatic steps; 0 means that only people move orders."""
        return float(settings.STEP_S) if self.step_s is None else self.step_s

    def callback_urls(self) -> dict[str, str]:
        """Partner -> URL. What was set at run time wins over the environment."""
        merged = {**settings.CALLBACKS, **self.callbacks}
        return {partner: url for partner, url in merged.items() if url}


class FirstAnswer(models.Model):
    """What a partner answered to an idempotency key when it first saw it, and the digest of what it was asked."""

    partner = models.CharField(max_length=40)
    key = models.CharField(max_length=255)
    path = models.CharField(max_length=500)
    body_sha256 = models.CharField(max_length=64)
    answer = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["partner", "key"], name="first_answer_once_per_key")]

    def __str__(self) -> str:
        return f"{self.partner} {self.key}"


class SupplierOrder(models.Model):
    """An order as the pharmacy, the device supplier or the laboratory keeps it."""

    public_id = models.CharField(max_length=40, unique=True, default=order_id)
    partner = models.CharField(max_length=40)
    reference = models.CharField(max_length=100)
    status = models.CharField(max_length=40, default="received")
    reason = models.CharField(max_length=40, blank=True)
    lines = models.JSONField()
    ship_to = models.JSONField()
    prescription = models.JSONField(null=True)
    patient = models.JSONField(null=True)
    parcels = models.JSONField(default=list)
    question = models.CharField(max_length=40, blank=True)
    question_text = models.CharField(max_length=200, blank=True, default="")
    answer = models.JSONField(null=True)
    history = models.JSONField(default=list)
    created_at = models.DateTimeField()
    moved_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["partner", "reference"], name="order_once_per_reference")]
        indexes = [models.Index(fields=["status", "moved_at"], name="order_by_status")]

    def __str__(self) -> str:
        return self.public_id

    def tracking(self) -> dict[str, str] | None:
        """Carrier and number, once there is a parcel."""
        parcel = Parcel.objects.filter(order=self).first()
        return {"carrier": parcel.carrier, "number": parcel.number} if parcel else None

    def as_json(self) -> dict[str, Any]:
        """The order as its partner tells it to the one who placed it: no address, no prescription."""
        told: dict[str, Any] = {
            "id": self.public_id,
            "reference": self.reference,
            "status": self.status,
            "lines": self.lines,
            "tracking": self.tracking(),
            "created_at": self.created_at.isoformat(),
            "updated_at": self.moved_at.isoformat(),
        }
        extra = {
            name: getattr(self, name)
            for name in ("reason", "parcels", "question", "question_text")
            if getattr(self, name)
        }
        return {**told, **extra}


class Parcel(models.Model):
    """What the carrier knows: a number, and where the parcel was seen."""

    order = models.OneToOneField(SupplierOrder, on_delete=models.CASCADE, related_name="parcel")
    carrier = models.CharField(max_length=40, default="Sandbox Post")
    number = models.CharField(max_length=40, unique=True, default=tracking_number)
    status = models.CharField(max_length=40)
    events = models.JSONField(default=list)
    moved_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.number

    def as_json(self) -> dict[str, Any]:
        """The parcel as the carrier's tracking page tells it."""
        return {"number": self.number, "status": self.status, "events": self.events}


class PaySession(models.Model):
    """One payment: authorized by the payer on the hosted page, captured or given back by the merchant."""

    public_id = models.CharField(max_length=40, unique=True, default=session_id)
    reference = models.CharField(max_length=100, db_index=True)
    amount_cents = models.BigIntegerField()
    captured_cents = models.BigIntegerField(default=0)
    refunded_cents = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    success_url = models.TextField()
    cancel_url = models.TextField()
    status = models.CharField(max_length=20, default="open")
    last_error = models.CharField(max_length=40, blank=True)
    disputed = models.BooleanField(default=False)
    hold_expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    moved_at = models.DateTimeField(db_index=True)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], name="pay_open_by_end", condition=models.Q(status="open")),
        ]

    def __str__(self) -> str:
        return self.public_id

    def hosted_url(self) -> str:
        """Where the payer pays."""
        return f"{settings.BASE_URL.rstrip('/')}/pay/hosted/{self.public_id}/"

    def as_json(self) -> dict[str, Any]:
        """The session as the merchant sees it."""
        return {
            "id": self.public_id,
            "url": self.hosted_url(),
            "reference": self.reference,
            "status": self.status,
            "amount_cents": self.amount_cents,
            "captured_cents": self.captured_cents,
            "refunded_cents": self.refunded_cents,
            "currency": self.currency,
            "last_error": self.last_error,
            "disputed": self.disputed,
            "hold_expires_at": self.hold_expires_at.isoformat() if self.hold_expires_at else None,
            "expires_at": self.expires_at.isoformat(),
            "created_at": self.created_at.isoformat(),
            "updated_at": self.moved_at.isoformat(),
        }


class Message(models.Model):
    """A text or an e-mail that arrived: the sandbox delivers to its own phone and mailbox only."""

    public_id = models.CharField(max_length=40, unique=True, default=message_id)
    reference = models.CharField(max_length=100, db_index=True)
    channel = models.CharField(max_length=10)
    to = models.CharField(max_length=254, db_index=True)
    sender = models.CharField(max_length=254)
    subject = models.CharField(max_length=500, blank=True)
    text = models.TextField()
    html = models.TextField(blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.public_id

    def as_json(self) -> dict[str, Any]:
        """The message whole."""
        names = ("reference", "channel", "to", "sender", "subject", "text", "html")
        told = {name: getattr(self, name) for name in names}
        return {"id": self.public_id, "status": "delivered", "at": self.created_at.isoformat(), **told}


class CallbackEvent(models.Model):
    """Something that a partner tells the app by itself. The bytes are fixed at birth: each try sends the same."""

    public_id = models.CharField(max_length=40, unique=True, default=event_id)
    partner = models.CharField(max_length=40)
    type = models.CharField(max_length=60)
    reference = models.CharField(max_length=100, db_index=True)
    body = models.TextField()
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=200, blank=True)
    delivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["next_try_at"], name="callback_due", condition=models.Q(next_try_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.public_id

    def as_json(self) -> dict[str, Any]:
        """The event and how its delivery went."""
        return {
            "id": self.public_id,
            "partner": self.partner,
            "type": self.type,
            "reference": self.reference,
            "tries": self.tries,
            "outcome": self.outcome,
            "delivered": self.delivered_at is not None,
            "pending": self.next_try_at is not None,
        }
