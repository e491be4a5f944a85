"""Whose chart it is, on every page of a launch: read from the chart at that moment, or said to be unconfirmed.

Where the EHR does not answer, a form that was sent still says whom its own page showed, since nothing of a chart is
kept here; any other page names nobody. What cannot be confirmed sends nothing."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.errors import ChartBusy, ChartForbidden, ChartUnreadable, WrongPatient
from ehrcommerce.ehr.access import key_maker, session_access
from ehrcommerce.ehr.days import born_words
from ehrcommerce.ehr.errors import SessionOver
from ehrcommerce.ehr.views.guards import ClinicianRequest
from ehrcommerce.ehr.views.stale import shown
from ehrcommerce.policy.packets import PatientBanner

SHOWN_BORN = "shown_born"
UNREADABLE = (ChartUnreadable, ChartForbidden, WrongPatient)


def patient_key(request: ClinicianRequest) -> str:
    """The opaque key of this launch's patient; the EHR is not asked."""
    return key_maker(request.ehr_session.connection)("Patient", request.ehr_session.patient)


def confirmed(banner: PatientBanner) -> dict[str, Any]:
    return {"banner": banner, "born": born_words(banner.birth_date, today=timezone.localdate())}


def banner_now(request: ClinicianRequest) -> dict[str, Any]:
    """For a page that shows nothing else of the chart: the banner, or that nobody can confirm whose chart it is."""
    try:
        banner = door.disclose_banner(session_access(request.ehr_session), by=request.user.actor, at=timezone.now())
    except (*UNREADABLE, SessionOver):
        # The EHR took the launch back at this moment. What was done already is still told; the next page says it is over.
        return {"session": request.ehr_session, "unconfirmed": True}
    return {"session": request.ehr_session, **confirmed(banner)}


def _before(request: ClinicianRequest) -> dict[str, Any]:
    """Whom the page showed from which this request was sent, if it was a page of this launch's patient."""
    name = shown(request)
    if not name or request.POST.get("patient") != patient_key(request):
        return {}
    return {"before": name, "born": born_words(request.POST.get(SHOWN_BORN, "")[:10], today=timezone.localdate())}


def unreadable(request: ClinicianRequest, problem: Exception) -> HttpResponse:
    """The chart could not be read: say which EHR, whose chart the page showed, that nothing was sent, what to do."""
    if request.ehr_session.ended_at is not None:
        raise SessionOver from problem  # a refresh that was refused ended it while the chart was read
    template, status = "ehr/chart_unreadable.html", 502
    busy = problem if isinstance(problem, ChartBusy) else None
    if busy:
        status = 503
    if isinstance(problem, ChartForbidden):
        template, status = "ehr/chart_forbidden.html", 403
    if isinstance(problem, WrongPatient):
        template, status = "ehr/wrong_patient.html", 409
    context = {"session": request.ehr_session, "unconfirmed": True, "busy": busy, **_before(request)}
    return render(request, template, context, status=status)
