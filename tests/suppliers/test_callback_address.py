"""The address at which a partner calls us stands in its row, and leads to the room that takes it."""

import pytest
from django.urls import resolve

from ehrcommerce.suppliers.models import Port, Supplier

ROOMS = {
    Port.PHARMACY: "supplier_callback", Port.DEVICE: "supplier_callback", Port.KIT: "supplier_callback",
    Port.CARRIER: "supplier_callback", Port.PAYMENT: "payment_callback", Port.MESSAGING: "message_callback",
}  # fmt: skip


@pytest.mark.parametrize("port", ROOMS)
def test_it_leads_to_the_room_of_its_port(port: Port) -> None:
    row = Supplier(port=port)
    found = resolve(row.callback_path, urlconf="ehrcommerce.urls.hooks")
    assert (found.url_name, found.kwargs) == (ROOMS[port], {"supplier_id": row.public_id})


def test_whoever_only_answers_has_none() -> None:
    assert Supplier(port=Port.ELIGIBILITY).callback_path == ""
