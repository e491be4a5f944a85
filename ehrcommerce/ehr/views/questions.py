"""What a pharmacist asks about an order of this chart, and the clinician's answer. Found by the launch's patient, so that
only a clinician who has this chart open reads or answers it."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from ehrcommerce.commerce.fulfillment import answering
from ehrcommerce.commerce.fulfillment.models import PharmacistQuestion
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.ehr.views.banners import banner_now, patient_key
from ehrcommerce.ehr.views.guards import ClinicianRequest, clinician_required
from ehrcommerce.suppliers.ports import ANSWER_CHARS

ASKED = {
    "dose": "Is the dose right?",
    "quantity": "Is the quantity right?",
    "substitution": "May another product be given?",
    "no_prescription": "The pharmacy has no prescription. Was it sent?",
    "other": "Something else",
}
ANSWERS = {
    "as_written": ("As written", "The pharmacy fills it as the order says."),
    "new_prescription": ("A new prescription comes", "The pharmacy waits for it. Send it the usual way."),
    "substitute": ("It may be substituted", "Say with what in the words below."),
    "stop": ("Do not fill it", "The order is stopped. The patient is told and pays nothing for it."),
}
NOTHING_CHOSEN = "Choose an answer, then press Send answer. Nothing was sent."
TOO_LONG = f"The words are longer than {ANSWER_CHARS} characters. Nothing was sent."


def _question(request: ClinicianRequest, question_id: UUID) -> PharmacistQuestion:
    mine = PharmacistQuestion.objects.filter(
        organization_id=request.user.organization_id, fulfillment__order__offer__customer_key=patient_key(request)
    )
    return get_object_or_404(
        mine.select_related("fulfillment__order__offer", "fulfillment__supplier"), public_id=question_id
    )


def _page(
    request: ClinicianRequest, question: PharmacistQuestion, *, status: int = 200, **more: object
) -> HttpResponse:
    lines = OfferLine.objects.filter(pk__in=question.fulfillment.lines.values("order_line__offer_line"))
    context = {
        **banner_now(request), "question": question, "order": question.fulfillment.order,
        "items": list(lines.select_related("product").order_by("pk")), "asked": ASKED[question.asked],
        "answers": ANSWERS, "given": ANSWERS.get(question.answer, ("", ""))[0], "longest": ANSWER_CHARS,
        "pharmacy": question.fulfillment.supplier.name, **more,
    }  # fmt: skip
    return render(request, "ehr/question.html", context, status=status)


@require_GET
@clinician_required
def question(request: ClinicianRequest, launch_key: str, question_id: UUID) -> HttpResponse:
    """What is asked, about what, and the form for the answer."""
    return _page(request, _question(request, question_id))


@require_POST
@clinician_required
def answer(request: ClinicianRequest, launch_key: str, question_id: UUID) -> HttpResponse:
    """One of the list, and a few words to the pharmacy."""
    found = _question(request, question_id)
    chosen, words = request.POST.get("answer", ""), " ".join(request.POST.get("words", "").split())
    typed = {"chosen": chosen, "words": words}
    if chosen not in ANSWERS:
        return _page(request, found, status=422, problem=NOTHING_CHOSEN, **typed)
    if len(words) > ANSWER_CHARS:
        return _page(request, found, status=422, problem=TOO_LONG, **typed)
    try:
        answering.answer(question=found, answer=chosen, words=words, by=request.user, at=timezone.now())
    except answering.AnsweredAlready:
        found.refresh_from_db()
        return _page(request, found, status=409)
    return redirect(reverse("clinic:links", kwargs={"launch_key": launch_key}) + "?answered")
