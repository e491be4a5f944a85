"""HL7 v2 messages into the inbox. A message is a reason to look, as any other notification: who sent it, its kind and the
ids at the places that the feed names are taken, and the rest is dropped unread. Whatever is acknowledged with AA stands in
the database; the acknowledgment is made after the commit."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from django.db import connection as database
from django.db import transaction
from django.db.models import F

from ehrcommerce.ehr import hl7v2, inbox, polling
from ehrcommerce.ehr.event_models import ORDER_TYPES
from ehrcommerce.ehr.hl7v2 import Message, NotTaken, Problem, Segment, Wrong
from ehrcommerce.ehr.models import Hl7Feed, Scheme, Subscription, SubscriptionState
from ehrcommerce.ehr.schemes import EVENT, Heard, Hint
from ehrcommerce.vault import walls

MOST_KINDS = 50
AHEAD = timedelta(days=1)
_FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_SHOWN_KIND = re.compile(r"[A-Z0-9]{3}\^[A-Z0-9]{0,3}")
# By what an order's detail says of it. In ORM a laboratory's form is used for devices as well.
_TYPES = {
    "RXO": ("MedicationRequest",), "RXE": ("MedicationRequest",), "RQD": ("DeviceRequest",), "RQ1": ("DeviceRequest",),
    "OBR": ("ServiceRequest", "DeviceRequest"),
}  # fmt: skip
_TYPES_OF_KIND = {"OMP": ("MedicationRequest",), "RDE": ("MedicationRequest",), "OML": ("ServiceRequest",)}


@dataclass(frozen=True, slots=True)
class Peer:
    """How the sender is proved: the SHA-256 of its verified client certificate and the address it comes from, or the
    folder its file lay in."""

    certificate: str = ""
    address: str = ""
    folder: str = ""


def candidates(peer: Peer) -> list[tuple[int, int]]:
    """The feeds that this peer may send for, of all organizations: (feed, organization)."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM ehrc_hl7_feeds(%s, %s, %s)", [peer.certificate, peer.address or None, peer.folder]
        )
        return [(int(pk), int(organization_id)) for pk, organization_id in cursor.fetchall()]


def receive(body: bytes, peer: Peer, at: datetime) -> tuple[str, bytes]:
    """One message: what was answered (AA, AE, AR), and the answer. Database errors are the caller's: nothing was taken
    then, and nothing is acknowledged."""
    try:
        said = _receive(body, peer, at)
    except Problem as problem:
        return problem.answer, hl7v2.answer(body, problem.answer, number=_number(), at=at, problem=problem)
    if said is not None:
        return said.answer, hl7v2.answer(body, said.answer, number=_number(), at=at, problem=said)
    return "AA", hl7v2.answer(body, "AA", number=_number(), at=at)


def _number() -> str:
    return uuid4().hex[:20].upper()


def _receive(body: bytes, peer: Peer, at: datetime) -> Problem | None:
    message = hl7v2.read(body)
    for pk, organization_id in candidates(peer):
        with walls.organization(organization_id):
            feed = Hl7Feed.objects.select_related("connection", "subscription__connection").filter(pk=pk).first()
            if feed is None or not feed.connection.enabled or message.sender not in feed.senders.split("\n"):
                continue
            return _take(feed, body, at)
    raise NotTaken(hl7v2.INTERNAL, "no feed is set up for this sender (MSH-3, MSH-4) at this connection")


def _take(feed: Hl7Feed, body: bytes, at: datetime) -> Problem | None:
    """Into the inbox, in one transaction with whatever it brings about. A refusal is counted and answered."""
    try:
        message = hl7v2.read(body, default_charset=feed.charset)
        _require_taken(feed, message)
        heard, everything = _heard(feed, message, at)
    except Problem as problem:
        _refuse(feed, body, at)
        return problem
    with transaction.atomic():
        if heard.look:
            polling.begin(feed.connection, at=at - AHEAD, types=_orders_of(feed.subscription))
        inbox.take(feed.subscription, heard, at)
        if everything:
            polling.sweep(feed.connection, at=at)
    return None


def _require_taken(feed: Hl7Feed, message: Message) -> None:
    """Raises NotTaken, Wrong."""
    kind, of_kind = message.kind, message.kind.split("^")[0]
    if kind not in hl7v2.KINDS:
        known = {one.split("^")[0] for one in hl7v2.KINDS}
        code = hl7v2.OTHER_EVENT if of_kind in known else hl7v2.OTHER_TYPE
        raise NotTaken(code, "MSH-9 is not one of: " + ", ".join(hl7v2.KINDS).replace("^", " "))
    if message.value(message.header, 11) not in feed.processing_ids.split():
        raise NotTaken(hl7v2.OTHER_PROCESSING, f"MSH-11 is not one of: {feed.processing_ids}")
    if not message.value(message.header, 12).startswith("2."):
        raise NotTaken(hl7v2.OTHER_VERSION, "MSH-12 is not 2.x")
    if not message.control_id:
        raise Wrong(hl7v2.FIELD_MISSING, "MSH-10 is empty")


