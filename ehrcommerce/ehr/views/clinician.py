"""The clinician's pages of one chart, all below one launch: orders, exact values, send. Each view reads the chart
through the door at that moment, or not at all; nothing of the chart is kept between two requests. What becomes of a
link that was made stands in made.py."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from ehrcommerce.accounts.models import Role
from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.commerce.offers import links as link_services
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.errors import ChartForbidden, ChartUnreadable
from ehrcommerce.ehr import automation, leaving, references, users
from ehrcommerce.ehr.access import granted_types, may_read, session_access
from ehrcommerce.ehr.errors import SessionOver
from ehrcommerce.ehr.forms import SendForm
from ehrcommerce.ehr.order_rows import Row, rows_of, stands_unless_filled_again
from ehrcommerce.ehr.views.banners import UNREADABLE, confirmed, unreadable
from ehrcommerce.ehr.views.guards import ClinicianRequest, clinician_required
from ehrcommerce.ehr.views.stale import shown
from ehrcommerce.ehr.views.unread import unread_words
from ehrcommerce.policy.derive import KIND_OF_TYPE
from ehrcommerce.policy.packets import ChartPage, ContactPoint

NOBODY_TO_RECOGNIZE = (
    "The chart has no phone or e-mail; without them birth date, family name and ZIP code are all needed. Add a phone or an"
    " e-mail, or what is missing of the three. Nothing was sent."
)

NO_HELPER_CONTACT = (
    "A parent or guardian is known by a code, and the chart has no phone or e-mail. Add theirs in the chart. Nothing was sent."
)

HELD = (
    "{names}: the directions may tell why the patient takes it. Look at the marked words. Let them leave, or leave the order"
    " out. Nothing was sent."
)

UNUSUAL = (
    "{names}: a value is likely a slip. Whoever prescribed it says that it is right as it stands, or mends it in the chart; or"
    " leave the order out. Nothing was sent."
)


class Reading:
    """One look into the chart by one launch: the page, its rows, and the access that made them."""

    def __init__(self, request: ClinicianRequest, at: datetime) -> None:
        session = request.ehr_session
        self.access = session_access(session)
        if not may_read(session, "Patient"):
            raise ChartForbidden
        unknown, granted = users.unknown(session) if may_read(session, "Practitioner") else "", granted_types(session)
        page = door.disclose_chart(self.access, by=request.user.actor, at=at, fhir_user=unknown, only=granted)
        if session.ended_at is not None:
            raise SessionOver  # a refresh that was refused ended it: half a chart is none
        left_out = tuple(f"{name}: not granted" for name in KIND_OF_TYPE if name not in granted)
        self.page: ChartPage = replace(page, unread=(*page.unread, *left_out))
        users.learn(request.user, self.page.user)
        focus = [
            self.access.key_of(*reference.split("/", 1)) for reference in session.focus.split() if "/" in reference
        ]
        # A draft may get another id when it is signed: then a card is as good as the button.
        if session.from_card and not {order.item.key for order in page.orders} & set(focus):
            focus = []
        self.rows: list[Row] = rows_of(self.page, user=request.user, today=timezone.localdate(), focus=focus)

    def tick(self, keys: list[str], released: Collection[str] = (), confirmed: Collection[str] = ()) -> None:
        """Tick what the clinician chose, be it nothing, instead of what is ticked by itself."""
        self.rows = [
            replace(
                row, ticked=row.selectable and row.key in keys, released=row.key in released,
                confirmed=row.key in confirmed,
            )
            for row in self.rows
        ]

    def chosen(self, keys: list[str]) -> list[Row]:
        return [row for row in self.rows if row.key in keys]


def _approval(request: ClinicianRequest) -> str:
    """What of this user's a prescriber sends (Approval); "" for a prescriber."""
    organization = request.ehr_session.connection.organization  # was read with the session
    return "" if request.user.role == Role.PRESCRIBER else organization.approval


def _context(request: ClinicianRequest, reading: Reading) -> dict[str, Any]:
    recipient, ready = reading.page.recipient, [row for row in reading.rows if row.selectable]
    contacts = recipient.contacts
    return {
        "session": request.ehr_session, "page": reading.page, "rows": reading.rows, **confirmed(reading.page.banner),
        "unread": [unread_words(what, request.ehr_session.connection.name) for what in reading.page.unread],
        "contacts": contacts, "marked": [(leaving.contact_mark(contact), contact) for contact in contacts],
        "contact": contacts[0] if contacts else None,
        "can_send": bool(contacts) or link_services.may_be_printed(recipient),
        "ticked": sum(row.ticked for row in reading.rows), "ready": len(ready),
        "stays": leaving.STAYS, "needs_proof": any(row.needs_proof for row in ready),
        "prescriber": request.user.role == Role.PRESCRIBER,
        "prepares": _approval(request),
        "today_rows": [row for row in reading.rows if row.today],
        "older_rows": [row for row in reading.rows if not row.today],
    }  # fmt: skip


@require_GET
@clinician_required
def orders(request: ClinicianRequest, launch_key: str) -> HttpResponse:
    """C1: every order of this chart, what can be sold, what leaves and what stays."""
    try:
        reading = Reading(request, timezone.now())
    except UNREADABLE as problem:
        return unreadable(request, problem)
    catalog.note_unmapped(
        [row.order.item for row in reading.rows if row.refusal and row.refusal.code == "no_product"],
        organization_id=request.user.organization_id, at=timezone.now(),
    )  # fmt: skip
    automation.know(reading.access, request.ehr_session.connection, timezone.now())
    if "order" in request.GET:  # back from the exact values
        reading.tick(request.GET.getlist("order"))
    return render(request, "ehr/orders.html", _context(request, reading))


