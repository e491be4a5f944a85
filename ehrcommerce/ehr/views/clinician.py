"""The clinician's pages, all below one launch: orders, exact values, send, sent, links. Each view reads the chart
through the door at that moment, or not at all; nothing of the chart is kept between two requests."""

from dataclasses import replace
from datetime import date, datetime
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.commerce.offers import links as link_services
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import Offer, PurchaseLink
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.errors import ChartForbidden, ChartUnreadable, WrongPatient
from ehrcommerce.ehr import leaving, references, users
from ehrcommerce.ehr.access import session_access
from ehrcommerce.ehr.forms import SendForm
from ehrcommerce.ehr.order_rows import Row, rows_of, stands
from ehrcommerce.ehr.qr import data_uri
from ehrcommerce.ehr.views.guards import ClinicianRequest, clinician_required
from ehrcommerce.policy.packets import ChartPage, ContactPoint

REASONS = ("wrong_items", "wrong_person", "patient_asked", "order_changed", "other")


class Reading:
    """One look into the chart by one launch: the page, its rows, and the access that made them."""

    def __init__(self, request: ClinicianRequest, at: datetime) -> None:
        session = request.ehr_session
        self.access = session_access(session)
        unknown = users.unknown(session)
        self.page: ChartPage = door.disclose_chart(self.access, by=request.user.actor, at=at, fhir_user=unknown)
        users.learn(request.user, self.page.user)
        focus = [
            self.access.key_of(*reference.split("/", 1)) for reference in session.focus.split() if "/" in reference
        ]
        self.rows: list[Row] = rows_of(self.page, user=request.user, today=timezone.localdate(), focus=focus)

    def tick(self, keys: list[str]) -> None:
        """Tick what was chosen before a look at the exact values, instead of what is ticked by itself."""
        if keys:
            self.rows = [replace(row, ticked=row.selectable and row.key in keys) for row in self.rows]

    def chosen(self, keys: list[str]) -> list[Row]:
        return [row for row in self.rows if row.key in keys]


def _unreadable(request: HttpRequest, problem: Exception) -> HttpResponse:
    """The chart could not be read: say which EHR, that nothing was sent, and what to do."""
    status = 403 if isinstance(problem, ChartForbidden) else 502
    template = "ehr/chart_forbidden.html" if isinstance(problem, ChartForbidden) else "ehr/chart_unreadable.html"
    if isinstance(problem, WrongPatient):
        template, status = "ehr/wrong_patient.html", 409
    return render(request, template, {"session": getattr(request, "ehr_session", None)}, status=status)


def _context(request: ClinicianRequest, reading: Reading) -> dict[str, object]:
    contacts = reading.page.recipient.contacts
    ready = [row for row in reading.rows if row.selectable]
    return {
        "session": request.ehr_session, "page": reading.page, "banner": reading.page.banner, "rows": reading.rows,
        "contacts": contacts,
        "marked": [(leaving.contact_mark(contact), contact) for contact in contacts],
        "contact": contacts[0] if contacts else None, "ticked": sum(row.ticked for row in reading.rows), "ready": len(ready),
        "stays": leaving.STAYS, "needs_proof": any(row.needs_proof for row in ready), "born": _born(reading.page.banner.birth_date),
        "today_rows": [row for row in reading.rows if row.today], "older_rows": [row for row in reading.rows if not row.today],
    }  # fmt: skip


def _born(birth_date: str) -> str:
    """`14-Mar-1968 (57y)`: the form that clinicians misread least."""
    try:
        born = date.fromisoformat(birth_date)
    except ValueError:
        return birth_date
    today = timezone.localdate()
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return f"{born:%d-%b-%Y} ({age}y)"


