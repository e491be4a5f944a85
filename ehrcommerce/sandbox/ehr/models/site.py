"""Who works here, what was launched from a chart, and the knobs that make this EHR behave like another one."""

import secrets
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.auth.hashers import check_password, make_password
from django.db import models

LAUNCH_LIFE = timedelta(minutes=10)


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
    patient = models.CharField(max_length=64)
    encounter = models.CharField(max_length=64, default="", blank=True)
    orders = models.JSONField(default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"launch of {self.created_at:%H:%M:%S}"

    @classmethod
    def begin(cls, *, user: EhrUser, patient: str, orders: list[str], at: datetime, encounter: str = "") -> "Launch":
        """A launch that can be answered for ten minutes."""
        return cls.objects.create(
            user=user, patient=patient, orders=orders, encounter=encounter, created_at=at, expires_at=at + LAUNCH_LIFE
        )


class Knobs(models.Model):
    """One row: how this EHR departs from its usual manners. An empty object is the usual."""

    KNOWN: ClassVar[dict[str, Any]] = {
        "elements": "honor",
        "include": "honor",
        "token_life_s": None,
        "discovery": {},
        "id_token": {},
        "token_response": {},
        "page_size": 50,
        "latency_ms": 0,
    }

    values = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{len(self.values)} knobs turned"

    @classmethod
    def current(cls) -> dict[str, Any]:
        """Every known knob with its present value."""
        turned = cls.objects.filter(pk=1).values_list("values", flat=True).first()
        return {**cls.KNOWN, **(turned or {})}

    @classmethod
    def turn(cls, wishes: dict[str, Any]) -> dict[str, Any]:
        """Turn some knobs, leave the others. Raises ValueError for a knob that does not exist."""
        if strange := set(wishes) - set(cls.KNOWN):
            raise ValueError(f"unknown knobs: {', '.join(sorted(strange))}")
        row, _ = cls.objects.get_or_create(pk=1)
        row.values = {**row.values, **wishes}
        row.save()
        return cls.current()
