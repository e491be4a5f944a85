"""Clients, codes and tokens of the authorization server, in the shape that Authlib's server side asks for.

Codes and tokens are kept as SHA-256 only; the signing key of id_tokens is made once and stays.
"""

import hashlib
import json
import secrets
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin
from django.contrib.auth.hashers import check_password, make_password
from django.db import models
from django.utils import timezone
from joserfc.jwk import ECKey, KeyParameters, RSAKey

from ehrcommerce.sandbox.ehr import scopes
from ehrcommerce.sandbox.ehr.models.site import EhrUser, Launch


def digest(secret: str) -> str:
    """What is kept of a code or a token."""
    return hashlib.sha256(secret.encode()).hexdigest()


@lru_cache(maxsize=500)
def _fits(secret: str, kept: str) -> bool:
    """Remembered: the hash is slow by design, and each request asks twice."""
    return check_password(secret, kept)


@lru_cache(maxsize=100)
def _parsed(kid: str, private_jwk: str) -> RSAKey | ECKey:
    """Remembered: to take in an RSA key is to prove its primes again, a tenth of a second each time."""
    members = json.loads(private_jwk)
    return RSAKey.import_key(members) if members["kty"] == "RSA" else ECKey.import_key(members)


class Client(ClientMixin, models.Model):  # type: ignore[misc]  # Authlib comes without types
    """A registered app. Its keys come from `jwks_uri`, or from `jwks` where a test brings its own."""

    client_id = models.CharField(max_length=120, unique=True)
    name = models.CharField(max_length=120)
    auth_method = models.CharField(max_length=40, default="private_key_jwt")
    secret_hash = models.CharField(max_length=200, default="", blank=True)
    jwks_uri = models.URLField(max_length=500, default="", blank=True)
    jwks = models.JSONField(null=True)
    redirect_uris = models.JSONField(default=list)
    launch_url = models.URLField(max_length=500, default="", blank=True)
    scope = models.TextField(default="")
    grant_types = models.JSONField(default=list)

    def __str__(self) -> str:
        return self.name

    def set_secret(self, plain: str) -> None:
        """Keep the hash of a client secret."""
        self.secret_hash = make_password(plain)

    def get_client_id(self) -> str:
        """Authlib asks."""
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        """There is none: a redirect URI is always named."""
        return None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The part of the requested scope that this client may have; None when nothing is left."""
        return scopes.grant(requested=scope or "", allowed=self.scope) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Exact match only."""
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether this is the secret."""
        return bool(self.secret_hash) and _fits(client_secret, self.secret_hash)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """One method for all endpoints."""
        return method == self.auth_method

    def check_response_type(self, response_type: str) -> bool:
        """Codes only."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether the client was registered for it."""
        return grant_type in self.grant_types


class AuthorizationCode(AuthorizationCodeMixin, models.Model):  # type: ignore[misc]  # Authlib comes without types
    """A code: one minute, one use; what was issued for it is revoked when it is used a second time."""

    LIFE_S: ClassVar[int] = 60

    code_sha256 = models.CharField(max_length=64, unique=True)
    client = models.ForeignKey(Client, on_delete=models.CASCADE)
    user = models.ForeignKey(EhrUser, on_delete=models.CASCADE)
    launch = models.ForeignKey(Launch, on_delete=models.CASCADE, null=True)
    redirect_uri = models.CharField(max_length=500)
    scope = models.TextField()
    nonce = models.TextField(default="", blank=True)
    code_challenge = models.CharField(max_length=128)
    code_challenge_method = models.CharField(max_length=10)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"code for {self.client_id}"

    @property
    def profile(self) -> str:
        """The EHR that gave it."""
        return self.launch.profile if self.launch else ""

    def get_redirect_uri(self) -> str:
        """Authlib asks."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Authlib asks."""
        return self.scope

    def spend(self, *, at: datetime) -> bool:
        """True for the first use in time."""
        live = AuthorizationCode.objects.filter(pk=self.pk, used_at=None, expires_at__gt=at)
        return live.update(used_at=at) == 1


class AccessToken(TokenMixin, models.Model):  # type: ignore[misc]  # Authlib comes without types
    """An access token, with the refresh token and the launch that belong to it."""

    access_sha256 = models.CharField(max_length=64, unique=True)
    refresh_sha256 = models.CharField(max_length=64, default="", blank=True)
    client = models.ForeignKey(Client, on_delete=models.CASCADE)
    user = models.ForeignKey(EhrUser, on_delete=models.CASCADE, null=True)
    launch = models.ForeignKey(Launch, on_delete=models.SET_NULL, null=True)
    code = models.ForeignKey(AuthorizationCode, on_delete=models.SET_NULL, null=True)
    scope = models.TextField()
    profile = models.CharField(max_length=60, default="", blank=True)
    patient = models.CharField(max_length=64, default="", blank=True)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    refresh_revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["refresh_sha256"], condition=~models.Q(refresh_sha256=""), name="refresh_token_once"
            ),
        ]

    def __str__(self) -> str:
        return f"token of {self.issued_at:%H:%M:%S}"

    def check_client(self, client: Client) -> bool:
        """Authlib asks."""
        return bool(self.client_id == client.pk)

    def get_scope(self) -> str:
        """Authlib asks."""
        return self.scope

    def get_expires_in(self) -> int:
        """Authlib asks."""
        return int((self.expires_at - self.issued_at).total_seconds())

    def is_expired(self) -> bool:
        """Authlib asks."""
        return self.expires_at <= timezone.now()

    def is_revoked(self) -> bool:
        """Authlib asks."""
        return self.revoked_at is not None

    def get_user(self) -> EhrUser | None:
        """Authlib asks."""
        return self.user

    def get_client(self) -> Client:
        """Authlib asks."""
        return self.client


class AssertionId(models.Model):
    """The `jti` of a client assertion that was accepted once."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE)
    jti = models.CharField(max_length=200)
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["client", "jti"], name="assertion_id_once"),
        ]

    def __str__(self) -> str:
        return "used assertion"


class SigningKey(models.Model):
    """A key of the EHR: RSA, P-256 or P-384, of one generation. The EHRs of this sandbox share them."""

    KINDS: ClassVar[tuple[str, ...]] = ("RSA", "P-256", "P-384")

    kid = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, default="RSA")
    generation = models.IntegerField(default=1)
    private_jwk = models.JSONField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["kind", "generation"], name="signing_key_once"),
        ]

    def __str__(self) -> str:
        return self.kid

    @classmethod
    def of(cls, kind: str, generation: int) -> RSAKey | ECKey:
        """The key; made at the first call."""
        row = cls.objects.filter(kind=kind, generation=generation).first() or cls._made(kind, generation)
        return _parsed(row.kid, json.dumps(row.private_jwk))

    @classmethod
    def _made(cls, kind: str, generation: int) -> "SigningKey":
        kid = secrets.token_hex(8)
        parameters: KeyParameters = {"kid": kid, "use": "sig"}
        key: RSAKey | ECKey = (
            RSAKey.generate_key(2048, parameters=parameters)
            if kind == "RSA"
            else ECKey.generate_key(kind, parameters=parameters)
        )
        private: dict[str, Any] = dict(key.as_dict(private=True))
        row, _ = cls.objects.get_or_create(
            kind=kind, generation=generation, defaults={"kid": kid, "private_jwk": private}
        )
        return row
