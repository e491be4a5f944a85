"""What a payment processor may say, and what is not believed: names that fit no row, sums that are no sums."""

from typing import Any

import pytest

from ehrcommerce.suppliers.adapters.payment_hosted import Adapter
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.wire.client import Partner

SESSION: dict[str, Any] = {
    "reference": "r-1", "id": "P-1", "status": "open", "amount_cents": 1480, "currency": "USD",
    "url": "https://pay.example.org/p/1",
}  # fmt: skip


def status_of(**changes: Any) -> Any:
    adapter = Adapter(Supplier(), Partner("pay", "https://pay.example.org"))
    return adapter.status_of({**SESSION, **changes})


def test_a_session_in_the_agreed_form_is_read() -> None:
    found = status_of()
    assert (found.processor_reference, found.state, found.url) == ("P-1", "open", SESSION["url"])
    assert status_of(id=7).processor_reference == "7"


@pytest.mark.parametrize("name", ["x" * 129, "P\x001", "P\n1", "", None, ["P-1"], True])
def test_a_name_that_fits_no_row_is_not_in_the_agreed_form(name: Any) -> None:
    for field in ("id", "reference"):
        with pytest.raises(TypeError):
            status_of(**{field: name})


@pytest.mark.parametrize("sum_", [-1, 2**31, "1480", 14.8, True])
def test_a_sum_that_fits_no_row_is_not_in_the_agreed_form(sum_: Any) -> None:
    for field in ("amount_cents", "captured_cents", "refunded_cents"):
        with pytest.raises(TypeError):
            status_of(**{field: sum_})


def test_a_state_that_nobody_agreed_on_is_unknown() -> None:
    assert [status_of(status=word).state for word in ("paid", ["open"], None)] == ["unknown"] * 3


@pytest.mark.parametrize("url", ["https://pay.example.org/\x00", "https://pay.example.org/" + "x" * 500, 5])
def test_a_page_with_an_odd_address_is_no_page(url: Any) -> None:
    assert status_of(url=url).url == ""
