"""The addresses that an EHR knows: where a launch begins (by its button, or by staff without it), and where the browser
comes back with a code."""

from datetime import datetime

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ehrcommerce.accounts.areas import enter_launch, new_launch_key
from ehrcommerce.ehr import alerts, launching, sessions, throttle
from ehrcommerce.ehr.errors import (
    BadLaunch,
    CookiesBlocked,
    LaunchRefused,
    ScopeRefused,
    SessionOver,
    StateUnknown,
    StateUsed,
    UnknownIssuer,
)
from ehrcommerce.ehr.launching import Begun
from ehrcommerce.ehr.models import EhrConnection, LaunchAttempt
from ehrcommerce.ehr.views.guards import SESSION_KEY, allow_frames, refused
from ehrcommerce.wire.client import origin

BROWSER_KEY = "browser"
# X4: what an EHR's button can ask for by `intent`; anything else opens the orders.
VIEW_OF_INTENT = {"links": "clinic:links"}
_window_signer = Signer(salt="ehr.launch.window")


class LaunchRequest(HttpRequest):
    """Its session is that of one launch (accounts.areas). For typing; Django makes the object."""

    launch_key: str


@require_http_methods(["GET"])
def launch(request: LaunchRequest) -> HttpResponse:
    """SMART EHR launch: check who asks, write the attempt, send the browser to that EHR's sign-in and nowhere else."""
    if _is_prefetch(request):
        return HttpResponseNotAllowed(["GET"])  # nobody has asked yet: no attempt
    try:
        throttle.take(request)
        connection = launching.connection_by_iss(request.GET.getlist("iss"))
        allow_frames(request, connection)
    except UnknownIssuer as refusal:
        alerts.note_stranger(request.GET["iss"], timezone.now())
        return _quiet(refused(request, refusal))
    except LaunchRefused as refusal:
        return _quiet(refused(request, refusal))
    try:
        value = launching.one_launch(request.GET.getlist("launch"))
    except BadLaunch as refusal:
        return _quiet(refused(request, refusal, start=_start_page(request, connection)))
    return _begin(request, connection, value)


@require_http_methods(["GET"])
def start(request: LaunchRequest, slug: str) -> HttpResponse:
    """SMART standalone launch (L6): staff begin here when the EHR's button is missing; the EHR asks for the patient."""
    if _is_prefetch(request):
        return HttpResponseNotAllowed(["GET"])
    try:
        throttle.take(request)
        connection = launching.connection_to_start(slug)
        allow_frames(request, connection)
    except LaunchRefused as refusal:
        return _quiet(refused(request, refusal))
    return _begin(request, connection, "")


def _is_prefetch(request: HttpRequest) -> bool:
    return "prefetch" in request.headers.get("Sec-Purpose", request.headers.get("Purpose", ""))


def _start_page(request: HttpRequest, connection: EhrConnection) -> str:
    """Where a launch without `launch` may have wanted to go."""
    wanted = connection.standalone and not request.GET.getlist("launch")
    return reverse("clinic:start", kwargs={"slug": connection.slug}) if wanted else ""


def _begin(request: LaunchRequest, connection: EhrConnection, value: str) -> HttpResponse:
    at = timezone.now()
    try:
        begun = launching.begin(connection, launch=value, launch_key=request.launch_key, at=at)
    except LaunchRefused as refusal:
        return _refused(request, connection, refusal, at)
    return _go(request, begun)


@require_http_methods(["GET"])
def callback(request: HttpRequest, slug: str) -> HttpResponse:
    """Back from the EHR. The state is checked before anything else; the code is used once, at once, or thrown away."""
    at = timezone.now()
    try:
        state = launching.one_state(request.GET.getlist("state"))
        connection = launching.connection_by_slug(slug)
    except LaunchRefused as refusal:
        return _quiet(refused(request, refusal))
    allow_frames(request, connection)
    try:
        return _back(request, connection, state, at)
    except StateUsed as refusal:
        return _quiet(refused(request, refusal, back=_open_page(request, at)))
    except StateUnknown as refusal:
        return _quiet(refused(request, refusal))  # anybody can invent one: no audit row for strangers
    except LaunchRefused as refusal:
        return _refused(request, connection, refusal, at)


def _back(request: HttpRequest, connection: EhrConnection, state: str, at: datetime) -> HttpResponse:
    attempt = launching.waiting(connection, state, at)
    browser = request.session.get(BROWSER_KEY, "")
    if not browser:
        return _without_cookie(request, connection, attempt, at)
    launching.consume(attempt, browser=browser, at=at)
    answer = launching.returned(
        state,
        codes=request.GET.getlist("code"),
        errors=request.GET.getlist("error"),
        issuers=request.GET.getlist("iss"),
    )
    try:
        session = launching.finish(connection, attempt, answer, at=at)
    except ScopeRefused:
        if not launching.may_reduce(connection, attempt):
            raise
        return _reduced(request, connection, attempt, at)
    del request.session[BROWSER_KEY]
    request.session.cycle_key()
    request.session[SESSION_KEY] = session.launch_key
    request.session.set_expiry(settings.LAUNCH_SESSION_AGE_S)
    view = VIEW_OF_INTENT.get(session.intent, "clinic:orders")
    return _quiet(redirect(view, launch_key=session.launch_key), status=303)


