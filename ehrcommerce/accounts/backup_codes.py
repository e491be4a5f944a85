"""Ten codes on paper for whoever has lost the phone with the authenticator: each works once, in the place of the one-time
code. Only keyed digests are kept, so a copy of the table opens nothing; a fresh set makes the old one worthless."""

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django_otp.models import Device, ThrottlingMixin

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.vault.keys import blind_index

if TYPE_CHECKING:
    from ehrcommerce.accounts.models import User

CODES, DIGITS = 10, 10


class BackupCodes(ThrottlingMixin, Device):  # type: ignore[misc]  # django-otp comes without types
    """One person's set. `digests` are those of the codes that were not used yet."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    digests = models.JSONField(default=list)
    made_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "backup codes"
        constraints = [models.UniqueConstraint(fields=["user"], name="backup_codes_once")]

    def __str__(self) -> str:
        return f"backup codes {self.pk}"

    def get_throttle_factor(self) -> int:
        """A second after the first wrong code, twice as long after each further one."""
        return 1

    def shows(self, token: str) -> bool:
        """Whether this is one of the codes that are left."""
        return digest(self.user_id, token) in self.digests

    def verify_token(self, token: str) -> bool:
        """Spends the code: of two at once, one is let in."""
        with transaction.atomic():
            row = BackupCodes.objects.select_for_update().select_related("user").get(pk=self.pk)
            known = digest(row.user_id, token)
            if not row.verify_is_allowed()[0] or known not in row.digests:
                row.throttle_increment()
                return False
            row.digests = [each for each in row.digests if each != known]
            row.throttle_reset(commit=False)
            row.save()
            audit.record(
                organization_id=row.organization_id, by=row.user.actor, action="staff.backup_code_used",
                entity=f"user:{row.user.public_id}", at=timezone.now(), reason=f"left:{len(row.digests)}",
            )  # fmt: skip
        self.digests = row.digests
        return True


def plain(token: str) -> str:
    """The digits, however they were typed."""
    return "".join(letter for letter in token if letter.isascii() and letter.isdigit())


def digest(user_id: int, token: str) -> str:
    digits = plain(token)
    return blind_index("backup-code", f"{user_id}:{digits}").hex() if len(digits) == DIGITS else ""


@transaction.atomic
def make(user: "User", *, by: Actor, at: datetime) -> list[str]:
    """A new set, to be shown once. The old one is worth nothing from now on."""
    codes: list[str] = []
    while len(codes) < CODES:
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
        codes += [code] if code not in codes else []
    BackupCodes.objects.update_or_create(
        user=user,
        defaults={
            "organization_id": user.organization_id, "name": "backup codes", "confirmed": True, "made_at": at,
            "digests": [digest(user.pk, code) for code in codes],
        },
    )  # fmt: skip
    audit.record(
        organization_id=user.organization_id, by=by, action="staff.backup_codes_made", entity=f"user:{user.public_id}",
        at=at,
    )  # fmt: skip
    return [f"{code[:5]} {code[5:]}" for code in codes]


def left(user: "User") -> int:
    """How many of this person's codes were not used yet."""
    found: Any = BackupCodes.objects.filter(user=user).values_list("digests", flat=True).first()
    return len(found or ())
