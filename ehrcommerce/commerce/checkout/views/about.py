"""Pages of the clinic that every patient's page leads to: terms, privacy notice, accessibility statement, help in other
languages. The clinic's own words, or short true ones of ours. They are about nobody and ask for nothing."""

from collections.abc import Callable
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from ehrcommerce.accounts import organizations
from ehrcommerce.accounts.models import Organization
from ehrcommerce.commerce.checkout.languages import NOTICES
from ehrcommerce.commerce.checkout.views.guards import READ, asked_by, language
from ehrcommerce.vault import walls

# A phone number reads from left to right in every script.
LTR, END = "\N{LEFT-TO-RIGHT ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
TERMS, PRIVACY, ACCESSIBILITY, LANGUAGES = "terms", "privacy", "accessibility", "languages"


def _about(name: str) -> Callable[..., HttpResponse]:
    @asked_by(*READ)
    def about(request: HttpRequest, clinic_id: UUID) -> HttpResponse:
        clinic = _clinic(clinic_id)
        own, spoken = _own_words(clinic, name)
        values = {
            "about": name, "clinic": clinic, "own": own, "spoken": spoken, "foreign": spoken != language(),
            "notices": [(tag, line % {"phone": f"{LTR}{clinic.phone}{END}"}) for tag, line in NOTICES],
        }  # fmt: skip
        return render(request, "checkout/about.html", values)

    return about


terms, privacy, accessibility, languages = map(_about, (TERMS, PRIVACY, ACCESSIBILITY, LANGUAGES))


def _clinic(public_id: UUID) -> Organization:
    pk = organizations.named(public_id)
    if pk is None:
        raise Http404
    with walls.organization(pk):
        return Organization.objects.get(pk=pk)


def _own_words(clinic: Organization, name: str) -> tuple[str, str]:
    """What the clinic wrote, in the language of the page if it did, else in the other one: better read to somebody than
    not said. The notice in many languages is one text."""
    if name == LANGUAGES:
        return clinic.language_help.strip(), language()
    for spoken in (language(), "en", "es"):
        if text := str(getattr(clinic, f"{name}_{spoken}")).strip():
            return text, spoken
    return "", language()
