"""What the patient agrees to: for each recipient, what it gets, and what nobody gets. The words on the page are the
words that are hashed and kept; a change of them is a new version."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import translation
from django.utils.translation import gettext as _

from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.checkout.services import actor_of
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.consent import Wanted
from ehrcommerce.policy import table
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier

VERSION = "1"
PORT_OF_KIND = {PRESCRIPTION: Port.PHARMACY, DEVICE: Port.DEVICE, KIT: Port.KIT}


@dataclass(frozen=True, slots=True)
class Recipient:
    """One outside party and what it would get, in the patient's language."""

    purpose: str
    supplier: Supplier
    gets: str

    @property
    def wanted(self) -> Wanted:
        return Wanted(purpose=self.purpose, recipient=self.supplier.party, recipient_name=self.supplier.name)


@dataclass(frozen=True, slots=True)
class Words:
    """One text of consent, in the order of the page."""

    opening: str
    recipients: tuple[Recipient, ...]
    never: str
    free: str
    version: str

    @property
    def text(self) -> str:
        """Exactly what was shown, as it is kept."""
        lines = [f"{one.supplier.name}: {one.gets}" for one in self.recipients]
        return "\n".join([self.opening, *lines, self.never, self.free, self.version])


def gets(purpose: str, supplier: Supplier) -> str:
    """What this recipient learns, in the patient's words."""
    if purpose == table.ELIGIBILITY:
        return _("your plan number and the codes of your items")
    if purpose == PRESCRIPTION and supplier.needs_birth_date:
        return _("your name, birth date and address, what was ordered, how to use it, and who ordered it")
    if purpose == PRESCRIPTION:
        return _("your name and address, what was ordered, how to use it, and who ordered it")
    if purpose == DEVICE:
        return _("your name and address, and which item and size to send")
    return _("your name and address, and which kit to send")


def suppliers_of(lines: Sequence[OfferLine], *, organization_id: int, state: str, at: datetime) -> dict[str, Supplier]:
    """Kind of line -> who would fill it for this ship-to state ("" where it is not known yet). Raises NoSupplier."""
    return {
        kind: chosen.choose(organization_id=organization_id, port=PORT_OF_KIND[kind], at=at, state=state)
        for kind in sorted({line.kind for line in lines})
    }


def words(wanted: Sequence[tuple[str, Supplier]]) -> Words:
    """The consent text for these recipients, in the active language."""
    return Words(
        opening=_("To fill your order, we share some facts. Who gets what:"),
        recipients=tuple(Recipient(purpose, supplier, gets(purpose, supplier)) for purpose, supplier in wanted),
        never=_("We do not share your notes, your test results, or your other medicines."),
        free=_("You can say no. Your care will not change."),
        version=_("Version %(number)s of these words") % {"number": VERSION},
    )


def missing(session: CheckoutSession, wanted: Sequence[tuple[str, Supplier]]) -> list[tuple[str, Supplier]]:
    """Of these, who has no live yes yet."""
    rows = consent.live(organization_id=session.organization_id, subject=str(session.link.offer.public_id))
    given = {(row.purpose, row.recipient) for row in rows}
    return [(purpose, supplier) for purpose, supplier in wanted if (purpose, supplier.party) not in given]


def give(session: CheckoutSession, shown: Words, *, at: datetime) -> None:
    """Record the yes to each recipient of the words that were shown."""
    consent.give(
        organization_id=session.organization_id, customer_key=session.link.offer.customer_key,
        subject=str(session.link.offer.public_id), wanted=[one.wanted for one in shown.recipients],
        language=(translation.get_language() or "en")[:2], text=shown.text, identity_level=session.level,
        by=actor_of(session), at=at,
    )  # fmt: skip
