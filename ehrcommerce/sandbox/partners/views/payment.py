"""The payment company's API. It takes money and references; a key that it does not know it refuses, so that nothing
about a patient can slip in."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.utils.dateparse import parse_datetime

from ehrcommerce.sandbox.partners import checks, payments
from ehrcommerce.sandbox.partners.api import Answer, Call, Refused
from ehrcommerce.sandbox.partners.models import PaySession

LIVES_FOR = timedelta(minutes=60)
HIGHEST_CENTS = 100_000_000
MOST_LISTED = 200
CURRENCY = re.compile(r"USD")
CAPTURE = re.compile(r"manual")
HOST = re.compile(r"[A-Za-z0-9.:_\[\]-]+")


def start(call: Call) -> Answer:
    """Open a session; the payer is then sent to its url."""
    checks.only_keys(
        call.body, {"reference", "amount_cents", "currency", "success_url", "cancel_url", "capture"}, status=400
    )
    checks.matching(call.body, "capture", CAPTURE, status=400)
    session = PaySession.objects.create(
        reference=checks.matching(call.body, "reference", checks.REFERENCE, status=400),
        amount_cents=_amount(call),
        currency=checks.matching(call.body, "currency", CURRENCY, status=400),
        success_url=_web_address(call, "success_url"),
        cancel_url=_web_address(call, "cancel_url"),
        created_at=call.at,
        moved_at=call.at,
        expires_at=call.at + LIVES_FOR,
    )
    return Answer(status=201, body=session.as_json())


def find(call: Call) -> Answer:
    """Sessions by reference, or all that moved since a time, oldest first, for reconciliation."""
    found = PaySession.objects.order_by("moved_at", "id")
    if reference := call.query.get("reference"):
        found = found.filter(reference=reference)
    elif since := call.query.get("since"):
        found = found.filter(moved_at__gte=_time(since))
        if until := call.query.get("until"):
            found = found.filter(moved_at__lt=_time(until))
    else:
        raise Refused(400, "reference_or_since_missing")
    page = list(found[: MOST_LISTED + 1])
    return Answer(body={"sessions": [one.as_json() for one in page[:MOST_LISTED]], "has_more": len(page) > MOST_LISTED})


def read(call: Call, public_id: str) -> Answer:
    """One session by its id."""
    session = PaySession.objects.filter(public_id=public_id).first()
    if session is None:
        raise Refused(404, "not_found")
    return Answer(body=session.as_json())


def capture(call: Call, public_id: str) -> Answer:
    """Take all or part of what was authorized."""
    checks.only_keys(call.body, {"amount_cents"}, status=400)
    session, amount_cents = _locked(public_id), _amount(call)
    payments.capture(session, amount_cents, at=call.at)
    return Answer(body=session.as_json())


def refund(call: Call, public_id: str) -> Answer:
    """Give back all or part of what was captured."""
    checks.only_keys(call.body, {"amount_cents"}, status=400)
    session, amount_cents = _locked(public_id), _amount(call)
    payments.refund(session, amount_cents, at=call.at)
    return Answer(body=session.as_json())


def void(call: Call, public_id: str) -> Answer:
    """Release an authorization."""
    checks.only_keys(call.body, set(), status=400)
    session = _locked(public_id)
    payments.void(session, at=call.at)
    return Answer(body=session.as_json())


def expire(call: Call, public_id: str) -> Answer:
    """Close an open session, so that nobody can pay it any more."""
    checks.only_keys(call.body, set(), status=400)
    session = _locked(public_id)
    if session.status != "open":
        raise Refused(409, "wrong_state", status=session.status)
    payments.expire(session, at=call.at)
    return Answer(body=session.as_json())


def _locked(public_id: str) -> PaySession:
    session = payments.locked(public_id)
    if session is None:
        raise Refused(404, "not_found")
    return session


def _amount(call: Call) -> int:
    return checks.whole_number(call.body, "amount_cents", least=1, most=HIGHEST_CENTS, status=400)


def _web_address(call: Call, name: str) -> str:
    value = checks.text(call.body, name, longest=2000, status=400)
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    plain = value.isprintable() and " " not in value
    if not plain or parts.scheme not in {"http", "https"} or not HOST.fullmatch(parts.netloc):
        raise Refused(400, "invalid", detail=f"{name} must be a web address")
    return value


def _time(text: str) -> datetime:
    """ISO 8601 (an unescaped + arrives as a blank), or seconds since 1970."""
    try:
        if re.fullmatch(r"\d{1,11}(\.\d+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        parsed = parse_datetime(text.replace(" ", "+") if "T" in text else text)
    except (ValueError, OverflowError, OSError):
        parsed = None
    if parsed is None:
        raise Refused(400, "invalid", detail="since must be a time")
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
