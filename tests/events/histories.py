"""Random histories of orders at an EHR, told to us with loss, repeats, delay, disorder and forgery, and answered now and then
by a copy that lags. Beside it a model that knows one rule: a version counts unless a newer one was read or named; the first
one that counts and may not be sold ends the link.

Each history has its own patient, order and link; all go through the same four rounds together, so that hundreds of them
cost one inbox."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

from django.db.models import F
from django.utils import timezone

from ehrcommerce.commerce.offers.models import Offer, OfferLine, PurchaseLink
from ehrcommerce.disclosure import door
from ehrcommerce.ehr import drain, polling
from ehrcommerce.ehr.models import ChartReference, Notification, PollingWatermark, Scheme, Subscription
from ehrcommerce.outbox.models import OPEN, Effect
from ehrcommerce.policy.digests import as_json, digest
from tests.disclosure.charts import device, patient
from tests.disclosure.fake_ehr import Asked, Reply
from tests.events.conftest import SECRET, Ward, at_version, hmac_hex

ROUNDS = 3
OTHER_CODE = {"coding": [{"system": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "code": "E0105"}]}
LIVE = ("verified", "")
# What a step makes of the order, and how a link ends that is read then.
STEPS: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "signed": ({}, LIVE),
    "noted": ({"note": [{"text": "call before"}]}, LIVE),
    "resumed": ({"status": "active"}, LIVE),
    "amended": ({"codeCodeableConcept": OTHER_CODE}, ("superseded", "order_changed")),
    "held": ({"status": "on-hold"}, ("revoked", "on_hold")),
    "cancelled": ({"status": "revoked"}, ("revoked", "not_active")),
    "completed": ({"status": "completed"}, ("revoked", "not_active")),
    "mistaken": ({"status": "entered-in-error"}, ("revoked", "entered_in_error")),
}
MERGED = "merged"
LAST = ("cancelled", "completed", "mistaken")


@dataclass
class History:
    """One order: what was done to it, what the EHR serves, what was read, and what must have become of the link."""

    number: int
    link: int
    key: str = ""
    steps: list[str] = field(default_factory=lambda: ["signed"])
    served: int = 1
    merged: bool = False
    reads: list[int] = field(default_factory=list)
    named: int = 0
    counted: int = 1
    end: tuple[str, str] = LIVE
    stale: int = 0
    events: list[tuple[str, int]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"h-{self.number}"

    @property
    def patient(self) -> str:
        return f"p-{self.number}"

    @property
    def version(self) -> int:
        return len(self.steps)

    def resource(self, version: int) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for step in self.steps[:version]:
            changes |= STEPS[step][0]
        return at_version(device(), version, id=self.id, subject={"reference": f"Patient/{self.patient}"}, **changes)

    def says(self, version: int) -> tuple[str, str]:
        """How a link ends on this version: what may not be sold goes before what was changed."""
        status = next(
            (STEPS[step] for step in reversed(self.steps[:version]) if "status" in STEPS[step][0]), STEPS["signed"]
        )
        if status[1] != LIVE:
            return status[1]
        return STEPS["amended"][1] if "amended" in self.steps[:version] else LIVE

    # -- the model ----------------------------------------------------------------------------------------------------
    def was_read(self, version: int) -> None:
        self.reads.append(version)
        if version < max(self.named, self.counted):
            self.stale += 1
            return
        self.counted = version
        if self.end == LIVE and self.merged:
            self.end = (MERGED, "")
        elif self.end == LIVE:
            self.end = self.says(version)

    def in_order(self) -> bool:
        """Whether the link lives where each version is read as it comes."""
        return not self.merged and all(self.says(version) == LIVE for version in range(1, self.version + 1))

    @property
    def goes_back(self) -> bool:
        """Something was taken back: whoever did not look in between does not know it."""
        return "resumed" in self.steps


@dataclass
class Play:
    """All histories of one ward. `loss`: of how many events nothing is ever heard, in hundredths."""

    ward: Ward
    random: Random
    loss: int = 30
    all: dict[str, History] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    told: set[tuple[str, int]] = field(default_factory=set)
    forged: int = 0

    def begin(self, count: int) -> None:
        self.webhook = self.ward.subscribe(Scheme.WEBHOOK)
        made = self.ward.link()
        line = OfferLine.objects.get(offer=made.offer)
        access = self.ward.access()
        name = ("DeviceRequest", "dev-1")
        found = door.disclose_orders(access, {access.key_of(*name): name}, by=drain.BY, at=timezone.now())
        order = found[access.key_of(*name)]
        assert order is not None
        for number in range(count):
            self._add(History(number, 0), made.offer, line, order.item)
        self.ward.ehr.reply = self._answer(self.ward.ehr.reply)  # type: ignore[method-assign]

    def _add(self, history: History, offer: Offer, line: OfferLine, item: Any) -> None:
        """A verified link to the first version of the order, which is remembered as it would be at Send."""
        at, ward = timezone.now(), self.ward
        access = ward.access(history.patient)
        key = access.key_of("DeviceRequest", history.id)
        mine = Offer.objects.create(
            organization=ward.shop.clinic, customer_key=access.customer_key, made_by=ward.shop.ada, birth_digest=b"b" * 32,
            trust_phrase="amber river", provider_npi=offer.provider_npi, created_at=at,
        )  # fmt: skip
        history.key, packet = key, replace(item, key=key)
        OfferLine.objects.create(
            organization=ward.shop.clinic, offer=mine, product=line.product, sku=line.sku, name_en=line.name_en,
            name_es=line.name_es, kind=line.kind, order_key=key, packet=as_json(packet), digest=digest(packet), version="1",
            price_cents=line.price_cents,
        )  # fmt: skip
        history.link = PurchaseLink.objects.create(
            organization=ward.shop.clinic, offer=mine, token_sha256=uuid4().bytes * 2, state="verified",
            created_at=at, sent_at=at, expires_at=at + timedelta(days=7),
        ).pk  # fmt: skip
        for kind, name, chart_key in (
            ("DeviceRequest", history.id, key),
            ("Patient", history.patient, access.customer_key),
        ):
            ChartReference.objects.create(
                organization=ward.shop.clinic, connection=ward.connection, key=chart_key, resource_type=kind,
                resource_id=name, patient_id=history.patient, version="1" if kind == "DeviceRequest" else "", created_at=at,
            )  # fmt: skip
        ward.ehr.put({**patient(), "id": history.patient}, history.resource(1))
        self.all[history.id] = history

    def _answer(self, answer: Any) -> Any:
        def reply(asked: Asked) -> Reply:
            found: Reply = answer(asked)
            kind, _, name = asked.path.partition("/")
            if kind == "DeviceRequest" and name in self.all and found.status == 200:
                self.all[name].was_read(self.all[name].served)
            return found

        return reply

    # -- what is done and told ----------------------------------------------------------------------------------------
    def round(self, *, lag: int) -> None:
        """Something happens to some of them, some of it is told, and what follows from that happens."""
        for history in self.all.values():
            for _ in range(self.random.choice((0, 1, 1, 2))):
                self._step(history)
            lags = self.random.randrange(100) < lag
            self._serve(history, self.random.randint(1, history.version) if lags else history.version)
        self._tell()
        self.settle()

    def _step(self, history: History) -> None:
        if history.steps[-1] in LAST or history.merged:
            return
        if self.random.randrange(12) == 0:
            history.merged = True
            history.events.append((f"Patient/{history.patient}", 0))
            merged = {**patient(), "id": history.patient, "active": False}
            self.ward.ehr.put(merged)
            return
        step = self.random.choice(("noted", "noted", "amended", "held", "resumed", *LAST))
        if (step == "resumed") != (history.steps[-1] == "held") and (step == "resumed" or self.random.randrange(3)):
            step = "noted"
        history.steps.append(step)
        history.events.append((f"DeviceRequest/{history.id}", history.version))

    def _serve(self, history: History, version: int) -> None:
        history.served = version
        self.ward.ehr.put(history.resource(version))

    def _tell(self) -> None:
        """Of what has not been told yet some is lost, some waits for the next round, the rest comes once to three times."""
        now: list[tuple[str, int]] = []
        for history in self.all.values():
            later = []
            for event in history.events:
                chance = self.random.randrange(100)
                if chance >= self.loss + 20:
                    now.append(event)
                elif chance >= self.loss:
                    later.append(event)
            history.events = later
        self.random.shuffle(now)
        half = len(now) // 2
        for _ in range(self.random.randint(1, 3)):
            self._by_bundle(self.random.sample(now[:half], half))
            self._by_webhook(self.random.sample(now[half:], len(now) - half))
        self.told |= set(now)
        for name, version in now[half:]:
            if version:
                history = self.all[name.partition("/")[2]]
                history.named = max(history.named, version)
        self._forge()

    def _by_bundle(self, events: list[tuple[str, int]]) -> None:
        """The R5 backport: numbers, and no versions. What the bodies say of the orders is a lie."""
        parts = [
            {"name": "notification-event", "part": [
                {"name": "event-number", "valueString": str(self._number(event))},
                {"name": "timestamp", "valueInstant": "2026-11-02T15:00:00Z"},
                {"name": "focus", "valueReference": {"reference": f"{self.ward.ehr.base}/{event[0]}"}},
            ]} for event in events
        ]  # fmt: skip
        lies = [
            {"resource": {**at_version(device(), 99, status="revoked"), "id": name.partition("/")[2]}}
            for name, _ in events
        ]
        body = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": {
            "resourceType": "Parameters", "parameter": [
                {"name": "subscription", "valueReference": {"reference": "Subscription/17"}},
                {"name": "type", "valueCode": "event-notification"}, *parts,
            ]}}, *lies[:50]]}  # fmt: skip
        if events:
            assert self.ward.post(body) == 200

    def _number(self, event: tuple[str, int]) -> int:
        return self.numbers.setdefault(f"{event}", len(self.numbers) + 1)

    def _by_webhook(self, events: list[tuple[str, int]]) -> None:
        """Signed, with versions. The same delivery comes again under its own name."""
        told = [{"focus": name, "version": str(version) if version else ""} for name, version in events]
        for start in range(0, len(told), 500):
            raw = json.dumps({"events": told[start : start + 500]}).encode()
            event, moment = f"d-{self.random.randrange(10**9)}", str(int(timezone.now().timestamp()))
            mac = hmac_hex(SECRET, f"{event}.{moment}.".encode() + raw)
            headers = {"X-Event-Id": event, "X-Timestamp": moment, "X-Signature": f"v1={mac}"}
            for _ in range(2):
                assert self.ward.post(raw, row=self.webhook, headers=headers, media="application/json") == 200

    def _forge(self) -> None:
        """Of somebody who knows the addresses but not the secret; and of a sender whose words lead elsewhere."""
        victims = self.random.sample(sorted(self.all), min(5, len(self.all)))
        places = [f"https://evil.example/fhir/DeviceRequest/{name}" for name in victims]
        raw = json.dumps({"events": [{"focus": place, "version": "9999"} for place in places]}).encode()
        headers = {"X-Event-Id": "f", "X-Timestamp": "1", "X-Signature": f"v1={hmac_hex('guess', raw)}"}
        assert self.ward.post(raw, row=self.webhook, headers=headers, media="application/json") == 401
        assert self.ward.webhook({"events": [{"focus": place, "version": "9999"} for place in places]}, row=self.webhook,
                                 event=f"f-{self.random.randrange(10**9)}") == 200  # fmt: skip
        self.forged += len(places)

    # -- what follows -------------------------------------------------------------------------------------------------
    def settle(self, *, tries: int = 2) -> None:
        """The inbox is drained, and each reading that is planned is made; what was told to come again, once more."""
        organization_id = self.ward.shop.clinic.pk
        self.ward.drain()
        for _ in range(tries):
            rows = Effect.objects.filter(organization_id=organization_id, state__in=OPEN)
            rows.update(
                next_run_at=F("next_run_at") - timedelta(hours=2), changed_at=F("changed_at") - timedelta(hours=2)
            )
            self.ward.shop.run()

    def sweep(self) -> None:
        """The copy has caught up, and we look at everything ourselves."""
        for history in self.all.values():
            self._serve(history, history.version)
        at: datetime = timezone.now()
        polling.begin(self.ward.connection, at=at)
        PollingWatermark.objects.filter(connection=self.ward.connection).update(since_at=at - timedelta(days=2))
        polling.sweep(self.ward.connection, at=at)
        self.settle(tries=3)

    # -- what must be so ----------------------------------------------------------------------------------------------
    def require(self, *, swept: bool) -> None:
        pks = [one.link for one in self.all.values()]
        links = {link.pk: (link.state, link.end_reason) for link in PurchaseLink.objects.filter(pk__in=pks)}
        known = dict(ChartReference.objects.filter(connection=self.ward.connection).values_list("key", "version"))
        wrong: list[tuple[object, ...]] = []
        for history in self.all.values():
            found, wanted = links[history.link], history.end
            same = found == wanted if wanted[0] != MERGED else found[0] == "revoked"
            if not same:
                wrong.append((history.id, history.steps, history.reads, found, wanted))
            if known[history.key] != str(history.counted):
                wrong.append((history.id, history.steps, history.reads, history.named, known[history.key]))
            if swept and found == LIVE and history.reads[-1:] != [history.version]:
                wrong.append((history.id, history.steps, history.reads, "the last version was not read"))
            if swept and not history.goes_back and (found == LIVE) != history.in_order():
                wrong.append((history.id, history.steps, history.reads, found, "read in order it ends otherwise"))
        assert wrong == []
        self._require_one_row_for_each_event()

    def _require_one_row_for_each_event(self) -> None:
        """However often it came; and none for what leads elsewhere."""
        rows = Notification.objects.filter(subscription=self.ward.subscription)
        assert rows.count() == len(self.numbers)
        dropped = Subscription.objects.get(pk=self.webhook.pk).dropped
        assert dropped == self.forged
        assert not [one for one in self.ward.ehr.asked if "evil" in one.path]


def play(ward: Ward, *, count: int, seed: int, loss: int = 30, lag: int = 15) -> Play:
    """From the first link to the last look."""
    made = Play(ward, Random(seed), loss=loss)
    made.begin(count)
    for _ in range(ROUNDS):
        made.round(lag=lag)
        made.require(swept=False)
    made.sweep()
    made.require(swept=True)
    return made
