"""Signing with advice: the page between the press of Sign and the signature, where a CDS service is asked."""

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from ehrcommerce.sandbox.ehr import cds_client, fhir_store, launches
from ehrcommerce.sandbox.ehr import chart as charts
from ehrcommerce.sandbox.ehr.models import EhrUser
from ehrcommerce.sandbox.ehr.pages import chart_words, order_of, patient_of
from ehrcommerce.sandbox.ehr.signing_in import clinician_required


@clinician_required
@csrf_protect
@require_safe
def sign(request: HttpRequest, user: EhrUser, patient_id: str, kind: str, order_id: str) -> HttpResponse:
    """The draft, what the service says of it, and the button that signs."""
    row = order_of(patient_id, kind, order_id)
    order = fhir_store.content(row)
    cards = cds_client.cards(row, by=user) if row.status == "draft" else []
    # Once it is signed, the chart shows them again: only then can the app read the order.
    request.session["advice"] = {"order": row.reference, "cards": [asdict(card) for card in cards]}
    shown = chart_words(user, patient_of(patient_id)) | {
        "order": charts.order_row(row, order, charts.named_in(order)),
        "cards": cards,
    }
    return render(request, "sandbox/sign.html", shown)


@clinician_required
@csrf_protect
@require_POST
def open_card(request: HttpRequest, user: EhrUser, patient_id: str) -> HttpResponse:
    """The link of a card: a launch of the app that carries the card's context in its token answer."""
    row = patient_of(patient_id)
    context = request.POST.get("context", "")
    begun, _ = launches.begin(
        user=user,
        patient=row.fhir_id,
        orders=[],
        at=timezone.now(),
        knobs={"token_response": {"appContext": context}} if context else {},
    )
    return redirect("ehr-app", patient_id=patient_id, value=begun.value)
