"""A person's yes to one purpose and one recipient, with the exact words that were shown (45 CFR 164.508, and the
state laws that ask for more). A yes is withdrawn, never deleted: what was allowed then must be shown later."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection, transaction
from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure.errors import NoConsent
from ehrcommerce.disclosure.models import Consent, ConsentText


@dataclass(frozen=True, slots=True)
class Wanted:
    """One yes that is asked for. `recipient` is `supplier:<public id>`; `payload_digest` what it would get."""

    purpose: str
    recipient: str
    recipient_name: str
    payload_digest: bytes = b""


def hash_of(language: str, text: str) -> bytes:
    """By which the words of a consent are known."""
    return hashlib.sha256(f"{language}\n{text}".encode()).digest()


def give(
    *, organization_id: int, customer_key: str, subject: str, wanted: Sequence[Wanted], language: str, text: str,
    identity_level: int, by: Actor, at: datetime, attested: tuple[str, date] | None = None, acting: str = "",
) -> list[Consent]:  # fmt: skip
    """Record each yes. What is already agreed to stays as it was given the first time. `attested`: who of the clinic says
    that it was given to them, and on which day; `acting`: what `by` is to the patient, where it is not the patient who
    says it."""
    with transaction.atomic():
        words, _ = ConsentText.objects.get_or_create(
            organization_id=organization_id, sha256=hash_of(language, text),
            defaults={"language": language, "text": text, "first_shown_at": at},
        )  # fmt: skip
        said = {"attested_by": attested[0], "attested_on": attested[1]} if attested else {}
        given = []
        for one in wanted:
            consent, new = Consent.objects.get_or_create(
                organization_id=organization_id, subject=subject, purpose=one.purpose, recipient=one.recipient,
                withdrawn_at=None,
                defaults={
                    "customer_key": customer_key, "recipient_name": one.recipient_name, "text": words,
                    "identity_level": identity_level, "given_at": at, "payload_digest": one.payload_digest, **said,
                    "acting": acting,
                },
            )  # fmt: skip
            given.append(consent)
            if new:
                _audit(consent, action="consent.attested" if attested else "consent.given", by=by, at=at, reason=acting)
    return given


def standing_subject(customer_key: str) -> str:
    """What a standing yes is about: the person, by the audit's own name."""
    return audit.patient_ref(customer_key).hex()


def standing(*, organization_id: int, customer_key: str, purpose: str = "", lock: bool = False) -> list[Consent]:
    """This person's yes to orders to come that stands now, to each recipient. Locked, whoever takes it back waits."""
    found = live(organization_id=organization_id, subject=standing_subject(customer_key), lock=lock)
    return [one for one in found if purpose in ("", one.purpose)]


def forget_standing(organization_id: int, customer_key: str, order_keys: frozenset[str]) -> int:
    """Who asked to be forgotten is asked each time again."""
    return len(
        withdraw(
            organization_id=organization_id, subject=standing_subject(customer_key), by=audit.system("erasure"),
            at=timezone.now(), reason="erased",
        )
    )  # fmt: skip


def follow(yes: Consent, *, subject: str, payload_digest: bytes, by: Actor, at: datetime) -> Consent:
    """The yes to one order that follows from a standing one: the same words, the same recipient, as far as that one went.
    Call with `yes` locked and standing."""
    if yes.withdrawn_at is not None:
        raise NoConsent
    made, new = Consent.objects.get_or_create(
        organization_id=yes.organization_id, subject=subject, purpose=yes.purpose, recipient=yes.recipient,
        withdrawn_at=None,
        defaults={
            "customer_key": yes.customer_key, "recipient_name": yes.recipient_name, "text": yes.text, "standing": yes,
            "identity_level": yes.identity_level, "given_at": at, "payload_digest": payload_digest,
        },
    )  # fmt: skip
    if new:
        _audit(made, action="consent.followed", by=by, at=at, reason=f"consent:{yes.public_id}")
    return made


def withdraw(
    *, organization_id: int, subject: str, by: Actor, at: datetime, recipient: str = "", reason: str = ""
) -> list[Consent]:
    """Take back every yes of this subject to this recipient, or to everybody. Returns what was taken back; empty if
    there was none."""
    with transaction.atomic():
        rows = live(organization_id=organization_id, subject=subject, recipient=recipient, lock=True)
        for consent in rows:
            consent.withdrawn_at = at
            consent.save(update_fields=["withdrawn_at"])
            _audit(consent, action="consent.withdrawn", by=by, at=at, reason=reason)
    return rows


def require(*, organization_id: int, subject: str, purpose: str, recipient: str) -> Consent:
    """The yes to this purpose and this recipient that stands now. Raises NoConsent where there is none.

    In a transaction it stands until its end: who takes it back meanwhile waits, and then finds that something went.
    """
    rows = Consent.objects.filter(
        organization_id=organization_id, subject=subject, purpose=purpose, recipient=recipient, withdrawn_at=None
    )
    yes = (rows.select_for_update() if connection.in_atomic_block else rows).first()
    if yes is None:
        raise NoConsent
    return yes


def last(*, organization_id: int, subject: str, purpose: str, recipient: str) -> Consent | None:
    """The newest yes to this purpose and this recipient, also one that was taken back."""
    rows = Consent.objects.filter(
        organization_id=organization_id, subject=subject, purpose=purpose, recipient=recipient
    )
    return rows.order_by("-pk").first()


def live(*, organization_id: int, subject: str, recipient: str = "", lock: bool = False) -> list[Consent]:
    """What is agreed to now, oldest first."""
    rows = Consent.objects.filter(organization_id=organization_id, subject=subject, withdrawn_at=None).order_by("pk")
    if recipient:
        rows = rows.filter(recipient=recipient)
    return list(rows.select_for_update() if lock else rows)


def _audit(consent: Consent, *, action: str, by: Actor, at: datetime, reason: str = "") -> None:
    audit.record(
        organization_id=consent.organization_id, by=by, action=action, entity=f"consent:{consent.public_id}", at=at,
        purpose=consent.purpose, recipient=consent.recipient, customer_key=consent.customer_key,
        reason=reason,
    )  # fmt: skip
