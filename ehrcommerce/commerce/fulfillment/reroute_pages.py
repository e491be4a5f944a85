"""The back office's buttons for what is stuck before it was sent, or whose money is in doubt: another address, another
supplier (singly, or of up to 500 orders at once), and "the books are right"."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone

from ehrcommerce.accounts.backoffice import OPERATIONS, ReadOnly, sees, staff_of
from ehrcommerce.commerce.fulfillment import afterstop, rerouting
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders import settling
from ehrcommerce.commerce.orders.errors import OrderProblem
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.commerce.orders.states import IllegalMove, MoneyState
from ehrcommerce.policy.packets import ShipTo
from ehrcommerce.suppliers.models import Supplier

if TYPE_CHECKING:
    from django.db.models import QuerySet

AT_ONCE = 500
TOLD = {
    rerouting.DONE: "It goes to the other supplier now.",
    rerouting.ASKED: "The patient is asked for their yes to that supplier; it goes on when they gave it.",
}


def options(order: Order) -> dict[str, Any]:
    """What the forms need: parts that are still here, each with the suppliers that may fill it."""
    at = timezone.now()
    here = [part for part in Fulfillment.objects.filter(order=order).select_related("supplier") if _here(part)]
    movable = [(part, rerouting.may_fill(order, part, at=at)) for part in here]
    return {
        "may_readdress": bool(here) and here == _living(order), "address_reasons": rerouting.ADDRESS_REASONS,
        "movable": [(part, suppliers) for part, suppliers in movable if suppliers],
        "supplier_reasons": rerouting.SUPPLIER_REASONS, "in_doubt": order.money == MoneyState.RECONCILE_NEEDED,
        "book_reasons": settling.REASONS, "after_stop": afterstop.choices(order),
    }  # fmt: skip


def _here(part: Fulfillment) -> bool:
    return rerouting.waits_here(part)


def _living(order: Order) -> list[Fulfillment]:
    rows = Fulfillment.objects.filter(order=order).select_related("supplier")
    return [part for part in rows if part.state not in ("cancelled", "refused")]


class RerouteAdmin(ReadOnly):
    """The part of the orders' pages by which a person sends something elsewhere."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        mine = [
            path("<int:pk>/address/", view(self.address), name="orders_order_address"),
            path("<int:pk>/reassign/", view(self.reassign), name="orders_order_reassign"),
            path("<int:pk>/after-stop/", view(self.after_stop), name="orders_order_after_stop"),
            path("<int:pk>/books/", view(self.books), name="orders_order_books"),
        ]
        return [*mine, *super().get_urls()]

    def has_act_permission(self, request: HttpRequest) -> bool:
        return self._has(request, OPERATIONS)

    def _pressed(self, request: HttpRequest, pk: int) -> Order:
        if not self._has(request, OPERATIONS):
            raise PermissionDenied
        return get_object_or_404(Order, pk=pk)

    def _back(self, pk: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[pk]))

    def _problem(self, request: HttpRequest, problem: Exception) -> None:
        self.message_user(request, " ".join(str(type(problem).__doc__).split()), messages.ERROR)

    def address(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Where it goes instead; typed by staff, shown to nobody afterwards."""
        order = self._pressed(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        typed = {name: str(request.POST.get(name, "")).strip() for name in ShipTo.__slots__}
        typed["state"] = typed["state"].upper()
        reason = str(request.POST.get("reason", ""))
        if reason not in rerouting.ADDRESS_REASONS or request.POST.get("agreed") != "yes":
            self.message_user(
                request, "Choose a reason, and ask the patient first. Nothing was changed.", messages.ERROR
            )
            return self._back(pk)
        try:
            new = rerouting.change_address(
                order=order, ship_to=ShipTo(**typed), reason=reason, by=staff_of(request).actor, at=timezone.now()
            )
            told = "It goes to the new address; the price is the same." if new else "That is its address already."
            self.message_user(request, told)
        except OrderProblem as problem:
            self._problem(request, problem)
        return self._back(pk)

    def reassign(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One part to one supplier."""
        order = self._pressed(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        part_id, _, supplier_id = str(request.POST.get("to", "")).partition(":")
        reason = str(request.POST.get("reason", ""))
        part = Fulfillment.objects.filter(order=order, pk=part_id).first() if part_id.isdecimal() else None
        to = Supplier.objects.filter(pk=supplier_id).first() if supplier_id.isdecimal() else None
        if part is None or to is None or reason not in rerouting.SUPPLIER_REASONS:
            self.message_user(request, "Choose a supplier and a reason. Nothing was changed.", messages.ERROR)
            return self._back(pk)
        try:
            done = rerouting.reassign(
                fulfillment=part, to=to, reason=reason, by=staff_of(request).actor, at=timezone.now()
            )
            self.message_user(request, TOLD[done])
        except OrderProblem as problem:
            self._problem(request, problem)
        return self._back(pk)

    def after_stop(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Somebody did one of the things that can still be done about what had left."""
        order = self._pressed(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        step = str(request.POST.get("step", ""))
        if step not in afterstop.STEPS:
            self.message_user(request, "Choose what you did. Nothing was changed.", messages.ERROR)
        else:
            afterstop.mark(order=order, step=step, by=staff_of(request).actor, at=timezone.now())
            self.message_user(request, "Noted. The item leaves the queue when the patient and the goods are settled.")
        return self._back(pk)

    def books(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The books are right: the processor is asked, and must say the same."""
        order = self._pressed(request, pk)
        if not sees(request, Order, "patient_pays"):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        reason = str(request.POST.get("reason", ""))
        try:
            if reason not in settling.REASONS:
                self.message_user(request, "Choose a reason. Nothing was changed.", messages.ERROR)
            else:
                settling.books_agree(order=order, reason=reason, by=staff_of(request).actor, at=timezone.now())
                self.message_user(request, "Settled: the processor says the same. What waited goes on.")
        except (OrderProblem, IllegalMove) as problem:
            self._problem(request, problem)
        return self._back(pk)

    @admin.action(description="Send to another supplier that may fill it, where nothing was sent", permissions=["act"])
    def move_on(self, request: HttpRequest, orders: "QuerySet[Order]") -> None:
        """Up to 500 at once: when a supplier is down for good."""
        count = {rerouting.DONE: 0, rerouting.ASKED: 0, "stays": 0}
        for order in orders[:AT_ONCE]:
            for part in Fulfillment.objects.filter(order=order).order_by("pk"):
                if not _here(part):
                    continue
                try:
                    what = rerouting.reassign(
                        fulfillment=part, to=None, reason="supplier_fails", by=staff_of(request).actor,
                        at=timezone.now(),
                    )  # fmt: skip
                except OrderProblem:
                    what = "stays"
                count[what] += 1
        told = f"{count['done']} go elsewhere, {count['asked']} wait for their patient's yes, {count['stays']} stay."
        self.message_user(request, told, messages.SUCCESS if count["done"] else messages.WARNING)
