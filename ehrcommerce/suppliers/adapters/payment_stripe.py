"""Stripe: a hosted Checkout Session with manual capture, by Stripe's own client on wire's transport.

Stripe learns our reference (a UUID that means nothing), a sum, and two addresses to come back to. No item, no name, no
e-mail address, no receipt by e-mail; the one line of the page says "Order".

| Stripe says                                               | state of ours                                            |
| session open                                              | open                                                     |
| session expired                                           | expired                                                  |
| payment_intent requires_capture                           | authorized; hold_ends_at = card.capture_before           |
| payment_intent succeeded                                  | captured; refunded once all that was taken is given back |
| payment_intent canceled                                   | voided; expired where the hold lapsed by itself          |
| payment_intent processing, requires_*                     | open                                                     |
| anything else                                             | unknown                                                  |
| charge.disputed                                           | disputed, beside the state                               |

| answer                                                    | outcome                                                  |
| 400, 402, 404                                             | Refused; wrong_state where the payment stands elsewhere  |
| 400 idempotency_error                                     | NeedsHuman("key_reused")                                 |
| 401, 403                                                  | NeedsHuman("not_authorized")                             |
| 409                                                       | OutcomeUnknown: the same key is under way                |
| 429                                                       | TryAgain, after their Retry-After                        |
| 5xx                                                       | OutcomeUnknown, asked before anything is sent again      |
| 5xx with Idempotent-Replayed                              | looked up, and only if it did not happen, a new key; a   |
|                                                           | refund is looked up later, once nothing can be late      |

Their API v1 keeps the first answer to a key for 24 hours, a 500 too, and forgets the key afterwards: so the capability
is `lookup`. A session is found by its own id where we know it, else in their list by client_reference_id."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import stripe
from django.utils import timezone

from ehrcommerce.outbox.handlers import LOOKUP
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.suppliers import last_line
from ehrcommerce.suppliers.adapters import _stripe_events as events
from ehrcommerce.suppliers.adapters._http_partner import to_bytes
from ehrcommerce.suppliers.adapters._stripe_sdk import MOST_PAGES, PAGE, client_of, header, plain
from ehrcommerce.suppliers.adapters._stripe_words import EXPAND, status_of
from ehrcommerce.suppliers.callbacks import Callback
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import PaymentRequest, PaymentStatus
from ehrcommerce.wire.client import Partner, origin, retry_after_s
from ehrcommerce.wire.errors import BadAnswer, NotSent

API, HOSTED = "https://api.stripe.com", "https://checkout.stripe.com"
# A session lives a day at most: whoever is not among those of the last day and a bit was never opened.
LOOKED_BACK = timedelta(hours=26)
NEW_KEYS = 3


class Adapter:
    capability = LOOKUP
    # What has no field of ours is the same for everybody: card, one piece called "Order", capture later; or Stripe's own id.
    sends: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("client_reference_id", "metadata.reference", "payment_intent_data.metadata.reference"),
            "PaymentRequest.reference",
        ),
        **dict.fromkeys(
            ("line_items.price_data.unit_amount", "amount_to_capture", "amount"), "PaymentRequest.amount_cents"
        ),
        "line_items.price_data.currency": "PaymentRequest.currency",
        **{name: f"PaymentRequest.{name}" for name in ("success_url", "cancel_url", "expires_at")},
        **dict.fromkeys(
            ("mode", "payment_method_types", "line_items.quantity", "line_items.price_data.product_data.name",
             "payment_intent_data.capture_method", "payment_intent"), "Payments.capture",
        ),
    }  # fmt: skip

    def __init__(self, supplier: Supplier, partner: Partner) -> None:
        self.supplier, self.partner = supplier, partner
        self.known: Mapping[str, str] = {}

    @property
    def page_origin(self) -> str:
        """Where the patient pays: Stripe's page, or the row's own domain for it."""
        own = origin(self.supplier.page_origin)
        return own or (HOSTED if origin(self.partner.base_url) == API else origin(self.partner.base_url))

    # -- acts ---------------------------------------------------------------------------------------------------------
    def render(self, request: PaymentRequest) -> bytes:
        """The parameters as JSON. The client writes them as a form, each time the same."""
        sum_ = {"currency": request.currency.lower(), "unit_amount": request.amount_cents}
        reference = {"reference": request.reference}
        body: dict[str, Any] = {
            "mode": "payment", "client_reference_id": request.reference, "metadata": reference,
            "payment_method_types": ["card"],
            "line_items": [{"quantity": 1, "price_data": {**sum_, "product_data": {"name": "Order"}}}],
            "payment_intent_data": {"capture_method": "manual", "metadata": reference},
            "success_url": request.success_url, "cancel_url": request.cancel_url,
        }  # fmt: skip
        if request.expires_at is not None:
            body["expires_at"] = request.expires_at
        return to_bytes(body)

    def open(self, body: bytes, *, idempotency_key: str) -> Outcome:
        params = json.loads(body)
        last_line.require(self.supplier, self.sends, params)
        create = self._client().v1.checkout.sessions.create
        return self._act(
            lambda key: create(params, {"idempotency_key": key}), self._done, idempotency_key,
            again=lambda: self._by_reference(str(params["client_reference_id"])),
        )  # fmt: skip

    def capture(self, processor_reference: str, amount_cents: int, *, idempotency_key: str) -> Outcome:
        def send(intent: str, key: str) -> Any:
            params = {"amount_to_capture": amount_cents}
            last_line.require(self.supplier, self.sends, params)
            return self._client().v1.payment_intents.capture(intent, params, {"idempotency_key": key})

        return self._on_intent(processor_reference, send, ("captured", "refunded"), idempotency_key)

    def void(self, processor_reference: str, *, idempotency_key: str) -> Outcome:
        """A session that nobody paid is ended; a hold is given back."""
        if isinstance(session := self._session(processor_reference), Refused):
            return session
        status = self._read(session)
        if session.get("payment_intent") is None and status.state == "open":
            end = self._client().v1.checkout.sessions.expire
            return self._act(
                lambda key: end(processor_reference, {"expand": [EXPAND]}, {"idempotency_key": key}), self._done,
                idempotency_key, again=lambda: self._reached(processor_reference, ("expired", "voided")),
            )  # fmt: skip

        def send(intent: str, key: str) -> Any:
            return self._client().v1.payment_intents.cancel(intent, {}, {"idempotency_key": key})

        return self._on_intent(processor_reference, send, ("voided", "expired"), idempotency_key)

    def refund(self, processor_reference: str, amount_cents: int, *, idempotency_key: str) -> Outcome:
        if isinstance(session := self._session(processor_reference), Refused):
            return session
        before = self._read(session)
        if before.state not in ("captured", "refunded"):
            return Refused("wrong_state")
        if before.refunded_cents + amount_cents > before.captured_cents:
            return Refused("amount_too_large")
        params = {
            "payment_intent": session["payment_intent"]["id"], "amount": amount_cents,
            "metadata": {"reference": before.reference},
        }  # fmt: skip

        last_line.require(self.supplier, self.sends, params)

        def again() -> PaymentStatus | None:
            now = self._status(processor_reference)
            return now if now.refunded_cents >= before.refunded_cents + amount_cents else None

        create = self._client().v1.refunds.create
        return self._act(
            lambda key: create(params, {"idempotency_key": key}), lambda _: self._now(processor_reference),
            idempotency_key, again=again, keys=1,
        )  # fmt: skip

    def _on_intent(
        self, session_id: str, send: Callable[[str, str], Any], wanted: tuple[str, ...], key: str
    ) -> Outcome:
        """An act on the payment of a session, looked at first: what stands where we want it is adopted as it is."""
        if isinstance(session := self._session(session_id), Refused):
            return session
        status = self._read(session)
        if status.state in wanted:
            return _done(status)
        if status.state != "authorized":
            return Refused("wrong_state")
        intent = str(session["payment_intent"]["id"])
        return self._act(
            lambda one: send(intent, one), lambda _: self._now(session_id), key,
            again=lambda: self._reached(session_id, wanted),
        )  # fmt: skip

    def _act(
        self, send: Callable[[str], Any], read: Callable[[Any], Outcome], key: str, *,
        again: Callable[[], PaymentStatus | None], keys: int = NEW_KEYS,
    ) -> Outcome:  # fmt: skip
        """One call. An answer that Stripe kept from a failure of its own never heals under its key: then it is looked
        up, and sent under another key only if it surely did not happen. A refund is not sent under another key here: it
        may come late, and a session takes as many as are asked for."""
        for number in range(1, keys + 1):
            try:
                return read(send(key if number == 1 else f"{key}-{number}"))
            except stripe.StripeError as error:
                kept = (error.http_status or 0) >= 500 and header(error, "idempotent-replayed") == "true"
                if not kept:
                    return self.outcome_of(error)
                if (found := again()) is not None:
                    return _done(found)
        return OutcomeUnknown("kept_error")

    def outcome_of(self, error: stripe.StripeError) -> Outcome:
        """The second table above. Their words go nowhere; their codes become ours."""
        status = error.http_status or 0
        if isinstance(error, stripe.IdempotencyError):
            return NeedsHuman("key_reused")
        if status in (401, 403):
            return NeedsHuman("not_authorized")
        if status == 429:
            return TryAgain("partner_busy", after_s=retry_after_s(header(error, "retry-after")))
        if status == 409 or status == 408 or status >= 500:
            return OutcomeUnknown("partner_failed" if status != 409 else "under_way")
        if 400 <= status < 500:
            return Refused(events.REFUSALS.get(str(error.code), "refused"))
        return NeedsHuman("unexpected_answer")

    # -- reads --------------------------------------------------------------------------------------------------------
    def find(self, reference: str) -> PaymentStatus | None:
        known = self.known.get(reference, "")
        if not known:
            return self._by_reference(reference)
        session = self._session(known)
        return None if isinstance(session, Refused) else self._read(session)

    def _by_reference(self, reference: str) -> PaymentStatus | None:
        """Among the sessions of the last day: older ones are over, and their ids stand in our rows."""
        since = int((timezone.now() - LOOKED_BACK).timestamp())
        for row in self._pages(self._client().v1.checkout.sessions.list, {"created": {"gte": since}}):
            if row.get("client_reference_id") == reference:
                return self._status(str(row["id"]))
        return None

    def listed(self, since: datetime, until: datetime) -> Sequence[PaymentStatus]:
        """By their events, which they keep for 30 days: each says that something of a payment moved, and the payment
        is read as it stands now."""
        window = {"gte": int(since.timestamp()), "lt": int(until.timestamp())}
        client = self._client().v1
        sessions = {str(row["id"]) for row in self._pages(client.checkout.sessions.list, {"created": window})}
        for row in self._pages(client.events.list, {"created": window, "types": list(events.MOVES)}):
            session, intent = events.names_in(row)
            if session:
                sessions.add(session)
            elif intent:
                found = self._pages(client.checkout.sessions.list, {"payment_intent": intent})
                sessions |= {str(one["id"]) for one in found}
        return [status for one in sorted(sessions) if (status := self._ours(one)) is not None]

    def _ours(self, session_id: str) -> PaymentStatus | None:
        """A payment of this app; an account may take others as well."""
        session = self._session(session_id)
        if isinstance(session, Refused) or not session.get("client_reference_id"):
            return None
        return self._read(session)

    def _pages(self, ask: Callable[..., Any], params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """All rows of a list of theirs. NotSent where it does not end: half a list looks like missing payments."""
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            page = self._asked(lambda: ask({**params, "limit": PAGE, **after}))  # noqa: B023 - called at once
            try:
                rows, more = page["data"], page["has_more"]
                after = {"starting_after": rows[-1]["id"]} if rows else {}
            except (KeyError, TypeError) as problem:
                raise BadAnswer(self.partner.name, "the answer is not in the agreed form") from problem
            yield from rows
            if not more or not rows:
                return
        raise NotSent(self.partner.name, "the list does not end")

    def _session(self, session_id: str) -> dict[str, Any] | Refused:
        """A session with its payment; Refused where they do not have it."""
        retrieve = self._client().v1.checkout.sessions.retrieve
        try:
            return self._asked(lambda: retrieve(session_id, {"expand": [EXPAND]}))
        except LookupError:
            return Refused("not_found")

    def _asked(self, ask: Callable[[], Any]) -> dict[str, Any]:
        """A read: whatever goes wrong with it may be tried again. LookupError for 404."""
        try:
            return plain(ask())
        except stripe.StripeError as error:
            if error.http_status == 404:
                raise LookupError from error
            raise NotSent(self.partner.name, f"HTTP {error.http_status}") from None

    def _status(self, session_id: str) -> PaymentStatus:
        session = self._session(session_id)
        if isinstance(session, Refused):
            raise NotSent(self.partner.name, "the session is not there")
        return self._read(session)

    def _reached(self, session_id: str, wanted: tuple[str, ...]) -> PaymentStatus | None:
        status = self._status(session_id)
        return status if status.state in wanted else None

    def _read(self, session: Mapping[str, Any]) -> PaymentStatus:
        try:
            return status_of(session, page_origin=self.page_origin)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as problem:
            raise BadAnswer(self.partner.name, "the answer is not in the agreed form") from problem

    def _done(self, session: Any) -> Outcome:
        return _done(self._read(plain(session)))

    def _now(self, session_id: str) -> Outcome:
        """The act was taken; how the payment stands is read anew. Where that fails, it is asked later."""
        try:
            return _done(self._status(session_id))
        except NotSent:
            return OutcomeUnknown("partner_failed")

    def _client(self) -> Any:
        return client_of(self.partner, self.supplier.api_key)

    # -- callbacks ----------------------------------------------------------------------------------------------------
    def verify_callback(self, body: bytes, headers: Mapping[str, str], at: datetime) -> Callback:
        return events.verify(body, headers, self.supplier, at)

    def read_callback(self, body: Mapping[str, Any]) -> str:
        return events.reference_in(body)

    def complete_callback(self, callback: Callback) -> Callback:
        """A dispute names the payment and not our reference: asked before anything is written down."""
        if events.reference_in(callback.body) or not (intent := events.names_in(callback.body)[1]):
            return callback
        retrieve = self._client().v1.payment_intents.retrieve
        try:
            found = self._asked(lambda: retrieve(intent))
        except LookupError:
            return callback
        return Callback(callback.event_id, {**callback.body, events.RESOLVED: (found.get("metadata") or {})})


def _done(status: PaymentStatus) -> Done:
    return Done(reference=status.processor_reference, facts={"status": status})
