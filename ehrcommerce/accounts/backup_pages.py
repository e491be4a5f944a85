"""The page on which staff make their backup codes: after a fresh code, shown once."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from ehrcommerce.accounts import backup_codes, stepup
from ehrcommerce.accounts.backoffice import staff_of


class CodeForm(forms.Form):
    """The code, unless one was given within the last five minutes."""

    otp_token = stepup.CodeField()

    def __init__(self, data: Any = None, *, fresh: bool) -> None:
        super().__init__(data)
        if fresh:
            del self.fields["otp_token"]


def page(request: HttpRequest) -> HttpResponse:
    """GET says how many are left; POST makes ten new ones and shows them, this once."""
    from ehrcommerce.accounts.otp import site

    user, at = staff_of(request), timezone.now()
    fresh = stepup.is_fresh(request, at=at)
    form, codes, problem, status = CodeForm(fresh=fresh), [], "", 200
    if request.method == "POST":
        form, status = CodeForm(request.POST, fresh=fresh), 422
        if form.is_valid():
            try:
                if token := form.cleaned_data.get("otp_token"):
                    stepup.step_up(request, user, str(token), at=at)
                codes, status = backup_codes.make(user, by=user.actor, at=at), 200
            except stepup.CodeRefused as refusal:
                problem = str(type(refusal).__doc__)
    context = {
        **site.each_context(request), "title": "Backup codes", "form": form, "codes": codes, "problem": problem,
        "left": backup_codes.left(user), "many": backup_codes.CODES,
    }  # fmt: skip
    answer = TemplateResponse(request, "admin/backup_codes.html", context, status=status)
    answer.headers["Cache-Control"] = "no-store"
    return answer
