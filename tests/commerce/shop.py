"""A clinic with its suppliers, ready to sell: the world of the commerce tests. Everything is committed, and every shop
is an organization of its own, so that tests neither see nor clean up after one another."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from ehrcommerce.accounts.models import Organization, User
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.fulfillment import payloads
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.offers.models import Contact, LinkState, Offer, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders import pricing, services
from ehrcommerce.commerce.orders.models import Order, OrderEvent, Payment
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.consent import Wanted
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import OPEN, Effect
from ehrcommerce.policy.digests import as_json, digest
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION, Coding, OrderedItem, Parameter, ShipTo
from ehrcommerce.suppliers.models import Port, Supplier
from tests import factories
from tests.commerce.doubles import FakeCarrier, FakeChart, FakeMessenger, FakePayments, FakeSupplier

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
HOME = ShipTo("Cy Rivera", "12 Alder St", "Olympia", "WA", "98501")
PRICES = {PRESCRIPTION: 1480, DEVICE: 6990, KIT: 4900}


@dataclass
class Shop:
    """The doubles stand for all suppliers of their port."""

    clinic: Organization
    ada: User
    chart: FakeChart = field(default_factory=FakeChart)
    pharmacy: FakeSupplier = field(default_factory=FakeSupplier)
    devices: FakeSupplier = field(default_factory=FakeSupplier)
    lab: FakeSupplier = field(default_factory=FakeSupplier)
    payments: FakePayments = field(default_factory=FakePayments)
    messenger: FakeMessenger = field(default_factory=FakeMessenger)
    carrier: FakeCarrier = field(default_factory=FakeCarrier)

    # -- who there is -------------------------------------------------------------------------------------------------
    def adapter_of(self, supplier: Supplier) -> Any:
        return {
            Port.PHARMACY: self.pharmacy, Port.DEVICE: self.devices, Port.KIT: self.lab, Port.PAYMENT: self.payments,
            Port.MESSAGING: self.messenger, Port.CARRIER: self.carrier,
        }[Port(supplier.port)]  # fmt: skip

    def add_suppliers(self) -> None:
        for port in (Port.PHARMACY, Port.DEVICE, Port.KIT, Port.PAYMENT, Port.MESSAGING, Port.CARRIER):
            self.add_supplier(port)

    def add_supplier(self, port: Port, **changes: Any) -> Supplier:
        supplier = Supplier(
            organization=self.clinic,
            port=port,
            **{"adapter": "none", "name": f"The {port}", "base_url": "https://partner.example.org",
               "needs_birth_date": port == Port.PHARMACY, "callback_secret": "s3cret", "api_key": "key", **changes},
        )
        supplier.save()
        factories.agreement(self.clinic, supplier.party)
        return supplier

    def supplier(self, port: str) -> Supplier:
        return Supplier.objects.get(organization=self.clinic, port=port)

    # -- what is sold -------------------------------------------------------------------------------------------------
    def product(self, kind: str, **changes: Any) -> Product:
        sku = changes.pop("sku", f"{kind[:2].upper()}-{uuid4().hex[:8].upper()}")
        fields = {"name_en": sku, "name_es": sku, "price_cents": PRICES[kind], **changes}
        return Product.objects.create(organization=self.clinic, sku=sku, kind=kind, **fields)

    def item(self, kind: str) -> OrderedItem:
        item = ITEMS[kind](f"key-{uuid4().hex}")
        self.chart.put(item)
        return item

    def link(self, *kinds: str, consented: bool = True, state: str = LinkState.VERIFIED) -> PurchaseLink:
        """A verified link to one line for each of `kinds`, with the patient's yes to each supplier."""
        at = timezone.now()
        offer = Offer.objects.create(
            organization=self.clinic, customer_key=f"cy-{uuid4().hex}", made_by=self.ada, birth_digest=b"b" * 32,
            trust_phrase="amber river", provider_npi="1234567893", created_at=at,
        )  # fmt: skip
        for kind in kinds:
            self._line(offer, kind)
        Contact.objects.create(
            organization=self.clinic,
            offer=offer,
            channel="sms",
            value="+13605550101",
            masked="...0101",
            carries_link=True,
        )
        if consented:
            self.consent(offer, kinds)
        return PurchaseLink.objects.create(
            organization=self.clinic,
            offer=offer,
            token_sha256=uuid4().bytes * 2,
            state=state,
            created_at=at,
            sent_at=at,
            expires_at=at + timedelta(days=7),
        )

    def _line(self, offer: Offer, kind: str) -> OfferLine:
        item, product = self.item(kind), self.product(kind)
        return OfferLine.objects.create(
            organization=self.clinic, offer=offer, product=product, sku=product.sku, name_en=product.name_en,
            name_es=product.name_es, kind=kind, order_key=item.key, packet=as_json(item),
            digest=digest(item), version="1", price_cents=product.price_cents or 0,
            routing_proof="e_prescription" if kind == PRESCRIPTION else "",
        )  # fmt: skip

    def consent(self, offer: Offer, kinds: Iterable[str]) -> None:
        port = {PRESCRIPTION: Port.PHARMACY, DEVICE: Port.DEVICE, KIT: Port.KIT}
        lines = list(OfferLine.objects.filter(offer=offer).select_related("product"))
        wanted = [
            Wanted(kind, supplier.party, supplier.name, payloads.agreed(lines, kind=kind, supplier=supplier))
            for kind in kinds
            for supplier in Supplier.objects.filter(organization=self.clinic, port=port[kind])
        ]
        consent.give(
            organization_id=self.clinic.pk,
            customer_key=offer.customer_key,
            subject=str(offer.public_id),
            wanted=wanted,
            language="en",
            text="words",
            identity_level=2,
            by=CY,
            at=timezone.now(),
        )

    # -- what happens -------------------------------------------------------------------------------------------------
    def quote(self, link: PurchaseLink) -> pricing.Quote:
        lines = list(OfferLine.objects.filter(offer=link.offer).select_related("product", "offer").order_by("pk"))
        return pricing.delivered(pricing.quote(lines), lines, state=HOME.state, on=link.day_of(timezone.now()))

    def place(self, *kinds: str, **how: Any) -> Order:
        link = self.link(*kinds, **how)
        return services.place_order(
            link=link, quote=self.quote(link), ship_to=HOME, language="en", by=CY, at=timezone.now()
        )

    def authorized(self, *kinds: str, **how: Any) -> Order:
        """An order that the patient has just paid for; nothing was sent yet."""
        return self.pay(self.place(*kinds, **how))

    def pay(self, order: Order) -> Order:
        """The patient pays a placed order."""
        payment = services.start_payment(order=order, by=CY, at=timezone.now())
        self.payments.says(payment.public_id, "authorized")
        services.look_at_payment(payment=payment, at=timezone.now())
        return self.fresh(order)

    def dispatched(self, *kinds: str, **how: Any) -> Order:
        """An order that lies with its suppliers, who have not answered."""
        order = self.authorized(*kinds, **how)
        self.run("fulfillment.dispatch")
        return self.fresh(order)

    def accepted(self, *kinds: str) -> Order:
        """An order that all suppliers took, and whose money was captured."""
        order = self.dispatched(*kinds)
        for fulfillment in self.fulfillments(order):
            self.hears(fulfillment, "accepted")
        self.run()
        return self.fresh(order)

    def hears(self, fulfillment: Fulfillment, state: str, **more: Any) -> None:
        """A supplier moves an order, and we are told to look."""
        self.adapter_of(fulfillment.supplier).says(fulfillment.public_id, state, **more)
        self.look(fulfillment)

    def look(self, fulfillment: Fulfillment) -> None:
        effect = outbox.plan_next(
            kind="fulfillment.look",
            subject=str(fulfillment.public_id),
            organization_id=self.clinic.pk,
            at=timezone.now(),
            even_if_running=True,
        )
        outbox.run(str(effect.public_id))

    def run(self, kind: str = "", *, rounds: int = 8) -> None:
        """Run what is due, and what follows from it."""
        for _ in range(rounds):
            due = Effect.objects.filter(organization_id=self.clinic.pk, state__in=OPEN, next_run_at__lte=timezone.now())
            if kind:
                due = due.filter(kind=kind)
            found = list(due.order_by("pk").values_list("public_id", flat=True))
            if not found:
                return
            for public_id in found:
                outbox.run(str(public_id))

    def later(self, kind: str = "", *, seconds: float = 3600) -> None:
        """Let time pass for what waits: rows are moved, since the database's clock cannot be."""
        rows = Effect.objects.filter(organization_id=self.clinic.pk, state__in=OPEN)
        for effect in rows.filter(kind=kind) if kind else rows:
            Effect.objects.filter(pk=effect.pk).update(
                next_run_at=(effect.next_run_at or timezone.now()) - timedelta(seconds=seconds),
                changed_at=effect.changed_at - timedelta(seconds=seconds),
                lease_until=effect.lease_until and effect.lease_until - timedelta(seconds=seconds),
            )

    # -- what is seen -------------------------------------------------------------------------------------------------
    def fresh(self, order: Order) -> Order:
        return Order.objects.select_related("offer").get(pk=order.pk)

    def fulfillments(self, order: Order) -> list[Fulfillment]:
        return list(Fulfillment.objects.filter(order=order).select_related("supplier").order_by("kind"))

    def fulfillment(self, order: Order) -> Fulfillment:
        (only,) = self.fulfillments(order)
        return only

    def payment(self, order: Order) -> Payment:
        return Payment.objects.filter(order=order).latest("pk")

    def events(self, order: Order) -> list[str]:
        return list(OrderEvent.objects.filter(order=order).order_by("pk").values_list("code", flat=True))

    def effect(self, kind: str, subject: Any = None) -> Effect:
        found = Effect.objects.filter(organization_id=self.clinic.pk, kind=kind)
        return (found.filter(subject=str(subject)) if subject else found).latest("pk")

    def told(self) -> list[str]:
        """Names of the messages that the patient got, in the order in which they were planned."""
        rows = Effect.objects.filter(organization_id=self.clinic.pk, kind="fulfillment.notify", state="done")
        return [subject.rpartition(":")[2] for subject in rows.order_by("pk").values_list("subject", flat=True)]


CY = Actor("patient", "a-link")


def medicine(key: str) -> OrderedItem:
    return OrderedItem(
        key=key,
        kind=PRESCRIPTION,
        name="metformin 500 mg",
        codings=(Coding(RXNORM, "861007", "metformin"),),
        directions="Take 1 tablet by mouth 2 times a day",
        dose="0.50 g",
        quantity="180",
        quantity_unit="tablet",
        repeats="3",
        orderer_name="Ada Lund",
        orderer_npi="1234567893",
    )


def mask(key: str) -> OrderedItem:
    return OrderedItem(
        key=key, kind=DEVICE, name="CPAP nasal mask", codings=(Coding("https://www.cms.gov/hcpcs", "A7034"),),
        parameters=(Parameter("size", "medium"),), orderer_name="Ada Lund",
    )  # fmt: skip


def blood_kit(key: str) -> OrderedItem:
    return OrderedItem(key=key, kind=KIT, name="HbA1c", codings=(Coding("http://loinc.org", "4548-4"),), quantity="1")


ITEMS = {PRESCRIPTION: medicine, DEVICE: mask, KIT: blood_kit}


def minutes_ago(minutes: float) -> datetime:
    return timezone.now() - timedelta(minutes=minutes)
