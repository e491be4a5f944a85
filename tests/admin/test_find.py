"""One box for any id: it leads to what the id names, in this clinic and for this role, and what was typed is kept nowhere."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from ehrcommerce.accounts.models import Role
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.fulfillment.models import Fulfillment, Shipment
from ehrcommerce.commerce.offers.models import OfferLine, PurchaseLink
from ehrcommerce.commerce.orders.models import Order, OrderLine, Payment
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.outbox.models import Effect
from ehrcommerce.vault import walls
from tests import factories
from tests.admin.conftest import SignedIn, signed_in, staff_user
from tests.commerce.shop import Shop

PAGE = "/admin/find/"
NOBODYS = "24928790-8d56-4e7a-811a-754df586af21"


@pytest.fixture
def order(shop: Shop) -> Order:
    found = shop.accepted("device")
    fulfillment = Fulfillment.objects.get(order=found)
    Shipment.objects.create(
        organization=shop.clinic, fulfillment=fulfillment, tracking_number="1Z 999 AA1", carrier="ups",
        shipped_at=found.placed_at,
    )  # fmt: skip
    return found


def of_order(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


ORDER_IDS: dict[str, Callable[[Order], Any]] = {
    "number": lambda order: order.number,
    "number in small letters, with spaces around": lambda order: f"  {order.number.lower()} ",
    "order": lambda order: order.public_id,
    "as the audit names it": lambda order: f"order:{order.public_id}",
    "without dashes": lambda order: order.public_id.hex,
    "part": lambda order: Fulfillment.objects.get(order=order).public_id,
    "what the supplier calls it": lambda order: Fulfillment.objects.get(order=order).supplier_reference,
    "parcel, written otherwise": lambda order: "1z999aa1",
    "line": lambda order: OrderLine.objects.get(order=order).public_id,
    "payment": lambda order: Payment.objects.get(order=order).public_id,
    "what the processor calls it": lambda order: Payment.objects.get(order=order).processor_reference,
}


@pytest.mark.parametrize("what", ORDER_IDS)
def test_every_id_of_an_order_leads_to_it(as_role: SignedIn, order: Order, what: str) -> None:
    typed = ORDER_IDS[what](order)
    assert typed
    assert as_role(Role.OPERATIONS).post(PAGE, {"id": typed}).headers["Location"] == of_order(order)


def test_offers_links_effects_and_users_are_found(as_role: SignedIn, shop: Shop, order: Order) -> None:
    client = as_role(Role.ADMINISTRATOR)
    link, effect = PurchaseLink.objects.get(), Effect.objects.filter(kind="fulfillment.dispatch").latest("pk")
    for typed, page, pk in (
        (order.offer.public_id, "offers_offer", order.offer.pk), (link.public_id, "offers_purchaselink", link.pk),
        (effect.public_id, "outbox_effect", effect.pk),
    ):  # fmt: skip
        assert client.post(PAGE, {"id": str(typed)})["Location"] == reverse(f"admin:{page}_change", args=[pk])
    user = staff_user(shop.clinic, Role.CATALOG)
    walls.enter(shop.clinic.pk)
    assert client.post(PAGE, {"id": user.username})["Location"].endswith(f"/accounts/user/{user.pk}/change/")


@pytest.mark.parametrize("typed", ["DeviceRequest/d-17", "https://ehr.example/fhir/R4/DeviceRequest/d-17/_history/2"])
def test_a_reference_to_the_chart_leads_to_what_came_of_it(
    as_role: SignedIn, shop: Shop, order: Order, typed: str
) -> None:
    connection = factories.ehr_connection(shop.clinic)
    OfferLine.objects.filter(offer=order.offer).update(order_key=chart_key(connection.public_id, "DeviceRequest", "d-17"))
    assert as_role(Role.SUPPORT).post(PAGE, {"id": typed})["Location"] == of_order(order)


def test_money_is_not_found_by_who_does_not_see_it(as_role: SignedIn, order: Order) -> None:
    typed = Payment.objects.get(order=order).processor_reference
    assert "Nothing of this clinic bears this id" in as_role(Role.SUPPORT).post(PAGE, {"id": typed}).content.decode()


def test_another_clinic_is_not_found(shop: Shop, order: Order) -> None:
    other = factories.organization()
    client = signed_in(staff_user(other, Role.ADMINISTRATOR))
    for typed in (order.number, order.public_id, order.offer.public_id):
        assert "Nothing of this clinic" in client.post(PAGE, {"id": str(typed)}).content.decode()


@pytest.mark.parametrize("typed", ["", "   ", "x" * 10_000, "Rivera", "\0", "'; DROP TABLE", NOBODYS, "\U0001f600"])
def test_what_names_nothing_is_said_so(as_role: SignedIn, shop: Shop, typed: str) -> None:
    answer = as_role(Role.OPERATIONS).post(PAGE, {"id": typed})
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "Nothing of this clinic bears this id" in text
    assert not typed.strip() or "Rivera" not in text


def test_what_was_typed_is_in_no_address_and_not_in_the_audit(as_role: SignedIn, shop: Shop) -> None:
    as_role(Role.OPERATIONS).post(PAGE, {"id": "Rivera, Marisol"})
    (event,) = AuditEvent.objects.filter(action="staff.looked_up")
    assert (event.entity, event.reason) == ("office", "found:0")
    page = as_role(Role.OPERATIONS).get("/admin/").content.decode()
    assert 'method="post" action="/admin/find/"' in page
    assert "Several rows" not in as_role(Role.OPERATIONS).get(f"{PAGE}?id=LK-1").content.decode()