@require_GET
@clinician_required
def orders(request: ClinicianRequest, launch_key: str) -> HttpResponse:
    """C1: every order of this chart, what can be sold, what leaves and what stays."""
    try:
        reading = Reading(request, timezone.now())
    except (ChartUnreadable, ChartForbidden, WrongPatient) as problem:
        return _unreadable(request, problem)
    catalog.note_unmapped(
        [row.order.item for row in reading.rows if row.refusal and row.refusal.code == "no_product"],
        organization_id=request.user.organization_id, at=timezone.now(),
    )  # fmt: skip
    reading.tick(request.GET.getlist("order"))
    return render(request, "ehr/orders.html", _context(request, reading))


@require_http_methods(["GET", "POST"])
@clinician_required
def values(request: ClinicianRequest, launch_key: str) -> HttpResponse:
    """C2: the exact values that would leave, from the same packets that are sent."""
    try:
        reading = Reading(request, timezone.now())
    except (ChartUnreadable, ChartForbidden, WrongPatient) as problem:
        return _unreadable(request, problem)
    # Posted, so that neither the page's marks nor its token ever stand in an address.
    wanted = request.POST.getlist("order")
    rows = [row for row in reading.rows if row.selectable and (row.key in wanted or (not wanted and row.ticked))]
    context = _context(request, reading) | {
        "chosen": [(row, leaving.values_of(row.order.item)) for row in rows],
        "person": leaving.person_values(reading.page.recipient),
        "keep": urlencode([("order", row.key) for row in rows]),
    }
    return render(request, "ehr/values.html", context)


@require_POST
@clinician_required
def send(request: ClinicianRequest, launch_key: str) -> HttpResponse:
    """Read the chart again, compare with what the clinician saw, and make the link."""
    at = timezone.now()
    form = SendForm(request.POST)
    try:
        reading = Reading(request, at)
    except (ChartUnreadable, ChartForbidden, WrongPatient) as problem:
        return _unreadable(request, problem)
    if form.data.get("patient") != reading.page.recipient.customer_key:
        return render(request, "ehr/other_patient.html", _context(request, reading), status=409)
    if not reading.page.recipient.contacts:
        form.add_error(None, "No phone or e-mail is on file, so no code could reach the patient. Nothing was sent.")
    if not form.is_valid():
        return render(request, "ehr/orders.html", _context(request, reading) | {"form": form}, status=422)
    changed = _changed(form, reading)
    if "" in changed and reading.page.unread:
        # A kind of order that cannot be read now is not gone from the chart.
        return _unreadable(request, ChartUnreadable())
    if form.cleaned_data["send_to"] and _contact(form, reading.page.recipient.contacts) is None:
        changed.append("The phone or e-mail")
    if changed:
        return render(request, "ehr/order_changed.html", _context(request, reading) | {"changed": changed}, status=409)
    try:
        return _make(request, form, reading, at)
    except offers.OrderStands:
        return render(request, "ehr/order_stands.html", _context(request, reading), status=409)


def _changed(form: SendForm, reading: Reading) -> list[str]:
    """Names of chosen orders that are gone, were changed, or may not be sold any more; "" for one that is gone."""
    now = {row.key: row for row in reading.rows}
    changed = []
    for key in form.cleaned_data["order"]:
        row = now.get(key)
        if row is None:
            changed.append("")
        elif not row.selectable or row.digest != form.digest_of(key):
            changed.append(row.order.item.name)
    return changed


def _make(request: ClinicianRequest, form: SendForm, reading: Reading, at: datetime) -> HttpResponse:
    chosen = reading.chosen(form.cleaned_data["order"])
    lines = [
        offers.NewLine(order=row.order, product=row.product, routing_proof=form.cleaned_data["routing_proof"])
        for row in chosen
        if row.product is not None
    ]
    recipient = reading.page.recipient
    keys = [recipient.customer_key, *(row.key for row in chosen)]
    references.remember(
        organization_id=request.user.organization_id,
        connection=request.ehr_session.connection,
        access=reading.access,
        keys=keys,
        at=at,
    )
    link = offers.make_offer(
        lines=lines, recipient=recipient, send_to=_contact(form, recipient.contacts), by=request.user, at=at,
        language=form.cleaned_data["language"], elements=leaving.elements_of(row.order.item for row in chosen),
        stands=stands,
    )  # fmt: skip
    return redirect("clinic:sent", launch_key=request.ehr_session.launch_key, offer_id=link.offer.public_id)


