"""Fifteen principals and two clinics whose data mirror each other. Each principal is a set of cookies and headers as that
person's browser, or that machine, would send them."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.areas import LAUNCH_COOKIE
from ehrcommerce.accounts.models import BreakGlass, Role, User
from ehrcommerce.accounts.otp import site
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.catalog.models import TAX_CLASSES, ShippingRule, TaxRule, UnmappedCode
from ehrcommerce.commerce.checkout import services as checkout
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.fulfillment.models import PharmacistQuestion
from ehrcommerce.commerce.offers.models import Offer, PurchaseLink
from ehrcommerce.commerce.offers.tokens import hash_of, token_of
from ehrcommerce.commerce.orders.models import Reconciliation
from ehrcommerce.disclosure import consent, holds
from ehrcommerce.disclosure.models import PurgeCertificate
from ehrcommerce.ehr import polling
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.ehr.models import (
    AutomaticAct,
    AutomationRule,
    EhrConnection,
    EhrSession,
    HookClient,
    Notification,
    Subscription,
)
from ehrcommerce.ehr.views.stale import SESSION_KEY
from ehrcommerce.suppliers.models import FileIn, Supplier
from ehrcommerce.vault import walls
from tests import factories
from tests.access.urls import Address
from tests.commerce.shop import Shop

OUTSIDERS = ("anonymous", "link_unmatched", "link_matched", "link_other", "clinician_in", "clinician_out",
             "clinician_other", "super_without_otp", "supplier", "ehr_hook")  # fmt: skip
STAFF = {
    "clinic_admin": Role.ADMINISTRATOR, "support": Role.SUPPORT, "fulfillment": Role.FULFILLMENT,
    "privacy": Role.PRIVACY, "super_with_otp": Role.ADMINISTRATOR,
}  # fmt: skip
PRINCIPALS = (*OUTSIDERS, *STAFF)
OWN, SAME, FOREIGN, NOBODY = "own", "same", "foreign", "none"
OWNERS = (OWN, SAME, FOREIGN, NOBODY)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
NO_ID, NO_TOKEN, NO_KEY = 987654321, "A" * 26, "zzzzzzzzzzzz"


@dataclass
class Tenant:
    """One clinic with two patients: Cy's things are the first of each kind, Dee's the second."""

    shop: Shop
    connection: EhrConnection
    sessions: list[EhrSession] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    links: list[PurchaseLink] = field(default_factory=list)
    payments: list[UUID] = field(default_factory=list)
    questions: list[UUID] = field(default_factory=list)
    checkouts: list[str] = field(default_factory=list)
    hooks: list[UUID] = field(default_factory=list)
    acts: list[UUID] = field(default_factory=list)
    standing: list[int] = field(default_factory=list)
    rows: dict[str, list[int]] = field(default_factory=dict)


@dataclass
class World:
    here: Tenant
    there: Tenant
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    def tenant_of(self, principal: str) -> Tenant:
        return self.there if principal == "clinician_other" else self.here


def tenant(shop: Shop) -> Tenant:
    """Call inside the walls of the shop's clinic; leaves them entered."""
    clinic = shop.clinic
    walls.enter(clinic.pk)
    made = Tenant(shop, factories.ehr_connection(clinic))
    for patient, who in (("cy-1", shop.ada), ("dee-2", factories.clinician(clinic, subject=f"eve-{uuid4().hex}"))):
        order = shop.accepted("device")
        offer, link = order.offer, order.offer.links.get()
        Offer.objects.filter(pk=offer.pk).update(customer_key=chart_key(made.connection.public_id, "Patient", patient))
        link.token_sha256 = hash_of(token_of(link))
        link.save(update_fields=["token_sha256"])
        now = timezone.now()
        made.sessions.append(factories.ehr_session(made.connection, who, patient=patient, at=now,
                                                   token_expires_at=now + timedelta(hours=8)))  # fmt: skip
        session, _ = checkout.begin(organization_id=clinic.pk, link_id=link.pk, language="en", at=now)
        session.link = link
        made.checkouts.append(checkout.verified(session, at=now))
        made.offers.append(offer)
        made.links.append(link)
        question = PharmacistQuestion(
            organization=clinic, fulfillment=order.fulfillments.get(), asked="dose", words="w", asked_at=now
        )
        question.save()
        made.questions.append(question.public_id)
        made.payments.append(order.payments.get().public_id)
    for number in range(2):
        UnmappedCode.objects.create(organization=clinic, kind="device", system="s", code=f"X{number}", last_seen_at=now)
    audit.record(organization_id=clinic.pk, by=shop.ada.actor, action="a.b", entity="c:1", at=now)
    more_rows(made)
    for model in site._registry:
        pk = model._meta.pk.name
        found = list(model._default_manager.order_by(pk).values_list(pk, flat=True)[:2])
        if not found:
            raise LookupError(f"{model._meta.label} has a page: let `more_rows` make two rows of it for the matrix")
        made.rows[model._meta.label_lower] = [found[0], found[-1]]
    # The page of consents has standing ones alone.
    made.rows["disclosure.consent"] = made.standing
    return made


