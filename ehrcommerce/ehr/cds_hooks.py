"""CDS Hooks 2.0 (https://cds-hooks.hl7.org/2.0/): the EHR calls while orders are signed, and may show one card that opens
the app with these orders ready. Rule numbers H1 to H14: docs/cds-hooks.md.

Nobody waits for us: an answer takes 350 ms or is empty, nothing is asked of the EHR meanwhile, and nothing that it sent is
kept. Which orders a call brings is read by the door."""

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import BoundedSemaphore
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.db import transaction
from django.utils.dateparse import parse_datetime
from joserfc.jwk import Key

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import LinkState
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.hook_calls import ORDER_DISPATCH, ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, HookCall
from ehrcommerce.disclosure.values import Reference
from ehrcommerce.ehr import cds_cards, discovery, identity
from ehrcommerce.ehr.access import connection_partner, key_maker
from ehrcommerce.ehr.errors import BadDiscovery, BadIdentity, BadIssuer, CertificateMissing, EhrUnreachable
from ehrcommerce.ehr.issuers import canonical_iss
from ehrcommerce.ehr.models import AppContext, EhrConnection, HookClient, HookFeedback, HookToken
from ehrcommerce.policy import terms
from ehrcommerce.wire.strict import one_object

logger = logging.getLogger(__name__)

DEADLINE_S = 0.35
# The specification wants calls that live for five minutes; some clocks and some EHRs are more generous.
LONGEST_LIFE_S = 15 * 60
LONGEST_TOKEN, MOST_FEEDBACK = 16_384, 100
ACCEPTED, OVERRIDDEN = "accepted", "overridden"
_TITLE = "Purchase link for what was ordered"
# H1: static, so that it is answered also without the database. No service names a prefetch: what a card needs is in the
# context of the call, and what is not sent cannot leak (H5).
SERVICES: dict[str, str] = {
    ORDER_SIGN: "Tells which of the orders that are being signed can reach the patient by a purchase link.",
    ORDER_SELECT: "Tells which of the selected orders can reach the patient by a purchase link.",
    ORDER_DISPATCH: "Opens the app with the dispatched orders.",
    PATIENT_VIEW: "Tells of purchase links of this patient that wait for the clinic.",
}
# Links that wait for somebody at the clinic; too old: only where its patient asks for a new one (offers.services.newest_by_order).
WAITING = (LinkState.LOCKED, LinkState.DRAFT, LinkState.EXPIRED)
_workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="cds-keys")
_waiting = BoundedSemaphore(32)


class CallRefused(Exception):
    """The call is not signed by the CDS client that is registered for this address (docs/cds-hooks.md, "When a call is
    refused"). The EHR's administrator should compare issuer, key address, audience and clock."""

    def __init__(self, why: str) -> None:
        super().__init__(why)


class TooLate(Exception):
    """The time for an answer is over. Nothing was written; the EHR gets an empty answer."""


# ---------------------------------------------------------------------------------------------------------- discovery
def services() -> dict[str, Any]:
    """H1."""
    return {
        "services": [
            {"hook": name, "id": name, "title": _TITLE, "description": words} for name, words in SERVICES.items()
        ]
    }


# ----------------------------------------------------------------------------------------------------------- the time
@dataclass(frozen=True)
class Deadline:
    """When the answer must be on its way, on the clock of this process."""

    end: float

    @classmethod
    def begin(cls) -> "Deadline":
        return cls(time.monotonic() + DEADLINE_S)

    def left_s(self) -> float:
        """Raises TooLate."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TooLate
        return left

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and in time: the database gives up when the time is over."""
        with transaction.atomic(), database.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(max(int(self.left_s() * 1000), 1))])
            yield
            self.left_s()
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")


# ---------------------------------------------------------------------------------------------------------- who calls
@dataclass(frozen=True)
class Caller:
    """A signed call: once, until it is over by itself."""

    jti: str = field(repr=False)
    until_s: float


def client_of(connection: EhrConnection) -> HookClient:
    """H14: only where the clinic switched it on. Raises CallRefused."""
    row = HookClient.objects.filter(connection=connection, enabled=True).first()
    if row is None or not connection.enabled:
        raise CallRefused("off")
    return row


