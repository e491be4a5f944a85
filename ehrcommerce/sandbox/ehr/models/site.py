"""Who works here, what was launched from a chart, and the knobs that make this EHR behave like another one."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.db import models

from ehrcommerce.sandbox.ehr import knobs

LAUNCH_LIFE = timedelta(minutes=10)


def _short(text: str) -> str:
    """What a long launch value is found by."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def new_launch_value() -> str:
    """An opaque launch value."""
    return secrets.token_urlsafe(24)


class EhrUser(models.Model):
    """A clinician who can sign in; `fhir_user` is a relative reference such as "Practitioner/ada"."""

    username = models.CharField(max_length=60, primary_key=True)
    password = models.CharField(max_length=200)
    name = models.CharField(max_length=120)
    fhir_user = models.CharField(max_length=120)
    subject = models.CharField(max_length=64, unique=True, default=secrets.token_hex)

    def __str__(self) -> str:
        return self.name

    def set_password(self, plain: str) -> None:
        """Keep the hash of a password; a password that already fits is left alone."""
        if not self.password or not check_password(plain, self.password):
            self.password = make_password(plain)

    def check_password(self, plain: str) -> bool:
        """Whether this is the password."""
        return check_password(plain, self.password)


class Launch(models.Model):
    """One press of the app's button in one chart by one clinician."""

    value = models.CharField(max_length=64, unique=True, default=new_launch_value)
    user = models.ForeignKey(EhrUser, on_delete=models.CASCADE)
    shown = models.TextField(default="", blank=True)
    profile = models.CharField(max_length=60, default="", blank=True)
    knobs = models.JSONField(default=dict)
    patient = models.CharField(max_length=64)
    encounter = models.CharField(max_length=64, default="", blank=True)
    orders = models.JSONField(default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"launch of {self.created_at:%H:%M:%S}"

    @property
    def text(self) -> str:
        """The launch value as the app is given it."""
        return self.shown or self.value

    @classmethod
    def begin(
        cls,
        *,
        user: EhrUser,
        patient: str,
        orders: list[str],
        at: datetime,
        encounter: str = "",
        profile: str = "",
        knobs: dict[str, Any] | None = None,
        shown: str = "",
    ) -> "Launch":
        """A launch that can be answered for ten minutes. `shown`: the value that is to be used for it."""
        return cls.objects.create(
            value=_short(shown) if shown else new_launch_value(),
            shown=shown,
            user=user,
            patient=patient,
            orders=orders,
            encounter=encounter,
            profile=profile,
            knobs=knobs or {},
            created_at=at,
            expires_at=at + LAUNCH_LIFE,
        )

    @classmethod
    def find(cls, text: str, *, profile: str, at: datetime) -> "Launch | None":
        """The live launch of this value at this EHR."""
        rows = cls.objects.select_related("user").filter(profile=profile, expires_at__gt=at)
        return rows.filter(value=text, shown="").first() or rows.filter(value=_short(text), shown=text).first()


class Profile(models.Model):
    """One more EHR of this sandbox, under /profiles/<name>."""

    name = models.CharField(max_length=60, unique=True)
    vendor = models.CharField(max_length=40, default="", blank=True)
    knobs = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


class Knobs(models.Model):
    """One row: how all EHRs of this sandbox depart from their usual manners. An empty object is the usual."""

    values = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{len(self.values)} knobs turned"

    @classmethod
    def current(cls) -> dict[str, Any]:
        """Every known knob with its present value."""
        turned = cls.objects.filter(pk=1).values_list("values", flat=True).first()
        return {**knobs.USUAL, **(turned or {})}

    @classmethod
    def turn(cls, wishes: dict[str, Any]) -> dict[str, Any]:
        """Turn some knobs, leave the others. Raises ValueError for a knob that does not exist."""
        knobs.checked(wishes)
        row, _ = cls.objects.get_or_create(pk=1)
        row.values = {**row.values, **wishes}
        row.save()
        return cls.current()
