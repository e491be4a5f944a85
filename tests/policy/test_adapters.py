"""Every adapter says which field of the table stands where in its bodies, and names none that its hop may not have.

An adapter without `sends` can send nothing (suppliers/last_line.py): give it one, and hand each body to
last_line.require() in the function that makes the call."""

from importlib import import_module
from pathlib import Path

import pytest

from ehrcommerce.policy import derive, purposes
from ehrcommerce.suppliers import adapters, last_line

NAMES = sorted(path.stem for path in Path(next(iter(adapters.__path__))).glob("[a-z]*.py"))


def grants(name: str) -> frozenset[str]:
    """Of the port that its name tells (`pharmacy_http`, `payment_stripe`); of any where it tells none."""
    told = [hop for port, hop in purposes.HOP_OF_PORT.items() if port in name.split("_")]
    return frozenset().union(*map(derive.granted, told or purposes.HOP_OF_PORT.values()))


@pytest.mark.parametrize("name", NAMES)
def test_each_adapter_says_what_it_sends_and_its_hop_may_have_it(name: str) -> None:
    adapter = import_module(f"ehrcommerce.suppliers.adapters.{name}").Adapter
    granted = grants(name)
    sent = set(adapter.sends.values())
    assert sent & granted, f"{name}: `sends` is missing"
    # What a whole packet may carry is cut by the table; what an adapter names by itself must be granted.
    alone = {field for field in sent if not field.startswith(("OrderedItem.", "DispatchFacts."))}
    assert alone <= granted, f"{name}: {sorted(alone - granted)} stand in no row of the table for this hop"


def test_no_hop_but_the_pharmacy_may_have_a_birth_date_and_none_a_plan_but_the_payer() -> None:
    for hop in purposes.HOP_OF_PORT.values():
        birth = {one for one in derive.granted(hop) if "birth" in one}
        plan = {one for one in derive.granted(hop) if one.startswith("CoverageFacts.")}
        assert bool(birth) == (hop == purposes.PHARMACY)
        assert bool(plan) == (hop == purposes.PAYER)


def test_the_processor_learns_a_reference_a_sum_and_a_way_back() -> None:
    assert {one.split(".")[0] for one in derive.granted(purposes.PROCESSOR)} == {"PaymentRequest", "Payments"}


def test_a_packet_that_goes_out_has_a_path_for_each_part() -> None:
    found = last_line.ordered_item("items.")
    assert found["items.codings.code"] == "OrderedItem.codings"
    assert "items.codings" not in found