@require_http_methods(["GET", "POST"])
@clinician_required
def values(request: ClinicianRequest, launch_key: str) -> HttpResponse:
    """C2: the exact values that would leave, from the same packets that are sent."""
    try:
        reading = Reading(request, timezone.now())
    except UNREADABLE as problem:
        return unreadable(request, problem)
    if request.method == "POST" and _of_another(request, reading):
        return _stale(request, reading)
    # Posted, so that neither the page's marks nor its token ever stand in an address.
    if request.method == "POST":
        reading.tick(request.POST.getlist("order"))
    rows = [row for row in reading.rows if row.ticked]
    context = _context(request, reading) | {
        "chosen": [(row, leaving.values_of(row.order.item)) for row in rows],
        "person": leaving.person_values(reading.page.recipient),
        "keep": urlencode([("order", row.key) for row in rows] or [("order", "")]),
    }
    return render(request, "ehr/values.html", context)


@require_http_methods(["GET", "POST"])
@clinician_required
def send(request: ClinicianRequest, launch_key: str) -> HttpResponse:
    """Read the chart again, compare with what the clinician saw, and make the link."""
    if request.method != "POST":
        # A page that was reloaded or came back from the EHR: where the orders are, there is something to send.
        return redirect("clinic:orders", launch_key=launch_key)
    at = timezone.now()
    form = SendForm(request.POST)
    try:
        reading = Reading(request, at)
    except UNREADABLE as problem:
        return unreadable(request, problem)
    if _of_another(request, reading):
        return _stale(request, reading)
    recipient = reading.page.recipient
    if recipient.needs_helper and not recipient.contacts:
        form.add_error(None, NO_HELPER_CONTACT)
    elif not recipient.contacts and not link_services.may_be_printed(recipient):
        form.add_error(None, NOBODY_TO_RECOGNIZE)
    if form.is_valid() and (held := _held(form, reading)):
        form.add_error(None, HELD.format(names=", ".join(row.order.item.name for row in held)))
    if form.is_valid() and (unusual := _unusual(form, reading)):
        form.add_error(None, UNUSUAL.format(names=", ".join(row.order.item.name for row in unusual)))
    if not form.is_valid():
        reading.tick(*map(request.POST.getlist, ("order", "release", "confirm")))
        return render(request, "ehr/orders.html", _context(request, reading) | {"form": form}, status=422)
    if ordered := [row for row in reading.chosen(form.cleaned_data["order"]) if row.paid]:
        return _stands(request, reading, ordered)
    changed = _changed(form, reading)
    if "" in changed and reading.page.unread:
        # A kind of order that cannot be read now is not gone from the chart.
        return unreadable(request, ChartUnreadable())
    if form.cleaned_data["send_to"] and _contact(form, recipient.contacts) is None:
        changed.append("The phone or e-mail")
    if changed:
        return render(request, "ehr/order_changed.html", _context(request, reading) | {"changed": changed}, status=409)
    try:
        return _make(request, form, reading, at)
    except offers.OrderStands:  # the patient was quicker by less than this request takes
        return _stands(request, reading, [])
    except offers.TooManyLinks as problem:
        form.add_error(None, " ".join((problem.__doc__ or "").split()))
        reading.tick(request.POST.getlist("order"), request.POST.getlist("release"))
        return render(request, "ehr/orders.html", _context(request, reading) | {"form": form}, status=429)


def _of_another(request: ClinicianRequest, reading: Reading) -> bool:
    """Whether the form was filled in on the page of another chart."""
    return request.POST.get("patient") != reading.page.recipient.customer_key


def _stale(request: ClinicianRequest, reading: Reading) -> HttpResponse:
    context = _context(request, reading) | {"shown": shown(request)}
    return render(request, "ehr/other_patient.html", context, status=409)


def _stands(request: ClinicianRequest, reading: Reading, ordered: list[Row]) -> HttpResponse:
    return render(request, "ehr/order_stands.html", _context(request, reading) | {"ordered": ordered}, status=409)


def _held(form: SendForm, reading: Reading) -> list[Row]:
    """Chosen orders whose directions hold words that the clinician did not release."""
    chosen = reading.chosen(form.cleaned_data["order"])
    return [row for row in chosen if row.held and row.key not in form.cleaned_data["release"]]


def _unusual(form: SendForm, reading: Reading) -> list[Row]:
    """Chosen orders with a value that is likely a slip, and that their prescriber did not call right."""
    chosen = reading.chosen(form.cleaned_data["order"])
    return [row for row in chosen if row.doubts and not (row.mine and row.key in form.cleaned_data["confirm"])]


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
        offers.NewLine(
            order=row.order,
            product=row.product,
            routing_proof=form.cleaned_data["routing_proof"],
            released=row.key in form.cleaned_data["release"],
            confirmed=row.key in form.cleaned_data["confirm"],
        )
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
        stands=stands_unless_filled_again(chosen),
    )  # fmt: skip
    automation.taken_over(
        organization_id=request.user.organization_id, order_keys=keys, by=request.user.actor, at=at
    )  # fmt: skip
    return redirect("clinic:sent", launch_key=request.ehr_session.launch_key, offer_id=link.offer.public_id)


def _contact(form: SendForm, contacts: tuple[ContactPoint, ...]) -> ContactPoint | None:
    """The contact that the clinician chose; None to print only, and where the chart has it no more."""
    marks = {leaving.contact_mark(contact): contact for contact in contacts}
    return marks.get(form.cleaned_data["send_to"])
