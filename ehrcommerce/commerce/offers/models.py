"""What a clinician offers one patient to buy, and the personal link that leads there."""

import uuid
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.db import models
from django.utils import timezone

from ehrcommerce.commerce.catalog.models import KINDS
from ehrcommerce.vault.fields import SealedJson, SealedText
from ehrcommerce.vault.keys import blind_index


class Offer(models.Model):
    """One patient, 1 to 20 lines. The patient is an opaque key and keyed digests; no name, no birth date."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    customer_key = models.CharField(max_length=64)
    made_by = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    language = models.CharField(max_length=2, default="en")
    birth_digest = models.BinaryField(max_length=32)
    family_digest = models.BinaryField(max_length=32, default=b"")
    postal_digest = models.BinaryField(max_length=32, default=b"")
    trust_phrase = models.CharField(max_length=40)
    provider_npi = models.CharField(max_length=10, blank=True)
    by_rule = models.UUIDField(null=True, help_text="The rule that made it by itself, in the name of `made_by`.")
    after = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="+", help_text="The fill before this one."
    )
    needs_helper = models.BooleanField(
        default=False, db_default=False, help_text="The patient was a minor when it was sent: a helper acts for them."
    )
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["organization", "customer_key", "created_at"], name="offer_customer")]

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return str(self.public_id)


class OfferLine(models.Model):
    """One product for one order of the chart. `packet` is the OrderedItem as the clinician saw it; `digest` stands
    from send on, and so do the product's number and names; `order_key` is the chart's order, opaque."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    offer = models.ForeignKey(Offer, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey("catalog.Product", on_delete=models.PROTECT, related_name="+")
    sku = models.CharField(max_length=40, blank=True, default="", db_default="")
    name_en = models.CharField(max_length=160, blank=True, default="", db_default="")
    name_es = models.CharField(max_length=160, blank=True, default="", db_default="")
    kind = models.CharField(max_length=16, choices=KINDS)
    order_key = models.CharField(max_length=64)
    packet = SealedJson()
    digest = models.BinaryField(max_length=32)
    version = models.CharField(max_length=64, blank=True)
    quantity = models.PositiveSmallIntegerField(default=1)
    price_cents = models.PositiveIntegerField()
    routing_proof = models.CharField(
        max_length=16, blank=True, help_text="e_prescription, transfer or otc; prescriptions only."
    )

    released_at = models.DateTimeField(
        null=True, help_text="When the clinician released directions with words that may tell why."
    )
    released_by = models.ForeignKey("accounts.User", on_delete=models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(
        null=True, help_text="When the prescriber said that an unusual value is right as it stands."
    )
    confirmed_by = models.ForeignKey("accounts.User", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["organization", "order_key"], name="offer_line_order")]
        constraints = [
            # A pulled MedicationRequest is not a legal prescription (design law 13).
            models.CheckConstraint(
                condition=~models.Q(kind="prescription") | ~models.Q(routing_proof=""), name="offer_line_routing_proof"
            ),
        ]

    if TYPE_CHECKING:
        organization_id: int
        product_id: int

    def __str__(self) -> str:
        return str(self.public_id)

    def envelope(self) -> uuid.UUID:
        """Whose key seals its values."""
        return self.offer.public_id

    @property
    def sold_as(self) -> str:
        """The number under which it was offered."""
        return self.sku or self.product.sku

    def name(self, language: str) -> str:
        """The name under which it was offered."""
        return (self.name_es if language == "es" else "") or self.name_en or self.product.name(language)


def contact_digest(organization_id: int, value: str) -> bytes:
    """The blind index of a phone number or mail address; other organizations have others for the same."""
    plain = value.strip().casefold()
    normal = plain if "@" in plain else "".join(letter for letter in plain if letter.isdigit())[-10:]
    return blind_index(f"contact.{organization_id}", normal)


class Contact(models.Model):
    """Where the link and the code are sent: chosen by the clinician from the contacts on file."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    offer = models.ForeignKey(Offer, on_delete=models.CASCADE, related_name="contacts")
    channel = models.CharField(max_length=8, choices=[("sms", "Text message"), ("email", "E-mail")])
    value = SealedText()
    value_digest = models.BinaryField(
        max_length=32, default=b"", db_default=b"", help_text="Blind index: by what the privacy officer finds it."
    )
    masked = models.CharField(max_length=80)
    carries_link = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(
                fields=["organization", "value_digest"], name="contact_digest", condition=~models.Q(value_digest=b"")
            ),
        ]

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return f"{self.channel} {self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A new contact is found by its digest from the start."""
        if self._state.adding and self.value and not self.value_digest:
            self.value_digest = contact_digest(self.organization_id, self.value)
        super().save(*args, **kwargs)

    def envelope(self) -> uuid.UUID:
        """Whose key seals its values."""
        return self.offer.public_id


class Relation(models.TextChoices):
    """What somebody who acts for a patient is to them: a closed list, so that no words about a person gather here."""

    PARENT = "parent", "Parent"
    GUARDIAN = "guardian", "Legal guardian"
    FOSTER_PARENT = "foster_parent", "Foster parent"
    PARTNER = "partner", "Husband, wife or partner"
    CHILD = "child", "Son or daughter"
    RELATIVE = "relative", "Other relative"
    FRIEND = "friend", "Friend"
    CAREGIVER = "caregiver", "Caregiver"


