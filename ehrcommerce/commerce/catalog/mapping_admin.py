"""Back office: all codes as one file, out and in. A file is read, what it would change is shown, and one press does exactly
that. What was pressed is signed, so that no other list than the one that was shown can be applied."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ehrcommerce.accounts.backoffice import CATALOG, staff_of
from ehrcommerce.accounts.models import User
from ehrcommerce.accounts.otp import site
from ehrcommerce.commerce.catalog import mapping_files, services

SALT = "catalog.codes"
GOOD_FOR = timedelta(hours=1)
SHOWN = 200


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """GET: the form, or with ?file the CSV. POST: a file to look at, or the yes to what was shown."""
    user = staff_of(request)
    if user.role not in CATALOG:
        raise PermissionDenied
    if request.method != "POST" and "file" in request.GET:
        answer = HttpResponse(mapping_files.export(user.organization_id), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="codes.csv"'
        return answer
    context: dict[str, Any] = {"problems": []}
    try:
        if "plan" in request.POST:
            return _applied(request, user)
        if request.method == "POST":
            file = request.FILES.get("file")
            if file is None:
                raise mapping_files.BadFile(["Choose a file first."])
            if file.size is None or file.size > mapping_files.MOST_BYTES:
                raise mapping_files.BadFile([f"The file has more than {mapping_files.MOST_BYTES} bytes. Split it."])
            context |= _shown(mapping_files.read(file.read()), user)
    except mapping_files.BadFile as problem:
        context["problems"] = problem.problems
    except mapping_files.CatalogMoved as problem:
        context["problems"] = [str(type(problem).__doc__)]
        context |= _shown(_plan(request, user)[0], user)
    return TemplateResponse(
        request, "admin/catalog/codes.html",
        {**site.each_context(request), "title": "Codes as a file", "columns": ", ".join(mapping_files.COLUMNS), **context},
    )  # fmt: skip


def _shown(lines: list[mapping_files.Line], user: User) -> dict[str, Any]:
    revision = services.revision(user.organization_id)
    found = mapping_files.differences(lines, organization_id=user.organization_id)
    plan = signing.dumps(
        {"lines": mapping_files.packed(lines), "revision": revision, "user": str(user.public_id)}, salt=SALT, compress=True
    )
    return {
        "looked": True, "changes": found[:SHOWN], "more": max(0, len(found) - SHOWN), "same": len(lines) - len(found),
        "count": len(found), "plan": plan if found else "",
    }  # fmt: skip


def _plan(request: HttpRequest, user: User) -> tuple[list[mapping_files.Line], str]:
    """The list that this user was shown. Raises BadFile for any other."""
    try:
        said = signing.loads(request.POST["plan"], salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature as problem:
        raise mapping_files.BadFile(["Nothing was changed: the list was shown too long ago. Choose the file again."]) from problem
    if said["user"] != str(user.public_id):
        raise mapping_files.BadFile(["Nothing was changed: the list was shown to somebody else. Choose the file again."])
    return mapping_files.unpacked(said["lines"]), said["revision"]


def _applied(request: HttpRequest, user: User) -> HttpResponse:
    lines, revision = _plan(request, user)
    count = mapping_files.apply(
        lines, organization_id=user.organization_id, revision=revision, by=user.actor, at=timezone.now()
    )
    messages.success(request, f"{count} codes changed. Orders that waited for them are tried again within a minute.")
    return HttpResponseRedirect(reverse("admin:catalog_product_codes"))
