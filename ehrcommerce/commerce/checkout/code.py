"""The one-time code: six digits to a contact on file, never to one that is typed here.

The code stands in no row. It is HMAC(link key, session, generation), so that the hand that sends and the hand that
checks both make it anew; tries, age and generation are rows, because Redis may be empty at any moment."""

import hmac
from datetime import datetime, timedelta
from enum import Enum
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.checkout.errors import NoContact, TooManyCodes
from ehrcommerce.commerce.checkout.models import CheckoutSession, Stage
from ehrcommerce.commerce.checkout.services import actor_of, begin
from ehrcommerce.commerce.offers.effects import ELEMENTS, messenger_for, must_be_usable
from ehrcommerce.commerce.offers.messages import render
from ehrcommerce.commerce.offers.models import Contact, Helper, PurchaseLink
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.outbox.outcomes import Done, Halt, Outcome, Refused
from ehrcommerce.policy import table
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import Message
from ehrcommerce.vault.keys import keyed

MINUTES = 10
SENDS = 4  # the first and three more
UNVERIFIED_A_DAY = 5
KIND = "checkout.code"


class Verdict(Enum):
    RIGHT = "right"
    WRONG = "wrong"
    TOO_OLD = "too_old"
    USED_UP = "used_up"


def code_of(session: CheckoutSession, generation: int) -> str:
    """The six digits of one generation."""
    mac = keyed(settings.LINK_KEY, "checkout.code", f"{session.public_id}:{generation}")
    return f"{int.from_bytes(mac[:8], 'big') % 1_000_000:06d}"


def contact_for(session: CheckoutSession) -> Contact:
    """Another channel than the link's where there is one on file, else the same. Raises NoContact."""
    contacts = [
        contact for contact in Contact.objects.filter(offer_id=session.link.offer_id).order_by("pk") if contact.value
    ]
    if not contacts:
        raise NoContact
    carrier = next((contact for contact in contacts if contact.carries_link), None)
    if carrier is None:
        return min(contacts, key=lambda contact: contact.channel != "sms")
    return next((contact for contact in contacts if contact.channel != carrier.channel), carrier)


def own_contact(session: CheckoutSession) -> Helper | None:
    """The helper whom the patient named with a contact of their own: the code goes there, and to nobody else."""
    return session.helper if session.helper is not None and session.helper.channel else None


def reached_at(session: CheckoutSession) -> Contact | Helper | None:
    """Where the code of this session goes: `channel`, `value` and `masked`."""
    return own_contact(session) or session.code_contact


def too_many(*, link_id: int, at: datetime) -> bool:
    """Somebody who knows the birth date must not be able to make a phone ring all day."""
    recent = CheckoutSession.objects.filter(link_id=link_id, level__lt=2, started_at__gt=at - timedelta(days=1))
    return recent.count() >= UNVERIFIED_A_DAY


@transaction.atomic
def begin_session(
    *, organization_id: int, link_id: int, language: str, at: datetime, wants_data: bool = False,
    helper: Helper | None = None,
) -> tuple[CheckoutSession, str]:  # fmt: skip
    """A session that may send codes. The link's row is locked from the count to the new session, so that of many at
    once each is counted. Raises TooManyCodes."""
    PurchaseLink.objects.select_for_update().get(pk=link_id)
    if too_many(link_id=link_id, at=at):
        raise TooManyCodes
    return begin(
        organization_id=organization_id, link_id=link_id, language=language, at=at, wants_data=wants_data, helper=helper
    )


def send(session: CheckoutSession, *, at: datetime) -> bool:
    """Send the next code and wait for it. False where it is still under way. Raises TooManyCodes, NoContact."""
    if session.code_generation >= SENDS:
        raise TooManyCodes
    effect = _plan(session, None if own_contact(session) else contact_for(session), at)
    if effect is None:
        return True  # another press of the same button was first
    return outbox.run_inline(effect).state == State.DONE


