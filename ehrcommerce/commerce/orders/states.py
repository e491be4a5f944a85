"""The table of legal moves: every state an order and its money may have, and which may follow which. What is not here
cannot happen; a fault always ends in one of these names."""

from collections.abc import Collection

from django.db import models


class OrderState(models.TextChoices):
    QUOTED = "quoted"
    AUTHORIZED = "authorized"
    GATED = "gated"
    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    RETURNED = "returned"
    EXCEPTION = "exception"
    UNKNOWN = "unknown"


class MoneyState(models.TextChoices):
    NONE = "none"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    RECONCILE_NEEDED = "reconcile_needed"


_O = OrderState
MOVES: dict[str, frozenset[str]] = {
    _O.QUOTED: frozenset({_O.AUTHORIZED, _O.CANCELLED, _O.REFUSED}),
    _O.AUTHORIZED: frozenset({_O.GATED, _O.DISPATCHED, _O.CANCEL_REQUESTED, _O.CANCELLED, _O.REFUSED, _O.EXCEPTION}),
    _O.GATED: frozenset({_O.AUTHORIZED, _O.DISPATCHED, _O.CANCEL_REQUESTED, _O.CANCELLED, _O.REFUSED, _O.EXCEPTION}),
    _O.DISPATCHED: frozenset(
        {_O.ACCEPTED, _O.SHIPPED, _O.DELIVERED, _O.CANCEL_REQUESTED, _O.CANCELLED, _O.REFUSED, _O.EXCEPTION, _O.UNKNOWN}
    ),
    _O.ACCEPTED: frozenset({_O.SHIPPED, _O.DELIVERED, _O.CANCEL_REQUESTED, _O.CANCELLED, _O.EXCEPTION, _O.UNKNOWN}),
    _O.SHIPPED: frozenset({_O.DELIVERED, _O.RETURNED, _O.EXCEPTION, _O.UNKNOWN}),
    _O.DELIVERED: frozenset({_O.COMPLETED, _O.RETURNED}),
    _O.COMPLETED: frozenset({_O.RETURNED}),
    # Back to waiting: one supplier's part was cancelled, and another's has not been sent yet.
    _O.CANCEL_REQUESTED: frozenset(
        {_O.AUTHORIZED, _O.GATED, _O.CANCELLED, _O.DISPATCHED, _O.ACCEPTED, _O.SHIPPED, _O.EXCEPTION, _O.UNKNOWN}
    ),
    _O.UNKNOWN: frozenset(
        {_O.DISPATCHED, _O.ACCEPTED, _O.SHIPPED, _O.DELIVERED, _O.CANCELLED, _O.REFUSED, _O.EXCEPTION}
    ),
    _O.EXCEPTION: frozenset(
        {
            _O.AUTHORIZED,
            _O.DISPATCHED,
            _O.ACCEPTED,
            _O.SHIPPED,
            _O.DELIVERED,
            _O.CANCEL_REQUESTED,
            _O.CANCELLED,
            _O.REFUSED,
            _O.RETURNED,
        }
    ),
    _O.RETURNED: frozenset({_O.COMPLETED}),
    _O.CANCELLED: frozenset(),
    _O.REFUSED: frozenset(),
}
_M = MoneyState
MONEY_MOVES: dict[str, frozenset[str]] = {
    _M.NONE: frozenset({_M.AUTHORIZED, _M.RECONCILE_NEEDED, _M.VOIDED}),
    # Back to none: the hold lapsed before anything was sent, and the patient is asked to pay anew.
    _M.AUTHORIZED: frozenset({_M.NONE, _M.CAPTURED, _M.VOIDED, _M.RECONCILE_NEEDED}),
    _M.CAPTURED: frozenset({_M.REFUNDED, _M.DISPUTED, _M.RECONCILE_NEEDED}),
    _M.DISPUTED: frozenset({_M.CAPTURED, _M.REFUNDED, _M.RECONCILE_NEEDED}),
    _M.RECONCILE_NEEDED: frozenset({_M.NONE, _M.AUTHORIZED, _M.CAPTURED, _M.VOIDED, _M.REFUNDED}),
    # The end, unless the processor says otherwise: then a person looks.
    _M.VOIDED: frozenset({_M.RECONCILE_NEEDED}),
    _M.REFUNDED: frozenset({_M.RECONCILE_NEEDED}),
}
# How far an order has come. What a partner reports never takes it back (REL-F17).
PROGRESS: dict[str, int] = {
    _O.QUOTED: 0, _O.AUTHORIZED: 1, _O.GATED: 2, _O.DISPATCHED: 3, _O.ACCEPTED: 4, _O.SHIPPED: 5, _O.DELIVERED: 6,
    _O.COMPLETED: 7, _O.RETURNED: 8,
}  # fmt: skip
_ROAD = (_O.AUTHORIZED, _O.GATED, _O.DISPATCHED, _O.ACCEPTED, _O.SHIPPED, _O.DELIVERED, _O.COMPLETED, _O.RETURNED)
FINAL = frozenset({_O.COMPLETED, _O.CANCELLED, _O.REFUSED})


class IllegalMove(Exception):
    """An order cannot go from its state to that one. Reload it and look at its timeline."""


def check(before: str, after: str, moves: dict[str, frozenset[str]]) -> None:
    """Raises IllegalMove unless `after` may follow `before`."""
    if after not in moves[before]:
        raise IllegalMove(f"{before} -> {after}")


def way(before: str, after: str) -> list[str]:
    """The legal moves from `before` to `after` along the road, fewest first: a partner may skip stations, we may not.

    Raises IllegalMove where there is no way.
    """
    if before == after:
        return []
    ways: list[list[str]] = [[before]]
    seen = {before}
    for taken in ways:
        for following in sorted(MOVES[taken[-1]]):
            if following == after:
                return [*taken[1:], after]
            if following in _ROAD and following not in seen:
                seen.add(following)
                ways.append([*taken, following])
    raise IllegalMove(f"{before} -> {after}")


def derive(parts: Collection[str]) -> str:
    """An order's state from those of its fulfillments: the least that is true of all that are not over."""
    living = [state for state in parts if state not in (_O.CANCELLED, _O.REFUSED)]
    if not living:
        return _O.REFUSED if set(parts) == {_O.REFUSED} else _O.CANCELLED
    for trouble in (_O.CANCEL_REQUESTED, _O.EXCEPTION, _O.UNKNOWN):
        if trouble in living:
            return trouble
    return min(living, key=lambda state: PROGRESS[state])
