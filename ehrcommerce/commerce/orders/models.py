"""Purchases and their money. An order begins when the verified patient confirms a quote."""

import uuid
from typing import TYPE_CHECKING

from django.db import models

from ehrcommerce.commerce.orders.states import MoneyState, OrderState
from ehrcommerce.vault.fields import SealedJson


class Order(models.Model):
    """One purchase. `ship_to` is a ShipTo; `number` is what people say on the phone ("LK-7K3M9Q")."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    offer = models.ForeignKey("offers.Offer", on_delete=models.PROTECT, related_name="orders")
    number = models.CharField(max_length=16)
    state = models.CharField(max_length=20, choices=OrderState.choices, default=OrderState.QUOTED)
    money = models.CharField(max_length=20, choices=MoneyState.choices, default=MoneyState.NONE)
    language = models.CharField(max_length=2, default="en")
    uses_plan = models.BooleanField(default=False)
    quote_version = models.CharField(max_length=64, help_text="Digest of the prices that were shown and confirmed.")
    full_cents = models.PositiveIntegerField()
    plan_cents = models.PositiveIntegerField(default=0)
    patient_cents = models.PositiveIntegerField()
    shipping_cents = models.PositiveIntegerField(default=0, db_default=0)
    tax_cents = models.PositiveIntegerField(default=0, db_default=0)
    given_back_cents = models.PositiveIntegerField(
        default=0, db_default=0, help_text="What operations gave back beside all that was not delivered."
    )
    currency = models.CharField(max_length=3, default="USD")
    ship_to = SealedJson()
    event_at = models.DateTimeField(
        null=True, help_text="Last time the EHR said that something about its orders changed."
    )
    placed_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["organization", "id"], name="order_org_id"),
            models.Index(
                fields=["organization", "changed_at"],
                name="order_open",
                condition=~models.Q(state__in=["completed", "cancelled", "refused"]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "number"], name="order_number"),
            # A link is spent once: at most one order that is not over stands on an offer.
            models.UniqueConstraint(
                fields=["offer"], name="order_one_live", condition=~models.Q(state__in=["cancelled", "refused"])
            ),
            models.CheckConstraint(condition=models.Q(state__in=OrderState.values), name="order_state_known"),
            models.CheckConstraint(condition=models.Q(money__in=MoneyState.values), name="order_money_known"),
            models.CheckConstraint(
                condition=models.Q(full_cents=models.F("plan_cents") + models.F("patient_cents")), name="order_sum"
            ),
        ]

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return self.number

    def envelope(self) -> uuid.UUID:
        """Whose key seals its values."""
        return self.offer.public_id

    @property
    def total_cents(self) -> int:
        """What the patient agreed to pay: their share of the items, shipping and sales tax."""
        return self.patient_cents + self.shipping_cents + self.tax_cents


class OrderFee(models.Model):
    """The shipping fee of one parcel, which is everything of one kind, with the tax on it. Owed as soon as something of
    that kind is; waived by a person or by the rule for what came back."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="fees")
    kind = models.CharField(max_length=16)
    cents = models.PositiveIntegerField()
    tax_cents = models.PositiveIntegerField(default=0)
    waived = models.BooleanField(default=False)
    kept = models.BooleanField(
        default=False, db_default=False, help_text="Owed although its parcel came back: that is the clinic's rule."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "kind"], name="order_fee_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.cents}"


