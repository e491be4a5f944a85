"""What the patient agrees to: for each recipient a box of its own, what it gets, and what nobody gets. The words on the
page are the words that are hashed and kept; a change of them is a new version."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.checkout.acting import acting_words
from ehrcommerce.commerce.checkout.gaining import gets
from ehrcommerce.commerce.checkout.models import LEVEL_CODE, CheckoutSession
from ehrcommerce.commerce.checkout.services import actor_of
from ehrcommerce.commerce.fulfillment import payloads
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.consent import Wanted
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.policy import table
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier

VERSION = "3"
# Of the words of a standing yes. Its box is the patient's alone: nothing of this order depends on it.
STANDING_VERSION = "2"
STANDING = "standing"
PORT_OF_KIND = {PRESCRIPTION: Port.PHARMACY, DEVICE: Port.DEVICE, KIT: Port.KIT}


@dataclass(frozen=True, slots=True)
class Recipient:
    """One outside party, what it is for and what it would get, in the patient's language. `text` is exactly what
    stands beside its box and around it, as it is kept."""

    purpose: str
    supplier: Supplier
    yes: str
    why: str
    gets: str
    text: str

    @property
    def box(self) -> str:
        """The name of its box."""
        return f"agree_{self.purpose}"

    @property
    def mark(self) -> str:
        """What its box sends: the hash of these words in this language. A tick beside other words is no tick."""
        return consent.hash_of(_language(), self.text).hex()

    @property
    def wanted(self) -> Wanted:
        return Wanted(purpose=self.purpose, recipient=self.supplier.party, recipient_name=self.supplier.name)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one page: what stands above the boxes, each recipient, what stands below."""

    opening: str
    recipients: tuple[Recipient, ...]
    never: str
    free: str
    version: str


def _language() -> str:
    return (translation.get_language() or "en")[:2]


def suppliers_of(lines: Sequence[OfferLine], *, organization_id: int, state: str, at: datetime) -> dict[str, Supplier]:
    """Kind of line -> who would fill it for this ship-to state ("" where it is not known yet). Raises NoSupplier."""
    return {
        kind: chosen.choose(organization_id=organization_id, port=PORT_OF_KIND[kind], at=at, state=state)
        for kind in sorted({line.kind for line in lines})
    }


def words(wanted: Sequence[tuple[str, Supplier]], *, acting: str = "") -> Words:
    """The consent text for these recipients, in the active language. `acting`: what who reads it is to the patient, where
    somebody says yes for them."""
    asks_plan = [purpose for purpose, _supplier in wanted] == [table.ELIGIBILITY]
    opening = (
        _("To see what your plan pays, we ask it.") if asks_plan else _("To fill your order, we share some facts.")
    )
    if acting:
        opening += " " + acting_words(acting)
    never = _("We do not share your notes, your test results, or your other medicines.")
    free = _("You can say no. Your care will not change.")
    version = _("Version %(number)s of these words") % {"number": VERSION}
    return Words(
        opening, tuple(_recipient(*one, (opening,), (never, free, version)) for one in wanted), never, free, version
    )


def gains(facts: str) -> str:
    """What a recipient gets, as a sentence."""
    return _("It gets: %(facts)s.") % {"facts": facts}


def _recipient(purpose: str, supplier: Supplier, above: Sequence[str], below: Sequence[str]) -> Recipient:
    yes = _yes(purpose, supplier)
    why, facts = _why(purpose, supplier), gains(gets(purpose, supplier))
    return Recipient(purpose, supplier, yes, why, facts, "\n".join([*above, yes, why, facts, *below]))


def _yes(purpose: str, supplier: Supplier) -> str:
    if purpose == table.ELIGIBILITY:
        return _("Yes, ask my plan")
    return _("Yes, share with %(name)s") % {"name": supplier.name}


def _why(purpose: str, supplier: Supplier) -> str:
    """What this party does for the patient."""
    if purpose == table.ELIGIBILITY:
        return _("%(name)s asks your plan what it pays.") % {"name": supplier.name}
    if purpose == PRESCRIPTION:
        return _("It fills your medicine.")
    return _("It sends your device.") if purpose == DEVICE else _("It sends your test kit.")


