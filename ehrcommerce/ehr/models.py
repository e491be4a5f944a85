"""Connections to EHRs, launches, and opaque references into charts. Never a clinical value: ids and tokens only,
sealed."""

import uuid
from typing import TYPE_CHECKING, Any

from django.db import models

from ehrcommerce.ehr.event_models import (
    Hearing,
    InboxState,
    Notification,
    PollingWatermark,
    Scheme,
    Subscription,
    SubscriptionState,
    WaitingOrder,
)
from ehrcommerce.ehr.hl7_models import Hl7Feed
from ehrcommerce.ehr.hook_models import AppContext, HookClient, HookFeedback, HookToken
from ehrcommerce.ehr.identity import EVERY_ALGORITHM
from ehrcommerce.ehr.issuers import canonical_iss
from ehrcommerce.ehr.refill_models import Refill, RefillState
from ehrcommerce.ehr.rule_models import OPEN_ACTS, ActState, AutomaticAct, AutomationRule, RuleAction
from ehrcommerce.vault.fields import SealedJson, SealedText

__all__ = [
    "OPEN_ACTS", "ActState", "AppContext", "AutomaticAct", "AutomationRule", "ChartReference", "EhrConnection", "EhrIssuer",
    "EhrSession", "Hearing", "Hl7Feed", "HookClient", "HookFeedback", "HookToken", "InboxState", "LaunchAttempt", "Notification",
    "PollingWatermark", "Refill", "RefillState", "RuleAction", "Scheme", "SigningKey", "Subscription",
    "SubscriptionState", "WaitingOrder",
]  # fmt: skip


