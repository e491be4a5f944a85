"""Two people for what one must not do alone: where an EHR or a supplier is reached, keys, bulk export, purge, legal hold.
One proposes, another one of the same clinic approves within a week, and only then it happens (ASVS 2.3.5).

A kind with an `apply` changes a row: the approval writes exactly what was proposed, if the row is still what it was.
A kind without one is an act of a command or a page, which spends the approval once. What cannot wait for two people,
because every minute counts, is done first and looked at afterwards (`afterwards`): that review never expires."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from ehrcommerce.accounts.models import ProposalState, ProposedChange, Role, User
from ehrcommerce.audit import services as audit
from ehrcommerce.audit import traces
from ehrcommerce.audit.services import Actor

LASTS, STANDS = timedelta(days=7), timedelta(days=36_500)
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


class NotNamed(ApprovalProblem):
    """Say whose data it is about: order:<number> or offer:<id> of this clinic, as the audit names it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`of_a_person`: good for one person's data alone, who is named when it is proposed. `review`: opened by what was
    done already, and proposed by nobody."""

    title: str
    roles: frozenset[str]
    apply: Apply | None = None
    of_a_person: bool = False
    review: bool = False


ADMINISTRATORS = frozenset({Role.ADMINISTRATOR})
GUARDIANS = ADMINISTRATORS | {Role.PRIVACY}
KINDS: dict[str, Kind] = {
    "keys": Kind("Change of encryption or signing keys", ADMINISTRATORS),
    "keys_review": Kind("Keys changed at once in an emergency: look at it afterwards", ADMINISTRATORS, review=True),
    "bulk_export": Kind("Export of many patients' data", GUARDIANS),
    "purge": Kind("Erasing one patient before the time", GUARDIANS, of_a_person=True),
}


def register(name: str, kind: Kind) -> None:
    KINDS[name] = kind


def acts_of(user: User) -> dict[str, str]:
    """Name -> title of the acts that this user may propose and approve."""
    acts = [(name, kind) for name, kind in KINDS.items() if kind.apply is None and not kind.review]
    return {name: kind.title for name, kind in acts if user.role in kind.roles}


def act(kind: str) -> str:
    """What the approval of an act that is about nobody in particular is for."""
    return f"act:{kind}"


def person(customer_key: str) -> str:
    """One person, by the audit's own name for them."""
    return f"person:{audit.patient_ref(customer_key).hex()}"


def propose_act(*, kind: str, about: str, by: User, at: datetime) -> ProposedChange:
    """From the back office's form; `about` names the person where the kind wants one. Raises ApprovalProblem."""
    if not KINDS[kind].of_a_person:
        return propose(kind=kind, entity=act(kind), by=by, at=at)
    about = about.strip()
    try:
        found = traces.trace(by.organization_id, about if ":" in about else f"order:{about}")
    except traces.NotTraceable as problem:
        raise NotNamed from problem
    told = [("patient of", "", about)]
    return propose(kind=kind, entity=person(found.customer_key), by=by, at=at, diff=told)


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
    _record(change, by.actor, "change.proposed", at)
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
        _record(change, by.actor, "change.approved", at, outcome="refused")
        raise


@transaction.atomic
def refuse(*, change: ProposedChange, by: User, at: datetime) -> ProposedChange:
    """Also by whoever proposed it; what was done already is judged by another."""
    row = _decidable(change, by, at)
    if KINDS[row.kind].review and row.proposed_by_id == by.pk:
        raise NeedsAnother
    return _decide(row, ProposalState.REFUSED, by, at)


def approved(
    *, kind: str, entity: str, organization_id: int, at: datetime, by: User | None = None
) -> ProposedChange | None:
    """The approval that the act would spend. `by`: who acts is known, and must be one of the two."""
    rows = ProposedChange.objects.filter(organization_id=organization_id, kind=kind, entity=entity)
    if by is not None:
        rows = rows.filter(Q(proposed_by=by) | Q(decided_by=by))
    return rows.filter(state=ProposalState.APPROVED, expires_at__gt=at).order_by("pk").first()


@transaction.atomic
def spend(
    *, kind: str, entity: str, organization_id: int, at: datetime, by: User | None = None, actor: Actor | None = None
) -> ProposedChange:
    """Called by the act itself, in its transaction, before it begins. Raises NotApproved."""
    found = approved(kind=kind, entity=entity, organization_id=organization_id, at=at, by=by)
    if found is None:
        raise NotApproved
    return use(found, at=at, actor=by.actor if by is not None else actor)


@transaction.atomic
def use(change: ProposedChange, *, at: datetime, actor: Actor | None = None) -> ProposedChange:
    """Good once. Raises NotApproved where somebody else used it meanwhile."""
    row = ProposedChange.objects.select_for_update().filter(pk=change.pk, state=ProposalState.APPROVED).first()
    if row is None:
        raise NotApproved
    row.state = ProposalState.SPENT
    row.save(update_fields=["state"])
    _record(row, actor or audit.system("terminal"), "change.spent", at)
    return row


@transaction.atomic
def afterwards(*, kind: str, what: str, why: str, by: User, at: datetime) -> ProposedChange:
    """Something that could not wait is done now; another person looks at it, however long that takes. Raises NotAllowed."""
    if by.role not in KINDS[kind].roles:
        raise NotAllowed
    change = ProposedChange(
        organization_id=by.organization_id, kind=kind, entity=f"{act(kind)}:{uuid.uuid4()}", proposed_by=by, payload={},
        diff=[[what, "done", why]], proposed_at=at, expires_at=at + STANDS,
    )  # fmt: skip
    change.save()
    _record(change, by.actor, "change.afterwards", at)
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
    _record(row, by.actor, f"change.{state}", at)
    return row


def _record(change: ProposedChange, by: Actor, action: str, at: datetime, *, outcome: str = "success") -> None:
    audit.record(
        organization_id=change.organization_id, by=by, action=action, entity=change.entity, at=at,
        elements=[name for name, _, _ in change.diff], reason=change.kind, outcome=outcome,
    )  # fmt: skip


def row_id(change: ProposedChange) -> uuid.UUID | None:
    """The public id of the row that a proposal is about; None where it names none, which is no row."""
    try:
        return uuid.UUID(change.entity.partition(":")[2])
    except ValueError:
        return None
