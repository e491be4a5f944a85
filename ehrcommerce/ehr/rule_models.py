"""What a clinic lets happen by itself (AutomationRule), and what did or will (AutomaticAct): ids, digests, words of a list
and times. Never a clinical value."""

import uuid
from typing import TYPE_CHECKING

from django.core.validators import MaxValueValidator
from django.db import models

from ehrcommerce.commerce.catalog.models import KINDS
from ehrcommerce.commerce.offers.models import Offer

MOST_MINUTES = 7 * 24 * 60


class RuleAction(models.TextChoices):
    """What follows from an order that fits."""

    DRAFT = "draft", "Prepare it: the clinician sends it with one press"
    LINK = "link", "Send the link by itself after the hold"
    KIT = "kit", "Ship the kit by itself after the hold; the link where that is not allowed"


class AutomationRule(models.Model):
    """Which orders, and what follows. Of several that fit an order the first by `place` counts. Empty criteria limit
    nothing. `since` is when it was switched on: older orders are left alone."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=80, help_text="As clinicians and administrators read it.")
    enabled = models.BooleanField(default=False)
    since = models.DateTimeField(null=True, editable=False)
    place = models.PositiveSmallIntegerField(default=10, help_text="The rule with the lowest number is asked first.")
    action = models.CharField(max_length=8, choices=RuleAction.choices, default=RuleAction.DRAFT)
    kind = models.CharField(max_length=16, choices=KINDS)
    skus = models.CharField(
        max_length=400, blank=True, default="",
        help_text="Numbers of the catalog; KT-* is every number that begins so. Empty: all products.",
    )  # fmt: skip
    npis = models.CharField(
        max_length=400,
        blank=True,
        default="",
        help_text="NPIs of prescribers with spaces between. Empty: everybody's orders.",
    )
    connection = models.ForeignKey(
        "ehr.EhrConnection", on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="Orders of this EHR alone. Empty: of each.",
    )  # fmt: skip
    clinician = models.ForeignKey(
        "accounts.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="In whose name links go out if the prescriber is not known here. Empty: they are prepared only.",
    )  # fmt: skip
    hold_minutes = models.PositiveSmallIntegerField(
        default=15, validators=[MaxValueValidator(MOST_MINUTES)],
        help_text="So long a clinician can undo it before anything goes out.",
    )  # fmt: skip
    routing_proof = models.CharField(
        max_length=16, blank=True, default="",
        choices=[("e_prescription", "E-prescribed in the EHR, each of them"), ("transfer", "The pharmacy asks for a transfer")],
        help_text="Empty: only prescriptions that need none are sent by themselves.",
    )  # fmt: skip
    created_at = models.DateTimeField()

    class Meta:
        verbose_name, verbose_name_plural = "automation rule", "automation: what happens by itself"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(action__in=RuleAction.values), name="automation_rule_action_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(action="kit") | models.Q(kind="kit"), name="automation_rule_ships_kits_alone"
            ),
        ]

    if TYPE_CHECKING:
        organization_id: int
        connection_id: int | None
        clinician_id: int | None

    def __str__(self) -> str:
        return self.name


class ActState(models.TextChoices):
    """waiting (its hold, or the EHR) -> done | undone | stopped | changed; what a rule may not do alone is prepared."""

    WAITING = "waiting", "Waits"
    PREPARED = "prepared", "Prepared for the clinician"
    DONE = "done", "Done"
    UNDONE = "undone", "Undone"
    STOPPED = "stopped", "Stopped by the chart"
    CHANGED = "changed", "The order changed: another one took its place"


OPEN_ACTS = (ActState.WAITING, ActState.PREPARED)


class AutomaticAct(models.Model):
    """One version of one order that fitted a rule: once, however often it is told. `due_at` is the end of the hold; the
    sweeper looks for it. `did` is what really happened, `code` why it was less than the rule wanted."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    rule = models.ForeignKey(AutomationRule, on_delete=models.PROTECT, related_name="acts")
    connection = models.ForeignKey("ehr.EhrConnection", on_delete=models.CASCADE, related_name="+")
    customer_key = models.CharField(max_length=64)
    order_key = models.CharField(max_length=64)
    version = models.CharField(max_length=64)
    digest = models.BinaryField(max_length=32)
    action = models.CharField(max_length=8, choices=RuleAction.choices)
    state = models.CharField(max_length=12, choices=ActState.choices, default=ActState.WAITING)
    did = models.CharField(max_length=8, blank=True, default="", choices=RuleAction.choices)
    code = models.CharField(max_length=48, blank=True, default="")
    clinician = models.ForeignKey("accounts.User", on_delete=models.PROTECT, null=True, related_name="+")
    offer = models.ForeignKey(Offer, on_delete=models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=80, blank=True, default="")

    class Meta:
        verbose_name, verbose_name_plural = "automatic act", "automation: what happened by itself"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "order_key", "version"], name="automatic_act_once",
                condition=~models.Q(state__in=["changed", "stopped"]),
            ),
            models.CheckConstraint(condition=models.Q(state__in=ActState.values), name="automatic_act_state_known"),
            models.CheckConstraint(
                condition=~models.Q(state="waiting") | models.Q(due_at__isnull=False), name="automatic_act_waits_until"
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["organization", "customer_key"], name="automatic_act_customer"),
            models.Index(
                fields=["organization", "due_at"], name="automatic_act_due", condition=models.Q(state="waiting")
            ),
        ]

    if TYPE_CHECKING:
        organization_id: int
        offer_id: int | None

    def __str__(self) -> str:
        return str(self.public_id)