def more_rows(made: Tenant) -> None:
    """Rows of the books of oversight: two of each."""
    clinic, now = made.shop.clinic, timezone.now()
    for number in range(2):
        hook = Subscription(
            organization=clinic,
            connection=made.connection,
            header_name="Authorization",
            secret=uuid4().hex,
            created_at=now,
        )
        hook.save()
        made.hooks.append(hook.hook_id)
        factories.hl7_feed(made.connection)
        Notification.objects.create(
            organization=clinic, connection=made.connection, subscription=hook, dedupe_sha256=uuid4().bytes * 2,
            resource_type="DeviceRequest", focus=uuid4().hex, received_at=now,
        )  # fmt: skip
        TaxRule.objects.get_or_create(
            organization=clinic, tax_class=TAX_CLASSES[number][0], state="OR", rate_ppm=number, starts_on=now.date()
        )
        ShippingRule.objects.get_or_create(
            organization=clinic, fee_cents=0, state="OR", from_cents=number, starts_on=now.date()
        )
        rule = AutomationRule.objects.create(organization=clinic, name=f"Rule {number}", kind="device", created_at=now)
        act = AutomaticAct.objects.create(
            organization=clinic, rule=rule, connection=made.connection, version="1", digest=b"d" * 32, action="draft",
            customer_key=Offer.objects.values_list("customer_key", flat=True).get(pk=made.offers[number].pk),
            order_key=uuid4().hex, state="prepared", made_at=now,
        )  # fmt: skip
        made.acts.append(act.public_id)
        made.standing.append(consent.give(
            organization_id=clinic.pk, customer_key=act.customer_key, language="en", text="words", identity_level=2,
            subject=consent.standing_subject(act.customer_key), wanted=[consent.Wanted("kit", "supplier:lab", "Lab")],
            by=made.shop.ada.actor, at=now,
        )[0].pk)  # fmt: skip
    HookClient.objects.create(
        organization=clinic, connection=made.connection, enabled=True, issuer="https://ehr.example.org",
        jku=f"{made.connection.fhir_base}/keys",
    )  # fmt: skip
    polling.begin(made.connection, at=now)
    for name in ("a.csv", "b.csv"):
        FileIn.objects.create(
            organization=clinic, supplier=made.shop.supplier("device"), name=name, at=now, file_digest=name.encode() * 6
        )
        Reconciliation.objects.create(
            organization=clinic, supplier=made.shop.supplier("payment" if name == "a.csv" else "device"),
            day=now.date(), listed=0, agreed=0, to_compare=0, strays=0, crooked=0, at=now,
        )  # fmt: skip
        PurgeCertificate.objects.create(organization=clinic, rule=name, kept="skeleton", rows=1, at=now)
        holds.place(organization_id=clinic.pk, customer_key=name, why="case", by=made.shop.ada.actor, at=now)
    people = [
        factories.staff(clinic, username=f"book-{name}-{clinic.pk}", password="correct horse battery staple")
        for name in ("one", "two")
    ]
    for number, user in enumerate(people):
        approvals.propose(
            kind="connection", entity=f"ehrconnection:{number}", by=user, at=now, values={"fhir_base": "x"},
            diff=[("FHIR address", "a", "b")],
        )  # fmt: skip
        BreakGlass(
            organization=clinic, user=user, reason="safety", note="n", began_at=now - timedelta(hours=2),
            ends_at=now - timedelta(hours=1), told=people[1 - number],
        ).save()  # fmt: skip


