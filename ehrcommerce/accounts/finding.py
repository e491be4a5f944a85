"""One box on every page of the back office: whatever id somebody has in hand, it leads to what it names. Each app says which
of its ids it knows; this file knows none of them. What was typed stands in no address and in no log."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone

from ehrcommerce.accounts.backoffice import staff_of
from ehrcommerce.accounts.models import User
from ehrcommerce.audit import services as audit

LONGEST, SHOWN = 120, 20


@dataclass(frozen=True, slots=True)
class Found:
    """`what` leads to `url`; `why` says as what it was found. Nothing of a person in either."""

    what: str
    why: str
    url: str


Finder = Callable[[str], Iterable[Found]]
_finders: list[tuple[frozenset[str], Finder]] = []


def finder(roles: frozenset[str]) -> Callable[[Finder], Finder]:
    """Ask this function as well, for these roles. Called inside the walls of the user with what was typed, trimmed."""

    def keep(asked: Finder) -> Finder:
        _finders.append((roles, asked))
        return asked

    return keep


def uuid_in(text: str) -> UUID | None:
    """The id that was typed, in any of the forms in which people copy one."""
    try:
        return UUID(text.rpartition(":")[2])
    except ValueError:
        return None


def find(user: User, text: str) -> list[Found]:
    """Everything of this clinic that bears this id; each address once."""
    typed = " ".join(text.split())[:LONGEST].replace("\0", "")
    once: dict[str, Found] = {}
    for roles, asked in _finders if typed else ():
        if user.role in roles:
            for each in asked(typed):
                once.setdefault(each.url, each)
    return list(once.values())[:SHOWN]


def page(request: HttpRequest) -> HttpResponse:
    """One hit leads there at once; several, or none, are listed."""
    from ehrcommerce.accounts.otp import site

    user = staff_of(request)
    if request.method == "POST":
        found = find(user, str(request.POST.get("id", "")))
        audit.record(
            organization_id=user.organization_id, by=user.actor, action="staff.looked_up", entity="office",
            at=timezone.now(), reason=f"found:{len(found)}",
        )  # fmt: skip
        if len(found) == 1:
            return HttpResponseRedirect(found[0].url)
    else:
        found = []
    context: dict[str, Any] = {
        **site.each_context(request), "title": "Find by id", "found": found, "asked": request.method == "POST",
    }  # fmt: skip
    return TemplateResponse(request, "admin/find.html", context)