def check_call(
    client: HookClient, token: str, *, url: str, keys_for: Callable[[str], Sequence[Key]], now_s: float
) -> Caller:
    """H3. Raises CallRefused, and what `keys_for(kid)` raises."""
    if not 0 < len(token) <= LONGEST_TOKEN:
        raise CallRefused("token")
    try:
        header = identity.header_of(token)
        alg, kid = header.get("alg"), header.get("kid")
        if not isinstance(alg, str) or alg not in identity.allowed(client.algs):
            raise CallRefused("alg")
        if not isinstance(kid, str) or not kid or "crit" in header:
            raise CallRefused("header")
        # Another address is not even looked at: it could be one inside our own network.
        if header.get("jku", client.jku) != client.jku:
            raise CallRefused("jku")
        claims = identity.verified(token, alg, keys_for(kid))
    except BadIdentity as problem:
        raise CallRefused("signature") from problem
    return _caller(claims, client, url, now_s)


def _caller(claims: Mapping[str, Any], client: HookClient, url: str, now_s: float) -> Caller:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    jti = claims.get("jti")
    if claims.get("iss") != client.issuer:
        raise CallRefused("iss")
    if url not in audiences:
        raise CallRefused("aud")
    if client.tenant and claims.get("tenant") != client.tenant:
        raise CallRefused("tenant")
    if not isinstance(jti, str) or not 0 < len(jti) <= 255:
        raise CallRefused("jti")
    expires, issued = _number(claims.get("exp")), _number(claims.get("iat"))
    if not now_s - identity.SKEW_S < expires <= now_s + LONGEST_LIFE_S or issued - identity.SKEW_S > now_s:
        raise CallRefused("times")
    return Caller(jti, expires + identity.SKEW_S)


