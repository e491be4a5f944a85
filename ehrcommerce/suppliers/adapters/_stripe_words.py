"""A Checkout Session of Stripe as a payment of ours: the first table of payment_stripe.py."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ehrcommerce.suppliers.ports import PaymentStatus
from ehrcommerce.wire.client import origin

EXPAND = "payment_intent.latest_charge"
MOST_CENTS = 2_147_483_647
INTENT_STATE = {
    "requires_capture": "authorized",
    "succeeded": "captured",
    "canceled": "voided",
    "processing": "open",
    "requires_action": "open",
    "requires_confirmation": "open",
    "requires_payment_method": "open",
}
# Nobody cancelled: the hold came to its end. `automatic` is how it was called before 2025.
LAPSED = frozenset({"expired", "automatic"})


def status_of(session: Mapping[str, Any], *, page_origin: str) -> PaymentStatus:
    """KeyError, TypeError, ValueError, AttributeError where it is not in the agreed form."""
    intent = session.get("payment_intent")
    charge = intent.get("latest_charge") if intent else None
    captured = cents(intent["amount_received"]) if intent else 0
    refunded = cents(charge["amount_refunded"]) if charge and captured else 0
    return PaymentStatus(
        reference=identifier(session["client_reference_id"]), processor_reference=identifier(session["id"]),
        state=_state(session, intent, captured, refunded), amount_cents=cents(session["amount_total"]),
        currency=identifier(session["currency"]).upper(), captured_cents=captured, refunded_cents=refunded,
        url=_page(session.get("url"), page_origin), hold_ends_at=_hold_ends_at(charge),
        disputed=charge is not None and charge.get("disputed") is True,
    )  # fmt: skip


def _state(session: Mapping[str, Any], intent: Mapping[str, Any] | None, captured: int, refunded: int) -> str:
    if session["status"] == "expired":
        return "expired"
    if intent is None:
        return "open" if session["status"] == "open" else "unknown"
    state = INTENT_STATE.get(str(intent["status"]), "unknown")
    if state == "voided" and intent.get("cancellation_reason") in LAPSED:
        return "expired"
    return "refunded" if state == "captured" and 0 < captured <= refunded else state


def _hold_ends_at(charge: Mapping[str, Any] | None) -> datetime | None:
    card = ((charge or {}).get("payment_method_details") or {}).get("card") or {}
    moment = card.get("capture_before")
    return datetime.fromtimestamp(moment, UTC) if isinstance(moment, int) and not isinstance(moment, bool) else None


def _page(url: Any, page_origin: str) -> str:
    """A page elsewhere is not the page we registered; the patient is not sent there."""
    fits = isinstance(url, str) and len(url) <= 500 and url.isascii() and url.isprintable()
    return url if fits and origin(url) == page_origin else ""


def cents(value: Any) -> int:
    """A whole number of cents. Money that comes as text or with a point is not in the agreed form."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_CENTS:
        raise TypeError("cents")
    return value


def identifier(value: Any) -> str:
    """A name that they gave, fit for a row and a path. It is never cut: half a name is another name."""
    if not isinstance(value, str) or not 0 < len(value) <= 128 or not (value.isascii() and value.isprintable()):
        raise TypeError("identifier")
    return value
