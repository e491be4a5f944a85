"""Two people for what one must not do alone: where an EHR or a supplier is reached, keys, bulk export, purge, legal hold.
One proposes, another one of the same clinic approves within a week, and only then it happens (ASVS 2.3.5).

A kind with an `apply` changes a row: the approval writes exactly what was proposed, if the row is still what it was.
A kind without one is an act of a command, which spends the approval once."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from ehrcommerce.accounts.models import ProposalState, ProposedChange, Role, User
from ehrcommerce.audit import services as audit

LASTS = timedelta(days=7)
Apply = Callable[[ProposedChange, Mapping[str, Any], User, datetime], None]
Diff = Sequence[tuple[str, str, str]]


class ApprovalProblem(Exception):
    """Nothing was changed."""


class NeedsAnother(ApprovalProblem):
    """Whoever proposed a change cannot approve it. Another person with the same right does."""


class NotAllowed(ApprovalProblem):
    """Your role does not decide on this kind of change."""


class Decided(ApprovalProblem):
    """This proposal is decided, expired or void. Propose the change again."""


class RowChanged(ApprovalProblem):
    """The row changed since the proposal was made, so it is void. Propose the change again from how it stands now."""


class OneWaits(ApprovalProblem):
    """Another proposal for this row waits. Let it be approved or refused first."""


class NotApproved(ApprovalProblem):
    """Two people must agree to this first. Propose it in the back office under "Proposed changes" and let another person
    approve it; the approval is good for one run within a week."""


@dataclass(frozen=True, slots=True)
class Kind:
    title: str
    roles: frozenset[str]
    apply: Apply | None = None


ADMINISTRATORS = frozenset({Role.ADMINISTRATOR})
KINDS: dict[str, Kind] = {
    "keys": Kind("Change of encryption or signing keys", ADMINISTRATORS),
    "bulk_export": Kind("Export of many patients' data", ADMINISTRATORS),
    "purge": Kind("Purge of data", ADMINISTRATORS),
    "legal_hold": Kind("Legal hold set or lifted", ADMINISTRATORS),
}


def register(name: str, kind: Kind) -> None:
    KINDS[name] = kind


def acts_of(user: User) -> dict[str, str]:
    """Name -> title of the acts that this user may propose and approve."""
    return {name: kind.title for name, kind in KINDS.items() if kind.apply is None and user.role in kind.roles}


def digest_of(values: Mapping[str, Any]) -> bytes:
    """A keyed hash of a row's values, secrets among them, to see whether they are still the same."""
    text = json.dumps(values, sort_keys=True, default=str, separators=(",", ":"))
    return hmac.new(settings.AUDIT_KEY, b"proposal\x00" + text.encode(), hashlib.sha256).digest()


@transaction.atomic
def propose(
    *, kind: str, entity: str, by: User, at: datetime, values: Mapping[str, Any] | None = None, diff: Diff = (),
    before: bytes = b"",
) -> ProposedChange:  # fmt: skip
    """A proposal that waits. What the same person proposes for the same row once more is joined to it. Raises OneWaits,
    NotAllowed."""
    if by.role not in KINDS[kind].roles:
        raise NotAllowed
    expire(organization_id=by.organization_id, at=at)
    rows = ProposedChange.objects.select_for_update().filter(
        organization_id=by.organization_id, kind=kind, entity=entity
    )
    change = rows.filter(state=ProposalState.OPEN).first()
    if change is not None and (change.proposed_by_id != by.pk or not values):
        raise OneWaits
    if change is None:
        change = ProposedChange(organization_id=by.organization_id, kind=kind, entity=entity, proposed_by=by)
    change.payload = {**(change.payload or {}), **(values or {})}
    told = {name: [name, old, new] for name, old, new in [*change.diff, *diff]}
    change.diff, change.before_digest = list(told.values()), before
    change.proposed_at, change.expires_at = at, at + LASTS
    change.save()
    _record(change, by, "change.proposed", at)
    return change


def approve(*, change: ProposedChange, by: User, at: datetime) -> ProposedChange:
    """The change happens, or ApprovalProblem says why not."""
    try:
        with transaction.atomic():
            row = _decidable(change, by, at)
            if row.proposed_by_id == by.pk:
                raise NeedsAnother
            apply = KINDS[row.kind].apply
            if apply is not None:
                apply(row, row.payload, by, at)
            return _decide(row, ProposalState.APPROVED, by, at)
    except RowChanged:
        with transaction.atomic():
            _decide(_decidable(change, by, at), ProposalState.VOID, by, at)
        raise
    except NeedsAnother:
        _record(change, by, "change.approved", at, outcome="refused")
        raise


@transaction.atomic
def refuse(*, change: ProposedChange, by: User, at: datetime) -> ProposedChange:
    """Also by whoever proposed it."""
    return _decide(_decidable(change, by, at), ProposalState.REFUSED, by, at)


@transaction.atomic
def spend(*, kind: str, entity: str, organization_id: int, at: datetime) -> ProposedChange:
    """Called by the act itself, in its transaction, before it begins. Raises NotApproved."""
    rows = ProposedChange.objects.select_for_update().filter(organization_id=organization_id, kind=kind, entity=entity)
    change = rows.filter(state=ProposalState.APPROVED, expires_at__gt=at).order_by("pk").first()
    if change is None:
        raise NotApproved
    change.state = ProposalState.SPENT
    change.save(update_fields=["state"])
    return change


def expire(*, organization_id: int, at: datetime) -> int:
    """Proposals that nobody decided in time."""
    due = ProposedChange.objects.filter(organization_id=organization_id, state=ProposalState.OPEN, expires_at__lte=at)
    return due.update(state=ProposalState.EXPIRED)


def _decidable(change: ProposedChange, by: User, at: datetime) -> ProposedChange:
    row = ProposedChange.objects.select_for_update().get(pk=change.pk)
    if by.role not in KINDS[row.kind].roles:
        raise NotAllowed
    if row.state != ProposalState.OPEN or row.expires_at <= at:
        raise Decided
    return row


def _decide(row: ProposedChange, state: str, by: User, at: datetime) -> ProposedChange:
    row.state, row.decided_at = state, at
    row.decided_by = by if state in (ProposalState.APPROVED, ProposalState.REFUSED) else None
    if KINDS[row.kind].apply is not None:
        row.payload = {}  # what was wanted is done or is not wanted: a secret waits in nothing longer than it must
    row.save(update_fields=["state", "decided_at", "decided_by", "payload"])
    _record(row, by, f"change.{state}", at)
    return row


def _record(change: ProposedChange, by: User, action: str, at: datetime, *, outcome: str = "success") -> None:
    audit.record(
        organization_id=change.organization_id, by=by.actor, action=action, entity=change.entity, at=at,
        elements=[name for name, _, _ in change.diff], reason=change.kind, outcome=outcome,
    )  # fmt: skip
