"""A shop whose chart is an EHR on loopback, read through the door; and the EHR's own hand at our address."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ehrcommerce.audit.services import system
from ehrcommerce.commerce.offers.models import OfferLine, PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.ehr import arrivals, drain, inbox, polling, references
from ehrcommerce.ehr import chart as chart_module
from ehrcommerce.ehr.chart import EhrChart
from ehrcommerce.ehr.handles import key_maker
from ehrcommerce.ehr.models import EhrConnection, Notification, Scheme, Subscription
from ehrcommerce.outbox import services as outbox
from ehrcommerce.policy.digests import as_json, digest
from ehrcommerce.suppliers import chosen
from ehrcommerce.vault import walls
from ehrcommerce.wire.client import Partner
from tests import factories
from tests.commerce.fixtures import commits, shop, transactional_db
from tests.commerce.shop import Shop
from tests.disclosure import fake_ehr
from tests.disclosure.charts import device, patient, prescription
from tests.disclosure.fake_ehr import FakeEhr

__all__ = ["commits", "shop", "transactional_db"]

SECRET = "the EHR's secret"
FHIR = "application/fhir+json"


@pytest.fixture
def ehr() -> Iterator[FakeEhr]:
    with fake_ehr.running() as server:
        server.put(patient(), at_version(prescription(), 3), at_version(device(), 3))
        yield server


def at_version(resource: Mapping[str, Any], version: int, **changes: Any) -> dict[str, Any]:
    """As the EHR holds it after so many changes, one a minute."""
    moment = (timezone.now() - timedelta(hours=1)).replace(microsecond=0, second=0, minute=0)
    updated = (moment + timedelta(minutes=version)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**resource, **changes, "meta": {"versionId": str(version), "lastUpdated": updated}}


def id_only(*focus: str, number: int | str = 1, kind: str = "event-notification", **more: Any) -> dict[str, Any]:
    """A notification of the R5 backport on R4."""
    at = more.pop("at", "2026-11-02T15:00:00Z")
    first = int(number) - len(focus) + 1 if focus else int(number)
    events = [
        {"name": "notification-event", "part": [
            {"name": "event-number", "valueString": str(first + place)}, {"name": "timestamp", "valueInstant": at},
            *([{"name": "focus", "valueReference": {"reference": one}}] if one else []),
        ]} for place, one in enumerate(focus)
    ]  # fmt: skip
    parameters = [
        {"name": "subscription", "valueReference": {"reference": more.get("subscription", "Subscription/17")}},
        {"name": "status", "valueCode": more.get("status", "active")}, {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(number)}, *events,
    ]  # fmt: skip
    first_entry = {"resource": {"resourceType": "Parameters", "parameter": parameters}}
    return {"resourceType": "Bundle", "type": "history", "entry": [first_entry, *more.get("entries", [])]}


def hmac_hex(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


@dataclass
class Ward:
    """One clinic with its EHR: sells what is in the chart, tells of changes, and lets what follows happen."""

    shop: Shop
    ehr: FakeEhr
    connection: EhrConnection
    subscription: Subscription
    arrived: list[arrivals.Arrival] = field(default_factory=list)

    def subscribe(self, scheme: str, **changes: Any) -> Subscription:
        made = Subscription(
            organization=self.shop.clinic, connection=self.connection, scheme=scheme, secret=SECRET,
            created_at=timezone.now(), **changes,
        )  # fmt: skip
        made.save()
        return made

    def access(self, patient_id: str = "cy") -> FhirAccess:
        return access_to(self.connection, patient_id=patient_id, scopes=())

    # -- what is sold -------------------------------------------------------------------------------------------------
    def link(self, kind: str = "device", name: tuple[str, str] = ("DeviceRequest", "dev-1")) -> PurchaseLink:
        """A verified link to one order of Cy's chart, as it stands there now."""
        access = self.access()
        key = access.key_of(*name)
        found = door.disclose_orders(access, {key: name}, by=system("tests"), at=timezone.now())[key]
        assert found is not None
        link = self.shop.link(kind, consented=False)
        line = OfferLine.objects.get(offer=link.offer)
        line.order_key, line.digest, line.packet, line.version = key, digest(found.item), as_json(found.item), "3"
        line.save()
        link.offer.customer_key = access.customer_key
        link.offer.save()
        self.shop.consent(link.offer, [kind])
        references.remember(
            organization_id=self.shop.clinic.pk,
            connection=self.connection,
            access=access,
            keys=[key],
            at=timezone.now(),
        )
        self.ehr.asked.clear()
        return link

    def paid(self, *args: Any) -> Order:
        from ehrcommerce.commerce.orders import services
        from tests.commerce.shop import CY, HOME

        link = self.link(*args)
        order = services.place_order(
            link=link, quote=self.shop.quote(link), ship_to=HOME, language="en", by=CY, at=timezone.now()
        )
        order = self.shop.pay(order)
        self.ehr.asked.clear()
        return order

    # -- what the EHR tells -------------------------------------------------------------------------------------------
    def post(self, body: Any, *, row: Subscription | None = None, **how: Any) -> int:
        """How our address answers to these bytes."""
        row = row or self.subscription
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = how.pop("headers", {"X-Ehrcommerce-Secret": SECRET})
        walls.leave()
        try:
            response = Client().post(
                f"/hooks/ehr/{how.pop('hook', row.hook_id)}/",
                raw,
                content_type=how.pop("media", FHIR),
                headers=headers,
                **how,
            )
        finally:
            walls.enter(self.shop.clinic.pk)
        self.count()
        return int(response.status_code)

    def count(self) -> None:
        """The first thing that a drain does: subscriptions get to know what came."""
        for pk in inbox.unfolded(organization_id=self.shop.clinic.pk):
            inbox.fold(pk, timezone.now())

    def webhook(self, body: Any, *, row: Subscription, event: str = "e-1", secret: str = SECRET, at: int = 0) -> int:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        moment = at or int(timezone.now().timestamp())
        mac = hmac_hex(secret, f"{event}.{moment}.".encode() + raw)
        headers = {"X-Event-Id": event, "X-Timestamp": str(moment), "X-Signature": f"v1={mac}"}
        return self.post(raw, row=row, headers=headers, media="application/json")

    # -- what follows -------------------------------------------------------------------------------------------------
    def settle(self, *, passing_s: float = 0.0) -> None:
        """Everything that is due happens; with `passing_s`, also what waits for so long."""
        for _ in range(6):
            if passing_s:
                self.shop.later(seconds=passing_s)
            drain.pick_up(self.shop.clinic.pk, timezone.now() + timedelta(seconds=10))
            self.shop.run()

    def drain(self) -> str:
        return self._run(inbox.DRAIN, str(self.connection.public_id))

    def poll(self) -> None:
        for mark in polling.begin(self.connection, at=timezone.now()):
            self._run(polling.POLL, str(mark.public_id))

    def _run(self, kind: str, subject: str) -> str:
        effect = outbox.plan_next(
            kind=kind, subject=subject, organization_id=self.shop.clinic.pk, at=timezone.now(), even_if_running=True
        )
        return outbox.run(str(effect.public_id))

    def states(self) -> list[str]:
        rows = Notification.objects.filter(connection=self.connection).order_by("pk")
        return list(rows.values_list("state", flat=True))

    def reads(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.ehr.asked]


