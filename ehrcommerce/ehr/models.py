"""Connections to EHRs, launches, and opaque references into charts. Never a clinical value: ids and tokens only,
sealed."""

import uuid
from typing import TYPE_CHECKING, Any

from django.db import models

from ehrcommerce.ehr.issuers import canonical_iss
from ehrcommerce.vault.fields import SealedJson, SealedText


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
    assertion_alg = models.CharField(max_length=8, default="ES384", choices=[("ES384", "ES384"), ("RS384", "RS384")])
    oidc_issuer = models.CharField(
        max_length=255,
        blank=True,
        help_text="Pinned `iss` of id_tokens; empty: taken from discovery and pinned at the first launch test.",
    )
    jwks_uri = models.CharField(max_length=255, blank=True)
    id_token_algs = models.CharField(max_length=60, default="RS256")
    nonce_policy = models.CharField(
        max_length=12, default="required", choices=[(p, p) for p in ("required", "if_returned", "off")]
    )
    scope_dialect = models.CharField(max_length=2, default="v2", choices=[("v1", "v1"), ("v2", "v2")])
    extra_origins = models.TextField(blank=True, help_text="Further origins of this EHR's endpoints, one a line.")
    frame_origins = models.TextField(blank=True, help_text="Origins whose pages may frame the app, one a line.")
    honors_elements = models.BooleanField(default=True)
    honors_include = models.BooleanField(default=True)
    backend_services = models.BooleanField(default=True)
    write_back = models.BooleanField(default=False)
    read_s = models.PositiveSmallIntegerField(default=10)
    enabled = models.BooleanField(default=True)
    owner_contact = models.CharField(max_length=120, blank=True, help_text="Who is called when this breaks.")

    class Meta:
        verbose_name, verbose_name_plural = "EHR connection", "EHR connections"

    if TYPE_CHECKING:
        organization_id: int

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """`canonical_iss` follows `fhir_base`: what a launch is compared with is never typed by hand."""
        self.canonical_iss = canonical_iss(self.fhir_base)
        super().save(*args, **kwargs)

    @property
    def party(self) -> str:
        return f"ehr:{self.public_id}"


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
    launch = SealedText()
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
    scope = models.TextField(blank=True)
    patient = SealedText()
    encounter = SealedText()
    fhir_user = SealedText()
    focus = SealedText(help_text="References of fhirContext, one a line.")
    need_patient_banner = models.BooleanField(default=True)
    style_url = models.CharField(max_length=255, blank=True)
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
    last_event_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "key"], name="chart_reference_key")]

    def __str__(self) -> str:
        return f"{self.resource_type} {self.key[:8]}"
