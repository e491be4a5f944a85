"""Without a live agreement that covers its port, an adapter is not even built, and no byte leaves."""

import ast
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.accounts.models import Agreement, Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.suppliers.ports import SupplierUnclear
from tests import factories

ADAPTER = {
    Port.PHARMACY: "pharmacy_http", Port.DEVICE: "device_http", Port.KIT: "kit_http", Port.CARRIER: "carrier_http",
    Port.PAYMENT: "payment_hosted", Port.ELIGIBILITY: "eligibility_http", Port.MESSAGING: "messaging_http",
}  # fmt: skip
CALLS: dict[Port, list[Callable[[Supplier], Any]]] = {
    **{
        port: [
            lambda row: chosen.fulfiller(row).place(b"{}", idempotency_key="k"),
            lambda row: chosen.fulfiller(row).find("r"),
            lambda row: chosen.fulfiller(row).cancel("r", idempotency_key="k"),
        ]
        for port in (Port.PHARMACY, Port.DEVICE, Port.KIT)
    },
    Port.CARRIER: [lambda row: chosen.carrier(row).track("1Z")],
    Port.PAYMENT: [
        lambda row: chosen.payments(row).open(b"{}", idempotency_key="k"),
        lambda row: chosen.payments(row).find("r"),
        lambda row: chosen.payments(row).refund("r", 1, idempotency_key="k"),
    ],
    Port.ELIGIBILITY: [lambda row: chosen.eligibility(row).check(b"{}", idempotency_key="k")],
    Port.MESSAGING: [
        lambda row: chosen.messaging(row).deliver(b"{}", idempotency_key="k"),
        lambda row: chosen.messaging(row).find("r"),
    ],
}
EACH = [(port, place) for port, calls in CALLS.items() for place in range(len(calls))]
MISSING: dict[str, Callable[[Supplier], Any]] = {
    "none": lambda row: None,
    "expired": lambda row: factories.agreement(row.organization, row.party, expires=date(2026, 1, 2)),
    "draft": lambda row: factories.agreement(row.organization, row.party, state="draft"),
    "other service": lambda row: factories.agreement(row.organization, row.party, services="hosting,log_sink"),
    "no own": lambda row: (
        factories.agreement(row.organization, row.party), Agreement.objects.filter(party="organization").delete(),
    ),
}  # fmt: skip


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every request that would leave, by the one way out."""
    went: list[str] = []

    def leave(self: Any, request: Any, **_: Any) -> Any:
        went.append(request.url)
        raise AssertionError("a request left")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", leave)
    return went


def supplier(clinic: Organization, port: Port) -> Supplier:
    row = Supplier(
        organization=clinic, port=port, adapter=ADAPTER[port], name=port, base_url="https://partner.example.org/v1",
        api_key="key",
    )  # fmt: skip
    row.save()
    return row


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize(("port", "place"), EACH)
def test_a_direct_call_is_refused_and_nothing_leaves(
    clinic: Organization, sent: list[str], port: Port, place: int, missing: str
) -> None:
    row = supplier(clinic, port)
    MISSING[missing](row)
    with pytest.raises(NoAgreement):
        CALLS[port][place](row)
    assert sent == []
    refused = AuditEvent.objects.get(action="agreement.refused")
    assert (refused.recipient, refused.purpose) == (row.party, port)


@pytest.mark.parametrize(("port", "place"), [(port, 0) for port in CALLS])
def test_with_it_the_call_goes_out(clinic: Organization, sent: list[str], port: Port, place: int) -> None:
    row = supplier(clinic, port)
    factories.agreement(clinic, row.party, services=port)
    with pytest.raises(AssertionError, match="a request left"):
        CALLS[port][place](row)
    assert len(sent) == 1


def test_every_port_is_tried() -> None:
    assert set(CALLS) == set(Port)


def test_a_question_without_an_effect_says_that_it_is_unclear(clinic: Organization, sent: list[str]) -> None:
    with pytest.raises(SupplierUnclear):
        chosen.held(supplier(clinic, Port.DEVICE), "r")
    assert sent == []


def test_nobody_builds_an_adapter_past_the_gate() -> None:
    """adapter_of is asked for in chosen.agreed; and where an adapter only reads what its partner sent us."""
    root = Path(chosen.__file__).parents[1]
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name | ast.Attribute)
        and (node.id if isinstance(node, ast.Name) else node.attr) == "adapter_of"
    }
    assert found == {"suppliers/chosen.py", "suppliers/callbacks.py", "suppliers/messages.py"}