def missing(session: CheckoutSession, wanted: Sequence[tuple[str, Supplier]]) -> list[tuple[str, Supplier]]:
    """Of these, who has no live yes yet."""
    rows = consent.live(organization_id=session.organization_id, subject=str(session.link.offer.public_id))
    given = {(row.purpose, row.recipient) for row in rows}
    return [(purpose, supplier) for purpose, supplier in wanted if (purpose, supplier.party) not in given]


def _agreed(one: Recipient, lines: Sequence[OfferLine]) -> Wanted:
    """The plan is asked before anything is ordered: only a supplier's payload can stand fixed."""
    if one.purpose not in PORT_OF_KIND:
        return one.wanted
    return replace(one.wanted, payload_digest=payloads.agreed(lines, kind=one.purpose, supplier=one.supplier))


@transaction.atomic
def give(session: CheckoutSession, shown: Words, *, at: datetime) -> None:
    """Record the yes to each recipient, each with the words that stood beside its own box, and with the digest of what
    a supplier gets: dispatch compares what goes out with it."""
    lines = list(session.link.offer.lines.select_related("product").order_by("pk"))
    for one in shown.recipients:
        consent.give(
            organization_id=session.organization_id, customer_key=session.link.offer.customer_key,
            subject=str(session.link.offer.public_id), wanted=[_agreed(one, lines)], language=_language(), text=one.text,
            identity_level=session.level, by=actor_of(session), at=at, acting=session.acting,
        )  # fmt: skip


def standing_words(supplier: Supplier) -> Recipient:
    """The words of a yes to kits to come, in the active language, as the page and the clinic's form show them."""
    name = {"name": supplier.name}
    yes = _("Yes, next time send me a kit like this without asking first")
    why = _("When your clinic orders a kit that costs you nothing, %(name)s sends it to your home.") % name
    facts = gains(gets(KIT, supplier))
    stop = _("We tell you each time, and you can still stop it. You can take this back any time under Your data.")
    version = _("Version %(number)s of these words") % {"number": STANDING_VERSION}
    return Recipient(
        STANDING, supplier, yes, f"{why} {facts}", stop, "\n".join([yes, why, facts, stop, version]),
    )  # fmt: skip


def standing_asked(session: CheckoutSession, shown: Words) -> Recipient | None:
    """What this page may ask besides: only where the clinic ships kits by itself, of who was recognized by a code, and
    not of who has agreed already."""
    kits = [one.supplier for one in shown.recipients if one.purpose == KIT]
    if not kits or session.level != LEVEL_CODE or session.helper is not None:
        return None
    if not chosen.chart().ships_by_itself(organization_id=session.organization_id):
        return None
    given = consent.standing(
        organization_id=session.organization_id, customer_key=session.link.offer.customer_key, purpose=KIT
    )
    return None if kits[0].party in {one.recipient for one in given} else standing_words(kits[0])


@transaction.atomic
def give_standing(session: CheckoutSession, shown: Recipient, *, at: datetime) -> None:
    """The patient ticked that box too."""
    record_standing(
        organization_id=session.organization_id, customer_key=session.link.offer.customer_key, shown=shown,
        language=_language(), identity_level=session.level, by=actor_of(session), at=at,
    )  # fmt: skip


def record_standing(
    *, organization_id: int, customer_key: str, shown: Recipient, language: str, identity_level: int, by: Actor,
    at: datetime, attested: tuple[str, date] | None = None,
) -> Consent:  # fmt: skip
    """A yes to kits of this laboratory to come, with the words that were shown or read out. Twice is once."""
    wanted = Wanted(purpose=KIT, recipient=shown.supplier.party, recipient_name=shown.supplier.name)
    return consent.give(
        organization_id=organization_id, customer_key=customer_key, subject=consent.standing_subject(customer_key),
        wanted=[wanted], language=language, text=shown.text, identity_level=identity_level, by=by, at=at,
        attested=attested,
    )[0]  # fmt: skip
