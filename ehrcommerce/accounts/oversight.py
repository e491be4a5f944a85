"""Pages of the back office that show one value once, and that break the glass."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from ehrcommerce.accounts import glass, stepup
from ehrcommerce.accounts.backoffice import glass_is_broken, staff_of
from ehrcommerce.accounts.models import Why
from ehrcommerce.accounts.otp import site
from ehrcommerce.accounts.reveal import NOTE_LENGTH, REVEALABLE, Revealable, RevealRefused, may_reveal, reveal


def link_to_reveal(what: Revealable, row: Any) -> str:
    """HTML: the way to the page that asks for reason and code."""
    return format_html('<a href="{}">Show once</a>', reverse("admin:reveal", args=[what.name, row.pk]))


class ReasonForm(forms.Form):
    """Why, and the code, unless one was given within the last five minutes."""

    reason = forms.ChoiceField(choices=[("", "Choose"), *Why.choices], label="Reason")
    note = forms.CharField(
        max_length=NOTE_LENGTH, min_length=3, label="In a few words",
        help_text="Why you need it. Write no name, number or address here.",
        widget=forms.TextInput(attrs={"size": 80, "autocomplete": "off"}),
    )  # fmt: skip
    otp_token = stepup.CodeField()

    def __init__(self, data: Any = None, *, fresh: bool) -> None:
        super().__init__(data)
        if fresh:
            del self.fields["otp_token"]


def reveal_page(request: HttpRequest, what: str, pk: int) -> HttpResponse:
    """GET asks, POST shows. Nothing of it can be reloaded, gone back to or kept."""
    user, at = staff_of(request), timezone.now()
    if (wanted := REVEALABLE.get(what)) is None:
        raise Http404
    forced = glass_is_broken(request)
    if not (forced or may_reveal(user.role, wanted)):
        raise PermissionDenied
    row = get_object_or_404(wanted.model, pk=pk)
    form, lines, problem, status = ReasonForm(fresh=stepup.is_fresh(request, at=at)), None, "", 200
    if request.method == "POST":
        form = ReasonForm(request.POST, fresh=stepup.is_fresh(request, at=at))
        status = 422
        if form.is_valid():
            try:
                if token := form.cleaned_data.get("otp_token"):
                    stepup.step_up(request, user, str(token), at=at)
                given = form.cleaned_data
                lines = reveal(
                    what=wanted, row=row, reason=given["reason"], note=given["note"], by=user, at=at, forced=forced
                )
                status = 200
            except (stepup.CodeRefused, RevealRefused) as refusal:
                problem = str(type(refusal).__doc__)
    context = {"title": f"Show {wanted.title}", "form": form, "lines": lines, "problem": problem}
    return _page(request, "reveal", context, status)


def break_glass(request: HttpRequest) -> HttpResponse:
    """GET says what it means, POST does it."""
    user, at = staff_of(request), timezone.now()
    form, problem, status = ReasonForm(fresh=stepup.is_fresh(request, at=at)), "", 200
    if request.method == "POST":
        form, status = ReasonForm(request.POST, fresh=stepup.is_fresh(request, at=at)), 422
        if form.is_valid():
            try:
                if token := form.cleaned_data.get("otp_token"):
                    stepup.step_up(request, user, str(token), at=at)
                glass.begin(user=user, reason=form.cleaned_data["reason"], note=form.cleaned_data["note"], at=at)
                return HttpResponseRedirect(reverse("admin:index"))
            except (stepup.CodeRefused, glass.GlassProblem) as refusal:
                problem = str(type(refusal).__doc__)
    told = glass.second_person(user)
    context = {"title": "Break the glass", "form": form, "problem": problem, "told": told, "lines": None}
    return _page(request, "break_glass", context, status)


def _page(request: HttpRequest, name: str, context: dict[str, Any], status: int) -> HttpResponse:
    answer = TemplateResponse(request, f"admin/{name}.html", {**site.each_context(request), **context}, status=status)
    answer.headers["Cache-Control"] = "no-store"
    return answer
