"""Which supplier, and its adapter: chosen by row, refused without a live agreement (design law 9)."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from ehrcommerce.accounts import agreements
from ehrcommerce.outbox.handlers import LOOKUP, NATIVE_KEY
from ehrcommerce.suppliers import health
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import (
    Carrier,
    Chart,
    Eligibility,
    Fulfiller,
    Messaging,
    NoSupplier,
    Payments,
    PaymentStatus,
    SupplierUnclear,
    SupplierUnreachable,
    SupplyStatus,
)
from ehrcommerce.wire.client import Partner
from ehrcommerce.wire.errors import NotSent, Unanswered

ADAPTERS = "ehrcommerce.suppliers.adapters"
KEYS_IGNORED = "ignores_keys"


def partner_of(supplier: Supplier) -> Partner:
    """The wire's view of a supplier row. The row is one organization's: so are its breaker and its places."""
    return Partner(
        name=f"{supplier.port} {supplier.public_id}", base_url=supplier.base_url, ca_file=supplier.ca_file,
        ca_pem=supplier.ca_pem, client_certificate=supplier.client_certificate, client_pem=supplier.client_pem or "",
        at_once=supplier.at_once, turn_s=0.0, hosts=tuple(settings.PARTNER_HOSTS),
        watch=partial(health.note, supplier.organization_id, supplier.pk) if supplier.pk else None,
    )  # fmt: skip


def agreed(supplier: Supplier) -> Any:
    """Its adapter, which without a live agreement is not even built: NoAgreement. All ports below go through here."""
    agreements.require(
        organization_id=supplier.organization_id, party=supplier.party, service=supplier.port, at=timezone.now()
    )
    return adapter_of(supplier)


def adapter_of(supplier: Supplier) -> Any:
    """The adapter that the row names, built for this supplier; nothing is sent by building. `agreed` gives it out."""
    module = import_module(f"{ADAPTERS}.{supplier.adapter}")
    return module.Adapter(supplier, partner_of(supplier))


def choose(*, organization_id: int, port: str, at: datetime, state: str = "", channel: str = "") -> Supplier:
    """The first active supplier of this port that serves the ship-to state, carries the channel and has a live
    agreement. NoSupplier."""
    for supplier in Supplier.objects.filter(organization_id=organization_id, port=port, active=True).order_by("pk"):
        if (
            (not state or supplier.serves(state))
            and carries(supplier, channel)
            and agreements.is_live(organization_id=organization_id, party=supplier.party, service=supplier.port, at=at)
        ):
            return supplier
    raise NoSupplier


def carries(supplier: Supplier, channel: str) -> bool:
    """Whether a messenger takes messages of this channel; one whose adapter says nothing takes all."""
    if not channel or find_spec(f"{ADAPTERS}.{supplier.adapter}") is None:
        return True
    channels: tuple[str, ...] = getattr(import_module(f"{ADAPTERS}.{supplier.adapter}").Adapter, "channels", (channel,))
    return channel in channels


def by_party(party: str, *, organization_id: int) -> Supplier | None:
    """The supplier that a row names as its party; None where it names none that is there."""
    public_id = party.removeprefix("supplier:")
    found = Supplier.objects.filter(organization_id=organization_id, public_id=public_id) if public_id else None
    return found.first() if found is not None else None


def usable(supplier: Supplier, *, at: datetime) -> None:
    """Raises NoSupplier if this supplier may not be used now: called again right before each send."""
    live = agreements.is_live(
        organization_id=supplier.organization_id, party=supplier.party, service=supplier.port, at=at
    )
    if not (supplier.active and live):
        raise NoSupplier


def fulfiller(supplier: Supplier) -> Fulfiller:
    return cast(Fulfiller, agreed(supplier))


def held(supplier: Supplier, reference: str) -> SupplyStatus | None:
    """What a supplier holds under our reference, asked where no effect stands behind the question. SupplierUnreachable,
    SupplierUnclear."""
    try:
        return fulfiller(supplier).find(reference)
    except NotSent as problem:
        raise SupplierUnreachable from problem
    except (Unanswered, agreements.NoAgreement) as problem:
        raise SupplierUnclear from problem


def payments(supplier: Supplier, *, known: Mapping[str, str] | None = None) -> Payments:
    """`known`: processor's ids by our references, for processors that can be asked by theirs only."""
    adapter = agreed(supplier)
    if known:
        adapter.known = {ours: theirs for ours, theirs in known.items() if theirs}
    return cast(Payments, adapter)


def paid(supplier: Supplier, reference: str, *, theirs: str) -> PaymentStatus | None:
    """How a payment stands at its processor, asked where no effect stands behind the question. SupplierUnreachable,
    SupplierUnclear."""
    try:
        return payments(supplier, known={reference: theirs}).find(reference)
    except NotSent as problem:
        raise SupplierUnreachable from problem
    except (Unanswered, agreements.NoAgreement) as problem:
        raise SupplierUnclear from problem


def eligibility(supplier: Supplier) -> Eligibility:
    return cast(Eligibility, agreed(supplier))


def capability_of(supplier: Supplier | None) -> str:
    """How an act of this partner whose outcome is unknown is settled; by asking where nobody is chosen yet, and where its
    keys were found to be worth nothing."""
    if supplier is None:
        return LOOKUP
    own = str(getattr(adapter_of(supplier), "capability", LOOKUP))
    return LOOKUP if own == NATIVE_KEY and supplier.options.get(KEYS_IGNORED) else own


def ask_first(supplier: Supplier) -> None:
    """It ignores our keys: from now on it is asked before anything is sent again (REL-F15). The row says so; an
    administrator who has their word that it is mended takes it out."""
    locked = Supplier.objects.select_for_update(of=("self",)).get(pk=supplier.pk)
    locked.options = {**locked.options, KEYS_IGNORED: True}
    locked.save(update_fields=["options"])


def messaging(supplier: Supplier) -> Messaging:
    return cast(Messaging, agreed(supplier))


def carrier(supplier: Supplier) -> Carrier:
    return cast(Carrier, agreed(supplier))


def chart() -> Chart:
    """The chart port: the EHR half, named in settings, since seen from commerce the EHR is one more supplier."""
    return cast(Chart, import_string(settings.CHART)())
