"""An order that only the catalog stands against waits, and goes on by itself once its code is mapped, by whatever way."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import codes, mapping_files, services
from ehrcommerce.commerce.catalog.models import Product, ProductCode, UnmappedCode
from ehrcommerce.ehr import arrivals
from ehrcommerce.ehr import waiting as waiting_orders
from ehrcommerce.ehr.models import Notification, Scheme, WaitingOrder
from ehrcommerce.policy.packets import DEVICE
from tests.disclosure.charts import device
from tests.events.conftest import Ward, at_version

OP = Actor("user", "catalog")
LOCAL = "http://lakeside.example/items"


@pytest.fixture
def waits(ward: Ward, waiting: list[arrivals.Arrival]) -> list[arrivals.Arrival]:
    """Two orders of Cy whose local code no product answers to."""
    ward.link()
    row = ward.subscribe(Scheme.WEBHOOK)
    for name in ("dev-8", "dev-9"):
        concept = {"coding": [{"system": LOCAL, "code": "PUMP-7", "display": "Pump"}]}
        ward.ehr.put(at_version(device(id=name, codeCodeableConcept=concept), 1))
        assert ward.webhook({"focus": f"DeviceRequest/{name}"}, row=row, event=name) == 200
    ward.drain()
    assert len(waiting) == 2
    waiting.clear()
    return waiting


def again(ward: Ward) -> int:
    """What the clock does."""
    found = waiting_orders.tend(ward.shop.clinic.pk, timezone.now())
    ward.drain()
    return found


def left(ward: Ward) -> int:
    return WaitingOrder.objects.filter(organization_id=ward.shop.clinic.pk).count()


def test_orders_with_a_code_that_nobody_knows_wait_and_the_code_is_in_the_queue_once(
    ward: Ward, waits: list[arrivals.Arrival]
) -> None:
    row = UnmappedCode.objects.get(organization_id=ward.shop.clinic.pk)
    assert (row.system, row.code, row.times_seen, row.reason) == (LOCAL, "PUMP-7", 2, "no_product")
    assert left(ward) == 2
    assert (again(ward), waits) == (0, [])


def test_once_it_is_mapped_in_the_queue_they_go_on_by_themselves(ward: Ward, waits: list[arrivals.Arrival]) -> None:
    row = UnmappedCode.objects.get(organization_id=ward.shop.clinic.pk)
    services.map_code(unmapped=row, product=ward.shop.product(DEVICE), by=OP, at=timezone.now())
    assert again(ward) == 2
    assert {one.order.item.key for one in waits} == {
        ward.access().key_of("DeviceRequest", n) for n in ("dev-8", "dev-9")
    }
    assert all(
        services.match(one.order.item, organization_id=ward.shop.clinic.pk, unattended=True).sold for one in waits
    )
    assert left(ward) == 0
    assert (again(ward), len(waits)) == (0, 2)


def test_a_file_maps_them_too_and_likely_is_not_enough(ward: Ward, waits: list[arrivals.Arrival]) -> None:
    ward.shop.product(DEVICE, sku="PUMP")
    for word, stay in (("likely", 2), ("certain", 0)):
        lines = mapping_files.read(f"sku,system,code,display,confidence\nPUMP,{LOCAL},PUMP-7,,{word}\n".encode())
        revision = services.revision(ward.shop.clinic.pk)
        mapping_files.apply(lines, organization_id=ward.shop.clinic.pk, revision=revision, by=OP, at=timezone.now())
        assert again(ward) == 2
        assert left(ward) == stay


def test_several_products_and_a_missing_price_wait_as_well(ward: Ward, waits: list[arrivals.Arrival]) -> None:
    made = [ward.shop.product(DEVICE), ward.shop.product(DEVICE, price_cents=None)]
    for product in made:
        ProductCode.objects.create(
            organization=ward.shop.clinic, product=product, system=LOCAL, code="PUMP-7", approved_by="user:1"
        )
    assert (again(ward), left(ward)) == (2, 2)
    row = UnmappedCode.objects.get(organization_id=ward.shop.clinic.pk)
    assert row.reason == "ambiguous"
    services.map_code(unmapped=row, product=made[1], by=OP, at=timezone.now())
    assert (again(ward), left(ward)) == (2, 2)
    Product.objects.filter(pk=made[1].pk).update(price_cents=100)
    assert (again(ward), left(ward)) == (2, 0)


def test_what_was_cancelled_meanwhile_waits_no_more_and_nothing_waits_for_ever(
    ward: Ward, waits: list[arrivals.Arrival]
) -> None:
    gone = ward.ehr.resources[("DeviceRequest", "dev-8")]
    ward.ehr.put({**gone, "status": "revoked", "meta": {**gone["meta"], "versionId": "2"}})
    ward.shop.product(DEVICE)
    assert (again(ward), left(ward)) == (2, 1)
    assert waiting_orders.erase(ward.shop.clinic.pk, timezone.now() + timedelta(days=31)) == 1
    assert left(ward) == 0


def test_of_an_order_that_waits_nothing_is_kept_but_which_one_it_is(ward: Ward, waits: list[arrivals.Arrival]) -> None:
    rows = list(WaitingOrder.objects.filter(organization_id=ward.shop.clinic.pk).values())
    assert "PUMP-7" not in repr(rows) + repr(list(Notification.objects.values()))
    key = ward.access().customer_key
    assert waiting_orders.forget(ward.shop.clinic.pk, key, frozenset()) == 2
    assert codes.DISPLAY_SYSTEM not in repr(rows)
