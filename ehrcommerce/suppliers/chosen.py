"""Which supplier, and its adapter: chosen by row, refused without a live agreement (design law 9)."""

from datetime import datetime
from importlib import import_module
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from ehrcommerce.accounts import agreements
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import (
    Carrier,
    Chart,
    Eligibility,
    Fulfiller,
    Messaging,
    NoSupplier,
    Payments,
    SupplierUnclear,
    SupplierUnreachable,
    SupplyStatus,
)
from ehrcommerce.wire.client import Partner
from ehrcommerce.wire.errors import NotSent, Unanswered


def partner_of(supplier: Supplier) -> Partner:
    """The wire's view of a supplier row."""
    return Partner(
        name=f"{supplier.port} {supplier.public_id}", base_url=supplier.base_url, ca_file=supplier.ca_file,
        client_certificate=supplier.client_certificate,
    )  # fmt: skip


def adapter_of(supplier: Supplier) -> Any:
    """The adapter that the row names, built for this supplier."""
    module = import_module(f"ehrcommerce.suppliers.adapters.{supplier.adapter}")
    return module.Adapter(supplier, partner_of(supplier))


def choose(*, organization_id: int, port: str, at: datetime, state: str = "") -> Supplier:
    """The first active supplier of this port that serves the ship-to state and has a live agreement. NoSupplier."""
    for supplier in Supplier.objects.filter(organization_id=organization_id, port=port, active=True).order_by("pk"):
        if (not state or supplier.serves(state)) and agreements.is_live(
            organization_id=organization_id, party=supplier.party, at=at
        ):
            return supplier
    raise NoSupplier


def by_party(party: str, *, organization_id: int) -> Supplier | None:
    """The supplier that a row names as its party; None where it names none that is there."""
    public_id = party.removeprefix("supplier:")
    found = Supplier.objects.filter(organization_id=organization_id, public_id=public_id) if public_id else None
    return found.first() if found is not None else None


def usable(supplier: Supplier, *, at: datetime) -> None:
    """Raises NoSupplier if this supplier may not be used now: called again right before each send."""
    live = agreements.is_live(organization_id=supplier.organization_id, party=supplier.party, at=at)
    if not (supplier.active and live):
        raise NoSupplier


def fulfiller(supplier: Supplier) -> Fulfiller:
    return cast(Fulfiller, adapter_of(supplier))


def held(supplier: Supplier, reference: str) -> SupplyStatus | None:
    """What a supplier holds under our reference, asked where no effect stands behind the question. SupplierUnreachable,
    SupplierUnclear."""
    try:
        return fulfiller(supplier).find(reference)
    except NotSent as problem:
        raise SupplierUnreachable from problem
    except Unanswered as problem:
        raise SupplierUnclear from problem


def payments(supplier: Supplier) -> Payments:
    return cast(Payments, adapter_of(supplier))


def eligibility(supplier: Supplier) -> Eligibility:
    return cast(Eligibility, adapter_of(supplier))


def messaging(supplier: Supplier) -> Messaging:
    return cast(Messaging, adapter_of(supplier))


def carrier(supplier: Supplier) -> Carrier:
    return cast(Carrier, adapter_of(supplier))


def chart() -> Chart:
    """The chart port: the EHR half, named in settings, since seen from commerce the EHR is one more supplier."""
    return cast(Chart, import_string(settings.CHART)())
