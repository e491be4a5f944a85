"""Stripe's webhooks: signature over `timestamp.body`, five minutes either way, two live secrets. Stripe sends them
twice, late and in any order; each is a hint to ask, and nothing in it is believed but whom it is about."""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from ehrcommerce.suppliers.callbacks import WINDOW_S, Callback, CallbackRefused
from ehrcommerce.suppliers.models import Supplier

# Events after which a payment stands elsewhere than before.
MOVES = (
    "checkout.session.completed", "checkout.session.expired", "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded", "payment_intent.amount_capturable_updated", "payment_intent.canceled",
    "payment_intent.payment_failed", "payment_intent.succeeded", "charge.refunded", "charge.dispute.created",
    "charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn", "refund.created", "refund.updated", "refund.failed",
)  # fmt: skip
# Their code of a refusal -> ours. Any other is "refused".
REFUSALS = {
    "payment_intent_unexpected_state": "wrong_state",
    "charge_already_captured": "wrong_state",
    "charge_already_refunded": "amount_too_large",
    "charge_disputed": "wrong_state",
    "amount_too_large": "amount_too_large",
    "amount_too_small": "invalid",
    "capture_charge_authorization_expired": "wrong_state",
    "charge_expired_for_capture": "wrong_state",
    "resource_missing": "not_found",
    "parameter_invalid_integer": "invalid",
}
RESOLVED = "_payment_metadata"
_LONGEST = 2_000


def verify(body: bytes, headers: Mapping[str, str], supplier: Supplier, at: datetime) -> Callback:
    """Raises CallbackRefused unless one of the row's secrets signed exactly this, at most five minutes ago."""
    text = headers.get("Stripe-Signature", "")
    parts = [part.partition("=") for part in text[:_LONGEST].split(",")]
    stamps = [value for name, _, value in parts if name.strip() == "t"]
    given = [value.encode("utf-8", "replace") for name, _, value in parts if name.strip() == "v1"]
    if len(stamps) != 1 or not (stamps[0].isascii() and stamps[0].isdigit() and len(stamps[0]) <= 11):
        raise CallbackRefused
    if abs(int(at.timestamp()) - int(stamps[0])) > WINDOW_S:
        raise CallbackRefused
    signed = stamps[0].encode() + b"." + body
    secrets = [secret for secret in (supplier.callback_secret, supplier.previous_callback_secret) if secret]
    right = [hmac.new(secret.encode(), signed, sha256).hexdigest().encode() for secret in secrets]
    if not any(hmac.compare_digest(one, other) for one in right for other in given):
        raise CallbackRefused
    return _event(body)


def _event(body: bytes) -> Callback:
    try:
        event = json.loads(body)
        name = event["id"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise CallbackRefused from None
    if not isinstance(event, dict) or not isinstance(name, str) or not (0 < len(name) <= 128 and name.isprintable()):
        raise CallbackRefused
    return Callback(name, event)


def reference_in(event: Mapping[str, Any]) -> str:
    """Our reference, where the event's object carries it."""
    thing = _thing(event)
    places = (thing.get("client_reference_id"), _metadata(thing.get("metadata")), _metadata(event.get(RESOLVED)))
    return next((place for place in places if isinstance(place, str) and place), "")


def names_in(event: Mapping[str, Any]) -> tuple[str, str]:
    """(session, payment_intent) that an event is about, "" for what it does not name."""
    thing = _thing(event)
    own, kind = _id(thing.get("id")), thing.get("object")
    session = own if kind == "checkout.session" else ""
    intent = own if kind == "payment_intent" else _id(thing.get("payment_intent"))
    return session, intent


def _thing(event: Mapping[str, Any]) -> Mapping[str, Any]:
    data = event.get("data")
    thing = data.get("object") if isinstance(data, Mapping) else None
    return thing if isinstance(thing, Mapping) else {}


def _metadata(value: Any) -> Any:
    return value.get("reference") if isinstance(value, Mapping) else None


def _id(value: Any) -> str:
    fits = isinstance(value, str) and 0 < len(value) <= 128 and value.isascii() and value.replace("_", "").isalnum()
    return value if fits else ""
