"""One value of one row, shown once: to a role whose class allows it, with a reason, counted, and audited by its name and
never by what it is. Each app's admin.py registers what can be revealed there. [SEC-B11, SEC-B12]"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction

from ehrcommerce.accounts import access
from ehrcommerce.accounts.models import Reveal, User, Why
from ehrcommerce.audit import services as audit

NOTE_LENGTH = 200
AN_HOUR, A_DAY = 10, 40
_WORD = re.compile(r"[^\W_]+")


class RevealRefused(Exception):
    """The value is not shown."""


class RoleDoesNotSee(RevealRefused):
    """Your role does not see this kind of value. Ask somebody whose work it is, or break the glass in an emergency."""


class ReasonMissing(RevealRefused):
    """Choose a reason and say in a few words why, in at most 200 characters."""


class NoteTellsTheValue(RevealRefused):
    """What you wrote holds a part of the value itself. Say why you need it, not what it is."""


class TooMany(RevealRefused):
    """You looked at many values within a short time. Wait, or ask your privacy officer."""


@dataclass(frozen=True, slots=True)
class Revealable:
    """`lines` are what is shown: a label and a value each. `entity` is the row as the audit calls it."""

    model: type[models.Model]
    element: str
    title: str
    lines: Callable[[Any], list[tuple[str, str]]]
    entity: Callable[[Any], str]
    customer_key: Callable[[Any], str]

    @property
    def name(self) -> str:
        return f"{self.model._meta.label_lower}.{self.element}"


REVEALABLE: dict[str, Revealable] = {}


def register(what: Revealable) -> None:
    REVEALABLE[what.name] = what


def may_reveal(role: str, what: Revealable) -> bool:
    wanted = access.class_of(what.model._meta.label_lower, what.element)
    return access.may(role, wanted) == access.REVEAL


def reveal(
    *, what: Revealable, row: Any, reason: str, note: str, by: User, at: datetime, forced: bool = False
) -> list[tuple[str, str]]:
    """The lines to show. Raises RevealRefused, which is audited as well. `forced`: the glass is broken (glass.py)."""
    try:
        with transaction.atomic():
            return _reveal(what, row, reason, " ".join(note.split()), by, at, forced)
    except RevealRefused as refusal:
        _record(what, row, by, at, outcome="refused", reason=type(refusal).__name__)
        raise


def _reveal(
    what: Revealable, row: Any, reason: str, note: str, by: User, at: datetime, forced: bool
) -> list[tuple[str, str]]:
    if not (forced or may_reveal(by.role, what)):
        raise RoleDoesNotSee
    if reason not in Why.values or not 3 <= len(note) <= NOTE_LENGTH:
        raise ReasonMissing
    # One at a time for each user, so that two browsers do not count past each other.
    User.objects.select_for_update().get(pk=by.pk)
    looked = Reveal.objects.filter(user=by)
    hour, day = (looked.filter(at__gt=at - timedelta(hours=hours)).count() for hours in (1, 24))
    if hour >= AN_HOUR or day >= A_DAY:
        raise TooMany
    lines = what.lines(row)
    if tells(note, [value for _, value in lines]):
        raise NoteTellsTheValue
    entity = what.entity(row)
    Reveal(
        organization_id=by.organization_id,
        user=by,
        entity=entity,
        element=what.element,
        reason=reason,
        note=note,
        at=at,
    ).save()
    _record(what, row, by, at, reason=reason)
    return lines


def _record(what: Revealable, row: Any, by: User, at: datetime, *, reason: str, outcome: str = "success") -> None:
    audit.record(
        organization_id=by.organization_id, by=by.actor, action="value.revealed", entity=what.entity(row), at=at,
        elements=[what.name], reason=reason, outcome=outcome, customer_key=what.customer_key(row),
    )  # fmt: skip


def tells(note: str, values: list[str]) -> bool:
    """Whether a note repeats a value, or a word or number of it that is long enough to be one."""
    said, spaceless = {word.lower() for word in _WORD.findall(note)}, "".join(_WORD.findall(note.lower()))
    for value in values:
        whole = "".join(_WORD.findall(value.lower()))
        if len(whole) >= 4 and whole in spaceless:
            return True
        if any(len(word) >= 4 and word.lower() in said for word in _WORD.findall(value)):
            return True
    return False
