"""A person's own data: read it, take it along, have it erased. Each of these asks for a proof of identity of the last ten
minutes; who only holds the link, or left a phone signed in, is refused, and that is on the record."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.checkout import export, rights, services
from ehrcommerce.commerce.checkout import paper as papers
from ehrcommerce.commerce.checkout.errors import CheckoutOver, LinkOver
from ehrcommerce.commerce.checkout.models import KNOWN, CheckoutSession
from ehrcommerce.commerce.checkout.views.guards import (
    READ,
    READ_OR_POST,
    CheckoutRequest,
    asked_by,
    language,
    over,
    page,
    speak_with,
    state_page,
)
from ehrcommerce.commerce.fulfillment import standing
from ehrcommerce.commerce.offers.tokens import token_of
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.bundle import Held, bundle

FRESH = timedelta(minutes=10)
DataView = Callable[[CheckoutRequest], HttpResponse]


def is_fresh(session: CheckoutSession, at: datetime) -> bool:
    return session.proved_at is not None and at - session.proved_at <= FRESH


def of_the_person(view: DataView) -> Callable[[HttpRequest], HttpResponse]:
    """The view is called for somebody who has just proved who they are; anybody else is asked to, or refused."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        at = timezone.now()
        try:
            session = services.resume(request.COOKIES.get(services.COOKIE, ""), at=at)
        except CheckoutOver:
            return over(request)
        except LinkOver as ended:
            return state_page(request, ended.page, status=410)
        speak_with(request, session)
        request.checkout = session  # type: ignore[attr-defined]
        if session.level not in KNOWN:
            _refused(session, "link_only", at)
            return state_page(request, "unproven", clinic=session.organization, status=403)
        if session.helper is not None:
            return _not_a_helper(request, session, at)
        if not is_fresh(session, at):
            _refused(session, "not_fresh", at)
            return page(request, "data_prove", {}, status=403)  # type: ignore[arg-type]
        return view(request)  # type: ignore[arg-type]

    return guarded


def _not_a_helper(request: HttpRequest, session: CheckoutSession, at: datetime) -> HttpResponse:
    """All that is held of a person is more than one order: who acts for them asks the clinic, which looks at their right."""
    _refused(session, "helper", at)
    return state_page(request, "not_yours", clinic=session.organization, status=403)


def _refused(session: CheckoutSession, why: str, at: datetime) -> None:
    audit.record(
        organization_id=session.organization_id, by=services.actor_of(session), action="data.refused",
        entity=f"checkout:{session.public_id}", at=at, outcome="refused", reason=why,
        customer_key=session.link.offer.customer_key,
    )  # fmt: skip


def _held(request: CheckoutRequest, form: str) -> Held:
    session = request.checkout
    customer_key = session.link.offer.customer_key
    audit.record(
        organization_id=session.organization_id, by=services.actor_of(session), action="data.exported",
        entity=f"checkout:{session.public_id}", at=timezone.now(), reason=form, customer_key=customer_key,
    )  # fmt: skip
    return export.gather(
        organization_id=session.organization_id, customer_key=customer_key, clinic=session.organization.alias,
        language=language(),
    )  # fmt: skip


@asked_by(*READ)
@of_the_person
def data(request: CheckoutRequest) -> HttpResponse:
    """What one can do, and which law says so."""
    session = request.checkout
    given = consent.standing(
        organization_id=session.organization_id, customer_key=session.link.offer.customer_key
    )
    values = {"order": session.order, "standing": given, "asked_again": request.GET.get("done") == "standing"}
    return page(request, "data", values)


@asked_by(*READ_OR_POST)
@of_the_person
def take_back_standing(request: CheckoutRequest) -> HttpResponse:
    """From now on they are asked each time; what began on that yes and has not left is stopped."""
    session = request.checkout
    if request.method == "POST":
        standing.take_back(
            organization_id=session.organization_id, customer_key=session.link.offer.customer_key,
            recipient=request.POST.get("recipient", "") or "nobody", by=services.actor_of(session), at=timezone.now(),
            reason="patient",
        )  # fmt: skip
    return redirect(reverse("checkout:data") + "?done=standing")


@asked_by(*READ_OR_POST)
def prove(request: HttpRequest) -> HttpResponse:
    """The same questions as at the first visit, under the same counted tries: the link is opened again."""
    try:
        session = services.resume(request.COOKIES.get(services.COOKIE, ""), at=timezone.now())
    except CheckoutOver:
        return over(request)
    except LinkOver as ended:
        return state_page(request, ended.page, status=410)
    if session.level not in KNOWN:
        _refused(session, "link_only", timezone.now())
        return state_page(request, "unproven", clinic=session.organization, status=403)
    if session.helper is not None:
        return _not_a_helper(request, session, timezone.now())
    return redirect(reverse("checkout:link", args=[token_of(session.link)]) + "?for=data")


@asked_by(*READ)
@of_the_person
def read(request: CheckoutRequest) -> HttpResponse:
    """Everything, in words."""
    return page(request, "data_read", {"held": _held(request, "page")})


@asked_by(*READ)
@of_the_person
def file(request: CheckoutRequest) -> HttpResponse:
    """Everything, for a machine: a FHIR Bundle."""
    made = json.dumps(bundle(_held(request, "file"), at=timezone.now()), ensure_ascii=False, indent=1)
    return _saved(made.encode(), "application/fhir+json", "my-data.json")


@asked_by(*READ)
@of_the_person
def paper(request: CheckoutRequest) -> HttpResponse:
    """Everything, for a printer."""
    return _saved(papers.pdf(_held(request, "paper"), language=language()), "application/pdf", "my-data.pdf")


def _saved(body: bytes, kind: str, name: str) -> HttpResponse:
    answer = HttpResponse(body, content_type=kind)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


@asked_by(*READ_OR_POST)
@of_the_person
def erase(request: CheckoutRequest) -> HttpResponse:
    """One question, one button; then it is done, or the page says what has to end first."""
    if request.method != "POST":
        return page(request, "data_erase", {})
    session = request.checkout
    asked = rights.ask_to_erase(
        organization_id=session.organization_id, customer_key=session.link.offer.customer_key, reason="patient",
        by=services.actor_of(session), at=timezone.now(),
    )  # fmt: skip
    return page(request, "data_erase", {"asked": asked})
