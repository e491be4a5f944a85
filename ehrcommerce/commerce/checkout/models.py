"""One row: where a patient stands on the way from the link to the payment. The cookie holds a random value, this row
its hash; what the patient chose waits here, sealed, until it becomes an order or the session ends."""

import uuid
from typing import TYPE_CHECKING

from django.db import models

from ehrcommerce.vault.fields import SealedJson


class Stage(models.TextChoices):
    """Pages in order; nobody gets to a later one but through the ones before."""

    CODE = "code"
    CHECK = "check"
    PRICE = "price"
    WHERE = "where"
    PAY = "pay"
    FOLLOW = "follow"


LEVEL_CODE, LEVEL_PRINTED = 2, 10
KNOWN = (LEVEL_CODE, LEVEL_PRINTED)
LEVEL_NAMES = {1: "1", LEVEL_CODE: "2", LEVEL_PRINTED: "1p"}


class CheckoutSession(models.Model):
    """`level` is the identity level reached: 1 birth date, 2 birth date and code to a contact on file; 10 stands for
    "1p", lower than 2: a printed link, where birth date, family name and postal code matched and no code could go out."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    link = models.ForeignKey("offers.PurchaseLink", on_delete=models.CASCADE, related_name="sessions")
    cookie_sha256 = models.BinaryField(max_length=32, unique=True)
    stage = models.CharField(max_length=8, choices=Stage.choices, default=Stage.CODE)
    level = models.PositiveSmallIntegerField(default=0)
    language = models.CharField(max_length=2, default="en")
    code_generation = models.PositiveSmallIntegerField(default=0)
    helper = models.ForeignKey(
        "offers.Helper", on_delete=models.SET_NULL, null=True, related_name="+", help_text="Who acts for the patient."
    )
    code_contact = models.ForeignKey("offers.Contact", on_delete=models.SET_NULL, null=True, related_name="+")
    messenger = models.ForeignKey("suppliers.Supplier", on_delete=models.SET_NULL, null=True, related_name="+")
    payer = models.ForeignKey("suppliers.Supplier", on_delete=models.SET_NULL, null=True, related_name="+")
    code_expires_at = models.DateTimeField(null=True)
    code_tries_left = models.PositiveSmallIntegerField(default=5)
    uses_plan = models.BooleanField(null=True)
    eligibility = SealedJson()
    quote = SealedJson()
    address_on_file = SealedJson()
    ship_to = SealedJson()
    order = models.ForeignKey("orders.Order", on_delete=models.SET_NULL, null=True, related_name="+")
    proved_at = models.DateTimeField(null=True, help_text="When this person last proved who they are.")
    wants_data = models.BooleanField(
        default=False, db_default=False, help_text="Came to see their own data: led there once they are known."
    )
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="checkout_expiry", condition=models.Q(ended_at=None))]

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return str(self.public_id)

    @property
    def acting(self) -> str:
        """What who is here is to the patient; "" where it is the patient."""
        return self.helper.relation if self.helper else ""

    def envelope(self) -> uuid.UUID:
        """Whose key seals its values."""
        return self.link.offer.public_id
