"""What people look at in the sandbox: the phone, the mailbox, and the partners' back offices with their journals.

No script, nothing from elsewhere. What the app sent is a stranger's text: escaped, or shut in a sandboxed frame.
"""

import json
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from ehrcommerce.sandbox.journal.models import JournalEntry

from . import callbacks, moves
from .models import CallbackEvent, Message, PaySession, SupplierOrder, Switchboard

MOST_MESSAGES = 100
MOST_ROWS = 60
MOST_DIGITS = 18
ENDED = {"rejected", "cancelled", "returned"}
REJECT_CHOICES = (
    ("out_of_stock", "Reject: out of stock"),
    ("prescription_problem", "Reject: prescription"),
    ("address", "Reject: address"),
)


def protected(response: HttpResponse, *, form_action: str = "'self'", frame_ancestors: str = "'none'") -> HttpResponse:
    """Own style and forms only."""
    response["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; "
        f"form-action {form_action}; frame-ancestors {frame_ancestors}"
    )
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _page(request: HttpRequest, template: str, shown: dict[str, Any]) -> HttpResponse:
    return protected(render(request, f"partners/{template}.html", shown))


@require_safe
def style(request: HttpRequest) -> HttpResponse:
    """The one style sheet of these pages."""
    response = render(request, "partners/style.css", content_type="text/css; charset=utf-8")
    response["Cache-Control"] = "max-age=300"
    return response


@require_safe
def phone(request: HttpRequest, number: str = "") -> HttpResponse:
    """The texts of one number, or of all."""
    texts = Message.objects.filter(channel="sms").order_by("-id")
    numbers = texts.order_by("to").values_list("to", flat=True).distinct()
    shown = texts.filter(to=number) if number else texts
    return _page(request, "phone", {"number": number, "numbers": numbers, "messages": shown[:MOST_MESSAGES]})


@require_safe
def mailbox(request: HttpRequest, address: str = "") -> HttpResponse:
    """The e-mails of one address, or of all."""
    mails = Message.objects.filter(channel="email").order_by("-id")
    addresses = mails.order_by("to").values_list("to", flat=True).distinct()
    shown = mails.filter(to=address) if address else mails
    return _page(request, "mailbox", {"address": address, "addresses": addresses, "messages": shown[:MOST_MESSAGES]})


