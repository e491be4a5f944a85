"""Who may see which page: the session of the cookie, at the stage that the row says, in the patient's language."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation

from ehrcommerce.accounts.areas import speak
from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.checkout import services
from ehrcommerce.commerce.checkout.errors import CheckoutOver, LinkOver
from ehrcommerce.commerce.checkout.models import CheckoutSession, Stage
from ehrcommerce.commerce.offers import helping
from ehrcommerce.commerce.offers.links import LinkView
from ehrcommerce.commerce.offers.services import lines_of

Arguments = ParamSpec("Arguments")


class CheckoutRequest(HttpRequest):
    """A request of a patient whose session stands."""

    checkout: CheckoutSession
    csp_form_action: list[str]


PageView = Callable[Concatenate[CheckoutRequest, Arguments], HttpResponse]


def asked_by(*methods: str) -> Callable[[Callable[Arguments, HttpResponse]], Callable[Arguments, HttpResponse]]:
    """Django's `require_http_methods`, with a page where that leaves the screen empty."""

    def decorate(view: Callable[Arguments, HttpResponse]) -> Callable[Arguments, HttpResponse]:
        @wraps(view)
        def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
            request = args[0]
            if not isinstance(request, HttpRequest) or request.method in methods:
                return view(*args, **kwargs)
            answer = render(request, "errors/405.html", status=405)
            answer.headers["Allow"] = ", ".join(methods)
            return answer

        return guarded

    return decorate


READ, READ_OR_POST = ("GET", "HEAD"), ("GET", "HEAD", "POST")


def at_stage(
    stage: Stage | None, *, form_only: bool = False
) -> Callable[[PageView[Arguments]], Callable[Concatenate[HttpRequest, Arguments], HttpResponse]]:
    """The view is called with `request.checkout`, or the patient is shown where they stand. No stage: anywhere after the
    code.

    form_only: the address takes forms and has no page of its own; who asks for it (a language switch, a reload, the
    address bar) is led to where they stand.
    """

    def decorate(view: PageView[Arguments]) -> Callable[Concatenate[HttpRequest, Arguments], HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
            # A page that reloads itself must not keep a forgotten phone signed in.
            seen = request.headers.get("Sec-Fetch-Dest") != "empty"
            try:
                session = services.resume(request.COOKIES.get(services.COOKIE, ""), at=timezone.now(), seen=seen)
            except CheckoutOver:
                return over(request)
            except LinkOver as ended:
                return state_page(request, ended.page, status=410)
            speak_with(request, session)
            known = session.stage != Stage.CODE if stage is None else services.may_see(session, stage)
            if not known or (form_only and request.method != "POST"):
                return redirect(services.home(session))
            request.checkout = session  # type: ignore[attr-defined]
            if session.helper is not None and _is_hidden(session):
                return state_page(request, "private", clinic=session.organization, status=403)
            try:
                return view(request, *args, **kwargs)  # type: ignore[arg-type]
            except LinkOver as ended:  # the chart was read meanwhile
                return state_page(request, ended.page, clinic=session.organization, status=410)

        return guarded

    return decorate


def _is_hidden(session: CheckoutSession) -> bool:
    """Whether the order holds something that the helper of a minor may not see: the clinic's list of today counts."""
    offer = session.link.offer
    if session.stage == Stage.CODE or not offer.needs_helper or not helping.hides(offer, lines_of(offer)):
        return False
    audit.record(
        organization_id=session.organization_id, by=services.actor_of(session), action="helper.hidden",
        entity=f"checkout:{session.public_id}", at=timezone.now(), outcome="refused", reason=session.acting,
        customer_key=offer.customer_key,
    )  # fmt: skip
    return True


def speak_with(request: HttpRequest, session: CheckoutSession) -> None:
    """Their own choice first; it is kept, since messages and the order follow it."""
    chosen = getattr(request, "chosen_language", "")
    if chosen and chosen != session.language:
        session.language = chosen
        session.save(update_fields=["language"])
    speak(request, session.language)


def page(request: CheckoutRequest, template: str, values: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """One page of the checkout, with the clinic's neutral name and help line, in the clinic's time."""
    organization = request.checkout.organization
    with timezone.override(organization.time_zone):
        return render(
            request,
            f"checkout/{template}.html",
            {"clinic": organization, "checkout": request.checkout, **values},
            status=status,
        )


def state_page(
    request: HttpRequest, state: str, *, clinic: Organization | LinkView | None = None, status: int = 200, **values: Any
) -> HttpResponse:
    """A page that says where things stand and offers one next step; no name, no item. Days are days of the clinic."""
    zone = timezone.override(clinic.time_zone) if isinstance(clinic, Organization) else nullcontext()
    with zone:
        return render(request, "checkout/state.html", {"state": state, "clinic": clinic, **values}, status=status)


def over(request: HttpRequest, *, status: int = 403) -> HttpResponse:
    """There is no session any more: after a no, the page says so again; else the link is to be opened again."""
    said_no = services.declined(request.COOKIES.get(services.COOKIE, ""), at=timezone.now())
    if said_no is None:
        return state_page(request, "over", status=403)
    speak(request, said_no.language)
    return state_page(request, "no", clinic=said_no.organization, day=said_no.link.expires_at, status=status)


def language() -> str:
    """The language of this page: en or es."""
    return (translation.get_language() or "en")[:2]
