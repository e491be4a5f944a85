"""How tests and the demo steer the partners. Everything here needs the header X-Sandbox-Control."""

from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ehrcommerce.sandbox.journal.control import json_body, steered

from . import callbacks, checks, moves, payments
from .api import Refused
from .models import PAYMENT, SUPPLIERS, CallbackEvent, Message, Parcel, PaySession, SupplierOrder, Switchboard

MOST = 500
MOST_CENTS = 100_000_000
SLOWEST_STEP_S = 86_400
PAY_MOVES = {
    "authorized": payments.authorize,
    "failed": payments.give_up,
    "expired": payments.expire,
    "voided": payments.void,
    "disputed": payments.dispute,
}
PAY_MOVES_OF_AMOUNTS = {"captured": payments.capture, "refunded": payments.refund}


@steered
@require_http_methods(["POST"])
@transaction.atomic
def advance(request: HttpRequest) -> HttpResponse:
    """Move an order, a parcel or a payment session as its partner (or its payer) would."""
    wish = json_body(request)
    partner, to = str(wish.get("partner", "")), str(wish.get("to", ""))
    if not 2 <= len(to) <= 40 or not to.replace("_", "").isalnum() or to != to.lower():
        raise ValueError("to is a status in lower case")
    if partner in SUPPLIERS:
        return _advance_order(wish, partner=partner, to=to)
    if partner == "carrier":
        return _advance_parcel(wish, to=to)
    if partner == PAYMENT:
        return _advance_payment(wish, to=to)
    raise ValueError("partner is pharmacy, devices, lab, carrier or payment")


def _named(wish: dict[str, Any], id_field: str) -> dict[str, str]:
    """The row that the wish names, by id or by reference."""
    if wish.get("id"):
        return {id_field: str(wish["id"])}
    if wish.get("reference"):
        return {"reference": str(wish["reference"])}
    raise ValueError("id or reference is missing")


def _not_found() -> HttpResponse:
    return JsonResponse({"error": "not_found"}, status=404)


def _advance_order(wish: dict[str, Any], *, partner: str, to: str) -> HttpResponse:
    order = moves.locked(partner=partner, **_named(wish, "public_id"))
    if order is None:
        return _not_found()
    chosen, reason = wish.get("accepted_lines"), str(wish.get("reason", ""))
    if chosen is not None and not (isinstance(chosen, dict) and all(isinstance(yes, bool) for yes in chosen.values())):
        raise ValueError("accepted_lines maps a sku to true or false")
    if reason and reason not in moves.REASONS:
        raise ValueError(f"reason is one of {', '.join(sorted(moves.REASONS))}")
    at, silent = timezone.now(), wish.get("silent") is True
    moves.say(order, {name: wish[name] for name in moves.SAYABLE if name in wish})
    moves.move(order, to=to, at=at, accepted_lines=chosen, reason=reason, silent=silent)
    return JsonResponse(order.as_json())


def _advance_parcel(wish: dict[str, Any], *, to: str) -> HttpResponse:
    which = _named(wish, "number")
    if "reference" in which:
        which = {"order__reference": which["reference"]}
    parcel = Parcel.objects.select_for_update().filter(**which).first()
    if parcel is None:
        return _not_found()
    moves.move_parcel(parcel, to=to, at=timezone.now())
    return JsonResponse(parcel.as_json())


def _advance_payment(wish: dict[str, Any], *, to: str) -> HttpResponse:
    """As the payer, as time, or as a clerk at the payment company's own desk. Of one reference the newest."""
    which = _named(wish, "public_id")
    session = PaySession.objects.select_for_update().filter(**which).order_by("-id").first()
    if session is None:
        return _not_found()
    try:
        _move_payment(session, wish, to=to)
    except Refused as refusal:
        return JsonResponse(refusal.body, status=refusal.status)
    return JsonResponse(session.as_json())


