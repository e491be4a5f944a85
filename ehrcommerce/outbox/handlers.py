"""Who knows what an effect means. Handlers register by kind in AppConfig.ready; the outbox imports none of them."""

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import NeedsHuman, Outcome, OutcomeUnknown, Refused, TryAgain

NATIVE_KEY, LOOKUP, NONE = "native_key", "lookup", "none"
CLOSED_BY_PERSON = "closed_by_person"


class Handler:
    """One kind of effect. Subclasses give meaning; order of calls: prepare, still_wanted, send, settle.

    prepare       network reads allowed, no transaction open. Returns the exact bytes; raises Halt.
    still_wanted  inside the transaction that turns the effect to `sending`, under row locks, no network; raises Halt.
                  `effect.body` holds the bytes that are about to go out.
    send          the call itself, no transaction open. Same bytes at every try.
    ask           the partner's own memory of an act whose outcome is unknown. Done/Refused adopt it; TryAgain means
                  "it surely did not happen"; OutcomeUnknown means "ask later".
    settle        inside the transaction that ends the try: moves the rows that the effect belongs to.
    """

    kind: ClassVar[str]
    queue: ClassVar[str] = "partner"
    # Whether the bytes stay while a person looks, since asking again needs them. Never where they say something of a person.
    keeps_bytes: ClassVar[bool] = False

    def capability(self, effect: Effect) -> str:
        """native_key: the partner absorbs a second send. lookup: it can be asked. none: a person must look."""
        return LOOKUP

    def prepare(self, effect: Effect) -> bytes:
        return b""

    def envelope(self, effect: Effect) -> UUID | None:
        """Whose key seals the bytes while they are kept: an offer's public id, where they say something of a person."""
        return None

    def still_wanted(self, effect: Effect) -> None:
        """Raise Halt if the act must not happen any more."""

    def send(self, effect: Effect, body: bytes) -> Outcome:
        raise NotImplementedError

    def ask(self, effect: Effect) -> Outcome:
        return OutcomeUnknown("no_answer_yet")

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        """Move the rows. Called for Done, Refused and NeedsHuman, once, with the winner's fence."""

    def missing(self, effect: Effect) -> Outcome:
        """The partner was asked and knows nothing of it: try again, but not before what is on its way has arrived."""
        return TryAgain("not_found", after_s=0) if settled(effect) else OutcomeUnknown("not_found_yet")

    def overdue(self, effect: Effect) -> Outcome:
        """What an effect becomes that could not be done before its deadline."""
        return NeedsHuman("deadline")

    def by_hand(self, effect: Effect, *, happened: bool, reference: str) -> Outcome | None:
        """What it means that a person says how it ended. None: this cannot be taken from a person, since what happened
        has particulars that only the partner knows; Retry asks the partner."""
        return None if happened else Refused(CLOSED_BY_PERSON)

    def unresolved(self, effect: Effect) -> Outcome:
        """What an effect becomes that may have happened, if nobody could say so before its deadline."""
        return NeedsHuman("outcome_unknown")


def settled(effect: Effect) -> bool:
    """Whether an act in doubt has been so for long enough that what was on its way has arrived or never will."""
    return timezone.now() - effect.changed_at > timedelta(seconds=settings.SETTLE_S)


_handlers: dict[str, Handler] = {}


class UnknownKind(LookupError):
    """No handler is registered for this kind of effect. Deploy the code that knows it, then press Retry."""


def register(handler: Handler) -> None:
    _handlers[handler.kind] = handler


def handler_of(kind: str) -> Handler:
    try:
        return _handlers[kind]
    except KeyError as problem:
        raise UnknownKind(kind) from problem
