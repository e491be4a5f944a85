"""Who may see a clinician's page: the browser that holds this launch's cookie, while the launch lives."""

import logging
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.accounts.models import User
from ehrcommerce.ehr import sessions
from ehrcommerce.ehr.errors import AgreementMissing, EhrError, SessionOver
from ehrcommerce.ehr.models import EhrConnection, EhrSession
from ehrcommerce.ehr.views.stale import SESSION_KEY as SESSION_KEY
from ehrcommerce.ehr.views.stale import open_now, shown

logger = logging.getLogger(__name__)
P = ParamSpec("P")
View = Callable[Concatenate["ClinicianRequest", P], HttpResponse]


class ClinicianRequest(HttpRequest):
    """A request inside a launch: `user` is the clinician of `ehr_session`. For typing; Django makes the object."""

    user: User
    ehr_session: EhrSession
    launch_key: str


def clinician_required(view: View[P]) -> Callable[..., HttpResponse]:
    """The view runs inside the walls of the launch's organization; without a live launch the page says so (403)."""
    return _guarded(view, asks=True)


def clinician_leaving(view: View[P]) -> Callable[..., HttpResponse]:
    """The same for signing out, which no answer of the EHR, and no silence, may keep anybody from."""
    return _guarded(view, asks=False)


def _guarded(view: View[P], *, asks: bool) -> Callable[..., HttpResponse]:
    @wraps(view)
    def guarded(request: ClinicianRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            session = _session(request, str(kwargs["launch_key"]))
            request.ehr_session, request.user = session, session.user
            allow_frames(request, session.connection)
            if asks and request.method == "POST" and not sessions.still_active(session, at=timezone.now()):
                raise SessionOver  # N1: before an act, not before a look
            with timezone.override(ZoneInfo(session.connection.organization.time_zone)):
                return view(request, *args, **kwargs)
        except SessionOver as over:
            # The cookies are looked at only when somebody pressed a button on a page that names its patient.
            stale = shown(request)
            names = {"shown": stale, "now": open_now(request, timezone.now()) if stale else ""}
            return render(request, "errors/session_over.html", {"refusal": over, **names}, status=over.status)
        except NoAgreement:  # it ended while the chart was open
            return refused(request, AgreementMissing())
        except EhrError as refusal:
            return refused(request, refusal)

    return guarded


def _session(request: HttpRequest, launch_key: str) -> EhrSession:
    """The launch of the URL, if this browser's cookie for it says the same (a session moved under another name does
    not)."""
    held = request.session.get(SESSION_KEY, "")
    if not held or not constant_time_compare(held, launch_key):
        raise SessionOver
    # A page that fetches itself in the background says so; it must not keep a forgotten screen signed in.
    return sessions.current(launch_key, timezone.now(), seen=request.headers.get("Sec-Fetch-Dest") != "empty")


def allow_frames(request: HttpRequest, connection: EhrConnection) -> None:
    """Pages of the EHR of this launch may frame this page; those of others may not."""
    request.csp_frame_ancestors = connection.frame_origins.split()  # type: ignore[attr-defined]


def refused(
    request: HttpRequest, refusal: EhrError, *, back: str = "", start: str = "", window: str = ""
) -> HttpResponse:
    """The page of a refusal: what is the case, what to do, and a code by which the log line is found. `back` is an open
    launch, `start` a start without the EHR's button, `window` the same launch in a window of its own."""
    reference = f"{refusal.code}-{secrets.token_hex(3).upper()}"
    logger.warning("refused %s %s", type(refusal).__name__, reference)
    context = {"refusal": refusal, "reference": reference, "back": back, "start": start, "window": window}
    return render(request, "errors/launch_refused.html", context, status=refusal.status)