def _reduced(request: HttpRequest, connection: EhrConnection, attempt: LaunchAttempt, at: datetime) -> HttpResponse:
    """The EHR lacks one of the permissions: one new attempt in a new place, with the fewest."""
    key = new_launch_key()
    begun = launching.begin_reduced(connection, attempt, launch_key=key, at=at)
    enter_launch(request, key)
    return _go(request, begun)


def _without_cookie(
    request: HttpRequest, connection: EhrConnection, attempt: LaunchAttempt, at: datetime
) -> HttpResponse:
    """The state is ours and unused, the cookie is not here: the sign-in left the frame, or cookies are blocked. Once,
    and only where the browser shows a whole window, the launch begins again; the code that came is never used."""
    inside_frame = request.headers.get("Sec-Fetch-Dest", "document") != "document"
    if attempt.second_try or inside_frame:
        launching.note_refusal(connection, CookiesBlocked(), at)
        return _quiet(refused(request, CookiesBlocked(), window=_whole_window(connection, attempt, inside_frame)))
    key = new_launch_key()
    begun = launching.begin_again(connection, attempt, launch_key=key, at=at)
    enter_launch(request, key)
    return _go(request, begun)


def _whole_window(connection: EhrConnection, attempt: LaunchAttempt, inside_frame: bool) -> str:
    """The same launch in a window of its own, where browsers keep cookies that they refuse inside a frame. By the
    attempt's name: whoever holds a state without its cookie is not shown the launch value."""
    if not inside_frame:
        return ""
    if not attempt.launch:
        return reverse("clinic:start", kwargs={"slug": connection.slug})
    once = _window_signer.sign(str(attempt.public_id))
    return reverse("clinic:window", kwargs={"slug": connection.slug, "once": once})


@require_http_methods(["GET"])
def window(request: LaunchRequest, slug: str, once: str) -> HttpResponse:
    """H73: the launch that a frame could not keep goes on here, once: its attempt is used up and a new one begins."""
    if _is_prefetch(request):
        return HttpResponseNotAllowed(["GET"])
    at = timezone.now()
    try:
        throttle.take(request)
        connection = launching.connection_by_slug(slug)
        attempt = _attempt_of(connection, once, at)
    except LaunchRefused as refusal:
        return _quiet(refused(request, refusal))
    try:
        begun = launching.begin_again(connection, attempt, launch_key=request.launch_key, at=at)
    except StateUsed as refusal:
        return _quiet(refused(request, refusal))
    except LaunchRefused as refusal:
        return _refused(request, connection, refusal, at)
    return _go(request, begun)


def _attempt_of(connection: EhrConnection, once: str, at: datetime) -> LaunchAttempt:
    """The attempt that `_whole_window` named. Raises StateUnknown."""
    try:
        name = _window_signer.unsign(once)
    except BadSignature as problem:
        raise StateUnknown from problem
    found = LaunchAttempt.objects.filter(connection=connection, public_id=name, expires_at__gt=at).first()
    if found is None:
        raise StateUnknown
    return found


def _go(request: HttpRequest, begun: Begun) -> HttpResponse:
    """To the EHR's sign-in, with this browser bound to the attempt by the launch's own cookie."""
    request.session[BROWSER_KEY] = begun.browser
    request.session.set_expiry(int(launching.ATTEMPT_LIFE.total_seconds()))
    if not begun.by_form:
        return _quiet(redirect(begun.url))
    # The chain of redirects after a form is held against form-action as well: the EHR, then our own callback.
    request.csp_form_action = [origin(begun.endpoint)]  # type: ignore[attr-defined]
    return _quiet(render(request, "ehr/launch_continue.html", {"begun": begun}))


def _refused(request: HttpRequest, connection: EhrConnection, refusal: LaunchRefused, at: datetime) -> HttpResponse:
    launching.note_refusal(connection, refusal, at)
    return _quiet(refused(request, refusal))


def _open_page(request: HttpRequest, at: datetime) -> str:
    """The page of this launch if it is open in this browser: where a replayed callback belongs."""
    key = request.session.get(SESSION_KEY, "")
    try:
        return reverse("clinic:orders", kwargs={"launch_key": sessions.current(key, at).launch_key}) if key else ""
    except SessionOver:
        return ""


def _quiet(response: HttpResponse, *, status: int = 0) -> HttpResponse:
    """B5: these addresses carry launch values and codes; nobody behind them hears of them."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    response.status_code = status or response.status_code
    return response