class EhrConnection(models.Model):
    """One issuer of one organization, with its knobs: what EHRs do differently (reference page smart, section 3)."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    slug = models.SlugField(
        max_length=40, unique=True, help_text="Part of the redirect URL; do not change it once registered."
    )
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="connections")
    name = models.CharField(max_length=120, help_text="As clinicians read it.")
    vendor = models.CharField(max_length=24, default="generic")
    fhir_base = models.CharField(
        max_length=255, help_text="The FHIR R4 base: `iss` of a launch and `aud` of a request."
    )
    canonical_iss = models.CharField(max_length=255, unique=True, editable=False)
    client_id = models.TextField()
    client_auth = models.CharField(
        max_length=24, default="private_key_jwt",
        choices=[(m, m) for m in ("private_key_jwt", "client_secret_basic", "client_secret_post", "none")],
    )  # fmt: skip
    client_secret = SealedText()
    basic_encoding = models.CharField(
        db_default="raw", max_length=12, default="raw", choices=[(way, way) for way in ("raw", "urlencoded")],
        help_text="How client id and secret go into the Basic header.",
    )  # fmt: skip
    client_id_in_body = models.CharField(
        db_default="by_method",
        max_length=12,
        default="by_method",
        choices=[(when, when) for when in ("by_method", "always")],
    )
    aud_override = models.CharField(
        default="",
        db_default="",
        max_length=255,
        blank=True,
        help_text="`aud` of a launch where this EHR wants another one than its FHIR base.",
    )
    assertion_aud = models.CharField(
        default="",
        db_default="",
        max_length=255,
        blank=True,
        help_text="`aud` of our signed statements where a proxy hides the token address.",
    )
    assertion_alg = models.CharField(max_length=8, default="ES384", choices=[("ES384", "ES384"), ("RS384", "RS384")])
    oidc_issuer = models.CharField(
        max_length=255,
        blank=True,
        help_text="Pinned `iss` of id_tokens; empty: taken from discovery and pinned at the first launch test.",
    )
    jwks_uri = models.CharField(max_length=255, blank=True)
    id_token_algs = models.CharField(max_length=60, default=EVERY_ALGORITHM)
    more_issuers = models.TextField(
        default="",
        db_default="",
        blank=True,
        help_text="Further exact `iss` values accepted in id_tokens and in answers of the sign-in, one a line.",
    )
    jwks_source = models.CharField(
        db_default="smart_configuration", max_length=24, default="smart_configuration",
        choices=[(source, source) for source in ("smart_configuration", "openid_configuration", "pinned")],
    )  # fmt: skip
    nonce_policy = models.CharField(
        max_length=12, default="required", choices=[(p, p) for p in ("required", "if_returned", "off")]
    )
    scope_dialect = models.CharField(max_length=2, default="v2", choices=[("v1", "v1"), ("v2", "v2")])
    launch_scopes = models.TextField(
        default="",
        db_default="",
        blank=True,
        help_text="The scopes that are asked, where they differ from the usual ones; with spaces between.",
    )
    retry_reduced_scopes = models.BooleanField(
        db_default=False,
        default=False,
        help_text="Answers invalid_scope to types that it lacks: ask once more with the fewest.",
    )
    standalone = models.BooleanField(
        db_default=False, default=False, help_text="Staff may start the app without the EHR's button."
    )
    token_type_optional = models.BooleanField(db_default=False, default=False)
    patient_prefix_ok = models.BooleanField(
        db_default=False, default=False, help_text="Writes `Patient/1` where an id belongs."
    )
    fhir_user_policy = models.CharField(
        db_default="required", max_length=16, default="required",
        choices=[(policy, policy) for policy in ("required", "profile_claim", "not_needed")],
    )  # fmt: skip
    introspects = models.BooleanField(
        db_default=False,
        default=False,
        help_text="Ask the EHR before Send whether the sign-in still holds (token introspection).",
    )
    extra_origins = models.TextField(blank=True, help_text="Further origins of this EHR's endpoints, one a line.")
    frame_origins = models.TextField(blank=True, help_text="Origins whose pages may frame the app, one a line.")
    honors_elements = models.BooleanField(default=True)
    honors_include = models.BooleanField(default=True)
    honors_batch = models.BooleanField(db_default=False, default=False)
    search_parameters = models.JSONField(
        db_default={},
        default=dict,
        blank=True,
        help_text="By type, query parameters instead of ours; an empty value leaves ours out.",
    )
    medication_order = models.CharField(
        db_default="concept contained display read",
        max_length=60,
        default="concept contained display read",
        help_text="Where a medication's name is looked for.",
    )
    backend_services = models.BooleanField(default=True)
    write_back = models.BooleanField(default=False)
    client_certificate = models.CharField(
        default="",
        db_default="",
        max_length=64,
        blank=True,
        help_text="Name of a certificate of the settings CLIENT_CERTIFICATES; never a key.",
    )
    connect_s = models.PositiveSmallIntegerField(db_default=3, default=3)
    read_s = models.PositiveSmallIntegerField(default=10)
    rate_per_minute = models.PositiveSmallIntegerField(
        db_default=0, default=0, help_text="Requests a minute at most; 0: no limit."
    )
    enabled = models.BooleanField(default=True)
    owner = models.CharField(max_length=120, blank=True, default="", db_default="")
    owner_contact = models.CharField(max_length=120, blank=True, help_text="Who is called when this breaks.")
    runbook_url = models.CharField(max_length=255, blank=True, default="", db_default="")
    tenant = models.CharField(
        default="",
        db_default="",
        max_length=255,
        blank=True,
        help_text="As the first launch named it; another one alerts.",
    )
    pinned_endpoints = models.JSONField(
        db_default={},
        default=dict,
        blank=True,
        help_text="Authorization and token address of the first launch that succeeded.",
    )
    alert = models.CharField(default="", db_default="", max_length=40, blank=True, editable=False)
    alerted_at = models.DateTimeField(null=True, blank=True, editable=False)
    standing_alerts = models.JSONField(db_default=[], default=list, blank=True, editable=False)
    mixed_up_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    capability_snapshot = models.JSONField(db_default={}, default=dict, blank=True, editable=False)
    check_findings = models.JSONField(db_default=[], default=list, blank=True, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = "EHR connection", "EHR connections"

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """`canonical_iss` follows `fhir_base`: what a launch is compared with is never typed by hand. Addresses that a
        launch pinned belong to the base that they were found at."""
        before, self.canonical_iss = self.canonical_iss, canonical_iss(self.fhir_base)
        if before not in ("", self.canonical_iss):
            self.pinned_endpoints = {}
        named = kwargs.get("update_fields")
        if named is not None and "fhir_base" in named:
            kwargs["update_fields"] = {*named, "canonical_iss", "pinned_endpoints"}
        super().save(*args, **kwargs)

    @property
    def issuers(self) -> tuple[str, ...]:
        """Every `iss` that sign-ins of this EHR may carry; empty until the first launch."""
        return tuple(dict.fromkeys(filter(None, (self.oidc_issuer, *self.more_issuers.split()))))

    @property
    def aud(self) -> str:
        """L4: the registered FHIR base, unless this EHR is known to want something else."""
        return self.aud_override or self.fhir_base

    @property
    def party(self) -> str:
        return f"ehr:{self.public_id}"


class EhrIssuer(models.Model):
    """A further spelling of `iss` by which the same EHR launches the app. Compared as a whole, like the first one."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey(EhrConnection, on_delete=models.CASCADE, related_name="spellings")
    spelling = models.CharField(max_length=255, help_text="As the EHR writes it.")
    canonical_iss = models.CharField(max_length=255, unique=True, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = "spelling of an issuer", "spellings of issuers"

    def __str__(self) -> str:
        return self.spelling

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As EhrConnection.save; the organization is that of the connection."""
        self.canonical_iss = canonical_iss(self.spelling)
        self.organization_id = self.connection.organization_id
        super().save(*args, **kwargs)


class LaunchAttempt(models.Model):
    """One try to launch: consumed by its callback, at most once, in the browser that began it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    connection = models.ForeignKey(EhrConnection, on_delete=models.CASCADE, related_name="+")
    launch_key = models.CharField(max_length=32)
    state_sha256 = models.BinaryField(max_length=32, unique=True)
    browser_sha256 = models.BinaryField(max_length=32)
    code_verifier = SealedText()
    nonce = SealedText()
    launch = SealedText(help_text="Empty where staff began without the EHR.")
    scope = models.TextField(blank=True, default="", db_default="", help_text="What was asked.")
    reduced = models.BooleanField(
        default=False, db_default=False, help_text="The fewest scopes, after an invalid_scope."
    )
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True)
    second_try = models.BooleanField(
        default=False, help_text="Begun by a callback whose cookie was missing; there is no third."
    )

    def __str__(self) -> str:
        return str(self.public_id)


