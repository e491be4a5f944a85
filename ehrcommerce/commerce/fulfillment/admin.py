"""Back office: one order on one page. Everything that happened to it, from the link to the parcel, in one timeline,
with the next useful step as a button. Items by SKU; no name, no address, no birth date."""

import re
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone

from ehrcommerce.accounts.admin import line_of, stuck
from ehrcommerce.accounts.backoffice import EVERYBODY, OPERATIONS, ReadOnly, ShownInline, sees, staff_of
from ehrcommerce.accounts.desk import SHOWN, Line, Panel, panel
from ehrcommerce.accounts.otp import site
from ehrcommerce.accounts.oversight import link_to_reveal
from ehrcommerce.accounts.reveal import Revealable, register
from ehrcommerce.accounts.words import remedy, title
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.catalog.templatetags.money import dollars
from ehrcommerce.commerce.fulfillment import figures as figures  # its charts register themselves
from ehrcommerce.commerce.fulfillment import lookups as lookups  # its ids register themselves
from ehrcommerce.commerce.fulfillment import replacing
from ehrcommerce.commerce.fulfillment.again import replaceable, send_again
from ehrcommerce.commerce.fulfillment.models import Fulfillment, PharmacistQuestion
from ehrcommerce.commerce.fulfillment.reroute_pages import RerouteAdmin, options
from ehrcommerce.commerce.fulfillment.timeline import order_of, timeline, waiting
from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.commerce.orders.errors import OrderProblem
from ehrcommerce.commerce.orders.models import LedgerEntry, Order, OrderFee, OrderLine, Payment, Reconciliation
from ehrcommerce.commerce.orders.money import refundable_cents
from ehrcommerce.commerce.orders.states import FINAL, OrderState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect, State

QUESTION_OLD = timedelta(days=1)
REASONS = {
    "patient_asked": "The patient asked for it",
    "clinic_asked": "The clinic asked for it",
    "supplier_problem": "The supplier cannot deliver",
    "operator": "Another reason",
}


REFUND_REASONS = {
    "returned": "It came back",
    "damaged": "It came broken or wrong",
    "late": "It came too late",
    "goodwill": "Goodwill",
    "operator": "Another reason",
}