class Helper(models.Model):
    """Who acts for the patient of one offer. Of an adult's helper the patient wrote down where a code goes; a minor's has
    no contact here, since a code goes to one that the clinic has on file."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    offer = models.ForeignKey(Offer, on_delete=models.CASCADE, related_name="helpers")
    relation = models.CharField(max_length=16, choices=Relation.choices)
    name = SealedText()
    channel = models.CharField(max_length=8, choices=[("sms", "Text message"), ("email", "E-mail")], blank=True)
    value = SealedText()
    masked = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField()

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return str(self.public_id)

    def envelope(self) -> uuid.UUID:
        """Whose key seals its values."""
        return self.offer.public_id

    @property
    def party(self) -> str:
        """As consents and the audit name them."""
        return f"helper:{self.public_id}"


# Why a link ended whose order was changed in the chart: the clinician may send the new version.
CHANGED = "order_changed"
OF_AGE = "of_age"  # the patient was a minor when the link was made
# Why a link ended that nobody opened: the patient said yes to such orders before.
STANDING = "standing_yes"


class LinkState(models.TextChoices):
    """Only `sent` starts the clock."""

    DRAFT = "draft"
    SENT = "sent"
    OPENED = "opened"
    VERIFIED = "verified"
    LOCKED = "locked"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    COMPLETED = "completed"


class Delivery(models.TextChoices):
    """How the link reaches the patient. Whom no message can reach is asked more, since no code can be sent either."""

    MESSAGE = "message", "Text or e-mail"
    QR = "qr", "QR code; the one-time code goes to a contact on file"
    PRINTED = "printed", "Printed sheet, no contact on file: name and postal code instead of a code"


# Wrong answers that a day takes once the link was ordered from: before that, five are the end of it.
TRIES_A_DAY = 5
LIVE_LINK = (LinkState.SENT, LinkState.OPENED, LinkState.VERIFIED)


class PurchaseLink(models.Model):
    """A pointer to one offer, not a key: any number of looks, five wrong answers before the order and five a day after
    it, one order.

    The token is HMAC(link key, public id, generation); only its hash is here (design law 4).
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    offer = models.ForeignKey(Offer, on_delete=models.CASCADE, related_name="links")
    generation = models.PositiveSmallIntegerField(default=1)
    token_sha256 = models.BinaryField(max_length=32, unique=True)
    state = models.CharField(max_length=12, choices=LinkState.choices, default=LinkState.DRAFT)
    delivery = models.CharField(
        max_length=8, choices=Delivery.choices, default=Delivery.MESSAGE, db_default=Delivery.MESSAGE.value
    )
    tries_left = models.PositiveSmallIntegerField(default=5)
    wrong_at = models.DateTimeField(null=True, help_text="The last wrong answer after the order.")
    wrong_that_day = models.PositiveSmallIntegerField(default=0)
    messenger = models.ForeignKey(
        "suppliers.Supplier", on_delete=models.SET_NULL, null=True, related_name="+",
        help_text="Who was given the message.",
    )  # fmt: skip
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    reminder_1 = models.PositiveSmallIntegerField(null=True, help_text="Which send of its message was the first reminder.")
    reminder_2 = models.PositiveSmallIntegerField(null=True, help_text="Which send was the second and last.")
    declined_at = models.DateTimeField(
        null=True, help_text="The patient said no thanks; they may still change their mind."
    )
    asked_again_at = models.DateTimeField(
        null=True, help_text="When its holder asked for a new link, after it was too old or locked."
    )
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=32, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], name="link_expiry", condition=models.Q(state__in=LIVE_LINK)),
            models.Index(
                fields=["organization", "asked_again_at"], name="link_asked_again",
                condition=models.Q(asked_again_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["offer"], name="link_one_live", condition=models.Q(state__in=LIVE_LINK)),
            models.CheckConstraint(condition=models.Q(state__in=LinkState.values), name="link_state_known"),
            models.CheckConstraint(
                condition=models.Q(state="draft") | models.Q(expires_at__isnull=False), name="link_expires_once_sent"
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)

    def shut_on(self, day: date) -> bool:
        """Whether so many wrong answers came after the order that this day takes no more."""
        return self.wrong_on(day) >= TRIES_A_DAY

    def wrong_on(self, day: date) -> int:
        """How many wrong answers this day of the clinic brought after the order."""
        return self.wrong_that_day if self.wrong_at and self.day_of(self.wrong_at) == day else 0

    def day_of(self, at: datetime) -> date:
        """The clinic's day, since "tomorrow" on the page is a day where the patient lives, not one of UTC."""
        return at.astimezone(ZoneInfo(self.organization.time_zone)).date()

    @property
    def reminders(self) -> frozenset[int]:
        """Which sends of its message were reminders, by their generation."""
        return frozenset(each for each in (self.reminder_1, self.reminder_2) if each is not None)

    @property
    def is_printed(self) -> bool:
        return self.delivery == Delivery.PRINTED

    @property
    def shut_today(self) -> bool:
        return bool(self.wrong_at) and self.shut_on(self.day_of(timezone.now()))
