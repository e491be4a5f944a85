"""Mistakes as people make them, put into the running processes from outside, each only for the orders that the harness
names. A harness that does not cry out about them proves nothing."""

import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace as copied
from datetime import timedelta
from types import ModuleType
from typing import Any

import redis
from django.conf import settings
from django.utils import timezone

from tests.crash.inside.arming import is_on, now, place
from tests.crash.inside.points import replace

Make = Callable[[Any], Any]


def install() -> None:
    _sending()
    _too_early()
    _asking()
    _settling()
    _gate_and_consent()
    _money()
    _audit()
    _told()


def _wrap(holder: ModuleType | type, name: str, make: Make) -> None:
    setattr(holder, name, make(getattr(holder, name)))


# ------------------------------------------------------------------------------------------- what goes out, and how often
def _sending() -> None:
    from ehrcommerce.outbox import services
    from ehrcommerce.outbox.models import Effect

    own = Effect.idempotency_key.fget  # type: ignore[attr-defined]
    Effect.idempotency_key = property(  # type: ignore[assignment,method-assign]
        lambda effect: own(effect) if now.key is None else now.key
    )
    _wrap(services, "_send", _send)


_lost: set[str] = set()


def _send(real: Any) -> Any:
    def send(handler: Any, effect: Any, body: bytes) -> Any:
        before, now.subject = now.subject, effect.subject
        try:
            return _sent(real, handler, effect, body)
        finally:
            now.subject = before

    return send


def _sent(real: Any, handler: Any, effect: Any, body: bytes) -> Any:
    from ehrcommerce.outbox.outcomes import Done, OutcomeUnknown
    from ehrcommerce.suppliers.ports import SupplyStatus

    kind = effect.kind
    if kind == "fulfillment.dispatch":
        if is_on("done_unsent"):
            return Done("made-up", {"status": SupplyStatus(effect.subject, "made-up", "dispatched")})
        body = _other_body(body)
        if is_on("name_in_log"):
            print(body.decode(), file=sys.stderr, flush=True)
        if is_on("name_in_redis"):
            redis.Redis.from_url(settings.REDIS_URL).rpush("ehrc:kept", body)
    if kind == "fulfillment.notify" and is_on("item_in_text"):
        body = json.dumps({**json.loads(body), "text": "Your blood glucose meter is on its way"}).encode()
    if kind == "fulfillment.cancel" and is_on("cancel_unsent"):
        return Done("")
    if kind == "payment.look" and is_on("browser_believed"):
        return _paid(real(handler, effect, body))
    if kind == "payment.refund" and is_on("refund_without_key"):
        with _key(""):
            return real(handler, effect, body)
    outcome = real(handler, effect, body)
    for bug in TWICE.get(kind, ()):
        if is_on(bug):
            with _key(str(uuid.uuid4())):
                real(handler, effect, body)
    if kind == "fulfillment.dispatch" and is_on("lost") and effect.subject not in _lost:
        _lost.add(effect.subject)
        return OutcomeUnknown("answer_lost")
    if kind == "fulfillment.dispatch" and is_on("late") and _is_first(f"late-{effect.subject}"):
        _until_ended_by_another(effect)
    return outcome


