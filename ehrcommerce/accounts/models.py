"""Who we work for (Organization), who works (User) and on what legal footing (Agreement). No clinical or purchase data."""

import uuid
from datetime import date
from typing import TYPE_CHECKING

from django.contrib.auth.models import AbstractUser
from django.db import models

from ehrcommerce.accounts.backup_codes import BackupCodes as BackupCodes  # a table of this app, in a file of its own
from ehrcommerce.audit.services import Actor
from ehrcommerce.vault.fields import SealedJson, SealedText

OWN_WORDS = "Plain text, shown on a page of its own that each patient's page leads to. Empty: short words of ours."


class ReturnRefunds(models.TextChoices):
    """What a parcel that came back pays back by itself."""

    FULL = "full", "Everything: items, shipping and tax"
    WITHOUT_SHIPPING = "without_shipping", "The items and their tax, not the shipping"
    PERSON = "person", "Nothing by itself: a person decides"


class Approval(models.TextChoices):
    """What of a clinician who is no prescriber waits for one."""

    NONE = "none", "Nothing: whoever opens the chart sends"
    PRESCRIPTIONS = "prescriptions", "Links with a prescription"
    EVERYTHING = "everything", "Every link"


class Organization(models.Model):
    """A clinic. `alias` is its neutral name for messages: a real name can name a disease."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120)
    alias = models.CharField(max_length=40, help_text="Neutral name in texts and e-mails, without a specialty.")
    phone = models.CharField(max_length=20, help_text="Help line shown to patients, as they dial it.")
    state = models.CharField(max_length=2, help_text="Home state, two letters.")
    time_zone = models.CharField(max_length=40, default="America/Los_Angeles")
    link_days = models.PositiveSmallIntegerField(default=7, help_text="How long a purchase link works, 1 to 14 days.")
    reminders = models.BooleanField(
        "remind patients of a link", default=True, db_default=True,
        help_text="A link that nobody answered is called to mind after one day and after three, between 9:00 and 20:00 at the"
        " clinic. Never more than twice, and not where the patient said STOP.",
    )  # fmt: skip
    adult_age = models.PositiveSmallIntegerField(default=18)
    prescription_max_age_days = models.PositiveSmallIntegerField(
        default=365, db_default=365,
        help_text="Older prescriptions are not sold; most states set one year. 0: no limit (for test data).",
    )  # fmt: skip
    held_words = models.TextField(
        "more words that hold an order", blank=True, default="", db_default="",
        help_text="One term a line. A prescription whose directions hold one waits until the clinician has looked at it; the"
        " app's own list of conditions always counts.",
    )  # fmt: skip
    helpers = models.BooleanField(
        "helpers may act for patients", default=False, db_default=False,
        help_text="A parent or other helper may order for a patient under the age of adults; and an adult may name a helper."
        " Off: orders of minors are refused, and nobody acts for anybody.",
    )  # fmt: skip
    minor_private = models.TextField(
        "what a helper of a minor may not see", blank=True, default="", db_default="",
        help_text="One a line: a kind of order (prescription, device, kit) or the number of a product, where your state lets a"
        " minor decide alone. What stands here is not sold to a minor by link.",
    )  # fmt: skip
    match_postal_code = models.BooleanField(default=False, help_text="Ask for the postal code besides the birth date.")
    read_only_since = models.DateTimeField(
        null=True, blank=True, editable=False,
        help_text="Set by `manage.py revoke_all`: nothing new is offered, opened or sent until it is lifted.",
    )  # fmt: skip
    sessions_end_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Sessions of staff that began before this are over."
    )
    match_family_name = models.BooleanField(default=False, help_text="Ask for the family name besides the birth date.")

    privacy_ccpa = models.BooleanField(
        default=False, db_default=False, help_text="Say on the patient's data page what California law adds."
    )
    privacy_gdpr = models.BooleanField(
        default=False, db_default=False, help_text="Say on the patient's data page what European law adds."
    )

    approval = models.CharField(
        "what a prescriber approves", max_length=16, default=Approval.NONE, db_default=Approval.NONE,
        choices=Approval.choices,
        help_text="Such a link of somebody who is no prescriber is prepared only; the prescriber sends it from the chart.",
    )  # fmt: skip
    terms_en = models.TextField("terms, English", blank=True, default="", db_default="", help_text=OWN_WORDS)
    terms_es = models.TextField("terms, Spanish", blank=True, default="", db_default="", help_text=OWN_WORDS)
    privacy_en = models.TextField("privacy notice, English", blank=True, default="", db_default="", help_text=OWN_WORDS)
    privacy_es = models.TextField("privacy notice, Spanish", blank=True, default="", db_default="", help_text=OWN_WORDS)
    accessibility_en = models.TextField(
        "accessibility statement, English", blank=True, default="", db_default="", help_text=OWN_WORDS
    )
    accessibility_es = models.TextField(
        "accessibility statement, Spanish", blank=True, default="", db_default="", help_text=OWN_WORDS
    )
    language_help = models.TextField(
        "language-help notice", blank=True, default="", db_default="",
        help_text="One language a line, as your state wants them (45 CFR 92.11). Empty: 16 languages with your help line.",
    )  # fmt: skip

    return_refunds = models.CharField(
        "what a return pays back", max_length=16, default=ReturnRefunds.PERSON, db_default=ReturnRefunds.PERSON,
        choices=ReturnRefunds.choices, help_text="When a supplier says that a parcel came back.",
    )  # fmt: skip

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(return_refunds__in=ReturnRefunds.values), name="organization_return_refunds"
            ),
            models.CheckConstraint(condition=models.Q(approval__in=Approval.values), name="organization_approval"),
            models.CheckConstraint(condition=models.Q(link_days__range=(1, 14)), name="organization_link_days"),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What somebody does here. A clinician comes from the EHR; the others sign in with a password and a code."""

    CLINICIAN = "clinician", "Clinician"
    PRESCRIBER = "prescriber", "Prescriber"
    SUPPORT = "support", "Support"
    OPERATIONS = "operations", "Operations"
    FULFILLMENT = "fulfillment", "Fulfillment"
    CATALOG = "catalog", "Catalog"
    PRIVACY = "privacy", "Privacy officer"
    INTEGRATION = "integration", "Integration"
    ADMINISTRATOR = "administrator", "Administrator"


