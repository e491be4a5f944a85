"""Subscriptions at the EHR, made and looked after by ourselves where the EHR has them as FHIR resources: created once,
asked for their state, woken up again where the EHR gave them up, prolonged before they end. Effects like any other.

A Subscription holds a secret for this one address and never a token: it is no safe place (S21)."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from ehrcommerce.accounts import agreements
from ehrcommerce.ehr import backend_services, inbox, schemes
from ehrcommerce.ehr.discovery import connection_partner
from ehrcommerce.ehr.errors import BackendRefused, BackendUnanswered, NoBackendServices
from ehrcommerce.ehr.models import Scheme, Subscription, SubscriptionState
from ehrcommerce.ehr.schemes import Heard
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import LOOKUP, NATIVE_KEY, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, Outcome, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.wire import fhir
from ehrcommerce.wire.client import Answer, ask
from ehrcommerce.wire.errors import BadAnswer, NotSent, Unanswered, WireError

MAKE, CHECK = "ehr.subscribe", "ehr.subscription_check"
SCOPES = ("system/Subscription.cu", "system/Subscription.rs")
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
MEDPLUM_SECRET = "https://www.medplum.com/fhir/StructureDefinition/subscription-secret"
PLACE = re.compile(r"(?:.*/)?(Subscription/[A-Za-z0-9\-.]{1,64})(?:/_history/.*)?")
MADE_BY_US = (Scheme.BACKPORT, Scheme.REST_HOOK, Scheme.MEDPLUM)
LATER = (429, 503)
LIVES, RENEWED_BEFORE = timedelta(days=30), timedelta(days=3)
CHECK_EVERY = timedelta(hours=1)
GONE = (404, 410)
MOST_NUMBERS = 1000
Json = dict[str, Any]


def resource_of(row: Subscription, at: datetime) -> Json:
    """What the EHR is asked to hold. id-only where it can be chosen, since nothing else is read anyway."""
    channel: Json = {"type": "rest-hook", "endpoint": f"{settings.BASE_URL}{row.path}"}
    made: Json = {
        "resourceType": "Subscription", "status": "requested", "reason": "Orders that changed", "criteria": row.topic,
        "end": (at + LIVES).isoformat(), "channel": channel,
    }  # fmt: skip
    if row.reference:
        made["id"] = row.reference.rpartition("/")[2]
    if row.scheme == Scheme.MEDPLUM:
        made["extension"] = [{"url": MEDPLUM_SECRET, "valueString": row.secret}]
        channel["payload"] = fhir.ACCEPT
        return made
    channel["header"] = [f"{row.header_name}: {row.secret}"]
    if row.scheme == Scheme.BACKPORT:
        made["meta"] = {"profile": [f"{BACKPORT}/backport-subscription"]}
        channel["payload"] = fhir.ACCEPT
        channel["_payload"] = {"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": "id-only"}]}
        if row.heartbeat_s:
            channel["extension"] = [
                {"url": f"{BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": row.heartbeat_s}
            ]
    return made


def want(row: Subscription, *, at: datetime) -> Effect:
    """Make it at the EHR, or look after the one that is there."""
    return outbox.plan_next(
        kind=CHECK if row.reference else MAKE, subject=str(row.public_id), organization_id=row.organization_id, at=at
    )


def _row(effect: Effect) -> Subscription:
    row = Subscription.objects.select_related("connection__organization").filter(public_id=effect.subject).first()
    if row is None or not (row.enabled and row.connection.enabled) or row.scheme not in MADE_BY_US or not row.topic:
        raise Halt(Refused("not_wanted"))
    if not agreements.is_live(organization_id=row.organization_id, party=row.connection.party, service="chart", at=timezone.now()):
        raise Halt(Refused("no_agreement"))
    return row


def _exchange(row: Subscription, method: str, path: str, **more: Any) -> Answer:
    """One request of ours about a Subscription; a token that the EHR forgot is replaced once."""
    refused, said = "", more.pop("headers", {})
    for _ in range(2):
        try:
            bearer = backend_services.token(row.connection, scopes=SCOPES, refused=refused)
        except (NoBackendServices, BackendRefused) as problem:
            raise Halt(Refused("not_permitted")) from problem
        except BackendUnanswered as problem:
            raise Halt(TryAgain("ehr_unanswered")) from problem
        headers = {**fhir.headers(bearer), **said}
        url = f"{row.connection.fhir_base.rstrip('/')}/{path}"
        answer = ask(connection_partner(row.connection), method, url, headers=headers, **more)
        if answer.status != 401:
            break
        refused = bearer
    return answer


class Make(Handler):
    """Create it once: found again by its address at ours, which no other has."""

    kind = MAKE
    queue = "chart"

    def capability(self, effect: Effect) -> str:
        return LOOKUP

    def prepare(self, effect: Effect) -> bytes:
        row = _row(effect)
        if row.reference:
            raise Halt(Refused("made_before"))
        # The time of the intent, so that the bytes are the same at every try.
        return json.dumps(resource_of(row, effect.created_at), sort_keys=True).encode()

    def send(self, effect: Effect, body: bytes) -> Outcome:
        row = _row(effect)
        there = {"Content-Type": fhir.ACCEPT, "If-None-Exist": f"url={settings.BASE_URL}{row.path}"}
        answer = _exchange(row, "POST", "Subscription", headers=there, body=body)
        if answer.status in LATER:
            return TryAgain("ehr_busy", after_s=answer.asked_to_wait_s())
        if answer.status >= 500:
            return OutcomeUnknown("ehr_fault")
        found = PLACE.fullmatch(answer.headers.get("location", "")) or PLACE.fullmatch(_named(answer))
        if answer.ok and found:
            return Done(reference=found[1], facts={"reference": found[1]})
        return OutcomeUnknown("not_named") if answer.ok else Refused(f"http_{answer.status}")

    def ask(self, effect: Effect) -> Outcome:
        row = _row(effect)
        endpoint = f"{settings.BASE_URL}{row.path}"
        answer = _exchange(row, "GET", "Subscription", params={"url": endpoint})
        try:
            entries = fhir.entries_of(fhir.resource_of(answer))
        except (fhir.FhirRefused, BadAnswer):
            return OutcomeUnknown("not_searched")
        for entry in entries:
            channel, name = entry.resource.get("channel"), str(entry.resource.get("id"))
            found = PLACE.fullmatch(f"Subscription/{name}")
            if found and isinstance(channel, Mapping) and channel.get("endpoint") == endpoint:
                return Done(reference=found[1], facts={"reference": found[1]})
        return self.missing(effect)

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        if isinstance(outcome, Done):
            Subscription.objects.filter(public_id=effect.subject, reference="").update(
                reference=outcome.facts["reference"], checked_at=timezone.now(), ends_at=effect.created_at + LIVES
            )
        else:
            Subscription.objects.filter(public_id=effect.subject, reference="").update(state=SubscriptionState.ERROR)


def _named(answer: Answer) -> str:
    try:
        return f"Subscription/{fhir.resource_of(answer).get('id')}"
    except (fhir.FhirRefused, BadAnswer):
        return ""


class Check(Handler):
    """Ask how it is, fetch what was missed, and ask for it anew where the EHR gave it up or it ends soon (S10, S13, S15).
    The bytes are the Subscription to write, or nothing."""

    kind = CHECK
    queue = "chart"

    def capability(self, effect: Effect) -> str:
        return NATIVE_KEY

    def prepare(self, effect: Effect) -> bytes:
        row, at = _row(effect), timezone.now()
        answer = _exchange(row, "GET", row.reference)
        if answer.status in GONE:
            Subscription.objects.filter(pk=row.pk).update(reference="", state=SubscriptionState.OFF, checked_at=at)
            row.reference = ""
            want(row, at=at)
            raise Halt(Refused("gone"))
        try:
            found = fhir.resource_of(answer)
        except (fhir.FhirRefused, BadAnswer) as problem:
            raise Halt(TryAgain("ehr_refused", after_s=60.0)) from problem
        ends_at = schemes.instant(str(found.get("end") or ""))
        said = standing(row, at)
        if said is not None:
            inbox.counted(row, said, at)
        given_up = found.get("status") in ("error", "off") or bool(said and said.in_error)
        state = SubscriptionState.ERROR if given_up else SubscriptionState.ACTIVE
        known = found.get("status") in ("active", "error", "off")
        Subscription.objects.filter(pk=row.pk).update(
            checked_at=at,
            ends_at=ends_at,
            **({"state": state} if known and row.state != SubscriptionState.SILENT else {}),
        )
        if not given_up and not (ends_at and ends_at - at < RENEWED_BEFORE):
            return b""
        version = found.get("meta", {}).get("versionId", "") if isinstance(found.get("meta"), dict) else ""
        wanted = resource_of(row, at)
        return json.dumps({**wanted, "meta": {**wanted.get("meta", {}), "versionId": version}}, sort_keys=True).encode()

    def send(self, effect: Effect, body: bytes) -> Outcome:
        if not body:
            return Done()
        row, version = _row(effect), json.loads(body)["meta"]["versionId"]
        match = {"If-Match": f'W/"{version}"'} if version else {}
        answer = _exchange(row, "PUT", row.reference, headers={"Content-Type": fhir.ACCEPT, **match}, body=body)
        if answer.ok:
            return Done(facts={"asked_anew": True})
        if answer.status in (*LATER, 409, 412) or answer.status >= 500:
            return TryAgain("look_again")
        return Refused(f"http_{answer.status}")

    def ask(self, effect: Effect) -> Outcome:
        """To write it a second time does no harm: it says the same."""
        return TryAgain("look_again", after_s=0)

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        if isinstance(outcome, Done) and outcome.facts.get("asked_anew"):
            Subscription.objects.filter(public_id=effect.subject).update(state=SubscriptionState.REQUESTED)


def standing(row: Subscription, at: datetime) -> Heard | None:
    """What `$status` says (S10, S13): of the last events it may be the only word. None where the EHR does not offer it."""
    if row.scheme != Scheme.BACKPORT or not row.reference:
        return None
    try:
        answer = _exchange(row, "GET", f"{row.reference}/$status")
        return schemes.read_status(row, answer.body) if answer.ok else None
    except (Halt, NotSent, Unanswered, WireError, schemes.NotUnderstood):
        return None


def missed(row: Subscription, at: datetime) -> bool:
    """`$events` between two numbers, into the inbox. False where the EHR does not offer it, or not all of it came."""
    if row.scheme != Scheme.BACKPORT or not row.reference:
        return False
    if int(row.gap_to) - int(row.gap_from) >= MOST_NUMBERS:
        return False
    between = {"eventsSinceNumber": row.gap_from, "eventsUntilNumber": row.gap_to}
    try:
        answer = _exchange(row, "GET", f"{row.reference}/$events", params=between)
        if not answer.ok:
            return False
        heard = schemes.read(row, {}, answer.body)
    except (Halt, NotSent, Unanswered, WireError, schemes.NotUnderstood):
        return False
    inbox.write(row.connection, heard.hints, subscription=row, at=at)
    wanted = range(int(row.gap_from), int(row.gap_to) + 1)
    return len(wanted) <= len(heard.numbers) and {str(one) for one in wanted} <= set(heard.numbers)


def due(row: Subscription, at: datetime) -> bool:
    """Whether it is time to look after it; only where we made it."""
    if row.scheme not in MADE_BY_US or not row.topic:
        return False
    return not row.reference or row.checked_at is None or at - row.checked_at >= CHECK_EVERY
