"""What can be bought, by which codes it is found, and at which price. Nothing about a person."""

import uuid
from typing import TYPE_CHECKING

from django.db import models

from ehrcommerce.commerce.catalog.codes import DISPLAY_SYSTEM
from ehrcommerce.commerce.catalog.plausible import NAMES as MEASURES
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION
from ehrcommerce.vault.fields import SealedText

KINDS = [(PRESCRIPTION, "Prescription"), (DEVICE, "Device"), (KIT, "Specimen kit")]


# What a tax office tells apart. A prescription drug is exempt unless a rule says otherwise; all else needs a rule.
PRESCRIPTION_DRUG, SHIPPING = "prescription_drug", "shipping"
TAX_CLASSES = [
    (PRESCRIPTION_DRUG, "Prescription drug"),
    ("otc_drug", "Drug without a prescription"),
    ("medical_device", "Medical device"),
    ("lab_kit", "Specimen kit"),
    ("general", "General goods"),
    (SHIPPING, "Shipping fee"),
]


class Product(models.Model):
    """One thing with one price. `quantity_basis` says what the price buys ("180 tablets")."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="products")
    sku = models.CharField(max_length=40)
    kind = models.CharField(max_length=16, choices=KINDS)
    name_en = models.CharField(max_length=160)
    name_es = models.CharField(max_length=160)
    quantity_basis = models.CharField(max_length=60, blank=True)
    price_cents = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no price today, not sold.")
    currency = models.CharField(max_length=3, default="USD")
    days_supply = models.PositiveSmallIntegerField(null=True, blank=True)
    service_type = models.CharField(
        max_length=2, blank=True, help_text="X12 service type: 88 pharmacy, 12 equipment, 30 plan."
    )
    over_the_counter = models.BooleanField(default=False)
    controlled_schedule = models.CharField(max_length=3, blank=True, help_text="II to V: never sold by link.")
    active = models.BooleanField(default=True)
    tax_class = models.CharField(
        max_length=20, choices=TAX_CLASSES[:-1], blank=True, default="", db_default="",
        help_text="Empty: by the kind of the product.",
    )  # fmt: skip
    weight_grams = models.PositiveIntegerField(default=0, db_default=0, help_text="Packed, for the shipping fee.")
    in_stock = models.PositiveIntegerField(
        null=True, blank=True,
        help_text="How many may still be promised. Empty: no limit. A confirmed order takes its items out at once.",
    )  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "sku"], name="product_sku"),
            models.CheckConstraint(condition=models.Q(kind__in=[kind for kind, _ in KINDS]), name="product_kind_known"),
        ]

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return self.sku

    @property
    def is_priced(self) -> bool:
        """A price of nothing is a mistake, but for a kit that somebody else pays."""
        return bool(self.price_cents) or (self.price_cents == 0 and self.kind == KIT)

    def name(self, language: str) -> str:
        return self.name_es if language == "es" and self.name_es else self.name_en

    @property
    def taxed_as(self) -> str:
        """Its tax class: the one that was set, else the usual one of its kind."""
        drug = "otc_drug" if self.over_the_counter else PRESCRIPTION_DRUG
        return self.tax_class or {PRESCRIPTION: drug, DEVICE: "medical_device", KIT: "lab_kit"}[self.kind]


class Rule(models.Model):
    """What holds from one day to another. A rule for a state goes before one for all of them, a later one before an
    earlier one."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    state = models.CharField(
        max_length=2, blank=True, help_text="Two letters of the state that it is sent to. Empty: every state."
    )
    starts_on = models.DateField(help_text="The first day, by the calendar of the clinic.")
    ends_on = models.DateField(null=True, blank=True, help_text="The last day. Empty: until another rule begins.")

    class Meta:
        abstract = True

    if TYPE_CHECKING:
        organization_id: int


class TaxRule(Rule):
    """Sales tax: state x tax class -> rate. A rate of 0 is a rule; no rule is none, and then nothing is sold there."""

    tax_class = models.CharField(max_length=20, choices=TAX_CLASSES)
    rate_ppm = models.PositiveIntegerField(
        help_text="Millionths of the price: 65000 is 6.5 percent. Rounded half up to the cent, item by item."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "state", "tax_class", "starts_on"], name="tax_rule_once"),
            models.CheckConstraint(condition=models.Q(rate_ppm__lte=1_000_000), name="tax_rule_at_most_all"),
        ]

    def __str__(self) -> str:
        return f"{self.state or 'every state'} {self.tax_class} {self.rate_ppm} ppm"


