"""The payment company's book-keeping: what may happen to a session in which state, and with which amount.

Whoever calls holds the row lock (`locked`) inside a transaction. Authorizing happens on the hosted page (or by the
control); the merchant captures, voids, refunds and expires. A silent move is one whose callback never comes.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from . import callbacks
from .api import Refused
from .models import PAYMENT, PaySession

# As card networks do it: a promise that nobody takes up lapses.
HOLD_FOR = timedelta(days=7)


def locked(public_id: str) -> PaySession | None:
    """The session with its row lock, or nothing."""
    return PaySession.objects.select_for_update().filter(public_id=public_id).first()


def authorize(session: PaySession, *, at: datetime, silent: bool = False) -> None:
    """The payer's card was good for the amount."""
    _require(session, "open")
    session.hold_expires_at = at + HOLD_FOR
    _enter(session, "authorized", at=at, last_error="", silent=silent)


def decline(session: PaySession, *, at: datetime) -> None:
    """The payer's card was refused; another may be tried, so the session stays open and nobody is called."""
    _require(session, "open")
    session.last_error = "card_declined"
    session.moved_at = at
    session.save(update_fields=["last_error", "moved_at"])


def give_up(session: PaySession, *, at: datetime, silent: bool = False) -> None:
    """The payer does not want to try again."""
    _require(session, "open")
    _enter(session, "failed", at=at, last_error=session.last_error or "abandoned", silent=silent)


def capture(session: PaySession, amount_cents: int, *, at: datetime, silent: bool = False) -> None:
    """Take the money, once; what is not taken is released."""
    _require(session, "authorized")
    if amount_cents > session.amount_cents:
        raise Refused(409, "amount_too_large", status=session.status)
    session.captured_cents = amount_cents
    _enter(session, "captured", at=at, silent=silent)


def void(session: PaySession, *, at: datetime, silent: bool = False) -> None:
    """Release the whole authorization."""
    _require(session, "authorized")
    _enter(session, "voided", at=at, silent=silent)


def refund(session: PaySession, amount_cents: int, *, at: datetime, silent: bool = False) -> None:
    """Give back some of what was captured. The status says `refunded` when all of it went back."""
    _require(session, "captured")
    if session.refunded_cents + amount_cents > session.captured_cents:
        raise Refused(409, "amount_too_large", status=session.status)
    session.refunded_cents += amount_cents
    all_back = session.refunded_cents == session.captured_cents
    _enter(session, "refunded" if all_back else "captured", at=at, told_as="refunded", silent=silent)


def dispute(session: PaySession, *, at: datetime, silent: bool = False) -> None:
    """The payer's bank wants the money back: the session stays captured while that is argued about."""
    _require(session, "captured")
    session.disputed = True
    _enter(session, "captured", at=at, told_as="disputed", silent=silent)


def expire(session: PaySession, *, at: datetime, silent: bool = False) -> None:
    """Close a session in which nobody paid, or whose hold has lapsed."""
    if session.status != "authorized":
        _require(session, "open")
    _enter(session, "expired", at=at, silent=silent)


@transaction.atomic
def expire_due(*, at: datetime) -> None:
    """Close the sessions whose time is over: nobody paid, or nobody took what was held."""
    due = Q(status="open", expires_at__lte=at) | Q(status="authorized", hold_expires_at__lte=at)
    over = PaySession.objects.select_for_update(skip_locked=True).filter(due)
    for session in over.order_by("pk")[:20]:
        expire(session, at=at)


def _require(session: PaySession, status: str) -> None:
    if session.status != status:
        raise Refused(409, "wrong_state", status=session.status)


def _enter(
    session: PaySession, status: str, *, at: datetime, silent: bool, told_as: str = "", last_error: str | None = None
) -> None:
    session.status = status
    session.moved_at = at
    if last_error is not None:
        session.last_error = last_error
    session.save()
    if not silent:
        callbacks.announce(
            partner=PAYMENT,
            kind=f"payment.{told_as or status}",
            object_id=session.public_id,
            reference=session.reference,
            status=status,
            at=at,
        )
