"""The patient is told: neutral words and the way back to the verified page. No product, name, clinic specialty or
sum."""

from uuid import UUID

from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.fulfillment import progress, telling
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.offers import links
from ehrcommerce.commerce.offers.effects import messaging_supplier, must_be_usable
from ehrcommerce.commerce.offers.messages import render
from ehrcommerce.commerce.offers.models import Contact, PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, Outcome, Refused
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import Message


class Notify(Handler):
    """One message. The subject is `o:<order>:<name>` or `f:<fulfillment>:<name>`; the template is status_<name>."""

    kind = "fulfillment.notify"
    queue = "patient"

    def capability(self, effect: Effect) -> str:
        return chosen.capability_of(chosen.by_party(effect.recipient, organization_id=effect.organization_id))

    def prepare(self, effect: Effect) -> bytes:
        order, name = _order_and_name(effect)
        if telling.is_overtaken(order, name) and not effect.request_sha256:
            raise Halt(Refused("overtaken"))
        link = PurchaseLink.objects.filter(offer=order.offer).order_by("-pk").first()
        contact = Contact.objects.filter(offer=order.offer, carries_link=True).first()
        if contact is None or not contact.value or link is None:
            raise Halt(Refused("no_contact"))
        words = render(
            f"status_{name}",
            language=order.language,
            organization=order.organization,
            context={"url": links.url_of(link)},
        )
        message = Message(
            reference=str(effect.public_id), channel=contact.channel, to=contact.value, sender=order.organization.alias,
            text=words.sms if contact.channel == "sms" else words.text, subject=words.subject, html=words.html,
        )  # fmt: skip
        return chosen.messaging(_first_messenger(effect)).render(message)

    def envelope(self, effect: Effect) -> UUID | None:
        return _order_and_name(effect)[0].offer.public_id

    def still_wanted(self, effect: Effect) -> None:
        order, name = _order_and_name(effect)
        messenger = _messenger(effect)
        audit.record(
            organization_id=effect.organization_id, by=progress.system(), action="patient.notified",
            entity=f"order:{order.public_id}", at=timezone.now(), purpose="contact", reason=name,
            recipient=messenger.party, customer_key=order.offer.customer_key,
        )  # fmt: skip

    def send(self, effect: Effect, body: bytes) -> Outcome:
        return chosen.messaging(_messenger(effect)).deliver(body, idempotency_key=effect.idempotency_key)

    def ask(self, effect: Effect) -> Outcome:
        found = chosen.messaging(_messenger(effect)).find(str(effect.public_id))
        return Done() if found else self.missing(effect)

    def overdue(self, effect: Effect) -> Outcome:
        """Yesterday's news confuses more than it helps; the page has the whole story."""
        return Refused("stale")


def _messenger(effect: Effect) -> Supplier:
    """Who stands in the row since the message was planned: after an outage another one might say the same once more.
    Halt where that one may not be used any more."""
    party = Effect.objects.values_list("recipient", flat=True).get(pk=effect.pk)
    return must_be_usable(chosen.by_party(party, organization_id=effect.organization_id)) if party else _choose(effect)


def _first_messenger(effect: Effect) -> Supplier:
    """The same; but where nothing went out yet, another may take the place of one that may not be used any more."""
    try:
        return _messenger(effect)
    except Halt:
        if effect.request_sha256:
            raise
        return _choose(effect)


def _choose(effect: Effect) -> Supplier:
    order, _ = _order_and_name(effect)
    channel = Contact.objects.filter(offer=order.offer, carries_link=True).values_list("channel", flat=True).first()
    messenger = messaging_supplier(effect.organization_id, channel or "")
    Effect.objects.filter(pk=effect.pk, fence=effect.fence).update(recipient=messenger.party)
    return messenger


def _order_and_name(effect: Effect) -> tuple[Order, str]:
    kind, public_id, name = effect.subject.split(":")
    orders = Order.objects.select_related("offer", "organization")
    if kind == "o":
        return orders.get(public_id=public_id), name
    return orders.get(pk=Fulfillment.objects.values_list("order_id", flat=True).get(public_id=public_id)), name