class ShippingRule(Rule):
    """The fee of one parcel: everything of one kind that one supplier sends. 0 is a fee; no rule means not sold."""

    kind = models.CharField(max_length=16, choices=KINDS, blank=True, help_text="Empty: every kind.")
    from_grams = models.PositiveIntegerField(default=0, help_text="For parcels of this weight and more.")
    from_cents = models.PositiveIntegerField(default=0, help_text="For parcels worth this much and more (full price).")
    fee_cents = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "state", "kind", "from_grams", "from_cents", "starts_on"],
                name="shipping_rule_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.state or 'every state'} {self.kind or 'every kind'} {self.fee_cents} cents"


class Confidence(models.TextChoices):
    """How surely a code means a product. What happens by itself needs certainty that a person took upon themselves; a
    clinician who looks may also be shown what is likely; what is weak is a hint for the catalog team."""

    CERTAIN = "certain", "Certain: exactly this"
    LIKELY = "likely", "Likely: a person must look"
    WEAK = "weak", "Weak: a hint, never sold by it"


class ProductCode(models.Model):
    """One code by which a product is found. `system` is the code system's URI, or "display" for a name that an
    administrator confirmed (then `code` is the normalized name)."""

    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="codes")
    system = models.CharField(max_length=160)
    code = models.CharField(max_length=160)
    display = models.CharField(max_length=200, blank=True)
    confidence = models.CharField(
        max_length=8, choices=Confidence.choices, default=Confidence.CERTAIN, db_default=Confidence.CERTAIN
    )
    approved_by = models.CharField(max_length=80, blank=True, default="", db_default="system:earlier")
    approved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "system", "code", "product"], name="product_code_once"),
            models.CheckConstraint(
                condition=models.Q(confidence__in=Confidence.values), name="product_code_confidence_known"
            ),
        ]
        indexes = [models.Index(fields=["organization", "system", "code"], name="product_code_find")]

    def __str__(self) -> str:
        return f"{self.system}|{self.code}"


class UsualRange(models.Model):
    """What is usual for a product: an order outside of it is held for the prescriber, and never corrected. Several rows of
    one measure stand beside each other, one for each unit or form in which it is ordered."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="usual_ranges")
    measure = models.CharField(max_length=8, choices=list(MEASURES.items()))
    low = models.DecimalField(max_digits=12, decimal_places=4)
    high = models.DecimalField(max_digits=12, decimal_places=4)
    unit = models.CharField(max_length=20, blank=True, help_text="mcg, mg, g, mL, tablet, capsule ...; days need none.")

    class Meta:
        verbose_name = "usual range"
        constraints = [
            models.UniqueConstraint(fields=["product", "measure", "unit", "low"], name="usual_range_once"),
            models.CheckConstraint(
                condition=models.Q(measure__in=list(MEASURES), low__gte=0, high__gte=models.F("low")),
                name="usual_range_sound",
            ),
        ]  # fmt: skip

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return f"{self.measure} {self.low} to {self.high} {self.unit}"


class UnmappedCode(models.Model):
    """A code that was ordered and that no product answers to: the catalog team's queue. No person, no order.

    An order without a code is noted by its words: then `system` is "display" and `code` a keyed digest. What the chart
    said is in `display` alone, sealed, and erased once somebody decided (policy.table, CATALOG)."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16, choices=KINDS)
    system = models.CharField(max_length=160)
    code = models.CharField(max_length=160)
    display = SealedText()
    times_seen = models.PositiveIntegerField(default=1)
    last_seen_at = models.DateTimeField()
    never_sell = models.BooleanField(default=False)
    reason = models.CharField(
        max_length=12, default="no_product", db_default="no_product",
        choices=[("no_product", "No product"), ("ambiguous", "Several products")],
    )  # fmt: skip
    product = models.ForeignKey(
        Product,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Choose one and save: the code is mapped.",
    )

    class Meta:
        verbose_name, verbose_name_plural = "code without a product", "codes without a product"
        constraints = [models.UniqueConstraint(fields=["organization", "kind", "system", "code"], name="unmapped_once")]

    if TYPE_CHECKING:
        organization_id: int
        product_id: int | None

    def __str__(self) -> str:
        return f"{self.system}|{self.code}"

    @property
    def shown_code(self) -> str:
        """The code as people know it; words have none."""
        return "" if self.system == DISPLAY_SYSTEM else self.code
