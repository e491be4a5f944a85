"""The page on which the payer pays. It knows an amount and two ways back, and nothing about what was bought.

No cookie and no script: the long id in the address is the key, as with the companies that it stands for.
"""

from urllib.parse import urlsplit

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from . import payments
from .hosted_words import OTHER, WORDS
from .models import PaySession
from .pages import protected

PAID = {"authorized", "captured", "refunded"}
SAID = {"authorized": "authorized", "captured": "authorized", "failed": "failed", "expired": "expired"}


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, public_id: str) -> HttpResponse:
    """Show the session, or do what the payer pressed."""
    language = request.GET.get("lang", "")
    language = language if language in WORDS else "en"
    if request.method == "POST":
        return _press(public_id, request.POST.get("choice", ""), language)
    session = PaySession.objects.filter(public_id=public_id).first()
    if session is None:
        raise Http404
    return _page(request, session, language)


def _page(request: HttpRequest, session: PaySession, language: str) -> HttpResponse:
    words = WORDS[language]
    shown = {
        "session": session,
        "words": words,
        "language": language,
        "other": OTHER[language],
        "amount": f"${session.amount_cents // 100:,}.{session.amount_cents % 100:02d}",
        "closed_because": words[SAID.get(session.status, "closed")],
        "way_back": session.success_url if session.status in PAID else session.cancel_url,
    }
    response = render(request, "partners/pay.html", shown)
    # Browsers hold a form's redirect to form-action as well: the ways back must be named.
    ways_back = " ".join(sorted({_origin(session.success_url), _origin(session.cancel_url)}))
    return protected(response, form_action=f"'self' {ways_back}")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@transaction.atomic
def _press(public_id: str, choice: str, language: str) -> HttpResponse:
    """A second press of the same button finds the session already there and is led the same way."""
    session, at = payments.locked(public_id), timezone.now()
    if session is None:
        raise Http404
    if session.status == "open" and session.expires_at <= at:
        payments.expire(session, at=at)
    if session.status != "open":
        return _see(session.success_url if session.status in PAID else session.cancel_url)
    if choice == "pay":
        payments.authorize(session, at=at)
        return _see(session.success_url)
    if choice == "refuse":
        payments.decline(session, at=at)
        return _see(f"/pay/hosted/{session.public_id}/?lang={language}")
    if choice == "give_up":
        payments.give_up(session, at=at)
    return _see(session.cancel_url)


def _see(url: str) -> HttpResponse:
    """303, so that the browser asks with GET. The addresses were checked when the session was opened."""
    return HttpResponse(status=303, headers={"Location": url, "Cache-Control": "no-store"})
