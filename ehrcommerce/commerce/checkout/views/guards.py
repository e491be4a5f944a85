"""Who may see which page: the session of the cookie, at the stage that the row says, in the patient's language."""

from collections.abc import Callable
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


def at_stage(
    stage: Stage,
) -> Callable[[PageView[Arguments]], Callable[Concatenate[HttpRequest, Arguments], HttpResponse]]:
    """The view is called with `request.checkout`, or the patient is shown where they stand."""

    def decorate(view: PageView[Arguments]) -> Callable[Concatenate[HttpRequest, Arguments], HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
            # A page that reloads itself must not keep a forgotten phone signed in.
            seen = request.headers.get("Sec-Fetch-Dest") != "empty"
            try:
                session = services.resume(request.COOKIES.get(services.COOKIE, ""), at=timezone.now(), seen=seen)
            except CheckoutOver:
                return state_page(request, "over", status=403)
            except LinkOver as over:
                return state_page(request, over.page, status=410)
            speak_with(request, session)
            if not services.may_see(session, stage):
                return redirect(services.home(session))
            request.checkout = session  # type: ignore[attr-defined]
            return view(request, *args, **kwargs)  # type: ignore[arg-type]

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
    """A page that says where things stand and offers one next step; no name, no item."""
    return render(request, "checkout/state.html", {"state": state, "clinic": clinic, **values}, status=status)


def language() -> str:
    """The language of this page: en or es."""
    return (translation.get_language() or "en")[:2]
