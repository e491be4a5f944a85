"""What became of a link that was made: its page, the sheet to print, this patient's links, taking one back, sending one
again. These pages read nothing of the chart but whose it is."""

from contextlib import suppress
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from ehrcommerce.commerce.fulfillment import asking
from ehrcommerce.commerce.fulfillment.services import withdraw_for
from ehrcommerce.commerce.offers import arrivals
from ehrcommerce.commerce.offers import links as link_services
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import CHANGED, LIVE_LINK, LinkState, Offer, PurchaseLink
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.ehr import automation
from ehrcommerce.ehr import sheet_paper as papers
from ehrcommerce.ehr.models import AutomaticAct
from ehrcommerce.ehr.order_rows import progress_of
from ehrcommerce.ehr.qr import data_uri
from ehrcommerce.ehr.rule_words import why
from ehrcommerce.ehr.views.banners import banner_now, patient_key
from ehrcommerce.ehr.views.guards import ClinicianRequest, clinician_required

UNDO, EVERYBODY = "undo", "everybody"
REASONS = {
    "wrong_items": "Wrong items", "wrong_person": "Wrong person", "patient_asked": "Patient asked",
    "order_changed": "Order changed", "other": "Other",
}  # fmt: skip


def _offer(request: ClinicianRequest, offer_id: UUID) -> Offer:
    """An offer of this launch's patient: found by both, so that no other patient's page opens here."""
    mine = Offer.objects.filter(organization_id=request.user.organization_id, customer_key=patient_key(request))
    return get_object_or_404(mine.select_related("organization"), public_id=offer_id)


def _link(request: ClinicianRequest, link_id: UUID) -> PurchaseLink:
    mine = PurchaseLink.objects.filter(
        organization_id=request.user.organization_id, offer__customer_key=patient_key(request)
    )
    return get_object_or_404(mine.select_related("offer"), public_id=link_id)


def _by_itself(request: ClinicianRequest) -> bool:
    """Whether a script of the page asked, not a person: it takes over only the part that changes."""
    return request.headers.get("Sec-Fetch-Dest") == "empty"


@require_GET
@clinician_required
def sent(request: ClinicianRequest, launch_key: str, offer_id: UUID) -> HttpResponse:
    """C3: the link's state, QR, address to copy, trust phrase, undo."""
    offer = _offer(request, offer_id)
    link = offer.links.latest("pk")
    address = link_services.url_of(link)
    undo = (timezone.now() - link.created_at).total_seconds() < offers.UNDO_S and link.state in (
        LinkState.SENT, LinkState.OPENED, LinkState.DRAFT,
    )  # fmt: skip
    # The page asks again by itself while the message is on its way: that is no new look into the chart.
    banner = {"session": request.ehr_session} if _by_itself(request) else banner_now(request)
    context = {
        **banner, "offer": offer, "link": link, "address": address, "qr": data_uri(address), "undo": undo,
        "contact": offer.contacts.filter(carries_link=True).first(), "lines": offers.lines_of(offer),
        "problem": offers.send_problem(link), "live": link.state in LIVE_LINK,
        "state_words": progress_of(offer, link).words,
    }  # fmt: skip
    return render(request, "ehr/sent.html", context)


@require_GET
@clinician_required
def sheet(request: ClinicianRequest, launch_key: str, offer_id: UUID) -> HttpResponse:
    """The sheet that the clinic prints and hands over: no name, no item. A link that is over has none."""
    offer = _offer(request, offer_id)
    link = offer.links.latest("pk")
    if link.state not in LIVE_LINK:
        return redirect("clinic:sent", launch_key=launch_key, offer_id=offer.public_id)
    address = link_services.url_of(link)
    context = {
        **banner_now(request), "offer": offer, "link": link, "address": address, "qr": data_uri(address),
        "clinic": offer.organization,
    }  # fmt: skip
    return render(request, "ehr/sheet.html", context)


@require_GET
@clinician_required
def sheet_paper(request: ClinicianRequest, launch_key: str, offer_id: UUID) -> HttpResponse:
    """The same sheet as a PDF. A link that is over has none."""
    offer = _offer(request, offer_id)
    link = offer.links.latest("pk")
    if link.state not in LIVE_LINK or link.expires_at is None:
        return redirect("clinic:sent", launch_key=launch_key, offer_id=offer.public_id)
    made = papers.pdf(
        address=link_services.url_of(link), clinic=offer.organization, expires_at=link.expires_at,
        is_printed=link.is_printed,
    )  # fmt: skip
    answer = HttpResponse(made, content_type="application/pdf")
    answer.headers["Content-Disposition"] = 'attachment; filename="sheet.pdf"'
    return answer


def _new_versions(found: list[offers.Sent]) -> dict[int, str]:
    """Link that ended since the chart was changed, or whose patient asks for a new one -> the query that ticks its orders as
    they stand now. Not where the clinic has sent one of them again since."""
    sendable: dict[int, str] = {}
    newer: set[str] = set()
    for each in found:  # newest first
        keys = [line.order_key for line in each.offer.lines.all()]
        changed = each.link.state == LinkState.SUPERSEDED and each.link.end_reason == CHANGED
        asked = each.link.asked_again_at is not None and each.link.state in (LinkState.EXPIRED, LinkState.LOCKED)
        if (changed or asked) and not newer & set(keys):
            sendable[each.link.pk] = urlencode([("order", key) for key in keys])
        newer |= set(keys)
    return sendable