EHR_ROLES = (Role.CLINICIAN, Role.PRESCRIBER)


class User(AbstractUser):
    """One person. From an EHR: known by (issuer, subject), no password. Staff: username, password, one-time code."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="users")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.CLINICIAN)
    issuer = models.CharField(max_length=255, blank=True)
    subject = models.CharField(max_length=255, blank=True)
    display_name = models.CharField(max_length=120, blank=True)
    npi = models.CharField(max_length=10, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "issuer", "subject"], name="user_one_subject", condition=~models.Q(subject="")
            ),
        ]

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return self.display_name or self.username

    @property
    def actor(self) -> Actor:
        return Actor("user", str(self.public_id))


class Service(models.TextChoices):
    """What an agreement may cover. A port of suppliers is the service of the same name."""

    CHART = "chart", "Reading the chart"
    WRITE_BACK = "write_back", "Writing to the chart"
    PHARMACY = "pharmacy", "Pharmacy"
    DEVICE = "device", "Device supply"
    KIT = "kit", "Specimen kits"
    CARRIER = "carrier", "Parcel tracking"
    PAYMENT = "payment", "Payment"
    ELIGIBILITY = "eligibility", "Plan questions"
    MESSAGING = "messaging", "Mail and text messages"
    LOG_SINK = "log_sink", "Logs kept by another party"
    HOSTING = "hosting", "Running this application"
    ALL = "all", "Everything this party does for the organization"


class AgreementState(models.TextChoices):
    DRAFT = "draft", "Draft"
    ACTIVE = "active", "In force"
    EXPIRED = "expired", "Expired"
    ENDED = "ended", "Ended"


class PartyRole(models.TextChoices):
    COVERED_ENTITY = "covered_entity", "Covered entity"
    BUSINESS_ASSOCIATE = "business_associate", "Business associate"
    SUBCONTRACTOR = "subcontractor", "Subcontractor"


ORGANIZATION = "organization"


class Agreement(models.Model):
    """A business associate agreement (45 CFR 164.504(e)). Without a live one, nothing goes to that party.

    `party` is `ehr:<public id>`, `supplier:<public id>`, `processor:<name>`, or `organization` for the clinic itself.
    `services` names what is covered, comma separated; `document_sha256` is the hash of the signed document, in hex.
    `warned_days` is the last warning that was given of its end.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="agreements")
    party = models.CharField(
        max_length=64, help_text="organization, ehr:<id>, supplier:<id>, or processor:<name> for a log sink or a host."
    )
    party_name = models.CharField(max_length=120)
    party_role = models.CharField(
        max_length=20, choices=PartyRole.choices, default=PartyRole.BUSINESS_ASSOCIATE,
        db_default=PartyRole.BUSINESS_ASSOCIATE,
    )  # fmt: skip
    services = models.CharField(max_length=255, blank=True, default="", db_default="")
    document = models.CharField(max_length=120, help_text="Where the signed document lies.")
    document_sha256 = models.CharField(
        "SHA-256 of the document",
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="As `sha256sum` prints it.",
    )
    effective = models.DateField()
    expires = models.DateField(null=True, blank=True)
    signed_off_by = models.CharField(max_length=120)
    breach_contact = models.CharField(
        max_length=120,
        blank=True,
        default="",
        db_default="",
        help_text="Whom to call at the party after a breach, at any hour.",
    )
    subprocessors = models.TextField(
        blank=True, default="", db_default="", help_text="Whom the party passes data on to; one a line."
    )
    state = models.CharField(
        max_length=8, choices=AgreementState.choices, default=AgreementState.DRAFT, db_default=AgreementState.DRAFT
    )
    warned_days = models.PositiveSmallIntegerField(null=True, editable=False)

    class Meta:
        indexes = [models.Index(fields=["organization", "party"], name="agreement_party")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(expires=None) | models.Q(expires__gte=models.F("effective")), name="agreement_dates"
            ),
            models.CheckConstraint(condition=models.Q(state__in=AgreementState.values), name="agreement_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.party_name}: {self.document}"

    def live(self, on: date) -> bool:
        in_time = self.effective <= on and (self.expires is None or on <= self.expires)
        return self.state == AgreementState.ACTIVE and in_time

    def covers(self, service: str) -> bool:
        return bool({service, Service.ALL.value} & set(self.services.split(",")))


class Why(models.TextChoices):
    """Why somebody looked at a value, or went past what the role sees. The text beside it is sealed."""

    PATIENT_ASKED = "patient_asked", "The patient asked for help"
    DELIVERY = "delivery", "A parcel or message does not arrive"
    SUPPLIER_ASKED = "supplier_asked", "A supplier asked"
    SAFETY = "safety", "Somebody could come to harm"
    OUTAGE = "outage", "A system is down and work must go on"
    INVESTIGATION = "investigation", "A report or an incident is looked into"


class Reveal(models.Model):
    """One value that one person looked at once: which and why, never what. Also counted, so that nobody looks without
    end."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    entity = models.CharField(max_length=80)
    element = models.CharField(max_length=40)
    reason = models.CharField(max_length=16, choices=Why.choices)
    note = SealedText()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["user", "at"], name="reveal_user_at")]

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return str(self.public_id)


class BreakGlass(models.Model):
    """Half an hour in which somebody sees more than their role, and changes nothing. Told at once, reviewed within three
    days by somebody else."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=16, choices=Why.choices)
    note = SealedText()
    began_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    told = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    reviewed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True)
    verdict = models.CharField(max_length=16, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = "break-glass access", "break-glass accesses"
        indexes = [models.Index(fields=["user", "began_at"], name="glass_user")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(reviewed_by=None) | ~models.Q(reviewed_by=models.F("user")),
                name="glass_not_own_judge",
            ),
        ]

    if TYPE_CHECKING:
        organization_id: int
        user_id: int

    def __str__(self) -> str:
        return str(self.public_id)


