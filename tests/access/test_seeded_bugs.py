"""The matrix can fail: mistakes as people make them, one at a time, and each is caught by its cells."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin import ModelAdmin
from django.utils import timezone
from django_otp.admin import OTPAdminSite

from ehrcommerce.accounts import otp
from ehrcommerce.accounts.backoffice import BackOffice
from ehrcommerce.accounts.oversight_admin import BreakGlassAdmin
from ehrcommerce.commerce.checkout.views import payment
from ehrcommerce.commerce.fulfillment.admin import OrderAdmin
from ehrcommerce.commerce.offers.models import Offer, PurchaseLink
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.ehr import sessions
from ehrcommerce.ehr.views import guards, made
from ehrcommerce.suppliers import callbacks
from ehrcommerce.workbench.rotation import rotating
from tests.access.asking import wrong
from tests.access.cast import World
from tests.access.matrix import matrix

pytestmark = pytest.mark.usefixtures("db")
Seed = Callable[[pytest.MonkeyPatch], None]


def a_payment_is_found_without_its_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(payment, "_own_payment", lambda request, pk: Payment.objects.get(public_id=pk))


def an_offer_is_found_without_its_patient(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(made, "_offer", lambda request, pk: Offer.objects.get(public_id=pk))


def a_link_is_found_without_its_patient(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(made, "_link", lambda request, pk: PurchaseLink.objects.get(public_id=pk))


def the_cookie_of_a_launch_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guards, "_session", lambda request, key: sessions.current(key, timezone.now()))


def a_launch_never_grows_old(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sessions, "is_live", lambda session, at: True)


def the_one_time_code_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    def has_permission(self: Any, request: Any) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    patch.setattr(OTPAdminSite, "has_permission", has_permission)


def every_role_sees_every_page(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BackOffice, "_looks", lambda self, request: True)


def a_button_asks_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OrderAdmin, "_order", lambda self, request, pk: Order.objects.get(pk=pk))


def a_stranger_is_told_where_to_go(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        BackOffice, "_get_obj_does_not_exist_redirect", ModelAdmin._get_obj_does_not_exist_redirect  # type: ignore[attr-defined]
    )  # fmt: skip


def a_signature_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(callbacks, "verify", lambda body, headers, supplier, at: callbacks.Callback("e", {}))


def any_method_is_a_look(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(otp, "METHODS", ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))


def a_review_asks_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BreakGlassAdmin, "has_view_permission", lambda self, request, obj=None: True)


SEEDS: dict[Seed, tuple[str, ...]] = {
    a_payment_is_found_without_its_order: ("checkout:return",),
    an_offer_is_found_without_its_patient: ("clinic:sent",),
    a_link_is_found_without_its_patient: ("clinic:revoke",),
    the_cookie_of_a_launch_is_not_compared: ("clinic:style",),
    a_launch_never_grows_old: ("clinic:style",),
    the_one_time_code_is_forgotten: ("admin:index",),
    every_role_sees_every_page: ("admin:audit_auditevent_changelist",),
    a_button_asks_nobody: ("admin:orders_order_cancel",),
    a_stranger_is_told_where_to_go: ("admin:orders_order_change",),
    a_signature_is_not_looked_at: ("hooks:supplier_callback",),
    any_method_is_a_look: ("admin:orders_order_changelist",),
    a_review_asks_nobody: ("admin:accounts_breakglass_changelist",),
}


@pytest.mark.parametrize("seed", rotating(SEEDS, keep=5), ids=lambda seed: seed.__name__)
def test_a_mistake_is_caught(world: World, seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = ("GET", "POST", "PUT")
    cells = [cell for cell in matrix().cells() if cell.address.name in SEEDS[seed] and cell.method in methods]
    assert wrong(world, cells) == [], "red before the mistake"
    seed(monkeypatch)
    assert wrong(world, cells) != []
