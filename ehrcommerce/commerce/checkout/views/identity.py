"""From the link to a known patient: the page behind the link, the answer, the one-time code.

GET and HEAD of the link change nothing and show nothing: mail scanners and previews open links before people do."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ehrcommerce.accounts.areas import speak
from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.checkout import code, services
from ehrcommerce.commerce.checkout.errors import NoContact, TooManyCodes
from ehrcommerce.commerce.checkout.forms import CodeForm, WhoForm
from ehrcommerce.commerce.checkout.models import LEVEL_PRINTED, CheckoutSession, Stage
from ehrcommerce.commerce.checkout.views.guards import (
    READ_OR_POST,
    CheckoutRequest,
    asked_by,
    at_stage,
    language,
    page,
    state_page,
)
from ehrcommerce.commerce.offers import helping, links
from ehrcommerce.commerce.offers.links import LinkView
from ehrcommerce.commerce.offers.models import OF_AGE, Helper, Offer
from ehrcommerce.vault import walls

# A finished link still opens its order, after the same questions.
OPEN_PAGES = ("who", "completed")


@asked_by(*READ_OR_POST)
def link(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the link."""
    found = links.look(token)
    if found is None:
        return state_page(request, "unknown", status=404)
    speak(request, found.language)
    if found.page in links.ASKABLE and request.POST.get("ask"):
        return _ask_again(request, found)
    if found.page not in OPEN_PAGES:
        return state_page(request, found.page, clinic=found, status=410, day=found.expires_at)
    if request.method == "POST":
        return _answer(request, found)
    return _who(request, found, _form(None, found))


def _ask_again(request: HttpRequest, found: LinkView) -> HttpResponse:
    """One tap, nothing to type: the clinic sees it. The page is the same for the second tap."""
    with walls.organization(found.organization_id):
        links.ask_again(link_id=found.pk, at=timezone.now())
    return state_page(request, "asked_again", clinic=found)


def _form(data: Any, found: LinkView) -> WhoForm:
    return WhoForm(data, postal=found.match_postal_code, family=found.match_family_name, helpers=found.helpers)


def _who(request: HttpRequest, found: LinkView, form: WhoForm) -> HttpResponse:
    status = 422 if form.errors else 200
    return state_page(request, "who", clinic=found, status=status, form=form, completed=found.page == "completed")


def _answer(request: HttpRequest, found: LinkView) -> HttpResponse:
    form = _form(request.POST, found)
    if not form.is_valid():
        return _who(request, found, form)
    at = timezone.now()
    with walls.organization(found.organization_id):
        given = form.cleaned_data
        result = links.answer(
            link_id=found.pk, birth_date=given["birth_date"], postal_code=given.get("postal_code", ""),
            family_name=given.get("family_name", ""), at=at,
        )  # fmt: skip
        if result.of_age:
            services.end_acting(found.pk, at=at)
            return state_page(request, OF_AGE, clinic=found, status=410, completed=found.page == "completed")
        if result.matched and form.is_helper:
            return _begin_for(request, found, given, result.needs_helper)
        if result.matched and result.needs_helper:
            return state_page(request, "needs_helper", clinic=found, status=409)
        if result.matched:
            return _begin(request, found) if found.sends_code else _without_code(request, found)
    if result.locked and result.today:
        return state_page(request, "tomorrow", clinic=found, status=429)
    if result.locked:
        return state_page(request, "locked", clinic=found, status=410)
    form.add_error(None, wrong(result.tries_left))
    return _who(request, found, form)


def wrong(tries_left: int) -> str:
    """The same sentence whatever part was wrong."""
    left = ngettext("You have %(count)s try left.", "You have %(count)s tries left.", tries_left) % {
        "count": tries_left
    }
    return _("That does not match what we have. Check it and try again.") + " " + left


def _begin_for(request: HttpRequest, found: LinkView, given: dict[str, Any], for_minor: bool) -> HttpResponse:
    """Somebody acts for the patient: the parent of a minor, or whom an adult named. Anybody else is told how that is done."""
    at, holder = timezone.now(), Actor("patient", str(found.public_id))
    offer = Offer.objects.select_related("organization").get(links=found.pk)
    said = {"name": given["helper_name"].strip(), "relation": given["relation"]}
    try:
        helper = _helper(offer, said, for_minor, holder, at)
    except helping.HelperProblem:
        audit.record(
            organization_id=found.organization_id, by=holder, action="helper.refused", entity=f"link:{found.public_id}",
            at=at, purpose="identity", outcome="refused", reason=said["relation"], customer_key=offer.customer_key,
        )  # fmt: skip
        return state_page(request, "not_helper", clinic=found, status=403)
    return _begin(request, found, helper)


