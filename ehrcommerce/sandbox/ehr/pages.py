"""The EHR's pages: sign in, find a patient, read and change orders, open the app inside the chart."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from ehrcommerce.sandbox.ehr import answers, cds_client, fhir_store, launches, orders, surroundings
from ehrcommerce.sandbox.ehr import chart as charts
from ehrcommerce.sandbox.ehr.models import EhrUser, Launch, Resource
from ehrcommerce.sandbox.ehr.signing_in import clinician_required, sign_in, signed_in

STYLE = Path(__file__).resolve().parent.parent / "static" / "sandbox.css"
WAITING = re.compile(r"(?:/profiles/(?P<profile>[\w\-]+))?/auth/authorize")
SMART_STYLE = {
    "color_background": "#ffffff",
    "color_error": "#a3262a",
    "color_highlight": "#1f5f8b",
    "color_modal_backdrop": "",
    "color_success": "#2b6e3f",
    "color_text": "#1d2a33",
    "dim_border_radius": "3px",
    "dim_font_size": "14px",
    "dim_spacing_size": "12px",
    "font_family_body": "system-ui, 'Segoe UI', Roboto, sans-serif",
    "font_family_heading": "system-ui, 'Segoe UI', Roboto, sans-serif",
}


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """What this site is, and its doors."""
    return render(request, "sandbox/start.html", {"app": settings.APP_URL})


@require_safe
def style(request: HttpRequest) -> HttpResponse:
    """The one style sheet of these pages."""
    return HttpResponse(
        STYLE.read_bytes(), content_type="text/css; charset=utf-8", headers={"Cache-Control": "max-age=60"}
    )


@require_safe
def smart_style(request: HttpRequest) -> HttpResponseBase:
    """What `smart_style_url` of a launch points at; a launch with a style of its own is named in the address."""
    number = request.GET.get("launch", "")
    if number.isdecimal():
        surroundings.adopt(Launch.objects.filter(pk=int(number)).first())
    style = {**SMART_STYLE, **surroundings.here().filled(surroundings.here().knobs["style"])}
    headers = {"Cache-Control": "public, max-age=300"}
    return answers.given("style_answer", request, lambda: JsonResponse(style, headers=headers))


@csrf_protect
def login(request: HttpRequest) -> HttpResponse:
    """Name and password, then on to where the clinician was going."""
    target = _local(request.POST.get("next") or request.GET.get("next") or "")
    refused = False
    if request.method == "POST":
        user = EhrUser.objects.filter(username=request.POST.get("username", "").strip().lower()).first()
        if user is not None and user.check_password(request.POST.get("password", "")):
            sign_in(request, user)
            return redirect(target)
        refused = True
    known = EhrUser.objects.order_by("username")[:20]
    shown = {"next": target, "refused": refused, "known": known}
    return render(request, "sandbox/login.html", shown, status=403 if refused else 200)


def _local(target: str) -> str:
    """A path of this site, else the patient list."""
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return target if safe and target.startswith("/") else reverse("ehr-patients")


@csrf_protect
@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """Sign out."""
    request.session.flush()
    return redirect("ehr-login")


@clinician_required
@require_safe
def patients(request: HttpRequest, user: EhrUser) -> HttpResponse:
    """The patient list with its search."""
    search = request.GET.get("q", "")
    rows = charts.patient_list(search, on=timezone.localdate())
    return render(request, "sandbox/patients.html", {"user": user, "rows": rows[:300], "total": len(rows), "q": search})


def patient_of(patient_id: str) -> Resource:
    """The living Patient. Raises Http404."""
    row = fhir_store.find("Patient", patient_id)
    if row is None or row.deleted:
        raise Http404
    return row


def chart_words(user: EhrUser, row: Resource) -> dict[str, Any]:
    """What the head of each page of a chart needs."""
    return {"user": user, "banner": charts.banner(fhir_store.content(row), on=timezone.localdate())}


@clinician_required
@csrf_protect
@require_safe
def chart(request: HttpRequest, user: EhrUser, patient_id: str) -> HttpResponse:
    """Orders by kind, coverage, and what the app reported back."""
    row = patient_of(patient_id)
    shown = chart_words(user, row) | {
        "sections": charts.sections(patient_id),
        "coverages": charts.coverages(patient_id),
        "tasks": charts.tasks(patient_id),
        "stale": "stale" in request.GET,
        "advised": bool(cds_client.base()),
        "cards": _advice(request, patient_id),
    }
    return render(request, "sandbox/chart.html", shown)


def _advice(request: HttpRequest, patient_id: str) -> list[dict[str, str]]:
    """What a service said of the order that was signed just now: shown once."""
    advice = request.session.get("advice") or {"order": "/", "cards": []}
    kind, _, order_id = advice["order"].partition("/")
    row = fhir_store.find(kind, order_id)
    if row is None or row.patient != patient_id or row.status == "draft":
        return []
    del request.session["advice"]
    cards: list[dict[str, str]] = advice["cards"]
    return cards


@clinician_required
@csrf_protect
@require_POST
def launch(request: HttpRequest, user: EhrUser, patient_id: str) -> HttpResponse:
    """Open the app for this patient, with the orders that are ticked: in the chart, or in a window of its own."""
    row = patient_of(patient_id)
    known = set(Resource.objects.filter(patient=row.fhir_id, type__in=orders.KINDS).values_list("type", "fhir_id"))
    ticked = [name for name in request.POST.getlist("order") if tuple(name.split("/", 1)) in known]
    begun, url = launches.begin(user=user, patient=row.fhir_id, orders=ticked, at=timezone.now())
    if request.POST.get("where") == "window":
        return redirect(url)
    return redirect("ehr-app", patient_id=patient_id, value=begun.value)


@clinician_required
@csrf_protect
@require_safe
def app(request: HttpRequest, user: EhrUser, patient_id: str, value: str) -> HttpResponse:
    """The app, framed in the chart."""
    row = patient_of(patient_id)
    begun = Launch.objects.filter(value=value, patient=patient_id, user=user, expires_at__gt=timezone.now()).first()
    if begun is None:
        return redirect("ehr-chart", patient_id=patient_id)
    shown = chart_words(user, row) | {"launch_url": launches.address(begun), "count": len(begun.orders)}
    return render(request, "sandbox/app.html", shown)


def order_of(patient_id: str, kind: str, order_id: str) -> Resource:
    """One order of this chart. Raises Http404."""
    row = fhir_store.find(kind, order_id) if kind in orders.KINDS else None
    if row is None or row.deleted or row.patient != patient_id:
        raise Http404
    return row


@clinician_required
@csrf_protect
@require_POST
def act(request: HttpRequest, user: EhrUser, patient_id: str, kind: str, order_id: str) -> HttpResponse:
    """Sign, hold, resume or stop one order."""
    row = order_of(patient_id, kind, order_id)
    target = reverse("ehr-chart", args=[patient_id])
    try:
        orders.act(row, request.POST.get("action", ""), by=user, at=timezone.now())
    except orders.NotPossible:
        return redirect(f"{target}?stale=1")
    return redirect(target)


@clinician_required
@csrf_protect
def change(request: HttpRequest, user: EhrUser, patient_id: str, kind: str, order_id: str) -> HttpResponse:
    """Another quantity or dosage."""
    row = order_of(patient_id, kind, order_id)
    mistake = ""
    if request.method == "POST":
        target = reverse("ehr-chart", args=[patient_id])
        try:
            _changed(row, request)
            return redirect(target)
        except orders.NotPossible:
            return redirect(f"{target}?stale=1")
        except ValueError as wrong:
            mistake = str(wrong)
    order = fhir_store.content(row)
    shown = chart_words(user, patient_of(patient_id)) | {
        "order": charts.order_row(row, order, charts.named_in(order)),
        "quantity": orders.quantity_holder(order).get("value", ""),
        "mistake": mistake,
    }
    return render(request, "sandbox/change.html", shown, status=400 if mistake else 200)


def _changed(row: Resource, request: HttpRequest) -> None:
    orders.change(
        row, quantity=request.POST.get("quantity", ""), dosage=request.POST.get("dosage", ""), at=timezone.now()
    )


@csrf_protect
def pick(request: HttpRequest) -> HttpResponse:
    """For an app that was opened outside a chart: the clinician chooses the patient, and the authorization goes on."""
    user = signed_in(request)
    waiting = _local(request.POST.get("next") or request.GET.get("next") or "")
    place = WAITING.fullmatch(urlsplit(waiting).path)
    if user is None or place is None:
        return redirect("ehr-login")
    if request.method == "POST":
        row = patient_of(request.POST.get("patient", ""))
        profile = place["profile"] or ""
        begun = Launch.begin(user=user, patient=row.fhir_id, orders=[], at=timezone.now(), profile=profile)
        fields = [*parse_qsl(urlsplit(waiting).query, keep_blank_values=True), ("launch", begun.value)]
        return redirect(f"{place[0]}?{urlencode(fields)}")
    rows = charts.patient_list(request.GET.get("q", ""), on=timezone.localdate())
    return render(request, "sandbox/pick.html", {"user": user, "rows": rows[:300], "next": waiting})
