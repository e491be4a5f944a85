"""When somebody will run out of a medicine, and what became of the next fill. Ids, numbers and times."""

import uuid
from typing import TYPE_CHECKING

from django.db import models

from ehrcommerce.commerce.offers.models import Offer
from ehrcommerce.commerce.orders.models import OrderLine


class RefillState(models.TextChoices):
    """waiting (for its day) -> offered | ended. `ended` says by a code why none is offered."""

    WAITING = "waiting", "Waits for its day"
    OFFERED = "offered", "Offered to the patient"
    ENDED = "ended", "No refill"


class Refill(models.Model):
    """The fill after one that was delivered: one row for each delivered line, whoever looks how often."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    after = models.OneToOneField(OrderLine, on_delete=models.CASCADE, related_name="refill")
    number = models.PositiveSmallIntegerField(help_text="Which fill it would be, the first one included.")
    allowed = models.PositiveSmallIntegerField(help_text="How many the prescriber allowed when it was last read.")
    delivered_at = models.DateTimeField()
    days_supply = models.PositiveSmallIntegerField()
    transit_days = models.PositiveSmallIntegerField()
    due_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=RefillState.choices, default=RefillState.WAITING)
    code = models.CharField(max_length=48, blank=True, default="")
    offer = models.ForeignKey(Offer, on_delete=models.SET_NULL, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=RefillState.values), name="refill_state_known"),
            models.CheckConstraint(
                condition=~models.Q(state="offered") | models.Q(number__lte=models.F("allowed")),
                name="refill_offered_is_allowed",
            ),
        ]
        indexes = [models.Index(fields=["organization", "due_at"], name="refill_due", condition=models.Q(state="waiting"))]

    if TYPE_CHECKING:
        organization_id: int
        offer_id: int | None

    def __str__(self) -> str:
        return str(self.public_id)
