"""Where a process can die: around every step of an effect, and around the commit of every act of a page."""

import sys
import threading
from collections.abc import Callable
from dataclasses import replace as copied
from functools import wraps
from importlib import import_module
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from ehrcommerce.outbox import services
from ehrcommerce.outbox.chores import CHORES
from tests.crash.inside.arming import USUAL, count_round, hit, is_paused, note_early_bell, now, place
from tests.crash.registry import ACTS

GRACE_S, DEATHS = 0.5, 25


class Acts(threading.local):
    """Whose transaction this thread has open."""

    def __init__(self) -> None:
        self.names: list[str] = []


_acts = Acts()


def install() -> None:
    _effects()
    _bell_and_sweeper()
    # A process that dies takes along whatever its other threads have in hand: among dozens of deaths an effect may meet more
    # of them than life would bring, and would be parked for a person (REL-P30, tests/outbox).
    services.POISON_AFTER = DEATHS  # type: ignore[attr-defined]
    CHORES["ehr.refills"] = copied(CHORES["ehr.refills"], every_s=1.0)  # nobody here waits for a minute
    for name, path in ACTS.items():
        _wrap_act(name, path)
    _commits()


def replace(path: str, make: Callable[[Any], Any]) -> None:
    """Put a wrapper in the place of a function, wherever it was imported to."""
    module_name, _, name = path.rpartition(".")
    module = import_module(module_name)
    real = getattr(module, name)
    made = make(real)
    for loaded in list(sys.modules.values()):
        if getattr(loaded, "__name__", "").startswith("ehrcommerce") and getattr(loaded, name, None) is real:
            setattr(loaded, name, made)


def _effects() -> None:
    names = "ehrcommerce.outbox.services."
    replace(names + "_attempt", _attempt)
    replace(names + "_begin_sending", _begin_sending)
    replace(names + "_send", _send)
    replace(names + "_move_rows", _move_rows)
    replace(names + "_settle", _settle)
    replace(names + "claim", _claim)


def _id(effect: Any) -> str:
    return str(effect.public_id)


def _attempt(real: Any) -> Any:
    def attempt(handler: Any, effect: Any, held: Any) -> Any:
        before, now.subject = now.subject, effect.subject
        try:
            hit(f"{effect.kind}:claimed", _id(effect))
            return real(handler, effect, held)
        finally:
            now.subject = before

    return attempt


def _begin_sending(real: Any) -> Any:
    def begin_sending(handler: Any, effect: Any, held: Any, body: bytes) -> None:
        hit(f"{effect.kind}:prepared", _id(effect))
        real(handler, effect, held, body)
        hit(f"{effect.kind}:sending", _id(effect))

    return begin_sending


def _send(real: Any) -> Any:
    def send(handler: Any, effect: Any, body: bytes) -> Any:
        outcome = real(handler, effect, body)
        hit(f"{effect.kind}:called", _id(effect))
        return outcome

    return send


def _move_rows(real: Any) -> Any:
    def move_rows(effect: Any, outcome: Any) -> None:
        before, now.subject = now.subject, effect.subject
        try:
            real(effect, outcome)
            hit(f"{effect.kind}:settling", _id(effect))
        finally:
            now.subject = before

    return move_rows


def _settle(real: Any) -> Any:
    def settle(effect: Any, held: Any, outcome: Any) -> Any:
        state = real(effect, held, outcome)
        if state in ("done", "rejected"):
            hit(f"{effect.kind}:ended", _id(effect))
        return state

    return settle


def _claim(real: Any) -> Any:
    def claim(effect_id: str) -> Any:
        if is_paused():
            return None
        hit("claim:before", effect_id)
        held = real(effect_id)
        if held is not None:
            hit("claim:after", effect_id)
        return held

    return claim


def _bell_and_sweeper() -> None:
    def ring(real: Any) -> Any:
        def ringing(effect_id: str, queue: str) -> None:
            if connection.in_atomic_block:
                note_early_bell(effect_id)
            hit("bell:before", effect_id)
            real(effect_id, queue)
            hit("bell:after", effect_id)

        return ringing

    replace("ehrcommerce.outbox.doorbell.ring", ring)
    from ehrcommerce.outbox.management.commands.sweeper import Hands

    real = Hands.take

    def take(self: Any, effect_ids: Any) -> int:
        found = list(effect_ids)
        count_round()
        if found:
            hit("sweep:found", found[0])
        return real(self, found)

    Hands.take = take  # type: ignore[method-assign]
    replace("ehrcommerce.outbox.management.commands.sweeper.sweep", _sooner)


def _sooner(real: Any) -> Any:
    """Whoever died left a bell that nobody hears: a run of many deaths does not wait for each as long as life does."""
    return lambda hands, grace_s: real(hands, grace_s if (place() / USUAL).exists() else min(grace_s, GRACE_S))


def _wrap_act(name: str, path: str) -> None:
    def make(real: Any) -> Any:
        @wraps(real)
        def act(*args: Any, **kwargs: Any) -> Any:
            _acts.names.append(name)
            try:
                return real(*args, **kwargs)
            finally:
                if not connection.in_atomic_block:
                    _acts.names.clear()

        return act

    replace(path, make)


def _commits() -> None:
    commit, rollback = BaseDatabaseWrapper.commit, BaseDatabaseWrapper.rollback

    def committing(self: Any) -> None:
        names, _acts.names = _acts.names, []
        for name in names:
            hit(f"{name}:before_commit")
        commit(self)
        for name in names:
            hit(f"{name}:after_commit")

    def rolling_back(self: Any) -> None:
        _acts.names = []
        rollback(self)

    BaseDatabaseWrapper.commit = committing  # type: ignore[method-assign]
    BaseDatabaseWrapper.rollback = rolling_back  # type: ignore[method-assign]