def access_to(connection: EhrConnection, *, patient_id: str, scopes: Sequence[str]) -> FhirAccess:
    """In the place of Backend Services."""
    return FhirAccess(
        partner=Partner(name=f"ehr-{connection.pk}", base_url=connection.fhir_base, read_s=2.0), base=connection.fhir_base,
        bearer="t", patient_id=patient_id, organization_id=connection.organization_id,
        connection_party=connection.party, key_of=key_maker(connection),
    )  # fmt: skip


@pytest.fixture
def ward(shop: Shop, ehr: FakeEhr, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    for module in (chart_module, drain, polling):
        monkeypatch.setattr(module, "backend_access", access_to)
    monkeypatch.setattr(chosen, "chart", EhrChart)
    connection = factories.ehr_connection(shop.clinic, fhir_base=ehr.base)
    made = Ward(shop, ehr, connection, Subscription())
    made.subscription = made.subscribe(Scheme.BACKPORT, reference="Subscription/17")
    yield made
    # What was committed stays, and the next EHR of a test may get the same port.
    walls.enter(shop.clinic.pk)
    EhrConnection.objects.filter(pk=connection.pk).update(canonical_iss=f"gone-{connection.pk}")


@pytest.fixture
def waiting(ward: Ward) -> Iterator[list[arrivals.Arrival]]:
    """Somebody waits for new orders."""
    arrivals.register("tests", ward.arrived.append)
    yield ward.arrived
    arrivals.unregister("tests")