def _contact(form: SendForm, contacts: tuple[ContactPoint, ...]) -> ContactPoint | None:
    """The contact that the clinician chose; None to print only, and where the chart has it no more."""
    marks = {leaving.contact_mark(contact): contact for contact in contacts}
    return marks.get(form.cleaned_data["send_to"])


def _offer(request: ClinicianRequest, offer_id: UUID) -> Offer:
    """An offer of this launch's patient: found by both, so that no other patient's page opens here."""
    access = session_access(request.ehr_session)
    customer_key = access.key_of("Patient", request.ehr_session.patient)
    mine = Offer.objects.filter(organization_id=request.user.organization_id, customer_key=customer_key)
    return get_object_or_404(mine.select_related("organization"), public_id=offer_id)


def _banner(request: ClinicianRequest) -> dict[str, object]:
    """Whose chart this is, on every page of the launch; a chart that cannot be read now takes only the banner away."""
    access = session_access(request.ehr_session)
    try:
        banner = door.disclose_banner(access, by=request.user.actor, at=timezone.now())
    except (ChartUnreadable, ChartForbidden, WrongPatient):
        return {"session": request.ehr_session}
    return {"session": request.ehr_session, "banner": banner, "born": _born(banner.birth_date)}


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
    undo = (timezone.now() - link.created_at).total_seconds() < offers.UNDO_S
    # The page asks again by itself while the message is on its way: that is no new look into the chart.
    banner = {"session": request.ehr_session} if _by_itself(request) else _banner(request)
    context = {
        **banner, "offer": offer, "link": link, "address": address, "qr": data_uri(address), "undo": undo,
        "contact": offer.contacts.filter(carries_link=True).first(), "lines": offers.lines_of(offer),
        "problem": offers.send_problem(link),
    }  # fmt: skip
    return render(request, "ehr/sent.html", context)


@require_GET
@clinician_required
def links(request: ClinicianRequest, launch_key: str) -> HttpResponse:
    """C4: this patient's links, newest first, with what can be done about each."""
    access = session_access(request.ehr_session)
    customer_key = access.key_of("Patient", request.ehr_session.patient)
    found = offers.sent_for(organization_id=request.user.organization_id, customer_key=customer_key, also=["orders"])
    context = {**_banner(request), "found": found, "reasons": REASONS}
    return render(request, "ehr/links.html", context)


@require_POST
@clinician_required
def revoke(request: ClinicianRequest, launch_key: str, link_id: UUID) -> HttpResponse:
    """Undo within a minute, or revoke later with a reason from the list."""
    link = _link(request, link_id)
    reason = request.POST.get("reason", "")
    try:
        offers.revoke(
            link=link, reason=reason if reason in REASONS else "undo", by=request.user.actor, at=timezone.now()
        )
    except offers.AlreadyOrdered as refusal:
        return render(
            request, "ehr/revoke_refused.html", {"session": request.ehr_session, "refusal": refusal}, status=409
        )
    return redirect("clinic:links", launch_key=launch_key)


@require_POST
@clinician_required
def resend(request: ClinicianRequest, launch_key: str, link_id: UUID) -> HttpResponse:
    """Send the same address again."""
    link = _link(request, link_id)
    offers.resend(link=link, by=request.user, at=timezone.now())
    return redirect("clinic:sent", launch_key=launch_key, offer_id=link.offer.public_id)


def _link(request: ClinicianRequest, link_id: UUID) -> PurchaseLink:
    access = session_access(request.ehr_session)
    customer_key = access.key_of("Patient", request.ehr_session.patient)
    mine = PurchaseLink.objects.filter(organization_id=request.user.organization_id, offer__customer_key=customer_key)
    return get_object_or_404(mine.select_related("offer"), public_id=link_id)
