"""From a paid order to delivered parcels: one Fulfillment for each supplier of an order."""

import uuid
from typing import TYPE_CHECKING, Any

from django.db import models

from ehrcommerce.commerce.catalog.models import KINDS
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.suppliers.ports import ANSWERS, QUESTIONS
from ehrcommerce.vault.fields import SealedText
from ehrcommerce.vault.keys import blind_index


class Fulfillment(models.Model):
    """What one supplier does for one order. `checked_*` is the freshness gate's committed result (design law 7).

    `replaces`: it sends anew what another part lost or broke, for no money; the lines of both are the same."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    order = models.ForeignKey("orders.Order", on_delete=models.CASCADE, related_name="fulfillments")
    supplier = models.ForeignKey("suppliers.Supplier", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=KINDS)
    state = models.CharField(max_length=20, choices=OrderState.choices, default=OrderState.AUTHORIZED)
    reason = models.CharField(max_length=40, blank=True)
    supplier_reference = models.CharField(max_length=128, blank=True)
    checked_at = models.DateTimeField(null=True)
    checked_versions = models.JSONField(default=dict)
    payload_digest = models.BinaryField(max_length=32, null=True)
    replaces = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="replacements")
    asked_supplier = models.ForeignKey(
        "suppliers.Supplier", on_delete=models.PROTECT, null=True, related_name="+",
        help_text="Who would fill it instead, as soon as the patient has said yes to that one.",
    )  # fmt: skip
    replace_reason = models.CharField(max_length=16, blank=True, default="", db_default="")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "supplier", "kind"], name="fulfillment_one_per_supplier",
                condition=models.Q(replaces__isnull=True),
            ),
            # One at a time: a second press finds the first.
            models.UniqueConstraint(
                fields=["replaces"], name="fulfillment_one_replacement",
                condition=~models.Q(state__in=["cancelled", "refused", "delivered", "completed", "returned", "exception"]),
            ),
            models.CheckConstraint(condition=models.Q(state__in=OrderState.values), name="fulfillment_state_known"),
        ]  # fmt: skip

    if TYPE_CHECKING:
        organization_id: int
        order_id: int
        replaces_id: int | None

    def __str__(self) -> str:
        return str(self.public_id)


class FulfillmentLine(models.Model):
    """Which lines of the order this supplier has, and whether it took them. A line stands in several parts where one
    replaces another; the first one decides about its money."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    fulfillment = models.ForeignKey(Fulfillment, on_delete=models.CASCADE, related_name="lines")
    order_line = models.ForeignKey("orders.OrderLine", on_delete=models.CASCADE, related_name="fulfillment_lines")
    accepted = models.BooleanField(null=True)
    reserved = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How many of a limited stock a replacement holds until they leave or will not."
    )
    is_late = models.BooleanField(default=False, db_default=False, help_text="The supplier waits for it: a backorder.")
    expected_on = models.DateField(null=True, help_text="The day that the supplier names for what is late.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["fulfillment", "order_line"], name="fulfillment_line_once"),
        ]

    if TYPE_CHECKING:
        order_line_id: int

    def __str__(self) -> str:
        return str(self.pk)


def tracking_digest(organization_id: int, number: str) -> bytes:
    """The blind index of a parcel's number, however it is written; other organizations have others for the same."""
    normal = "".join(letter for letter in number.upper() if letter.isalnum())
    return blind_index(f"parcel.{organization_id}", normal) if normal else b""


class PharmacistQuestion(models.Model):
    """What a pharmacist asks the prescriber before filling a part of an order. One stands at a time; while it does, the
    part counts as not accepted, whatever else the pharmacy says. `answer_words` only until they have been delivered."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    fulfillment = models.ForeignKey(Fulfillment, on_delete=models.CASCADE, related_name="questions")
    asked = models.CharField(max_length=20, choices=[(one, one) for one in QUESTIONS])
    words = SealedText()
    answer = models.CharField(max_length=20, blank=True, choices=[(one, one) for one in ANSWERS])
    answer_words = SealedText()
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    answered_by = models.ForeignKey("accounts.User", on_delete=models.PROTECT, null=True, related_name="+")
    closed_at = models.DateTimeField(null=True, help_text="The pharmacy has its answer, or does not ask any more.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["fulfillment"], name="question_one_open", condition=models.Q(closed_at__isnull=True)
            ),
            models.CheckConstraint(condition=models.Q(asked__in=QUESTIONS), name="question_known"),
            models.CheckConstraint(condition=models.Q(answer__in=("", *ANSWERS)), name="question_answer_known"),
        ]

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return str(self.public_id)

    def envelope(self) -> uuid.UUID:
        """Whose key seals its values."""
        return self.fulfillment.order.offer.public_id


class Shipment(models.Model):
    """One parcel."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    fulfillment = models.ForeignKey(Fulfillment, on_delete=models.CASCADE, related_name="shipments")
    carrier = models.CharField(max_length=60, blank=True)
    tracking_number = SealedText()
    tracking_digest = models.BinaryField(
        max_length=32, default=b"", db_default=b"", help_text="Blind index: by what a carrier's callback finds it."
    )
    skus = models.JSONField(default=list, db_default=[], help_text="What is in it, where its supplier says so.")
    state = models.CharField(max_length=20, default="shipped")
    shipped_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["organization", "tracking_digest"], name="parcel_digest",
                condition=~models.Q(tracking_digest=b""),
            ),
        ]  # fmt: skip

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return str(self.public_id)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """The index follows the number, also when the number is erased."""
        written = kwargs.get("update_fields")
        if written is None or "tracking_number" in written:
            self.tracking_digest = tracking_digest(self.organization_id, self.tracking_number)
            kwargs |= {"update_fields": [*written, "tracking_digest"]} if written is not None else {}
        super().save(*args, **kwargs)

    def envelope(self) -> uuid.UUID:
        """Whose key seals its values."""
        return self.fulfillment.order.offer.public_id