class EhrSession(models.Model):
    """One launch that succeeded. A launch is a place: its key stands in every URL (design law 3)."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    connection = models.ForeignKey(EhrConnection, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    launch_key = models.CharField(max_length=32, unique=True)
    access_token = SealedText()
    refresh_token = SealedText()
    to_revoke = SealedJson(help_text="Tokens of a launch that ended, until the EHR took them back.")
    scope = models.TextField(blank=True)
    patient = SealedText()
    encounter = SealedText()
    fhir_user = SealedText()
    focus = SealedText(help_text="References of fhirContext or of a card, one a line.")
    from_card = models.BooleanField(default=False, db_default=False, help_text="A card of CDS Hooks opened it.")
    need_patient_banner = models.BooleanField(default=True)
    style_url = models.CharField(max_length=255, blank=True)
    intent = models.CharField(max_length=40, blank=True, default="", db_default="")
    tenant = models.CharField(max_length=255, blank=True, default="", db_default="")
    renew_at = models.DateTimeField(null=True, help_text="From here on the token is renewed, though it still lives.")
    checked_at = models.DateTimeField(null=True, help_text="The EHR last said that the token holds.")
    token_expires_at = models.DateTimeField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name, verbose_name_plural = "launch", "launches"

    def __str__(self) -> str:
        return str(self.public_id)


class SigningKey(models.Model):
    """A key by which EHRs know the app (private_key_jwt). It belongs to the whole installation: all organizations are
    one client software with one published key set. So there is no organization on the row and no wall around the
    table; what protects it is the seal, which the app alone can open."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    alg = models.CharField(max_length=8)
    kid = models.CharField(max_length=64, unique=True)
    private_jwk = SealedJson()
    state = models.CharField(max_length=8, choices=[(state, state) for state in ("next", "current", "retired")])
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alg", "state"], name="signing_key_one_each", condition=models.Q(state__in=("next", "current"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alg} {self.state}"


class ChartReference(models.Model):
    """An opaque key of commerce -> the resource in the chart. The only way back, and only the ehr half has it.

    `key` is keyed from (connection, type, id), so the same order has the same key at every look, and a row exists only
    for what was sent.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.CASCADE, related_name="+")
    connection = models.ForeignKey(EhrConnection, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=64)
    resource_type = models.CharField(max_length=32)
    resource_id = SealedText()
    patient_id = SealedText()
    version = models.CharField(max_length=64, blank=True)
    version_at = models.DateTimeField(null=True, help_text="meta.lastUpdated of the newest version that was read.")
    named_version = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text='A newer one that the EHR named; "": none.'
    )
    named_at = models.DateTimeField(null=True, help_text="meta.lastUpdated of the newer one that the EHR named.")
    stale_since = models.DateTimeField(null=True, help_text="Since when the EHR answers with an older version.")
    last_event_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "key"], name="chart_reference_key")]

    def __str__(self) -> str:
        return f"{self.resource_type} {self.key[:8]}"