def stay(world: World) -> None:
    """Everybody has just been seen: a run of all cells takes longer than a page may stand idle, and what a cell writes, also
    that its principal was seen, is rolled back."""
    now = timezone.now()
    for made in (world.here, world.there):
        with walls.organization(made.shop.clinic.pk):
            own = CheckoutSession.objects.filter(link__in=made.links, ended_at=None)
            own.update(seen_at=now, expires_at=now + checkout.LIFE)
            launched = EhrSession.objects.filter(pk__in=[one.pk for one in made.sessions], ended_at=None)
            launched.update(seen_at=now)


def sign_in_all(world: World) -> None:
    """The cookies of each principal."""
    here, there = world.here, world.there
    over = here.sessions[1]
    world.cookies = {
        "anonymous": {}, "link_unmatched": {}, "supplier": {}, "ehr_hook": {},
        "link_matched": {checkout.COOKIE: here.checkouts[0]}, "link_other": {checkout.COOKIE: here.checkouts[1]},
        "clinician_in": _launched(here.sessions[0]), "clinician_other": _launched(there.sessions[0]),
    }  # fmt: skip
    walls.enter(here.shop.clinic.pk)
    out = factories.ehr_session(here.connection, here.shop.ada, patient="cy-1", at=timezone.now() - timedelta(hours=1))
    world.cookies["clinician_out"] = _launched(out)
    assert over.ended_at is None
    for principal, role in [*STAFF.items(), ("super_without_otp", Role.ADMINISTRATOR)]:
        user = factories.staff(
            here.shop.clinic, username=f"{principal}-{here.shop.clinic.pk}", password="correct horse battery staple",
            role=role, is_superuser=principal.startswith("super"),
        )  # fmt: skip
        world.cookies[principal] = _signed_in(user, code=principal != "super_without_otp")
    walls.leave()


def _launched(session: EhrSession) -> dict[str, str]:
    store = SessionStore()
    store[SESSION_KEY] = session.launch_key
    store.create()
    return {LAUNCH_COOKIE + session.launch_key: str(store.session_key)}


def _signed_in(user: User, *, code: bool) -> dict[str, str]:
    client = Client()
    client.force_login(user, backend="ehrcommerce.accounts.login.StaffBackend")
    walls.enter(user.organization_id)
    if code:
        session = client.session
        session[DEVICE_ID_SESSION_KEY] = TOTPDevice.objects.get(user=user).persistent_id
        session.save()
    return {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}


def path_of(world: World, address: Address, principal: str, owner: str) -> str:
    """The address with the names of things that belong to `owner`, seen from `principal`."""
    route = "/" + address.route
    # The name of a service is nobody's, nor is what an EHR calls its resources: the address before them has an owner.
    named = [each for each in address.fields if each not in ("service_id", "resource_type", "resource_id")]
    inner = named[-1] if named else ""
    for name in address.fields:
        # Of a launch and something below it, the launch is the principal's own: only what is below changes hands.
        whose = owner if name == inner else OWN
        value = str(thing(world, address, name, principal, whose))
        start = next(at for at in (route.find(f"<{name}>"), route.find(f":{name}>")) if at >= 0)
        begin, end = route.rfind("<", 0, start + 1), route.find(">", start) + 1
        route = route[:begin] + value + route[end:]
    return route.replace("<app>", "orders").replace("<rest>", "nowhere/").replace("//", "/")


