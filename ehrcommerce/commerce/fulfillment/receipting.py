"""The receipt of what a supplier gets: planned before anything goes, sent, acknowledged, asked back. Names of elements
and a digest, never a value."""

from datetime import datetime

from ehrcommerce.commerce.fulfillment import payloads
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.disclosure import consent, receipts
from ehrcommerce.disclosure.models import Disclosure, DisclosureState


def receipt(fulfillment: Fulfillment, *, at: datetime) -> Disclosure:
    """The one receipt of this fulfillment; written when it is first asked for."""
    offer, supplier = fulfillment.order.offer, fulfillment.supplier
    yes = consent.last(
        organization_id=fulfillment.organization_id, subject=str(offer.public_id), purpose=fulfillment.kind,
        recipient=supplier.party,
    )  # fmt: skip
    return receipts.plan(
        organization_id=fulfillment.organization_id,
        customer_key=offer.customer_key,
        subject=str(offer.public_id),
        purpose=fulfillment.kind,
        recipient=supplier.party,
        recipient_name=supplier.name,
        elements=payloads.elements_for(fulfillment.kind, supplier),
        payload_digest=bytes(fulfillment.payload_digest or b""),
        at=at,
        acting=yes.acting if yes else "",
    )


def mark(fulfillment: Fulfillment, state: DisclosureState, *, at: datetime) -> None:
    """It went, arrived, or was asked back. Forward only."""
    receipts.mark(receipt(fulfillment, at=at), state, at)
