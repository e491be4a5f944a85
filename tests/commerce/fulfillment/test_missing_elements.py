"""An EHR that was upgraded stops saying an element, in all charts at once: orders are held and the path is named, not
cancelled by hundreds. [REL-F29]"""

from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.accounts.words import remedy
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.fulfillment import services
from ehrcommerce.outbox import services as outbox
from ehrcommerce.policy.packets import PRESCRIPTION
from tests.commerce.fulfillment.test_dispatch import key_of
from tests.commerce.shop import Shop

PATHS = [
    ("quantity", "dispenseRequest.quantity.value"),
    ("dose", "dosageInstruction.doseAndRate"),
    ("repeats", "dispenseRequest.numberOfRepeatsAllowed"),
]


@pytest.mark.parametrize(("field", "path"), PATHS)
def test_an_order_that_only_lost_an_element_waits_for_a_person_who_reads_which(
    shop: Shop, field: str, path: str
) -> None:
    order = shop.authorized(PRESCRIPTION)
    key = key_of(shop, PRESCRIPTION)
    said = getattr(shop.chart.orders[key].item, field)
    shop.chart.change(key, **{field: ""})
    shop.run()
    effect = shop.effect("fulfillment.dispatch")
    assert (effect.state, shop.fresh(order).state, shop.fresh(order).money) == (
        "needs_human",
        "exception",
        "authorized",
    )
    assert effect.code.startswith(f"element_missing:{path}")
    assert effect.code.partition(":")[2] in remedy(effect.code)
    assert shop.pharmacy.placed == []
    shop.chart.change(key, **{field: said})
    outbox.retry(effect, by=Actor("user", "op"), at=timezone.now())
    shop.run("fulfillment.dispatch")
    assert (shop.fresh(order).state, len(shop.pharmacy.placed)) == ("dispatched", 1)


def test_an_event_about_it_stops_nothing_either(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    key = key_of(shop, PRESCRIPTION)
    shop.chart.change(key, timing="")
    shop.chart.change(key, directions="")
    services.hear(organization_id=shop.clinic.pk, order_keys=[key], at=timezone.now())
    shop.run("fulfillment.recheck")
    assert shop.effect("fulfillment.recheck").code.startswith("element_missing:")
    assert shop.fresh(order).state == "dispatched"


@pytest.mark.parametrize("change", [{"quantity": "", "dose": "5 g"}, {"dose": "5 g"}])
def test_what_is_different_beside_it_is_a_change_of_the_clinician(shop: Shop, change: dict[str, Any]) -> None:
    order = shop.authorized(PRESCRIPTION)
    shop.chart.change(key_of(shop, PRESCRIPTION), **change)
    shop.run()
    assert (shop.fresh(order).state, shop.fulfillment(order).reason) == ("cancelled", "order_changed")
