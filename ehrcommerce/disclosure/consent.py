"""A person's yes to one purpose and one recipient, with the exact words that were shown (45 CFR 164.508, and the
state laws that ask for more). A yes is withdrawn, never deleted: what was allowed then must be shown later."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

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
    identity_level: int, by: Actor, at: datetime,
) -> list[Consent]:  # fmt: skip
    """Record each yes. What is already agreed to stays as it was given the first time."""
    with transaction.atomic():
        words, _ = ConsentText.objects.get_or_create(
            organization_id=organization_id, sha256=hash_of(language, text),
            defaults={"language": language, "text": text, "first_shown_at": at},
        )  # fmt: skip
        given = []
        for one in wanted:
            consent, new = Consent.objects.get_or_create(
                organization_id=organization_id, subject=subject, purpose=one.purpose, recipient=one.recipient,
                withdrawn_at=None,
                defaults={
                    "customer_key": customer_key, "recipient_name": one.recipient_name, "text": words,
                    "identity_level": identity_level, "given_at": at, "payload_digest": one.payload_digest,
                },
            )  # fmt: skip
            given.append(consent)
            if new:
                _audit(consent, action="consent.given", by=by, at=at)
    return given


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