@require_safe
def mail_html(request: HttpRequest, public_id: str) -> HttpResponse:
    """The HTML of one e-mail as a mail program would show it: no script, nothing loaded, links open beside it."""
    mail = get_object_or_404(Message, public_id=public_id, channel="email")
    response = HttpResponse(f'<!doctype html><meta charset="utf-8"><base target="_blank">{mail.html}')
    response["Content-Security-Policy"] = (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
        "img-src data:; form-action 'none'; frame-ancestors 'self'"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_safe
def partners(request: HttpRequest) -> HttpResponse:
    """All supplier orders and payments, newest first."""
    shown = {
        "orders": [_shown(order) for order in _orders()[:MOST_ROWS]],
        "sessions": PaySession.objects.order_by("-id")[:MOST_ROWS],
        "pace_s": Switchboard.current().pace_s(),
        "reject_choices": REJECT_CHOICES,
    }
    return _page(request, "partners", shown)


@require_safe
def order(request: HttpRequest, public_id: str) -> HttpResponse:
    """One order whole."""
    row = _shown(get_object_or_404(_orders(), public_id=public_id))
    events = CallbackEvent.objects.filter(partner=row["order"].partner, reference=row["order"].reference)
    shown = {
        **row,
        "reject_choices": REJECT_CHOICES,
        "prescription": _pretty(row["order"].prescription),
        "patient": _pretty(row["order"].patient),
        "events": events.order_by("-id"),
    }
    return _page(request, "order", shown)


def _orders() -> QuerySet[SupplierOrder]:
    return SupplierOrder.objects.select_related("parcel").order_by("-id")


def _shown(order: SupplierOrder) -> dict[str, Any]:
    """An order with what a person may do to it now."""
    path = moves.path_of(order)
    at_end = order.status not in path or order.status == path[-1]
    return {
        "order": order,
        "parcel": getattr(order, "parcel", None),
        "next": "" if at_end else path[path.index(order.status) + 1],
        "can_reject": order.status == "received",
        "can_cancel": order.status in moves.CANCELLABLE,
        "can_return": order.status in {"shipped", "delivered"},
        "ended": order.status in ENDED,
    }


@csrf_exempt
@require_POST
def move_order(request: HttpRequest, public_id: str) -> HttpResponse:
    """A button was pressed. If the order has moved meanwhile, the button's moment is over and nothing happens."""
    _from_here(request)
    with transaction.atomic():
        locked = moves.locked(public_id=public_id)
        if locked is None:
            raise Http404
        if locked.status == request.POST.get("from"):
            _pressed(locked, request.POST)
    return redirect("partner-order", public_id) if request.POST.get("stay") else redirect("partners")


def _pressed(order: SupplierOrder, form: QueryDict) -> None:
    at, row, to, ticked = timezone.now(), _shown(order), form.get("to", ""), form.getlist("sku")
    chosen = {line["sku"]: line["sku"] in ticked for line in order.lines} if form.get("choose") else None
    if to.startswith("rejected:") and row["can_reject"]:
        moves.move(order, to="rejected", at=at, reason=to.partition(":")[2])
    elif to == "cancelled":
        moves.cancel(order, at=at)
    elif (to == "returned" and row["can_return"]) or (to and to == row["next"]):
        moves.move(order, to=to, at=at, accepted_lines=chosen)


@require_safe
def callback_list(request: HttpRequest) -> HttpResponse:
    """What the partners told the app by themselves, and whether it listened."""
    events = CallbackEvent.objects.order_by("-id")[:MOST_ROWS]
    return _page(request, "callbacks", {"events": events, "urls": Switchboard.current().callback_urls()})


@csrf_exempt
@require_POST
def replay_callback(request: HttpRequest, public_id: str) -> HttpResponse:
    """Send one event again."""
    _from_here(request)
    with transaction.atomic():
        event = get_object_or_404(CallbackEvent.objects.select_for_update(), public_id=public_id)
        callbacks.replay(event, at=timezone.now())
    return redirect("partner-callbacks")


@require_safe
def journal(request: HttpRequest) -> HttpResponse:
    """The newest requests, of one partner or of all."""
    entries = JournalEntry.objects.order_by("-id")
    partner = request.GET.get("partner", "")
    names = entries.order_by("partner").values_list("partner", flat=True).distinct()
    found = entries.filter(partner=partner) if partner else entries
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < MOST_DIGITS:
        found = found.filter(pk__lt=int(before))
    rows = [{"entry": entry, "ms": _milliseconds(entry)} for entry in found[:MOST_ROWS]]
    return _page(
        request, "journal", {"rows": rows, "names": names, "partner": partner, "page_is_full": len(rows) == MOST_ROWS}
    )


@require_safe
def journal_entry(request: HttpRequest, entry_id: int) -> HttpResponse:
    """One request with its bodies."""
    entry = get_object_or_404(JournalEntry, pk=entry_id)
    shown = {
        "entry": entry,
        "ms": _milliseconds(entry),
        "headers": _pretty(entry.headers),
        "body": _pretty_text(entry.body),
        "answer": _pretty_text(entry.answer),
    }
    return _page(request, "journal_entry", shown)


def _milliseconds(entry: JournalEntry) -> int | None:
    return None if entry.ended is None else round((entry.ended - entry.started) * 1000)


def _pretty(value: Any) -> str:
    return "" if value in (None, {}) else json.dumps(value, indent=2, ensure_ascii=False)


def _pretty_text(text: str) -> str:
    """JSON is set out in lines; anything else stays as it came."""
    try:
        return _pretty(json.loads(text))
    except ValueError:
        return text


def _from_here(request: HttpRequest) -> None:
    """Buttons are pressed on these pages, not on somebody else's."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise Http404
