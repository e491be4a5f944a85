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
from ehrcommerce.commerce.catalog import mapping_files, range_files, services

SALT = "catalog.codes"
# Each file is read, compared, applied and written by a module with the same functions.
FILES: dict[str, Any] = {"codes": mapping_files, "ranges": range_files}
GOOD_FOR = timedelta(hours=1)
SHOWN = 200


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """GET: the form, or with ?file the CSV. POST: a file to look at, or the yes to what was shown."""
    user = staff_of(request)
    if user.role not in CATALOG:
        raise PermissionDenied
    if request.method != "POST" and "file" in request.GET:
        name = "ranges" if request.GET["file"] == "ranges" else "codes"
        answer = HttpResponse(FILES[name].export(user.organization_id), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
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
            body = file.read()
            what = "ranges" if _is_of_ranges(body) else "codes"
            context |= _shown(what, FILES[what].read(body), user)
    except mapping_files.BadFile as problem:
        context["problems"] = problem.problems
    except mapping_files.CatalogMoved as problem:
        context["problems"] = [str(type(problem).__doc__)]
        what, lines, _ = _plan(request, user)
        context |= _shown(what, lines, user)
    return TemplateResponse(
        request, "admin/catalog/codes.html",
        {**site.each_context(request), "title": "Codes and usual ranges as files", "columns": ", ".join(mapping_files.COLUMNS),
         "range_columns": ", ".join(range_files.COLUMNS), **context},
    )  # fmt: skip


def _is_of_ranges(body: bytes) -> bool:
    return body.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(b"sku,measure")


def _shown(what: str, lines: list[Any], user: User) -> dict[str, Any]:
    revision = services.revision(user.organization_id)
    found = FILES[what].differences(lines, organization_id=user.organization_id)
    said = {"what": what, "lines": FILES[what].packed(lines), "revision": revision, "user": str(user.public_id)}
    return {
        "looked": True, "what": what, "changes": found[:SHOWN], "more": max(0, len(found) - SHOWN),
        "same": len(lines) - len(found), "count": len(found),
        "plan": signing.dumps(said, salt=SALT, compress=True) if found else "",
    }  # fmt: skip


def _plan(request: HttpRequest, user: User) -> tuple[str, list[Any], str]:
    """The list that this user was shown. Raises BadFile for any other."""
    try:
        said = signing.loads(request.POST["plan"], salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature as problem:
        raise mapping_files.BadFile(["The list was shown too long ago. Choose the file again."]) from problem
    if said["user"] != str(user.public_id):
        raise mapping_files.BadFile(["The list was shown to somebody else. Choose the file again."])
    return said["what"], FILES[said["what"]].unpacked(said["lines"]), said["revision"]


def _applied(request: HttpRequest, user: User) -> HttpResponse:
    what, lines, revision = _plan(request, user)
    count = FILES[what].apply(
        lines, organization_id=user.organization_id, revision=revision, by=user.actor, at=timezone.now()
    )
    messages.success(
        request, f"{count} {what} changed. Orders that waited for the catalog are tried again within a minute."
    )
    return HttpResponseRedirect(reverse("admin:catalog_product_codes"))