def _is_first(name: str) -> bool:
    """Of all processes and tries."""
    try:
        os.close(os.open(place() / name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _until_ended_by_another(effect: Any) -> None:
    """Slept past the lease with the answer in hand."""
    from ehrcommerce.outbox.models import Effect

    for _ in range(600):
        if Effect.objects.filter(pk=effect.pk, state__in=("done", "rejected")).exists():
            return
        time.sleep(0.1)


TWICE = {
    "fulfillment.dispatch": ("dispatched_twice",), "fulfillment.notify": ("notified_twice",),
    "payment.capture": ("capture_new_key",), "payment.refund": ("refund_new_key",), "payment.void": ("void_new_key",),
}  # fmt: skip


def _other_body(body: bytes) -> bytes:
    if is_on("dose_as_float"):
        body = body.replace(b"Take 1 tablet", b"Take 1.0 tablet")
    if is_on("quantity_doubled"):
        order = json.loads(body)
        order["lines"] = [{**line, "quantity": int(line["quantity"]) * 2} for line in order["lines"]]
        body = json.dumps(order).encode()
    return body


@contextmanager
def _key(key: str) -> Iterator[None]:
    """Another idempotency key for one call."""
    now.key = key
    try:
        yield
    finally:
        now.key = None


def _paid(outcome: Any) -> Any:
    status = getattr(outcome, "facts", {}).get("status")
    if status is None or status.state != "open":
        return outcome
    return copied(outcome, facts={"status": copied(status, state="authorized")})


# ------------------------------------------------------------------------------------------------- before the commit
def _too_early() -> None:
    from ehrcommerce.outbox import doorbell, services

    def begin_sending(real: Any) -> Any:
        def beginning(handler: Any, effect: Any, held: Any, body: bytes) -> None:
            if effect.kind == "fulfillment.dispatch" and is_on("sent_before_commit"):
                services._send(handler, effect, body)
            real(handler, effect, held, body)

        return beginning

    def plan(real: Any) -> Any:
        def planning(**what: Any) -> Any:
            effect = real(**what)
            if is_on("rung_before_commit", effect.subject):
                doorbell.ring(str(effect.public_id), effect.queue)
            return effect

        return planning

    _wrap(services, "_begin_sending", begin_sending)
    replace("ehrcommerce.outbox.planning.plan", plan)


# ------------------------------------------------------------------------------------------------ what is in doubt
def _asking() -> None:
    from ehrcommerce.outbox import services
    from ehrcommerce.outbox.outcomes import Refused

    def make(real: Any) -> Any:
        def resolve(handler: Any, effect: Any, held: Any) -> Any:
            if effect.kind != "fulfillment.dispatch":
                return real(handler, effect, held)
            if is_on("lost_answer_is_no"):
                return Refused("no_answer")
            body = bytes(effect.body)
            if is_on("new_key_on_retry"):
                with _key(str(uuid.uuid4())):
                    return services._send(handler, effect, body)
            if is_on("other_bytes_on_retry"):
                return services._send(handler, effect, body + b" ")
            if is_on("new_reference_on_retry"):
                other = json.dumps({**json.loads(body), "reference": str(uuid.uuid4())}).encode()
                with _key(str(uuid.uuid4())):
                    return services._send(handler, effect, other)
            return real(handler, effect, held)

        return resolve

    _wrap(services, "_resolve", make)


# ------------------------------------------------------------------------------------------------ what is written down
def _settling() -> None:
    from ehrcommerce.outbox import services
    from ehrcommerce.outbox.models import Effect

    def settle(real: Any) -> Any:
        def settling(effect: Any, held: Any, outcome: Any) -> Any:
            if effect.kind == "fulfillment.dispatch" and is_on("left_sending", effect.subject):
                at = timezone.now()
                Effect.objects.filter(pk=effect.pk).update(lease_until=at, next_run_at=at + timedelta(days=3650))
                return "sending"
            if is_on("fence_ignored", effect.subject):
                held = copied(held, fence=Effect.objects.values_list("fence", flat=True).get(pk=effect.pk))
            return real(effect, held, outcome)

        return settling

    def move_rows(real: Any) -> Any:
        def moving(effect: Any, outcome: Any) -> None:
            real(effect, outcome)
            if effect.kind == "fulfillment.dispatch":
                _after_dispatch(effect)

        return moving

    _wrap(services, "_settle", settle)
    _wrap(services, "_move_rows", move_rows)


def _after_dispatch(effect: Any) -> None:
    from ehrcommerce.commerce.fulfillment import progress
    from ehrcommerce.commerce.orders import money
    from ehrcommerce.commerce.orders.models import OrderEvent

    order, _ = progress.lock(effect.subject)
    at = timezone.now()
    if is_on("illegal_move", effect.subject):
        OrderEvent.objects.create(
            organization_id=order.organization_id, order=order, at=at, code="completed", actor="system:test",
            state="completed", money=order.money,
        )  # fmt: skip
        OrderEvent.objects.create(
            organization_id=order.organization_id, order=order, at=at, code="dispatched", actor="system:test",
            state="dispatched", money=order.money,
        )  # fmt: skip
    payment = money.live_payment(order)
    if is_on("captured_early", effect.subject) and payment is not None:
        money._plan("payment.capture", payment, at)


# -------------------------------------------------------------------------------------------------- what is looked at
def _gate_and_consent() -> None:
    from ehrcommerce.commerce.orders import gate
    from ehrcommerce.disclosure import consent
    from ehrcommerce.disclosure.models import Consent

    def read_chart(real: Any) -> Any:
        def reading(lines: Any, *, organization_id: int, by: str) -> Any:
            if is_on("no_repull"):
                return gate.Finding(timezone.now(), {})
            return real(lines, organization_id=organization_id, by=by)

        return reading

    def problem(real: Any) -> Any:
        ignored = ("stop_ignored", "change_ignored")
        return lambda line, order: "" if any(is_on(one) for one in ignored) else real(line, order)

    def require(real: Any) -> Any:
        def requiring(**what: Any) -> Any:
            if is_on("no_consent"):
                del what["organization_id"]
                return Consent.objects.filter(**what).latest("pk")
            return real(**what)

        return requiring

    _wrap(gate, "read_chart", read_chart)
    _wrap(gate, "_problem", problem)
    _wrap(consent, "require", require)


# -------------------------------------------------------------------------------------------------------------- money
def _money() -> None:
    from ehrcommerce.commerce.orders import ledger, money

    def undecided(real: Any) -> Any:
        return lambda order: False if is_on("captured_early") else real(order)

    def due(real: Any) -> Any:
        def due_cents(order: Any) -> int:
            if is_on("captured_early"):
                return int(order.total_cents)
            found = int(real(order))
            return found - 1 if found and is_on("captured_short") else found

        return due_cents

    def settle(real: Any) -> Any:
        def settling(order: Any, *, at: Any) -> None:
            if not (is_on("hold_forgotten") or (is_on("refund_forgotten") and order.money == "captured")):
                real(order, at=at)

        return settling

    def captured(real: Any) -> Any:
        def capturing(payment: Any, amount_cents: int, *, at: Any) -> None:
            if not is_on("ledger_skipped", str(payment.public_id)):
                short = is_on("ledger_short", str(payment.public_id))
                real(payment, amount_cents - short, at=at)

        return capturing

    _wrap(money, "undecided", undecided)
    _wrap(money, "due_cents", due)
    _wrap(money, "settle", settle)
    _wrap(ledger, "captured", captured)


def _audit() -> None:
    from ehrcommerce.audit import services as audit

    def record(real: Any) -> Any:
        def recording(**what: Any) -> Any:
            if what.get("action") == "fulfillment.sending" and is_on("audit_skipped", str(what.get("entity"))):
                return None
            if any(is_on(bug) for bug in UNAUDITED.get(str(what.get("action")), ())):
                return None
            return real(**what)

        return recording

    _wrap(audit, "record", record)


UNAUDITED = {"patient.notified": ("message_unaudited",), "orders.read": ("read_unaudited",)}


# -------------------------------------------------------------------------------------------------- what others tell us
def _told() -> None:
    from ehrcommerce.ehr.views import notifications

    def first_time(real: Any) -> Any:
        def taking(callback: Any, **whose: Any) -> bool:
            if is_on("callback_unwritten", str(callback.body)):
                return False
            return bool(real(callback, **whose))

        return taking

    def answer(real: Any) -> Any:
        def answering(request: Any, row: Any, put_at: str) -> Any:
            status = real(request, row, put_at)
            if status == 200 and b'"revoked"' in request.body:
                _believe(row.connection, put_at)
            return status

        return answering

    replace("ehrcommerce.suppliers.callbacks.first_time", first_time)
    _wrap(notifications, "_answer", answer)


def _believe(connection: Any, put_at: str) -> None:
    """The order is stopped since a notification says that it was revoked; nobody reads the chart."""
    from ehrcommerce.audit.services import system
    from ehrcommerce.commerce.offers.models import OfferLine
    from ehrcommerce.commerce.orders import services as orders
    from ehrcommerce.commerce.orders.models import Order
    from ehrcommerce.ehr.handles import chart_key

    key = chart_key(connection.public_id, *put_at.split("/"))
    for order in Order.objects.filter(offer__in=OfferLine.objects.filter(order_key=key).values("offer")):
        if is_on("event_believed", str(order.public_id)):
            orders.cancel_order(order=order, reason="order_changed", by=system("events"), at=timezone.now())