def _number(value: Any) -> float:
    """Raises CallRefused."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise CallRefused("times")
    return value


def keys_in_time(connection: EhrConnection, client: HookClient, deadline: Deadline) -> Callable[[str], Sequence[Key]]:
    """Keys from the registered address and no other, fetched beside the request: who calls while they are still on their
    way gets an empty answer, and the next call finds them. Raises TooLate."""
    place = discovery.SmartConfiguration(authorization_endpoint="", token_endpoint="", jwks_uri=client.jku)

    def keys_for(kid: str) -> Sequence[Key]:
        if not discovery.is_registered(connection, client.jku):
            raise CallRefused("jku_not_registered")
        if not _waiting.acquire(blocking=False):
            raise TooLate
        asked = _workers.submit(discovery.keys_for, connection, place, kid=kid)
        asked.add_done_callback(lambda _: _waiting.release())
        try:
            return asked.result(timeout=deadline.left_s())
        except NotInTime as problem:
            raise TooLate from problem
        except (BadDiscovery, EhrUnreachable, CertificateMissing) as problem:
            raise CallRefused("keys") from problem

    return keys_for


def take(connection: EhrConnection, caller: Caller, deadline: Deadline) -> None:
    """The call is heard now. Raises CallRefused for one that was heard before: the row decides."""
    with deadline.transaction():
        _, fresh = HookToken.objects.get_or_create(
            connection=connection, jti_sha256=hashlib.sha256(caller.jti.encode()).digest(),
            defaults={
                "organization_id": connection.organization_id, "until": datetime.fromtimestamp(caller.until_s, tz=UTC),
            },
        )  # fmt: skip
    if not fresh:
        raise CallRefused("replay")


# ------------------------------------------------------------------------------------------------------------- a call
def cards(client: HookClient, body: bytes, *, hook: str, at: datetime, deadline: Deadline) -> list[dict[str, Any]]:
    """The one card of a call, or none. Raises hook_calls.BadHookCall, NoAgreement, TooLate."""
    connection = client.connection
    with deadline.transaction():
        call = door.disclose_hook(
            _access(connection), body, hook=hook, is_ours=lambda server: _is_ours(connection, server),
            by=Actor("ehr", str(connection.public_id)), at=at,
        )  # fmt: skip
        if hook not in client.hooks.split() or (call.server and not _is_ours(connection, call.server)):
            return []
        orders, summary = _subject(connection, hook, call)
        if not summary:
            return []
        made = cds_cards.make(
            connection, hook=hook, summary=summary, patient_id=call.patient_id, user=call.user, orders=orders, at=at
        )
    return [made]


def _access(connection: EhrConnection) -> FhirAccess:
    """Enough to read what was sent, and no token: nothing can be asked with it."""
    organization = connection.organization
    return FhirAccess(
        partner=connection_partner(connection), base=connection.fhir_base.rstrip("/"), bearer="", patient_id="",
        organization_id=connection.organization_id, connection_party=connection.party, key_of=key_maker(connection),
        adult_age=organization.adult_age, helpers=organization.helpers,
        prescription_max_age_days=organization.prescription_max_age_days,
        held_words=tuple(terms.lines(organization.held_words)),
        medication_order=tuple(connection.medication_order.split()),
    )  # fmt: skip


def _is_ours(connection: EhrConnection, server: str) -> bool:
    """H8: the registered base, in any of its registered spellings."""
    try:
        said = canonical_iss(server)
    except BadIssuer:
        return False
    return said == connection.canonical_iss or connection.spellings.filter(canonical_iss=said).exists()


def _subject(connection: EhrConnection, hook: str, call: HookCall) -> tuple[list[Reference], str]:
    """The orders that a card would open, and what it says: "" where there is nothing to say."""
    key_of = key_maker(connection)
    sent = offers.sent_for(organization_id=connection.organization_id, customer_key=key_of("Patient", call.patient_id))
    newest = offers.newest_by_order(sent)
    if hook == PATIENT_VIEW:
        waiting = {each.link.pk for each in newest.values() if each.link.state in WAITING}
        return [], _words(len(waiting), "purchase link of this patient waits", "purchase links of this patient wait",
                          " for the clinic.")  # fmt: skip
    if hook == ORDER_DISPATCH:
        named = [each for each in call.named if key_of(*each) not in newest]
        return named, _words(len(named), "order", "orders", " may be sent to the patient by purchase link.")
    matches = catalog.match_all([one.item for _, one in call.drafts], organization_id=connection.organization_id)
    sold = [
        name for name, one in call.drafts
        if one.item.key not in newest and not one.state.refusal and matches[one.item.key].sold
    ]  # fmt: skip
    return sold, _words(len(sold), "order", "orders", " can be sent to the patient by purchase link.")


def _words(count: int, one: str, many: str, rest: str) -> str:
    return f"{count} {one if count == 1 else many}{rest}" if count else ""


# ----------------------------------------------------------------------------------------------------------- feedback
@dataclass(frozen=True)
class Told:
    """What became of one card."""

    card: UUID
    outcome: str
    at: datetime


def read_feedback(body: bytes) -> list[Told]:
    """H12: `{"feedback": [...]}`. What is not in the form is left out; comments and reasons are not read. Raises
    ValueError."""
    listed = one_object(body).get("feedback")
    if not isinstance(listed, list):
        raise ValueError("feedback is no list")
    found = (_told(each) for each in listed[:MOST_FEEDBACK])
    return [each for each in found if each is not None]


def _told(each: Any) -> Told | None:
    if not isinstance(each, Mapping) or each.get("outcome") not in (ACCEPTED, OVERRIDDEN):
        return None
    card, when = each.get("card"), each.get("outcomeTimestamp")
    if not isinstance(card, str) or not re.fullmatch(r"[0-9a-fA-F-]{32,36}", card) or not isinstance(when, str):
        return None
    try:
        at, name = parse_datetime(when), UUID(card)
    except ValueError:
        return None
    return Told(name, str(each["outcome"]), at.astimezone(UTC)) if at and at.tzinfo else None


def note_feedback(connection: EhrConnection, told: Sequence[Told], *, at: datetime) -> int:
    """Twice is once; a card that is not ours is no mistake worth an answer."""
    cards = {
        row.public_id: row
        for row in AppContext.objects.filter(connection=connection, public_id__in=[each.card for each in told])
    }
    rows = [
        HookFeedback(
            organization_id=connection.organization_id, card=cards[each.card], outcome=each.outcome, outcome_at=each.at,
            heard_at=at,
        )
        for each in told if each.card in cards and abs(each.at - at) < timedelta(days=30)
    ]  # fmt: skip
    return len(HookFeedback.objects.bulk_create(rows, ignore_conflicts=True))