def _refuse(feed: Hl7Feed, body: bytes, at: datetime) -> None:
    """Counted by kind, so that somebody sees that an interface sends what nobody takes here."""
    try:
        kind = hl7v2.read(body).kind
    except Problem:
        kind = ""
    kind = kind if _SHOWN_KIND.fullmatch(kind) else "unreadable"
    with transaction.atomic():
        row = Hl7Feed.objects.select_for_update(of=("self",)).get(pk=feed.pk)
        kind = kind if kind in row.refused_kinds or len(row.refused_kinds) < MOST_KINDS else "others"
        row.refused_kinds = {**row.refused_kinds, kind: int(row.refused_kinds.get(kind, 0)) + 1}
        row.refused = F("refused") + 1
        row.save(update_fields=["refused", "refused_kinds"])
        Subscription.objects.filter(pk=feed.subscription_id).update(heard_at=at)


# --------------------------------------------------------------------------------------------------- which rows to look at
def _heard(feed: Hl7Feed, message: Message, at: datetime) -> tuple[Heard, bool]:
    """What it names, and whether everything must be looked at since it does not name whom it is about."""
    sent_at = message.sent_at
    sent_at = sent_at if sent_at is not None and sent_at <= at + AHEAD else None
    # Two messages are the same by sender and number (MSH-3, MSH-4, MSH-10), and by nothing else.
    event = hashlib.sha256(f"{message.sender}|{message.control_id}".encode()).hexdigest()
    named = _merged(feed, message) if message.kind in hl7v2.MERGES else _ordered(feed, message)
    found = [(kind, name) for kind, name in named if name and kind in feed.subscription.types]
    lacking = any(not name for _, name in named)
    hints = tuple(Hint(kind, name, event=event, at=sent_at) for kind, name in dict.fromkeys(found))
    merge = message.kind in hl7v2.MERGES
    dropped = sum(1 for _, name in named if not name)
    return Heard(EVENT, hints, dropped=dropped, look=lacking and not merge, newest_at=sent_at), lacking and merge


def _ordered(feed: Hl7Feed, message: Message) -> list[tuple[str, str]]:
    groups = hl7v2.orders(message)
    if not groups:
        raise Wrong(hl7v2.SEGMENT_MISSING, "no ORC segment")
    mine = _orders_of(feed.subscription)
    of_kind = _TYPES_OF_KIND.get(message.kind.split("^")[0])
    found = []
    for group in groups:
        name = _order_id(feed, message, group)
        detail = next((one.name for one in group if one.name in _TYPES), "")
        types = of_kind or _TYPES.get(detail) or mine
        found += [(kind, name) for kind in types] if name else [("", "")]
    return found


def _order_id(feed: Hl7Feed, message: Message, group: Iterable[Segment]) -> str:
    where = hl7v2.place(feed.order_id_at)
    for one in group if where else ():
        if where and one.name == where[0]:
            said = message.value(one, where[1], where[2])
            return said if _FHIR_ID.fullmatch(said) and set(said) != {"."} else ""
    return ""


def _merged(feed: Hl7Feed, message: Message) -> list[tuple[str, str]]:
    """Both records: the one that stays (PID-3) and the one that went into it (MRG-1)."""
    going = message.all("MRG")
    if not going or not message.all("PID"):
        raise Wrong(hl7v2.SEGMENT_MISSING, "a merge needs PID and MRG")
    found = []
    for one, number in [*((each, 3) for each in message.all("PID")), *((each, 1) for each in going)]:
        said = _person(feed, message, message.repetitions(one, number)) if feed.patient_ids_are_fhir else ""
        found.append(("Patient", said))
    return found


def _person(feed: Hl7Feed, message: Message, listed: list[bytes]) -> str:
    for one in listed:
        if feed.patient_authority and message.part(one, 4) != feed.patient_authority:
            continue
        said = message.part(one)
        return said if _FHIR_ID.fullmatch(said) and set(said) != {"."} else ""
    return ""


def _orders_of(row: Subscription) -> tuple[str, ...]:
    return tuple(name for name in ORDER_TYPES.split() if name in row.types)


# ------------------------------------------------------------------------------------------------------------- the rows
def subscribe(feed: Hl7Feed, at: datetime) -> None:
    """Give a new feed its place in the inbox. Nobody can send to it by HTTP: it has no secret, and no scheme that knows
    one."""
    feed.subscription = Subscription.objects.create(
        organization_id=feed.organization_id, connection=feed.connection, scheme=Scheme.HL7, counted=False,
        state=SubscriptionState.ACTIVE, created_at=at,
    )  # fmt: skip
