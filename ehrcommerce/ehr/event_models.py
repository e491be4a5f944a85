"""What is kept of an EHR's word that something changed: who may say so (Subscription), what was said (Notification: an
inbox of ids and times), and how far we have looked ourselves (PollingWatermark). Never a clinical value."""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import models

from ehrcommerce.vault.fields import SealedText

ORDER_TYPES = "MedicationRequest DeviceRequest ServiceRequest"


class Scheme(models.TextChoices):
    """How an EHR says so, and how it proves that it is the EHR."""

    BACKPORT = "r5_backport", "FHIR Subscription, R5 backport; a secret header"
    REST_HOOK = "rest_hook", "FHIR R4 rest-hook, with or without payload; a secret header"
    MEDPLUM = "medplum", "Medplum; HMAC over the body"
    ATHENA = "athenahealth", "athenahealth; WebSub signature"
    WEBHOOK = "vendor_webhook", "Signed webhook: HMAC over id, time and body"
    HL7 = "hl7_v2", "HL7 v2 messages, by MLLP or as files"


class SubscriptionState(models.TextChoices):
    """`requested` until the handshake came; `silent` where nothing was heard for too long."""

    REQUESTED = "requested"
    ACTIVE = "active"
    SILENT = "silent"
    ERROR = "error"
    OFF = "off"


class Subscription(models.Model):
    """One address at which one EHR may tell us of changes. `hook_id` is the unguessable part of the address; what proves
    the sender is the secret, of which two live while it is being changed."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey("ehr.EhrConnection", on_delete=models.CASCADE, related_name="subscriptions")
    hook_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    scheme = models.CharField(max_length=16, choices=Scheme.choices, default=Scheme.BACKPORT)
    state = models.CharField(max_length=12, choices=SubscriptionState.choices, default=SubscriptionState.REQUESTED)
    enabled = models.BooleanField(default=True)
    managed = models.BooleanField(
        default=False, db_default=False, help_text="Made at the EHR and looked after by the app, through its FHIR API."
    )
    reference = models.CharField(
        max_length=200, blank=True, default="", help_text="What the EHR calls it, e.g. Subscription/17; empty: any."
    )
    topic = models.CharField(max_length=255, blank=True, default="")
    resource_types = models.CharField(max_length=200, default=f"{ORDER_TYPES} Patient")
    header_name = models.CharField(max_length=64, default="X-Ehrcommerce-Secret")
    secret = SealedText()
    previous_secret = SealedText()
    counted = models.BooleanField(default=True, help_text="Off where the EHR's event numbers do not form a row.")
    last_number = models.CharField(max_length=40, blank=True, default="")
    newest_event_at = models.DateTimeField(null=True, blank=True)
    gap_since = models.DateTimeField(null=True, blank=True)
    gap_from = models.CharField(max_length=40, blank=True, default="")
    gap_to = models.CharField(max_length=40, blank=True, default="")
    gaps = models.PositiveIntegerField(default=0)
    resets = models.PositiveIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0, help_text="Notifications whose sender was not proved.")
    dropped = models.PositiveBigIntegerField(default=0, help_text="Events about something that is not ours.")
    heartbeat_s = models.PositiveIntegerField(default=0, help_text="How often the EHR promised to be heard; 0: not.")
    quiet_after_s = models.PositiveIntegerField(
        default=0, help_text="No news for so many seconds is an alert; 0: silence says nothing."
    )
    news_hours = models.CharField(
        max_length=40, blank=True, default="", db_default="",
        help_text="Only quiet within these hours of the clinic is counted, e.g. mon-fri 08-18; empty: always.",
    )  # fmt: skip
    client_certificates = models.CharField(
        max_length=255, blank=True, default="", db_default="",
        help_text="SHA-256 of client certificates, comma separated; then nothing counts that comes without one of them.",
    )  # fmt: skip
    heard_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    budget_from = models.DateTimeField(null=True, blank=True)
    budget_used = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name, verbose_name_plural = "subscription", "subscriptions: what EHRs tell us"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=SubscriptionState.values), name="subscription_state_known"
            ),
        ]

    if TYPE_CHECKING:
        organization_id: int
        connection_id: int

    def __str__(self) -> str:
        return f"{self.scheme} {self.public_id}"

    @property
    def types(self) -> frozenset[str]:
        """Of which types it may speak."""
        return frozenset(self.resource_types.split())

    @property
    def path(self) -> str:
        """Where the EHR sends to, below our own address."""
        return f"/hooks/ehr/{self.hook_id}/"


class InboxState(models.TextChoices):
    WAITING = "waiting"
    DONE = "done"
    UNKNOWN = "unknown", "about nothing of ours"
    LEFT = "left", "left to the next sweep"


class Notification(models.Model):
    """One hint: which resource to look at. The same hint twice is one row (`dedupe_sha256`); no subscription: we found
    it by looking ourselves. The id is sealed, and gone once the hint was dealt with."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    connection = models.ForeignKey("ehr.EhrConnection", on_delete=models.CASCADE, related_name="+")
    subscription = models.ForeignKey(Subscription, on_delete=models.SET_NULL, null=True, related_name="+")
    dedupe_sha256 = models.BinaryField(max_length=32)
    resource_type = models.CharField(max_length=32)
    focus = models.CharField(max_length=64)
    resource_id = SealedText()
    number = models.CharField(max_length=40, blank=True, default="")
    version = models.CharField(max_length=64, blank=True, default="")
    version_at = models.DateTimeField(null=True)
    event_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=InboxState.choices, default=InboxState.WAITING)
    taken_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name, verbose_name_plural = "event", "events in"
        constraints = [
            models.UniqueConstraint(fields=["connection", "dedupe_sha256"], name="notification_once"),
            models.CheckConstraint(condition=models.Q(state__in=InboxState.values), name="notification_state_known"),
        ]
        indexes = [
            models.Index(fields=["connection", "id"], name="notification_waiting", condition=models.Q(state="waiting")),
            models.Index(fields=["organization", "received_at"], name="notification_received"),
            models.Index(fields=["subscription", "number"], name="notification_number"),
        ]

    if TYPE_CHECKING:
        organization_id: int
        connection_id: int
        subscription_id: int | None

    def __str__(self) -> str:
        return str(self.public_id)


