"""Staff who walk away: a session of the back office ends after ten minutes without a request, and after eight hours in any
case, by the server's clock (45 CFR 164.312(a)(2)(iii))."""

from datetime import datetime, timedelta

from django.contrib.auth import logout
from django.http import HttpRequest
from django.utils import timezone

from ehrcommerce.vault import walls

IDLE, LIFE = timedelta(minutes=10), timedelta(hours=8)
STEP = timedelta(seconds=30)
_SEEN, _BEGAN = "seen_at", "began_at"


def is_over(request: HttpRequest, *, at: datetime | None = None) -> bool:
    """Whether the session of a signed-in user is over; then it is ended. Else it is marked as seen."""
    walls.enter(request.user.organization_id)  # type: ignore[union-attr]  # only signed-in staff get here
    now = int((at or timezone.now()).timestamp())
    seen, began = request.session.get(_SEEN, now), request.session.get(_BEGAN, now)
    if began < _ended_before(request) or now - seen >= IDLE.total_seconds() or now - began >= LIFE.total_seconds():
        logout(request)
        return True
    if _SEEN not in request.session or now - seen > STEP.total_seconds():
        request.session[_SEEN], request.session[_BEGAN] = now, began
    return False


def _ended_before(request: HttpRequest) -> int:
    """Of the user's clinic: sessions that began earlier were ended all at once (`manage.py revoke_all`)."""
    organization = getattr(request.user, "organization", None)
    ended = getattr(organization, "sessions_end_at", None)
    return int(ended.timestamp()) if ended else 0