def _helper(offer: Offer, said: dict[str, str], for_minor: bool, by: Actor, at: datetime) -> Helper:
    """Raises helping.HelperProblem."""
    return helping.act_for_minor(offer=offer, **said, by=by, at=at) if for_minor else helping.named(offer=offer, **said)


def _begin(request: HttpRequest, found: LinkView, helper: Helper | None = None) -> HttpResponse:
    at = timezone.now()
    try:
        session, cookie = code.begin_session(
            organization_id=found.organization_id, link_id=found.pk, language=language(), at=at,
            wants_data=wants_data(request), helper=helper,
        )  # fmt: skip
        sent = code.send(session, at=at)
    except TooManyCodes:
        return state_page(request, "codes", clinic=found, status=429)
    except NoContact:
        return state_page(request, "contact", clinic=found, status=409)
    return _with_cookie(_to_code("" if sent else "later"), cookie)


def wants_data(request: HttpRequest) -> bool:
    """Whether somebody came from the page of their own data to prove again who they are."""
    return request.GET.get("for") == "data"


def _without_code(request: HttpRequest, found: LinkView) -> HttpResponse:
    """A printed link of somebody whom no code can reach: all that was asked matched, and that is a level of its own."""
    at = timezone.now()
    session, _seen = services.begin(
        organization_id=found.organization_id, link_id=found.pk, language=language(), at=at,
        wants_data=wants_data(request),
    )  # fmt: skip
    cookie = services.verified(session, at=at, level=LEVEL_PRINTED)
    return _with_cookie(redirect(services.after_proof(session)), cookie)


def _to_code(said: str) -> HttpResponse:
    return redirect(reverse("checkout:code") + (f"?again={said}" if said else ""))


def _with_cookie(response: HttpResponse, cookie: str) -> HttpResponse:
    """Lax, since the way back from the payment page is a navigation from another site."""
    response.set_cookie(services.COOKIE, cookie, secure=True, httponly=True, samesite="Lax", path="/")
    return response


@asked_by(*READ_OR_POST)
@at_stage(Stage.CODE)
def enter_code(request: CheckoutRequest) -> HttpResponse:
    """Six digits from a phone or mailbox on file."""
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        at, session = timezone.now(), request.checkout
        verdict = code.check(session, form.cleaned_data["code"], at=at)
        if verdict is code.Verdict.RIGHT:
            cookie = services.verified(session, at=at)
            return _with_cookie(redirect(services.after_proof(session)), cookie)
        if verdict is code.Verdict.USED_UP:
            return _end(request, "codes")
        form.add_error("code", _said(verdict, session))
    return page(request, "code", _code_values(request, form), status=422 if form.errors else 200)


def _said(verdict: code.Verdict, session: CheckoutSession) -> str:
    if verdict is code.Verdict.TOO_OLD:
        return _("This code is too old. Send a new code.")
    left = session.code_tries_left
    return (
        _("That is not the code.")
        + " "
        + (ngettext("You have %(count)s try left.", "You have %(count)s tries left.", left) % {"count": left})
    )


def _code_values(request: CheckoutRequest, form: CodeForm) -> dict[str, Any]:
    session = request.checkout
    return {
        "form": form, "contact": code.reached_at(session), "minutes": code.MINUTES,
        "more": session.code_generation < code.SENDS, "again": request.GET.get("again", ""),
    }  # fmt: skip


@asked_by(*READ_OR_POST)
@at_stage(Stage.CODE, form_only=True)
def again(request: CheckoutRequest) -> HttpResponse:
    """A new code, three times at most; the old one is worth nothing from now on."""
    try:
        sent = code.send(request.checkout, at=timezone.now())
    except TooManyCodes:
        return _end(request, "codes")
    except NoContact:
        return _end(request, "contact")
    return _to_code("sent" if sent else "later")


def _end(request: CheckoutRequest, state: str) -> HttpResponse:
    organization: Organization = request.checkout.organization
    return state_page(request, state, clinic=organization, status=429)
