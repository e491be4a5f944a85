"""No crossing without a live agreement (design law 9): of the clinic itself, and of the party that is asked or told.

A registry row goes draft -> active -> expired or ended. Only an active row whose dates hold and whose services name the
act counts. Dates are compared at every act; the clock only writes down what they mean, and warns ahead."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from ehrcommerce.accounts.models import ORGANIZATION, Agreement, AgreementState
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.outbox.outcomes import Halt, NeedsHuman

log = logging.getLogger(__name__)
WARN_DAYS = (60, 30, 7)
CODE = "no_agreement"


class NoAgreement(Halt):
    """No live agreement with this party covers this service. An administrator records it under Agreements.

    An effect that meets it waits for a person: nothing went out, and nothing will until somebody signs.
    """

    def __init__(self) -> None:
        super().__init__(NeedsHuman(CODE))


class NotComplete(Exception):
    """The agreement cannot be put in force: it lacks what the registry must hold. Fill in the fields that are named."""

    def __init__(self, fields: Iterable[str]) -> None:
        self.fields = tuple(fields)
        super().__init__(", ".join(self.fields))


class NotInState(Exception):
    """The agreement is not in a state from which this step leads. Reload the page and look at its state."""


def is_live(*, organization_id: int, party: str, service: str, at: datetime) -> bool:
    """True if on the day of `at` (UTC) the clinic's own agreement and one with `party` cover `service`. In an
    organization that is stopped (`manage.py revoke_all`) none does: this is asked before every crossing and every send,
    so one row stops them all."""
    day = at.date()
    rows = Agreement.objects.filter(
        organization_id=organization_id, organization__read_only_since=None, party__in=(party, ORGANIZATION),
        effective__lte=day, state=AgreementState.ACTIVE,
    ).filter(Q(expires=None) | Q(expires__gte=day))  # fmt: skip
    covered = {row.party for row in rows.only("party", "services") if row.covers(service)}
    return covered == {party, ORGANIZATION}


def require(*, organization_id: int, party: str, service: str, at: datetime) -> None:
    """Raises NoAgreement; the refusal stands in the audit."""
    if not is_live(organization_id=organization_id, party=party, service=service, at=at):
        audit.record(
            organization_id=organization_id, by=audit.system("agreements"), action="agreement.refused",
            entity=party, at=at, purpose=service, recipient=party, outcome="refused", reason=CODE,
        )  # fmt: skip
        raise NoAgreement


@transaction.atomic
def activate(agreement: Agreement, *, by: Actor, at: datetime) -> None:
    """Put a draft in force. Raises NotInState, NotComplete."""
    row = _locked(agreement, AgreementState.DRAFT)
    needed = ("party", "services", "document", "document_sha256", "signed_off_by", "breach_contact")
    missing = [name for name in needed if not getattr(row, name)]
    if missing:
        raise NotComplete(missing)
    _move(row, AgreementState.ACTIVE, by=by, at=at)


@transaction.atomic
def end(agreement: Agreement, *, by: Actor, at: datetime) -> None:
    """From this moment nothing goes to the party by it. Raises NotInState."""
    _move(_locked(agreement, AgreementState.DRAFT, AgreementState.ACTIVE), AgreementState.ENDED, by=by, at=at)


def _locked(agreement: Agreement, *states: AgreementState) -> Agreement:
    row = Agreement.objects.select_for_update().get(pk=agreement.pk)
    if row.state not in states:
        raise NotInState
    return row


def _move(row: Agreement, state: AgreementState, *, by: Actor, at: datetime) -> None:
    row.state = state
    row.save(update_fields=["state", "warned_days"])
    _audit(row, f"agreement.{'activated' if state == AgreementState.ACTIVE else state.value}", by=by, at=at)


def _audit(row: Agreement, action: str, *, by: Actor, at: datetime, reason: str = "") -> None:
    audit.record(
        organization_id=row.organization_id, by=by, action=action, entity=f"agreement:{row.pk}", at=at,
        recipient=row.party, reason=reason,
    )  # fmt: skip


def watch(organization_id: int, at: datetime) -> int:
    """The clock: what ran out is written down, and what will is said 60, 30 and 7 days ahead, once each."""
    today = at.date()
    ending = Agreement.objects.filter(
        organization_id=organization_id, state=AgreementState.ACTIVE, expires__lte=today + timedelta(days=max(WARN_DAYS))
    )
    return sum(_watched(pk, at) for pk in ending.values_list("pk", flat=True))


@transaction.atomic
def _watched(pk: int, at: datetime) -> int:
    row = Agreement.objects.select_for_update().filter(pk=pk, state=AgreementState.ACTIVE).first()
    if row is None or row.expires is None:
        return 0
    by, left = audit.system("agreements"), (row.expires - at.date()).days
    if left < 0:
        _move(row, AgreementState.EXPIRED, by=by, at=at)
        log.error("agreement %d of organization %d has ended: nothing is sent there", row.pk, row.organization_id)
        return 1
    due = min(days for days in WARN_DAYS if left <= days)
    if row.warned_days is not None and row.warned_days <= due:
        return 0
    row.warned_days = due
    row.save(update_fields=["warned_days"])
    _audit(row, "agreement.ends_soon", by=by, at=at, reason=f"days:{due}")
    log.warning("agreement %d of organization %d ends in %d days", row.pk, row.organization_id, left)
    return 1


def forget_warnings(row: Agreement) -> None:
    """A row with a new end is warned of anew."""
    row.warned_days = None