def _links_page(request: ClinicianRequest, *, status: int = 200, **more: object) -> HttpResponse:
    found = offers.sent_for(
        organization_id=request.user.organization_id, customer_key=patient_key(request), also=["orders"]
    )
    acts = automation.acts_of(organization_id=request.user.organization_id, customer_key=patient_key(request))
    rules = {act.offer_id: act.rule.name for act in acts if act.offer_id is not None}
    asked = asking.by_offer([each.offer.pk for each in found])
    sendable = _new_versions(found)
    lost = arrivals.undelivered(each.link for each in found)
    ways = arrivals.other_ways([each.link for each in found if each.link.pk in lost])
    rows = [
        (
            each,
            progress_of(each.offer, each.link),
            asked.get(each.offer.pk, ()),
            sendable.get(each.link.pk, ""),
            _agreed(each.offer),
            rules.get(each.offer.pk, ""),
            each.link.pk in lost,
            ways.get(each.offer.pk, ()),
        )
        for each in found
    ]
    context = {
        **banner_now(request), "found": rows, "reasons": REASONS,
        "acts": [(act, why(act.code)) for act in acts if act.offer_id is None],
        **more,
    }  # fmt: skip
    return render(request, "ehr/links.html", context, status=status)


def _agreed(offer: Offer) -> list[Consent]:
    """To whom the patient's yes of this purchase stands now: one of each recipient."""
    found = consent.live(organization_id=offer.organization_id, subject=str(offer.public_id))
    return list({one.recipient: one for one in found}.values())


@require_GET
@clinician_required
def links(request: ClinicianRequest, launch_key: str) -> HttpResponse:
    """C4: this patient's links, newest first, with what can be done about each."""
    return _links_page(
        request, taken_back="taken_back" in request.GET, withdrawn="withdrawn" in request.GET,
        no_yes="no_yes" in request.GET, answered="answered" in request.GET, undone="undone" in request.GET,
        too_late="too_late" in request.GET,
    )  # fmt: skip


@require_POST
@clinician_required
def revoke(request: ClinicianRequest, launch_key: str, link_id: UUID) -> HttpResponse:
    """Undo within a minute, or revoke later with a reason from the list."""
    link = _link(request, link_id)
    reason = request.POST.get("reason", "")
    if reason not in (UNDO, *REASONS):
        return _links_page(request, status=422, without_reason=link.pk)
    try:
        offers.revoke(link=link, reason=reason, by=request.user.actor, at=timezone.now())
    except offers.AlreadyOrdered as refusal:
        return render(request, "ehr/revoke_refused.html", {**banner_now(request), "refusal": refusal}, status=409)
    if reason == UNDO:
        return redirect("clinic:sent", launch_key=launch_key, offer_id=link.offer.public_id)
    return redirect(reverse("clinic:links", kwargs={"launch_key": launch_key}) + "?taken_back")


@require_POST
@clinician_required
def undo(request: ClinicianRequest, launch_key: str, act_id: UUID) -> HttpResponse:
    """What a rule would do is not done. What it has done already is taken back like any other link."""
    mine = AutomaticAct.objects.filter(
        organization_id=request.user.organization_id, customer_key=patient_key(request)
    )
    act = get_object_or_404(mine, public_id=act_id)
    undone = automation.undo(act=act, by=request.user.actor, at=timezone.now())
    address = reverse("clinic:links", kwargs={"launch_key": launch_key})
    return redirect(f"{address}?{'undone' if undone else 'too_late'}")


@require_POST
@clinician_required
def resend(request: ClinicianRequest, launch_key: str, link_id: UUID) -> HttpResponse:
    """Send the same address again, where `to` names another contact of the offer to that one."""
    link = _link(request, link_id)
    with suppress(ValueError):
        if other := request.POST.get("to", ""):
            arrivals.use_other(link=link, contact_id=UUID(other), by=request.user.actor, at=timezone.now())
    offers.resend(link=link, by=request.user, at=timezone.now())
    return redirect("clinic:sent", launch_key=launch_key, offer_id=link.offer.public_id)


@require_POST
@clinician_required
def withdraw(request: ClinicianRequest, launch_key: str, link_id: UUID) -> HttpResponse:
    """The patient told the clinic that they take a yes back, to one recipient or to everybody."""
    link = _link(request, link_id)
    wanted = request.POST.get("recipient", "")
    if not wanted:
        return _links_page(request, status=422, without_recipient=link.pk)
    taken = withdraw_for(
        offer=link.offer, recipient="" if wanted == EVERYBODY else wanted, by=request.user.actor, at=timezone.now(),
        reason="told_the_clinic",
    )  # fmt: skip
    address = reverse("clinic:links", kwargs={"launch_key": launch_key})
    return redirect(f"{address}?{'withdrawn' if taken else 'no_yes'}")