def _move_payment(session: PaySession, wish: dict[str, Any], *, to: str) -> None:
    at, silent = timezone.now(), wish.get("silent") is True
    if to in PAY_MOVES:
        PAY_MOVES[to](session, at=at, silent=silent)
    elif to in PAY_MOVES_OF_AMOUNTS:
        all_of_it = (session.captured_cents or session.amount_cents) - session.refunded_cents
        amount_cents = checks.whole_number(
            {"amount_cents": all_of_it, **wish}, "amount_cents", least=1, most=MOST_CENTS
        )
        PAY_MOVES_OF_AMOUNTS[to](session, amount_cents, at=at, silent=silent)
    else:
        raise ValueError(f"to is one of {', '.join([*PAY_MOVES, *PAY_MOVES_OF_AMOUNTS])}")


@steered
@require_http_methods(["GET"])
def orders(request: HttpRequest) -> HttpResponse:
    """Supplier orders, newest first, with all that the partner was told: ?partner=, ?reference=."""
    found = SupplierOrder.objects.order_by("-id")
    for name in ("partner", "reference"):
        if value := request.GET.get(name):
            found = found.filter(**{name: value})
    return JsonResponse({"orders": [_whole(order) for order in found[:MOST]]})


def _whole(order: SupplierOrder) -> dict[str, Any]:
    kept = {name: getattr(order, name) for name in ("partner", "ship_to", "prescription", "patient", "history")}
    return {**order.as_json(), **kept}


@steered
@require_http_methods(["GET"])
def messages(request: HttpRequest) -> HttpResponse:
    """Messages, newest first: ?to=, ?reference=, ?channel=."""
    found = Message.objects.order_by("-id")
    for name in ("reference", "channel"):
        if value := request.GET.get(name):
            found = found.filter(**{name: value})
    if to := request.GET.get("to"):
        # An unescaped + in a query arrives as a blank.
        found = found.filter(to__in=[to, f"+{to.strip()}"])
    return JsonResponse({"messages": [message.as_json() for message in found[:MOST]]})


@steered
@require_http_methods(["GET", "POST"])
@transaction.atomic
def callback_urls(request: HttpRequest) -> HttpResponse:
    """POST {partner: url} sets where events go (others stay); GET shows the addresses and the newest events."""
    board = Switchboard.current()
    if request.method == "POST":
        wish = json_body(request)
        board.callbacks = {**board.callbacks, **{name: _callback_url(name, url) for name, url in wish.items()}}
        board.save(update_fields=["callbacks"])
    found = CallbackEvent.objects.order_by("-id")
    if reference := request.GET.get("reference"):
        found = found.filter(reference=reference)
    return JsonResponse({"callbacks": board.callback_urls(), "events": [event.as_json() for event in found[:MOST]]})


def _callback_url(partner: str, url: object) -> str:
    """An empty address means: do not call."""
    if partner not in (*SUPPLIERS, PAYMENT):
        raise ValueError("callbacks come from pharmacy, devices, lab and payment")
    if url is None or url == "":
        return ""
    parts = urlsplit(str(url))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("a callback address is an http address")
    return str(url)


@steered
@require_http_methods(["POST"])
@transaction.atomic
def replay(request: HttpRequest) -> HttpResponse:
    """Send one event again: same id, same bytes, a new time and signature."""
    event = CallbackEvent.objects.select_for_update().filter(public_id=json_body(request).get("event_id")).first()
    if event is None:
        return _not_found()
    callbacks.replay(event, at=timezone.now())
    return JsonResponse(event.as_json())


@steered
@require_http_methods(["GET", "POST"])
def step(request: HttpRequest) -> HttpResponse:
    """The seconds between two automatic steps; 0 stops them, null goes back to the environment's."""
    board = Switchboard.current()
    if request.method == "POST":
        wish = json_body(request).get("step_s", 0)
        if wish is not None and not (type(wish) in (int, float) and 0 <= wish <= SLOWEST_STEP_S):
            raise ValueError("step_s is a number of seconds, or null")
        board.step_s = wish
        board.save(update_fields=["step_s"])
    return JsonResponse({"step_s": board.pace_s()})
