"""What belongs to a launch and to no chart: the EHR's look, and signing out."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from ehrcommerce.ehr import sessions, styles
from ehrcommerce.ehr.views.guards import ClinicianRequest, clinician_leaving, clinician_required


@require_GET
@clinician_required
def style(request: ClinicianRequest, launch_key: str) -> HttpResponse:
    """X5: the EHR's colors and sizes, checked, as custom properties. Nothing of the chart is in it."""
    session = request.ehr_session
    text = styles.sheet(session.connection, session.style_url)
    return HttpResponse(text, content_type="text/css; charset=utf-8", headers={"Cache-Control": "private, max-age=600"})


@require_POST
@clinician_leaving
def leave(request: ClinicianRequest, launch_key: str) -> HttpResponse:
    """R6: the launch ends here, its cookie goes, and the EHR is asked to take its tokens back."""
    sessions.leave(request.ehr_session, by=request.user.actor, at=timezone.now())
    request.session.flush()
    return render(request, "ehr/launch_left.html")
