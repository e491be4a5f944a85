"""Asking suppliers how an order stands: when they say that something happened, and from time to time in any case,
since a callback may be lost for ever."""

from django.db import transaction
from django.utils import timezone

from ehrcommerce.commerce.fulfillment import parcels, progress
from ehrcommerce.commerce.fulfillment.models import Fulfillment, Shipment
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome, Refused, TryAgain
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port
from ehrcommerce.suppliers.ports import NoSupplier, SupplyParcel, SupplyStatus

QUICK_POLLS = 30
SLOWEST_S = 900.0
SILENT_DAYS = 90
ON_THE_WAY = (OrderState.SHIPPED, OrderState.EXCEPTION)


class Look(Handler):
    """One question, rung for by a callback."""

    kind = "fulfillment.look"

    def send(self, effect: Effect, body: bytes) -> Outcome:
        fulfillment = _fulfillment(effect)
        status = chosen.fulfiller(fulfillment.supplier).find(str(fulfillment.public_id))
        if status is None:
            return Refused("not_found")
        if progress.lives_on(fulfillment, [status]):
            return NeedsHuman(progress.ALIVE)
        return Done(facts={"status": status})

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        if isinstance(outcome, Done):
            order, fulfillment = progress.lock(effect.subject)
            progress.apply(order, fulfillment, outcome.facts["status"], at=timezone.now())
        elif outcome == NeedsHuman(progress.ALIVE):
            progress.note_alive(effect.subject)


class LookAtParcel(Look):
    """One question to the carrier, rung for by its callback about one parcel."""

    kind = "fulfillment.look_parcel"

    def send(self, effect: Effect, body: bytes) -> Outcome:
        fulfillment = _fulfillment(effect)
        status = _carrier_news(fulfillment)
        if status is None:
            return Refused("not_found")
        return Done(facts={"status": status})


class Track(Handler):
    """The question that returns by itself until the supplier has nothing more to tell: quick at first, then slower."""

    kind = "fulfillment.track"

    def send(self, effect: Effect, body: bytes) -> Outcome:
        fulfillment = _fulfillment(effect)
        news = _news(fulfillment)
        if progress.lives_on(fulfillment, news):
            return NeedsHuman(progress.ALIVE)
        for status in news:
            with transaction.atomic():
                order, locked = progress.lock(effect.subject)
                progress.apply(order, locked, status, at=timezone.now())
        fulfillment.refresh_from_db()
        if progress.is_final(fulfillment):
            return Done()
        if (timezone.now() - fulfillment.changed_at).days >= SILENT_DAYS:
            return NeedsHuman("silent")
        return TryAgain("not_final", after_s=_pause_s(effect.tries))

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        if outcome == NeedsHuman(progress.ALIVE):
            progress.note_alive(effect.subject)


def _fulfillment(effect: Effect) -> Fulfillment:
    return Fulfillment.objects.select_related("supplier").get(public_id=effect.subject)


def _news(fulfillment: Fulfillment) -> list[SupplyStatus]:
    """What the supplier says, then what the carrier says of a parcel that is on its way."""
    status = chosen.fulfiller(fulfillment.supplier).find(str(fulfillment.public_id))
    return [news for news in (status, _carrier_news(fulfillment)) if news]


def _carrier_news(fulfillment: Fulfillment) -> SupplyStatus | None:
    """What the carrier says of each parcel that is on its way, and what all of them amount to. A carrier that fails for
    one is asked again for all: half the news could call the whole delivered."""
    rows = list(Shipment.objects.filter(fulfillment=fulfillment).order_by("pk"))
    asked = [row for row in rows if row.tracking_number and row.state in ON_THE_WAY]
    if not asked or fulfillment.state not in (OrderState.SHIPPED, OrderState.EXCEPTION):
        return None
    try:
        carrier = chosen.choose(organization_id=fulfillment.organization_id, port=Port.CARRIER, at=timezone.now())
    except NoSupplier:
        return None
    adapter = chosen.carrier(carrier)
    said = {row.pk: word for row in asked if (word := adapter.track(row.tracking_number))}
    if not said:
        return None
    states = [_further(row.state, said.get(row.pk, "")) for row in rows]
    if len(rows) == 1:
        return SupplyStatus(str(fulfillment.public_id), fulfillment.supplier_reference, said[rows[0].pk])
    news = tuple(
        SupplyParcel(row.tracking_number, row.carrier, state, tuple(row.skus))
        for row, state in zip(rows, states, strict=True) if row.pk in said and state != row.state
    )  # fmt: skip
    whole = parcels.together(states) or fulfillment.state
    return SupplyStatus(str(fulfillment.public_id), fulfillment.supplier_reference, whole, parcels=news)


def _further(before: str, said: str) -> str:
    """A word that no contract knows leaves a parcel where it is."""
    return before if said in ("", "unknown") else said


def _pause_s(tries: int) -> float:
    every = progress.track_every().total_seconds()
    return every if tries < QUICK_POLLS else min(SLOWEST_S, every * (1 + tries - QUICK_POLLS))
