"""The patient is told: neutral words and the way back to the verified page. No product, name, clinic specialty or
sum."""

from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.fulfillment import progress
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.offers import links
from ehrcommerce.commerce.offers.effects import messaging_supplier
from ehrcommerce.commerce.offers.messages import render
from ehrcommerce.commerce.offers.models import Contact, PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox.handlers import LOOKUP, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, Outcome, Refused
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import Message


class Notify(Handler):
    """One message. The subject is `o:<order>:<name>` or `f:<fulfillment>:<name>`; the template is status_<name>."""

    kind = "fulfillment.notify"
    queue = "patient"

    def capability(self, effect: Effect) -> str:
        return LOOKUP

    def prepare(self, effect: Effect) -> bytes:
        order, name = _order_and_name(effect)
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
        return chosen.messaging(messaging_supplier(effect.organization_id)).render(message)

    def still_wanted(self, effect: Effect) -> None:
        order, name = _order_and_name(effect)
        audit.record(
            organization_id=effect.organization_id, by=progress.system(), action="patient.notified",
            entity=f"order:{order.public_id}", at=timezone.now(), purpose="contact", reason=name,
            recipient=messaging_supplier(effect.organization_id).party, customer_key=order.offer.customer_key,
        )  # fmt: skip

    def send(self, effect: Effect, body: bytes) -> Outcome:
        messenger = chosen.messaging(messaging_supplier(effect.organization_id))
        return messenger.deliver(body, idempotency_key=effect.idempotency_key)

    def ask(self, effect: Effect) -> Outcome:
        messenger = chosen.messaging(messaging_supplier(effect.organization_id))
        return Done() if messenger.find(str(effect.public_id)) else self.missing(effect)

    def overdue(self, effect: Effect) -> Outcome:
        """Yesterday's news confuses more than it helps; the page has the whole story."""
        return Refused("stale")


def _order_and_name(effect: Effect) -> tuple[Order, str]:
    kind, public_id, name = effect.subject.split(":")
    orders = Order.objects.select_related("offer", "organization")
    if kind == "o":
        return orders.get(public_id=public_id), name
    return orders.get(pk=Fulfillment.objects.values_list("order_id", flat=True).get(public_id=public_id)), name
