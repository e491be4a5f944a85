"""Breaking the glass (45 CFR 164.312(a)(2)(ii)): in an emergency somebody of the staff sees for thirty minutes what their
role does not, and changes nothing. A second person is told at once; somebody else reviews it within three days, or the
account stays shut until it is reviewed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, IntegerField, Value, When

from ehrcommerce.accounts.models import BreakGlass, Role, User, Why
from ehrcommerce.audit import services as audit

LASTS, REVIEW_WITHIN = timedelta(minutes=30), timedelta(hours=72)
REVIEWERS = frozenset({Role.PRIVACY, Role.ADMINISTRATOR})
VERDICTS = {"justified": "Justified", "not_justified": "Not justified", "unclear": "Unclear: I follow it up"}
NOTE_LENGTH = 200


class GlassProblem(Exception):
    """The glass stays whole."""


class NobodyToTell(GlassProblem):
    """There is no second person here who could be told and review it. An administrator adds a privacy officer first."""


class ReasonWanted(GlassProblem):
    """Choose a reason and say in a few words what happened, without a name, in at most 200 characters."""


class StillOpen(GlassProblem):
    """Your last break-glass access waits for its review. Ask who was told to review it first."""


class NotYours(GlassProblem):
    """Nobody reviews their own access; a privacy officer or another administrator does, once."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a user stands: `open` while the half hour runs, `late` once a review is overdue."""

    open: BreakGlass | None = None
    late: bool = False


def standing(user: User, *, at: datetime) -> Standing:
    waiting = list(BreakGlass.objects.filter(user=user, reviewed_at=None).order_by("began_at"))
    running = next((each for each in waiting if each.began_at <= at < each.ends_at), None)
    return Standing(running, any(at >= each.began_at + REVIEW_WITHIN for each in waiting))


@transaction.atomic
def begin(*, user: User, reason: str, note: str, at: datetime) -> BreakGlass:
    """Raises GlassProblem."""
    note = " ".join(note.split())
    User.objects.select_for_update().get(pk=user.pk)
    if reason not in Why.values or not 10 <= len(note) <= NOTE_LENGTH:
        raise ReasonWanted
    if BreakGlass.objects.filter(user=user, reviewed_at=None).exists():
        raise StillOpen
    told = second_person(user)
    if told is None:
        raise NobodyToTell
    made = BreakGlass(
        organization_id=user.organization_id, user=user, reason=reason, note=note, began_at=at, ends_at=at + LASTS,
        told=told,
    )  # fmt: skip
    made.save()
    _record(made, user, "glass.broken", at, reason=reason, recipient=f"user:{told.public_id}")
    return made


def second_person(user: User) -> User | None:
    """Who is told: a privacy officer before an administrator, and never the user."""
    first = Case(When(role=Role.PRIVACY, then=Value(0)), default=Value(1), output_field=IntegerField())
    others = User.objects.filter(role__in=REVIEWERS, is_active=True, is_staff=True, subject="").exclude(pk=user.pk)
    return others.order_by(first, "pk").first()


@transaction.atomic
def review(*, glass: BreakGlass, verdict: str, by: User, at: datetime) -> None:
    """Raises NotYours."""
    row = BreakGlass.objects.select_for_update().get(pk=glass.pk)
    if row.user_id == by.pk or by.role not in REVIEWERS or row.reviewed_at is not None or verdict not in VERDICTS:
        raise NotYours
    row.reviewed_by, row.reviewed_at, row.verdict, row.ends_at = by, at, verdict, min(row.ends_at, at)
    row.save(update_fields=["reviewed_by", "reviewed_at", "verdict", "ends_at"])
    _record(row, by, "glass.reviewed", at, reason=verdict)


def _record(glass: BreakGlass, by: User, action: str, at: datetime, *, reason: str, recipient: str = "") -> None:
    audit.record(
        organization_id=glass.organization_id, by=by.actor, action=action, entity=f"breakglass:{glass.public_id}", at=at,
        reason=reason, recipient=recipient,
    )  # fmt: skip