class LineInline(ShownInline):
    model = OrderLine
    verbose_name_plural = "items"
    fields = ["sku", "quantity", "full", "plan_pays", "patient_pays", "tax", "reserved", "accepted"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("offer_line__product").defer("offer_line__packet")

    @admin.display(description="SKU")
    def sku(self, line: OrderLine) -> str:
        return line.offer_line.sold_as

    @admin.display(description="full price")
    def full(self, line: OrderLine) -> str:
        return dollars(line.full_cents)

    @admin.display(description="plan pays")
    def plan_pays(self, line: OrderLine) -> str:
        return dollars(line.plan_cents)

    @admin.display(description="patient pays")
    def patient_pays(self, line: OrderLine) -> str:
        return dollars(line.patient_cents)

    @admin.display(description="sales tax")
    def tax(self, line: OrderLine) -> str:
        return dollars(line.tax_cents)


class FeeInline(ShownInline):
    model = OrderFee
    verbose_name_plural = "shipping fees"
    fields = ["kind", "fee", "tax", "waived"]

    @admin.display(description="fee")
    def fee(self, fee: OrderFee) -> str:
        return dollars(fee.cents)

    @admin.display(description="sales tax on it")
    def tax(self, fee: OrderFee) -> str:
        return dollars(fee.tax_cents)


class PaymentInline(ShownInline):
    model = Payment
    verbose_name_plural = "payments"
    fields = ["state", "amount", "captured", "refunded", "processor_reference", "changed_at"]

    @admin.display(description="amount")
    def amount(self, payment: Payment) -> str:
        return dollars(payment.amount_cents)

    @admin.display(description="taken")
    def captured(self, payment: Payment) -> str:
        return dollars(payment.captured_cents)

    @admin.display(description="given back")
    def refunded(self, payment: Payment) -> str:
        return dollars(payment.refunded_cents)


class FulfillmentInline(ShownInline):
    model = Fulfillment
    verbose_name_plural = "suppliers of this order"
    fields = ["supplier", "kind", "state", "reason", "replace_reason", "supplier_reference", "checked_at"]


class LedgerInline(ShownInline):
    model = LedgerEntry
    verbose_name_plural = "ledger"
    fields = ["at", "cause", "account", "amount"]

    @admin.display(description="amount")
    def amount(self, entry: LedgerEntry) -> str:
        return dollars(entry.amount_cents)


def _address(order: Order) -> list[tuple[str, str]]:
    to = order.ship_to or {}
    words = (("Name", "name"), ("Street", "line"), ("City", "city"), ("State", "state"), ("ZIP code", "postal_code"))
    return [(label, str(to[name])) for label, name in words if to.get(name)]


ADDRESS = Revealable(
    Order, "ship_to", "where a parcel goes", lines=_address, entity=lambda order: f"order:{order.public_id}",
    customer_key=lambda order: order.offer.customer_key,
)  # fmt: skip
register(ADDRESS)


def cents_of(text: str) -> int | None:
    """Whole cents of a sum as people write it ("12.50", "$12"), None where it is none. No floats."""
    found = re.fullmatch(r"\$?(\d{1,7})(?:\.(\d{2}))?", text.strip(), re.ASCII)
    return int(found[1]) * 100 + int(found[2] or 0) if found else None


@admin.register(Order, site=site)
class OrderAdmin(RerouteAdmin):
    list_display = ["number", "state", "money", "patient_pays", "uses_plan", "placed_at", "changed_at"]
    list_filter = ["state", "money", "uses_plan"]
    search_fields = ["number__exact"]
    search_help_text = "Exact order number, like LK-7K3M9Q."
    ordering = ["-id"]
    actions = ["move_on"]
    fields = [
        ("state", "money", "uses_plan"),
        ("full_price", "plan_pays", "patient_pays"),
        ("language", "placed_at", "offer"),
        "ships_to",
    ]
    readonly_fields = ["full_price", "plan_pays", "patient_pays", "ships_to"]
    inlines = [LineInline, FeeInline, PaymentInline, FulfillmentInline, LedgerInline]
    change_form_template = "admin/orders/order/change_form.html"

    @admin.display(description="full price")
    def full_price(self, order: Order) -> str:
        return dollars(order.full_cents)

    @admin.display(description="plan pays")
    def plan_pays(self, order: Order) -> str:
        return dollars(order.plan_cents)

    @admin.display(description="patient pays", ordering="patient_cents")
    def patient_pays(self, order: Order) -> str:
        return dollars(order.total_cents)

    @admin.display(description="ships to")
    def ships_to(self, order: Order) -> str:
        return link_to_reveal(ADDRESS, order)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """As it is said on the phone: small letters are good enough."""
        return super().get_search_results(request, queryset, search_term.upper())

    def get_urls(self) -> list[Any]:
        mine = [
            path("<int:pk>/retry/", self.admin_site.admin_view(self.retry), name="orders_order_retry"),
            path("<int:pk>/cancel/", self.admin_site.admin_view(self.cancel), name="orders_order_cancel"),
            path("<int:pk>/replace/", self.admin_site.admin_view(self.replace), name="orders_order_replace"),
            path("<int:pk>/refund/", self.admin_site.admin_view(self.refund), name="orders_order_refund"),
            path("of-effect/<int:pk>/", self.admin_site.admin_view(self.of_effect), name="orders_order_of_effect"),
        ]
        return [*mine, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        order = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if order is not None and self.has_view_permission(request):
            self._looked(request, order)
            held = [(effect, title(effect.kind), remedy(effect.code)) for effect in waiting(order)]
            sees_money = sees(request, Order, "patient_pays")
            context |= {
                "timeline": timeline(order), "waiting": held, "reasons": REASONS, "order": order,
                "may_act": self._has(request, OPERATIONS), "may_cancel": order.state not in FINAL,
                "refundable": refundable_cents(order) if sees_money else 0, "refund_reasons": REFUND_REASONS,
                "may_refund": self._has(request, OPERATIONS) and sees_money, "sees_money": sees_money,
                "replaceable": (parcels := replaceable(order)), "replace_reasons": replacing.REASONS,
                "replace_needs_proof": any(one.needs_proof for one in parcels),
                **options(order),
                "stuck": any(each[0].state == State.NEEDS_HUMAN for each in held),
            }  # fmt: skip
        return super().change_view(request, object_id, form_url, context)

    def _looked(self, request: HttpRequest, order: Order) -> None:
        """Which items somebody was sold is nobody's business without a trace."""
        user = staff_of(request)
        audit.record(
            organization_id=order.organization_id, by=user.actor, action="order.viewed",
            entity=f"order:{order.public_id}", at=timezone.now(), customer_key=order.offer.customer_key,
        )  # fmt: skip

    def _order(self, request: HttpRequest, pk: int) -> Order:
        """The order of a button that was pressed by somebody who may."""
        if not self._has(request, OPERATIONS):
            raise PermissionDenied
        return get_object_or_404(Order, pk=pk)

    def retry(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Look now at everything that waits or needs a human."""
        order = self._order(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        effects = waiting(order)
        for effect in effects:
            self._retry_one(request, effect)
        told = "Where something may have gone out, the partner is asked first. Reload to see what came of it."
        self.message_user(request, f"{len(effects)} will be tried now. {told}" if effects else "Nothing waits.")
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[pk]))

    def _retry_one(self, request: HttpRequest, effect: Effect) -> None:
        try:
            outbox.retry(effect, by=staff_of(request).actor, at=timezone.now())
        except outbox.NotRetryable:
            self.message_user(request, f"{title(effect.kind)} has ended meanwhile.", messages.WARNING)

    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Cancel for the patient: void or refund by stage."""
        order = self._order(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        reason = str(request.POST.get("reason", ""))
        try:
            if reason not in REASONS:
                self.message_user(request, "Choose a reason. Nothing was cancelled.", messages.ERROR)
            else:
                orders.cancel_order(order=order, reason=reason, by=staff_of(request).actor, at=timezone.now())
                self.message_user(request, "Asked to cancel. The timeline shows what supplier and processor answer.")
        except OrderProblem as problem:
            self.message_user(request, str(type(problem).__doc__), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[pk]))

    def replace(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send something of it once more, for no money."""
        order = self._order(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.message_user(request, *send_again(order, request.POST, by=staff_of(request).actor))
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[pk]))

    def refund(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give a part or all of what was taken back, once for each look at the page."""
        order = self._order(request, pk)
        if not sees(request, Order, "patient_pays"):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        reason, amount = str(request.POST.get("reason", "")), cents_of(str(request.POST.get("amount", "")))
        seen = str(request.POST.get("seen", ""))
        try:
            if reason not in REFUND_REASONS or amount is None or not seen.isdecimal():
                self.message_user(
                    request, "Give a sum like 12.50 and a reason. Nothing was given back.", messages.ERROR
                )
            else:
                orders.refund(
                    order=order, amount_cents=amount, seen_cents=int(seen), reason=reason,
                    by=staff_of(request).actor, at=timezone.now(),
                )  # fmt: skip
                self.message_user(
                    request, f"{dollars(amount)} goes back. The patient is told when the processor did it."
                )
        except OrderProblem as problem:
            self.message_user(request, str(type(problem).__doc__), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[pk]))

    def of_effect(self, request: HttpRequest, pk: int) -> HttpResponse:
        """From an effect to the order that it belongs to."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        effect = get_object_or_404(Effect, pk=pk)
        order = order_of(effect)
        if order is None:
            self.message_user(request, "Nothing has been ordered with this link yet.", messages.WARNING)
            return HttpResponseRedirect(reverse("admin:outbox_effect_change", args=[pk]))
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[order.pk]))


@admin.register(Reconciliation, site=site)
class ReconciliationAdmin(ReadOnly):
    """One row a day and processor. What differed waits for a person under Effects."""

    list_display = ["day", "supplier", "listed", "agreed", "to_compare", "strays", "crooked", "at"]
    list_filter = ["supplier"]
    ordering = ["-day"]


@panel(10, EVERYBODY)
def what_is_stuck() -> Panel:
    lines = [_line(effect, order_of(effect)) for effect in stuck()[:SHOWN]]
    more = f"{reverse('admin:outbox_effect_changelist')}?waits=person"
    return Panel("Needs somebody now", "Nothing is stuck.", lines, more, urgent=True)


def _line(effect: Effect, order: Order | None) -> Line:
    if order is None:
        return line_of(effect)
    return line_of(effect, order.number, reverse("admin:orders_order_change", args=[order.pk]))


@panel(15, EVERYBODY)
def unanswered_questions() -> Panel:
    """Pharmacies that have waited for the prescriber for more than a day: somebody calls the clinic."""
    since = timezone.now() - QUESTION_OLD
    waiting_long = PharmacistQuestion.objects.filter(closed_at=None, answered_at=None, asked_at__lt=since)
    lines = [
        Line(row.fulfillment.order.number, f"asked {row.asked_at:%Y-%m-%d}, not answered: call the clinic",
             reverse("admin:orders_order_change", args=[row.fulfillment.order_id]))
        for row in waiting_long.select_related("fulfillment__order").order_by("pk")[:SHOWN]
    ]  # fmt: skip
    more = reverse("admin:orders_order_changelist")
    return Panel("Pharmacies wait for a clinic", "No question is older than a day.", lines, more, urgent=True)


@panel(40, EVERYBODY)
def open_orders() -> Panel:
    """Few at any time: what is over is in no partial index and is not counted."""
    address = reverse("admin:orders_order_changelist")
    counted = Order.objects.exclude(state__in=FINAL).values_list("state").annotate(count=Count("pk")).order_by()
    found = dict(counted)
    lines = [
        Line(OrderState(state).label, f"{found[state]}", f"{address}?state__exact={state}")
        for state in OrderState.values
        if state in found
    ]
    return Panel("Orders that are not closed yet", "No order is open.", lines, address)
