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
from ehrcommerce.commerce.checkout import services
from ehrcommerce.commerce.checkout.errors import CheckoutOver, LinkOver
from ehrcommerce.commerce.checkout.models import CheckoutSession, Stage
from ehrcommerce.commerce.offers.links import LinkView

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
    stage: Stage, *, form_only: bool = False
) -> Callable[[PageView[Arguments]], Callable[Concatenate[HttpRequest, Arguments], HttpResponse]]:
    """The view is called with `request.checkout`, or the patient is shown where they stand.

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
            if not services.may_see(session, stage) or (form_only and request.method != "POST"):
                return redirect(services.home(session))
            request.checkout = session  # type: ignore[attr-defined]
            try:
                return view(request, *args, **kwargs)  # type: ignore[arg-type]
            except LinkOver as ended:  # the chart was read meanwhile
                return state_page(request, ended.page, clinic=session.organization, status=410)

        return guarded

    return decorate


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