def thing(world: World, address: Address, name: str, principal: str, owner: str) -> Any:
    """What stands in the path for one field."""
    own = world.tenant_of(principal)
    holder = (world.here if own is world.there else world.there) if owner == FOREIGN else own
    place = int((owner == SAME) != (principal == "link_other" and owner in (OWN, SAME)))
    if owner == NOBODY:
        nobody: dict[str, Any] = {"token": NO_TOKEN, "launch_key": NO_KEY, "slug": "nobody", "once": "nothing"}
        return nobody.get(name, NO_ID if name in ("pk", "object_id", "content_type_id") else NOTHING)
    if name == "launch_key" and principal == "clinician_out" and owner == OWN:
        return next(iter(world.cookies["clinician_out"])).removeprefix(LAUNCH_COOKIE)
    if name in ("pk", "object_id"):
        model = BEHIND.get(address.name, address.model)
        return holder.rows[model][place] if model else NO_ID
    things: dict[str, Callable[[], Any]] = {
        "token": lambda: token_of(holder.links[place]), "launch_key": lambda: holder.sessions[place].launch_key,
        "offer_id": lambda: holder.offers[place].public_id, "link_id": lambda: holder.links[place].public_id,
        "payment_id": lambda: holder.payments[place], "slug": lambda: holder.connection.slug, "once": lambda: "nothing",
        "supplier_id": lambda: suppliers(holder)[place], "hook_id": lambda: holder.hooks[place],
        "content_type_id": lambda: 1, "what": lambda: REVEALED, "service_id": lambda: "order-sign",
        "question_id": lambda: holder.questions[place], "act_id": lambda: holder.acts[place],
        "clinic_id": lambda: holder.shop.clinic.public_id, "resource_type": lambda: "DeviceRequest", "resource_id": lambda: "x",
    }  # fmt: skip
    return things[name]()


NOTHING, REVEALED = UUID(int=7), "orders.order.ship_to"
BEHIND = {"admin:orders_order_of_effect": "outbox.effect", "admin:reveal": "orders.order"}
_suppliers: dict[int, list[UUID]] = {}


def suppliers(holder: Tenant) -> list[UUID]:
    """The partner that principal `supplier` is, and another one of the same clinic."""
    key = holder.shop.clinic.pk
    if key not in _suppliers:
        with walls.organization(key):
            _suppliers[key] = [holder.shop.supplier("device").public_id, holder.shop.supplier("kit").public_id]
    return _suppliers[key]


def ask(world: World, principal: str, method: str, path: str) -> Any:
    """One request of this principal. Nothing is remembered of it."""
    client = Client(raise_request_exception=False)
    for name, value in world.cookies[principal].items():
        client.cookies[name] = value
    machines = {"supplier": signed(b"{}"), "ehr_hook": {"Authorization": EHR_SECRET}}
    headers = machines.get(principal, {})
    walls.leave()
    if method in ("POST", "PUT", "PATCH") and headers:
        return client.generic(method, path, b"{}", content_type="application/json", headers=headers)
    return client.generic(method, path, headers=headers)


def signed(body: bytes) -> dict[str, str]:
    """As the device supplier of this clinic signs."""
    event, at = uuid4().hex, str(int(timezone.now().timestamp()))
    mac = hmac.new(SECRET.encode(), f"{event}.{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Event-Id": event, "X-Timestamp": at, "X-Signature": f"v1={mac}"}


SECRET = "secret of the device supplier"
EHR_SECRET = "Bearer of-the-ehr"


def own_secrets(made: Tenant, *, mine: bool) -> None:
    """Each supplier signs with a secret of its own, and the EHR knows that of one subscription."""
    if mine:
        hook = Subscription.objects.get(hook_id=made.hooks[0])
        hook.secret = EHR_SECRET
        hook.save(update_fields=["secret"])
    for supplier in Supplier.objects.filter(organization=made.shop.clinic):
        supplier.callback_secret = SECRET if mine and supplier.port == "device" else uuid4().hex
        supplier.save(update_fields=["callback_secret"])
