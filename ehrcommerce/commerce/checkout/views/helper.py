"""An adult patient names somebody who may act for them in this order: written down by the patient, known by a code of their
own, and before anybody else may do anything."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.commerce.checkout import services
from ehrcommerce.commerce.checkout.acting import label, naming_words
from ehrcommerce.commerce.checkout.forms import HelperForm
from ehrcommerce.commerce.checkout.models import LEVEL_CODE, CheckoutSession
from ehrcommerce.commerce.checkout.views.guards import (
    READ_OR_POST,
    CheckoutRequest,
    asked_by,
    at_stage,
    language,
    page,
)
from ehrcommerce.commerce.offers import helping


def may_name(session: CheckoutSession) -> bool:
    """The patient alone, known by a code, where the clinic lets helpers act."""
    offer = session.link.offer
    return (
        session.organization.helpers
        and session.helper is None
        and session.level == LEVEL_CODE
        and not offer.needs_helper
    )


@asked_by(*READ_OR_POST)
@at_stage(None)
def name_one(request: CheckoutRequest) -> HttpResponse:
    """One form; the words above its button are the words that are kept."""
    session = request.checkout
    if not may_name(session):
        return redirect(services.home(session))
    offer, form = session.link.offer, HelperForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        given = form.cleaned_data
        helping.name_one(
            offer=offer, name=given["name"].strip(), relation=given["relation"], contact=given["reach"],
            identity_level=session.level, language=language(), text="\n".join(naming_words()),
            by=services.actor_of(session), at=timezone.now(),
        )  # fmt: skip
        return redirect(reverse("checkout:helper") + "?done=1")
    now = next(iter(helping.standing(offer)), None)
    values = {
        "form": form, "words": naming_words(), "now": now, "as_what": label(now.relation) if now else "",
        "said": request.GET.get("done") == "1" and now is not None, "home": services.home(session),
    }  # fmt: skip
    return page(request, "helper", values, status=422 if form.errors else 200)
