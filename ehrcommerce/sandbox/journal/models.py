"""The journal of requests, what clients kept to, and the planted faults: the tables that tests read and write through /control."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F

ANSWER_CAP = 64 * 1024
"""Characters of a body or an answer that are kept."""


class JournalEntry(models.Model):
    """One request as the sandbox saw it, or one callback as the sandbox sent it."""

    partner = models.CharField(max_length=40)
    method = models.CharField(max_length=10)
    path = models.TextField()
    query = models.TextField(default="", blank=True)
    headers = models.JSONField(default=dict)
    body = models.TextField(default="", blank=True)
    status = models.IntegerField(null=True)
    answer = models.TextField(default="", blank=True)
    started = models.FloatField()
    ended = models.FloatField(null=True)
    connection = models.CharField(max_length=60, default="", blank=True)
    fault = models.CharField(max_length=20, default="", blank=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["partner", "id"], name="journal_partner_id")]

    def __str__(self) -> str:
        return f"{self.partner} {self.method} {self.path} {self.status}"

    def as_json(self) -> dict[str, Any]:
        """The row under the names of its columns."""
        names = [field.attname for field in self._meta.concrete_fields]
        return {name: getattr(self, name) for name in names}


class ConformanceCheck(models.Model):
    """One thing that a client has to keep to, and whether one of its requests did."""

    endpoint = models.CharField(max_length=20)
    check_name = models.CharField(max_length=60)
    held = models.BooleanField()
    detail = models.TextField(default="", blank=True)
    profile = models.CharField(max_length=60, default="", blank=True)
    client_id = models.CharField(max_length=200, default="", blank=True)
    at = models.FloatField()

    def __str__(self) -> str:
        return f"{self.check_name} {'held' if self.held else 'failed'}"

    def as_json(self) -> dict[str, Any]:
        """The row as the control answers it."""
        names = ("id", "endpoint", "held", "detail", "profile", "client_id", "at")
        return {"check": self.check_name, **{name: getattr(self, name) for name in names}}


class Fault(models.Model):
    """A planted fault: hits the next `times` requests of one partner whose path (and method) match."""

    KINDS: ClassVar[tuple[str, ...]] = ("status", "delay", "drop_response", "html", "reset", "truncate")

    partner = models.CharField(max_length=40)
    path = models.TextField(default="", blank=True)
    method = models.CharField(max_length=10, default="", blank=True)
    kind = models.CharField(max_length=20)
    status = models.IntegerField(default=500)
    delay_s = models.FloatField(default=0)
    headers = models.JSONField(default=dict)
    times = models.IntegerField(default=1)
    after_accept = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.kind} at {self.partner} {self.path} x{self.times}"

    @classmethod
    def planted(cls, wish: Mapping[str, Any]) -> Self:
        """The fault that a control request describes. Raises ValueError for an unknown kind, key or pattern."""
        known = {"partner", "path", "method", "kind", "status", "delay_s", "headers", "times", "after_accept"}
        if strange := set(wish) - known:
            raise ValueError(f"unknown keys: {', '.join(sorted(strange))}")
        if wish.get("kind") not in cls.KINDS:
            raise ValueError(f"kind is one of {', '.join(cls.KINDS)}")
        try:
            re.compile(str(wish.get("path", "")))
        except re.error as mistake:
            raise ValueError("path is a regular expression") from mistake
        return cls.objects.create(**wish)

    @classmethod
    def take(cls, *, partner: str, method: str, path: str) -> Self | None:
        """The first planted fault that fits, one use taken off it; of two requests at once one gets the last use."""
        for fault in cls.objects.filter(partner=partner, times__gt=0).order_by("id"):
            if fault.fits(method=method, path=path) and fault.spend():
                return fault
        return None

    def fits(self, *, method: str, path: str) -> bool:
        """Whether this request is meant."""
        return self.method.upper() in ("", method) and re.search(self.path, path) is not None

    def spend(self) -> bool:
        """True for as many callers as the fault has uses left."""
        return type(self).objects.filter(pk=self.pk, times__gt=0).update(times=F("times") - 1) == 1

    def as_json(self) -> dict[str, Any]:
        """The row under the names of its columns."""
        return {field.attname: getattr(self, field.attname) for field in self._meta.concrete_fields}