class ProposalState(models.TextChoices):
    OPEN = "open", "Waits for a second person"
    APPROVED = "approved", "Approved"
    REFUSED = "refused", "Refused"
    VOID = "void", "Void: the row changed meanwhile"
    EXPIRED = "expired", "Expired"
    SPENT = "spent", "Approved and used"


class ProposedChange(models.Model):
    """What one person wants and another one lets happen. `diff` is what the second person reads, without secrets;
    `payload` is exactly what will be written; `before` is the row as the first person saw it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=24)
    entity = models.CharField(max_length=80)
    diff = models.JSONField(default=list)
    payload = SealedJson()
    before_digest = models.BinaryField(max_length=32, default=bytes)
    state = models.CharField(max_length=12, choices=ProposalState.choices, default=ProposalState.OPEN)
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name, verbose_name_plural = "proposed change", "proposed changes"
        indexes = [models.Index(fields=["organization", "state"], name="proposal_state")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(decided_by=None) | models.Q(state="refused")
                | ~models.Q(decided_by=models.F("proposed_by")), name="proposal_two_people",
            ),
            models.UniqueConstraint(
                fields=["organization", "kind", "entity"], name="proposal_one_open", condition=models.Q(state="open")
            ),
        ]  # fmt: skip

    if TYPE_CHECKING:
        organization_id: int
        proposed_by_id: int

    def __str__(self) -> str:
        return f"{self.kind} {self.entity}"