class OrderLine(models.Model):
    """One product of an order, at the confirmed price."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    offer_line = models.ForeignKey("offers.OfferLine", on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveSmallIntegerField()
    full_cents = models.PositiveIntegerField()
    plan_cents = models.PositiveIntegerField(default=0)
    patient_cents = models.PositiveIntegerField()
    tax_cents = models.PositiveIntegerField(default=0, db_default=0)
    reserved = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How many of a limited stock it holds until they leave or will not."
    )
    accepted = models.BooleanField(null=True)
    asked_back = models.BooleanField(
        db_default=False,
        default=False,
        help_text="Its supplier was asked to cancel it and has not settled that: no money is taken meanwhile.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(full_cents=models.F("plan_cents") + models.F("patient_cents")), name="order_line_sum"
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class Fill(models.Model):
    """One fill of a prescription that one order has taken. `number` counts from 1 for each prescription of the chart, the
    first fill included; no two live ones have the same, and none is above what the prescriber allowed."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    order_key = models.CharField(max_length=64)
    number = models.PositiveSmallIntegerField()
    allowed = models.PositiveSmallIntegerField()
    line = models.OneToOneField(OrderLine, on_delete=models.CASCADE, related_name="fill")
    taken_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, help_text="The order ended without it: free again.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "order_key", "number"], name="fill_once", condition=models.Q(released_at=None)
            ),
            models.CheckConstraint(
                condition=models.Q(number__gte=1) & models.Q(number__lte=models.F("allowed")), name="fill_allowed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number}/{self.allowed}"


class Payment(models.Model):
    """One payment session at the processor. `reference` is ours and all that the processor knows of the order."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="payments")
    supplier = models.ForeignKey("suppliers.Supplier", on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=20, default="planned")
    processor_reference = models.CharField(max_length=128, blank=True)
    page_url = models.CharField(max_length=500, blank=True)
    amount_cents = models.PositiveIntegerField()
    captured_cents = models.PositiveIntegerField(default=0)
    refunded_cents = models.PositiveIntegerField(default=0)
    currency = models.CharField(max_length=3, default="USD")
    hold_ends_at = models.DateTimeField(null=True, help_text="When the promise of the patient's bank lapses by itself.")
    disputed = models.BooleanField(default=False, db_default=False, help_text="The patient's bank asks the money back.")
    checked_at = models.DateTimeField(
        null=True, help_text="When the chart was last read before a capture (design law 7)."
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(captured_cents__lte=models.F("amount_cents")), name="payment_captured"
            ),
            models.CheckConstraint(
                condition=models.Q(refunded_cents__lte=models.F("captured_cents")), name="payment_refunded"
            ),
            models.UniqueConstraint(
                fields=["order"],
                name="payment_one_live",
                condition=models.Q(state__in=["planned", "open", "authorized", "captured"]),
            ),
        ]

    if TYPE_CHECKING:
        organization_id: int
        order_id: int

    def __str__(self) -> str:
        return str(self.public_id)


class LedgerEntry(models.Model):
    """Double entry: the amounts of one `cause` sum to zero. Append-only."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="ledger")
    cause = models.CharField(max_length=80)
    account = models.CharField(max_length=24)
    amount_cents = models.IntegerField()
    at = models.DateTimeField()

    class Meta:
        verbose_name, verbose_name_plural = "ledger entry", "ledger entries"
        constraints = [models.UniqueConstraint(fields=["organization", "cause", "account"], name="ledger_once")]

    def __str__(self) -> str:
        return f"{self.account} {self.amount_cents}"


class Reconciliation(models.Model):
    """One day of one processor: its own list compared with our books. A day without a row was not compared."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    supplier = models.ForeignKey("suppliers.Supplier", on_delete=models.PROTECT, related_name="+")
    day = models.DateField(help_text="A day of UTC.")
    listed = models.PositiveIntegerField(help_text="Payments that the processor moved on that day.")
    agreed = models.PositiveIntegerField()
    to_compare = models.PositiveIntegerField(help_text="Payments of ours that are looked at one by one.")
    strays = models.PositiveIntegerField(help_text="Payments of the processor that we know nothing of.")
    crooked = models.PositiveIntegerField(help_text="Orders whose ledger does not sum to zero, or not to the payments.")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "supplier", "day"], name="reconciled_once")]

    def __str__(self) -> str:
        return f"{self.day}"


class OrderEvent(models.Model):
    """What happened, in codes: the patient's status page and the operator's timeline are drawn from these."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    code = models.CharField(max_length=40)
    detail = models.CharField(max_length=80, blank=True, help_text="A code or a state, never free text of a partner.")
    actor = models.CharField(max_length=80)
    state = models.CharField(max_length=20)
    money = models.CharField(max_length=20)

    class Meta:
        indexes = [models.Index(fields=["organization", "order"], name="order_event_order")]

    def __str__(self) -> str:
        return self.code