@transaction.atomic
def _plan(session: CheckoutSession, contact: Contact | None, at: datetime) -> Effect | None:
    before = session.code_generation
    expires_at = at + timedelta(minutes=MINUTES)
    mine = CheckoutSession.objects.filter(pk=session.pk, code_generation=before, ended_at=None).update(
        code_generation=before + 1, code_contact=contact, code_expires_at=expires_at
    )
    if not mine:
        return None
    session.code_generation, session.code_contact, session.code_expires_at = before + 1, contact, expires_at
    audit.record(
        organization_id=session.organization_id, by=actor_of(session), action="checkout.code_planned",
        entity=f"checkout:{session.public_id}", at=at, purpose="identity",
    )  # fmt: skip
    return outbox.plan(
        kind=KIND, subject=str(session.public_id), organization_id=session.organization_id, at=at,
        generation=session.code_generation, deadline_at=expires_at, ring=False,
    )  # fmt: skip


def check(session: CheckoutSession, typed: str, *, at: datetime) -> Verdict:
    """Each answer costs one of five tries, before it is looked at: the row decides, however many ask at once."""
    if session.code_expires_at is None or at >= session.code_expires_at:
        return Verdict.TOO_OLD
    open_tries = CheckoutSession.objects.filter(pk=session.pk, stage=Stage.CODE, code_tries_left__gt=0)
    if not open_tries.update(code_tries_left=F("code_tries_left") - 1):
        return Verdict.USED_UP
    session.refresh_from_db(fields=["code_tries_left", "code_generation"])
    if hmac.compare_digest(code_of(session, session.code_generation), typed):
        return Verdict.RIGHT
    return Verdict.WRONG if session.code_tries_left else Verdict.USED_UP


class SendCode(Handler):
    """One code to one contact. A page waits for it, so it is run inline; the sweeper takes over what hangs."""

    kind = KIND
    queue = "patient"

    def capability(self, effect: Effect) -> str:
        return chosen.capability_of(self._session(effect).messenger)

    def _session(self, effect: Effect) -> CheckoutSession:
        rows = CheckoutSession.objects.select_related(
            "organization", "code_contact", "messenger", "link__offer", "helper__offer"
        )
        return rows.get(public_id=effect.subject)

    def prepare(self, effect: Effect) -> bytes:
        session = self._session(effect)
        contact = reached_at(session)
        if contact is None or not contact.value:
            raise Halt(Refused("no_contact"))
        words = render(
            "code", language=session.language, organization=session.organization,
            context={
                "code": code_of(session, effect.generation), "minutes": MINUTES,
                "host": urlsplit(settings.PATIENT_URL).hostname or "",
            },
        )  # fmt: skip
        message = Message(
            reference=str(effect.public_id), channel=contact.channel, to=contact.value,
            sender=session.organization.alias,
            text=words.sms if contact.channel == "sms" else words.text, subject=words.subject, html=words.html,
        )  # fmt: skip
        session.messenger = messenger_for(effect, session.messenger, contact.channel)
        session.save(update_fields=["messenger"])
        return chosen.messaging(session.messenger).render(message)

    def envelope(self, effect: Effect) -> UUID | None:
        return self._session(effect).link.offer.public_id

    def still_wanted(self, effect: Effect) -> None:
        """Only the newest code of a session that still waits for one."""
        rows = CheckoutSession.objects.select_for_update(of=("self",)).select_related(
            "link__offer", "messenger", "helper"
        )
        session = rows.filter(
            public_id=effect.subject, stage=Stage.CODE, ended_at=None, code_generation=effect.generation
        ).first()
        if session is None:
            raise Halt(Refused("code_not_wanted"))
        messenger = must_be_usable(session.messenger)
        audit.record(
            organization_id=effect.organization_id, by=audit.system("outbox"), action="checkout.code_sent",
            entity=f"checkout:{session.public_id}", at=timezone.now(), purpose=table.CONTACT,
            recipient=messenger.party, elements=() if own_contact(session) else ELEMENTS,
            customer_key=session.link.offer.customer_key,
        )  # fmt: skip

    def send(self, effect: Effect, body: bytes) -> Outcome:
        messenger = must_be_usable(self._session(effect).messenger)
        return chosen.messaging(messenger).deliver(body, idempotency_key=effect.idempotency_key)

    def ask(self, effect: Effect) -> Outcome:
        messenger = must_be_usable(self._session(effect).messenger)
        return Done() if chosen.messaging(messenger).find(str(effect.public_id)) else self.missing(effect)

    def overdue(self, effect: Effect) -> Outcome:
        return Refused("code_too_old")