class Hearing(models.Model):
    """That a notification came, until its subscription knows it: what is counted is written beside the events as a row of its
    own, so that a hundred EHRs' threads at once wait for no lock, and is taken over by whoever drains the inbox."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="hearings")
    kind = models.CharField(max_length=20)
    numbers = models.TextField(blank=True, default="", help_text="Event numbers, with spaces between them.")
    dropped = models.PositiveIntegerField(default=0)
    look = models.BooleanField(default=False, help_text="Something changed that was not named.")
    in_error = models.BooleanField(default=False)
    newest_at = models.DateTimeField(null=True)
    heard_at = models.DateTimeField()

    class Meta:
        verbose_name = "notification that is not counted yet"

    if TYPE_CHECKING:
        organization_id: int
        subscription_id: int

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class WaitingOrder(models.Model):
    """An order that could be sold by itself but for the catalog: it is looked at again once the catalog says something else
    than at `revision`. Which order it is, and nothing of what it says."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    connection = models.ForeignKey("ehr.EhrConnection", on_delete=models.CASCADE, related_name="+")
    customer_key = models.CharField(max_length=64)
    focus = models.CharField(max_length=64)
    resource_type = models.CharField(max_length=32)
    resource_id = SealedText()
    revision = models.CharField(max_length=64)
    since_at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "order that waits for the catalog"
        constraints = [models.UniqueConstraint(fields=["organization", "focus"], name="waiting_order_once")]

    if TYPE_CHECKING:
        organization_id: int
        connection_id: int

    def __str__(self) -> str:
        return str(self.public_id)


class PollingWatermark(models.Model):
    """How far one type of order was read by `_lastUpdated`. It is a moment of the EHR's clock, moved only to what was
    seen; each look begins `overlap_s` before it, since what commits late carries an earlier time."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey("ehr.EhrConnection", on_delete=models.CASCADE, related_name="watermarks")
    resource_type = models.CharField(max_length=32, choices=[(name, name) for name in ORDER_TYPES.split()])
    since_at = models.DateTimeField()
    every_s = models.PositiveIntegerField(default=300)
    overlap_s = models.PositiveIntegerField(default=120)
    next_at = models.DateTimeField()
    polled_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    code = models.CharField(max_length=64, blank=True, default="")
    enabled = models.BooleanField(default=True)

    class Meta:
        verbose_name, verbose_name_plural = "polling", "polling: how far we looked ourselves"
        constraints = [
            models.UniqueConstraint(fields=["connection", "resource_type"], name="watermark_once"),
        ]

    if TYPE_CHECKING:
        organization_id: int
        connection_id: int

    def __str__(self) -> str:
        return f"{self.resource_type} since {self.since_at:%Y-%m-%d %H:%M}"

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.overlap_s)
