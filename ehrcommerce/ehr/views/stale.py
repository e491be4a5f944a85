"""A tab that was left behind: its form comes when its launch is over, or to the launch of another patient. The page
that refuses it names the patient whom the tab showed and the one who is open now, so that nobody has to guess."""

from datetime import datetime
from importlib import import_module

from django.conf import settings
from django.http import HttpRequest

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.accounts.areas import LAUNCH_COOKIE
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.errors import ChartForbidden, ChartUnreadable, WrongPatient
from ehrcommerce.ehr import sessions
from ehrcommerce.ehr.access import session_access
from ehrcommerce.ehr.errors import EhrError, SessionOver
from ehrcommerce.ehr.models import EhrSession
from ehrcommerce.vault import walls

SHOWN = "shown"
LONGEST_NAME = 120
SESSION_KEY = "launch_key"
MOST_LAUNCHES = 20  # of one browser


def shown(request: HttpRequest) -> str:
    """Whose page it was, as its own form says: nothing of a chart is kept here. For showing back to its sender only."""
    return request.POST.get(SHOWN, "")[:LONGEST_NAME]


def open_now(request: HttpRequest, at: datetime) -> str:
    """Who is open in this browser's newest launch that lives; "" where there is none or the chart does not answer."""
    session = _newest(request, at)
    if session is None:
        return ""
    try:
        with walls.organization(session.organization_id):
            return door.disclose_banner(session_access(session), by=session.user.actor, at=at).name
    except (ChartUnreadable, ChartForbidden, WrongPatient, NoAgreement, EhrError):
        return ""


def _newest(request: HttpRequest, at: datetime) -> EhrSession | None:
    """Of the launches whose cookies this browser holds, of whatever organizations. A cookie counts only if its session
    says the same launch."""
    store, before = import_module(settings.SESSION_ENGINE).SessionStore, walls.current()
    found: list[EhrSession] = []
    for name, value in list(request.COOKIES.items())[-MOST_LAUNCHES:]:
        key = name.removeprefix(LAUNCH_COOKIE)
        if name.startswith(LAUNCH_COOKIE) and store(session_key=value).get(SESSION_KEY) == key:
            try:
                found.append(sessions.current(key, at, seen=False))
            except SessionOver:
                continue
    walls.enter(before)  # each look entered its own
    return max(found, key=lambda session: session.started_at, default=None)
