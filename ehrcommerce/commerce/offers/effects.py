"""The link's message: one effect for each send. The token is rebuilt here, in the hand that sends, and stands in no row."""

from uuid import UUID

from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.offers import links, reminders
from ehrcommerce.commerce.offers.messages import render
from ehrcommerce.commerce.offers.models import LIVE_LINK, Contact, PurchaseLink
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, Refused
from ehrcommerce.policy import derive, table
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.suppliers.ports import Message, NoSupplier

_CONTACTS = [row for row in derive.rows(purposes=(table.CONTACT,)) if row.field == "RecipientFacts.contacts"]
ELEMENTS = tuple(sorted({f"{row.resource}.{row.element}" for row in _CONTACTS}))


def messaging_supplier(organization_id: int, channel: str = "") -> Supplier:
    """The organization's messenger; Halt where there is none with a live agreement."""
    try:
        return chosen.choose(organization_id=organization_id, port=Port.MESSAGING, at=timezone.now(), channel=channel)
    except NoSupplier as problem:
        raise Halt(NeedsHuman("no_messaging_supplier")) from problem


def messenger_for(effect: Effect, before: Supplier | None, channel: str = "") -> Supplier:
    """Who carries this message: whoever was given it first, for its whole life; a new choice only before the first
    send. Halt where there is none, or where that one may not be used any more."""
    return must_be_usable(before) if before and effect.request_sha256 else messaging_supplier(effect.organization_id, channel)


def must_be_usable(messenger: Supplier | None) -> Supplier:
    """Asked again under the lock, right before the bytes go out."""
    if messenger is None:
        raise Halt(NeedsHuman("no_messaging_supplier"))
    try:
        chosen.usable(messenger, at=timezone.now())
    except NoSupplier as problem:
        raise Halt(NeedsHuman("no_messaging_supplier")) from problem
    return messenger


class SendLink(Handler):
    """Text or e-mail with the address: no name, no product, no specialty."""

    kind = "offers.link"
    queue = "patient"

    def capability(self, effect: Effect) -> str:
        return chosen.capability_of(self._link(effect).messenger)

    def _link(self, effect: Effect) -> PurchaseLink:
        rows = PurchaseLink.objects.select_related("offer", "organization", "messenger")
        return rows.get(public_id=effect.subject)

    def prepare(self, effect: Effect) -> bytes:
        link = self._link(effect)
        contact = Contact.objects.filter(offer=link.offer, carries_link=True).first()
        if contact is None or not contact.value:
            raise Halt(Refused("no_contact"))
        name = "reminder" if effect.generation in link.reminders else "link"
        words = render(
            name, language=link.offer.language, organization=link.organization,
            context={"url": links.url_of(link), "expires_at": link.expires_at},
        )  # fmt: skip
        message = Message(
            reference=str(effect.public_id), channel=contact.channel, to=contact.value, sender=link.organization.alias,
            text=words.sms if contact.channel == "sms" else words.text, subject=words.subject, html=words.html,
        )  # fmt: skip
        link.messenger = messenger_for(effect, link.messenger, contact.channel)
        link.save(update_fields=["messenger"])
        return chosen.messaging(link.messenger).render(message)

    def envelope(self, effect: Effect) -> UUID | None:
        return self._link(effect).offer.public_id

    def still_wanted(self, effect: Effect) -> None:
        rows = PurchaseLink.objects.select_for_update(of=("self",)).select_related("offer", "organization", "messenger")
        link = rows.get(public_id=effect.subject)
        if link.state not in LIVE_LINK:
            raise Halt(Refused("link_over"))
        if effect.generation in link.reminders and not reminders.is_wanted(link, timezone.now()):
            raise Halt(Refused("not_now"))
        messenger = must_be_usable(link.messenger)
        audit.record(
            organization_id=effect.organization_id, by=audit.system("outbox"), action="link.sent",
            entity=f"link:{link.public_id}", at=timezone.now(), purpose=table.CONTACT, recipient=messenger.party,
            elements=ELEMENTS, customer_key=link.offer.customer_key,
        )  # fmt: skip

    def send(self, effect: Effect, body: bytes) -> Outcome:
        messenger = must_be_usable(self._link(effect).messenger)
        return chosen.messaging(messenger).deliver(body, idempotency_key=effect.idempotency_key)

    def ask(self, effect: Effect) -> Outcome:
        messenger = must_be_usable(self._link(effect).messenger)
        return Done() if chosen.messaging(messenger).find(str(effect.public_id)) else self.missing(effect)

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        if isinstance(outcome, Done):
            PurchaseLink.objects.filter(public_id=effect.subject, delivered_at=None).update(delivered_at=timezone.now())

    def overdue(self, effect: Effect) -> Outcome:
        """A link that could not be sent in its whole life is over; its row says so to the clinician. A reminder is dropped."""
        if effect.generation in self._link(effect).reminders:
            return Refused("reminder_late")
        return Refused("link_expired")

    def unresolved(self, effect: Effect) -> Outcome:
        """A message of a link that is over needs nobody any more."""
        return self.overdue(effect)
