"""A payment processor with a hosted page and manual capture: `sessions`, `sessions/{id}/capture|void|refund`.

All that it ever learns is an opaque reference, a sum and two addresses to come back to (design law 10). A processor
may keep the first answer to a key for a day only, so what is in doubt is looked up by our reference, never sent again
blind."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from ehrcommerce.outbox.handlers import LOOKUP
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome, Refused
from ehrcommerce.suppliers import last_line
from ehrcommerce.suppliers.adapters._http_partner import HttpPartner, text_of, to_bytes
from ehrcommerce.suppliers.ports import PaymentRequest, PaymentStatus
from ehrcommerce.wire.client import origin
from ehrcommerce.wire.errors import NotSent

STATES = frozenset({"open", "authorized", "captured", "voided", "failed", "expired", "refunded"})
# More does not fit into a row, and is no price of ours.
MOST_CENTS = 2_147_483_647
MOST_PAGES = 1000


class Adapter(HttpPartner):
    capability = LOOKUP
    sends: ClassVar[Mapping[str, str]] = {**last_line.of(PaymentRequest), "capture": "Payments.capture"}
    known: Mapping[str, str] = {}

    @property
    def page_origin(self) -> str:
        """Where the patient pays: a form of ours may lead there and nowhere else."""
        return origin(self.partner.base_url)

    def render(self, request: PaymentRequest) -> bytes:
        return to_bytes(
            {
                "reference": request.reference, "amount_cents": request.amount_cents, "currency": request.currency,
                "success_url": request.success_url, "cancel_url": request.cancel_url, "capture": "manual",
            }
        )  # fmt: skip

    def open(self, body: bytes, *, idempotency_key: str) -> Outcome:
        return self._done(self.post("sessions", body, idempotency_key=idempotency_key))

    def capture(self, processor_reference: str, amount_cents: int, *, idempotency_key: str) -> Outcome:
        return self._act(processor_reference, "capture", to_bytes({"amount_cents": amount_cents}), idempotency_key)

    def void(self, processor_reference: str, *, idempotency_key: str) -> Outcome:
        return self._act(processor_reference, "void", b"{}", idempotency_key)

    def refund(self, processor_reference: str, amount_cents: int, *, idempotency_key: str) -> Outcome:
        return self._act(processor_reference, "refund", to_bytes({"amount_cents": amount_cents}), idempotency_key)

    def find(self, reference: str) -> PaymentStatus | None:
        found = self.read("sessions", reference=reference)
        try:
            sessions = [
                self.status_of(one) for one in (found or {}).get("sessions", ()) if one["reference"] == reference
            ]
        except (KeyError, TypeError, AttributeError) as problem:
            raise self.unreadable(problem) from problem
        # One that was asked for twice, since the first answer was late: the one whose page the patient was sent to.
        known = [one for one in sessions if one.processor_reference == self.known.get(reference)]
        told = known or sessions
        return told[-1] if told else None

    def listed(self, since: datetime, until: datetime) -> Sequence[PaymentStatus]:
        """Page by page, each from where the last one ended; a session that moved meanwhile comes once more and counts as
        it stands then."""
        found: dict[str, PaymentStatus] = {}
        start = since.isoformat()
        for _ in range(MOST_PAGES):
            page = self.read("sessions", since=start, until=until.isoformat()) or {}
            try:
                rows = page["sessions"]
                found |= {status.processor_reference: status for status in map(self.status_of, rows)}
                if not page["has_more"]:
                    return list(found.values())
                if rows[-1]["updated_at"] == start:
                    break
                start = identifier(rows[-1]["updated_at"])
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
                raise self.unreadable(problem) from problem
        raise NotSent(self.partner.name, "the list does not end")

    def read_callback(self, body: Mapping[str, Any]) -> str:
        return text_of(body.get("reference"))

    def _act(self, processor_reference: str, verb: str, body: bytes, idempotency_key: str) -> Outcome:
        path = f"sessions/{quote(processor_reference, safe='')}/{verb}"
        return self._done(self.post(path, body, idempotency_key=idempotency_key))

    def _done(self, answer: Any) -> Outcome:
        return self.outcome_of(answer, self._read_session, conflict=self._conflict)

    def _read_session(self, found: Mapping[str, Any]) -> Outcome:
        status = self.status_of(found)
        return Done(reference=status.processor_reference, facts={"status": status})

    def _conflict(self, found: Mapping[str, Any]) -> Outcome:
        """The session is in another state than we think, or the key is spent: the caller looks and decides."""
        if found.get("error") == "idempotency_key_reused":
            return NeedsHuman("key_reused")
        return Refused(
            text_of(found.get("error")) if found.get("error") in ("wrong_state", "amount_too_large") else "refused"
        )

    def status_of(self, found: Mapping[str, Any]) -> PaymentStatus:
        """KeyError or TypeError where it is not in the agreed form."""
        url, state = text_of_url(found.get("url")), found["status"]
        if not isinstance(state, str) or state not in STATES:
            state = "unknown"
        if url and origin(url) != self.page_origin:
            url = ""  # a page elsewhere is not the page we registered; the patient is not sent there
        return PaymentStatus(
            reference=identifier(found["reference"]), processor_reference=identifier(found["id"]),
            state=state, amount_cents=cents(found["amount_cents"]),
            currency=identifier(found["currency"]), captured_cents=cents(found.get("captured_cents", 0)),
            refunded_cents=cents(found.get("refunded_cents", 0)), url=url,
            hold_ends_at=moment(found.get("hold_expires_at")), disputed=found.get("disputed") is True,
        )  # fmt: skip


def cents(value: Any) -> int:
    """A whole number of cents. Money that comes as text or with a point is not in the agreed form."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_CENTS:
        raise TypeError("cents")
    return value


def identifier(value: Any) -> str:
    """A name that a processor gave, fit for a row and a path. It is never cut: half a name is another name."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not 0 < len(text) <= 128 or not (text.isascii() and text.isprintable()):
        raise TypeError("identifier")
    return text


def moment(value: Any) -> datetime | None:
    """A time with its zone. ValueError or TypeError for a text that is none."""
    if value is None:
        return None
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found


def text_of_url(value: Any) -> str:
    fits = isinstance(value, str) and len(value) <= 500 and value.isascii() and value.isprintable()
    return value if fits else ""
