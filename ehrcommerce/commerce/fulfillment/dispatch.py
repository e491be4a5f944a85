"""The order goes to the supplier: after the gate, with a consent, an agreement, a routing proof and a licence that hold
at the last line before the call, and as exactly the bytes that were agreed to."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.fulfillment import payloads, progress, receipting
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders import gate, money
from ehrcommerce.commerce.orders.events import Code
from ehrcommerce.commerce.orders.models import Order, OrderLine
from ehrcommerce.commerce.orders.states import PROGRESS, MoneyState, OrderState
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.errors import NoConsent
from ehrcommerce.disclosure.models import DisclosureState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, Refused, TryAgain
from ehrcommerce.policy.packets import PRESCRIPTION, DispatchFacts
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import (
    ChartNotPermitted,
    ChartUnreachable,
    NoSupplier,
    SupplierUnclear,
    SupplierUnreachable,
    SupplyStatus,
)

MAY_BEGIN = (OrderState.AUTHORIZED, OrderState.GATED, OrderState.EXCEPTION)


class Dispatch(Handler):
    """One supplier, one order, once."""

    kind = "fulfillment.dispatch"

    def capability(self, effect: Effect) -> str:
        return chosen.capability_of(self._fulfillment(effect).supplier)

    def _fulfillment(self, effect: Effect) -> Fulfillment:
        return Fulfillment.objects.select_related("order__offer", "supplier").get(public_id=effect.subject)

    # -- before: reads, no transaction --------------------------------------------------------------------------------
    def prepare(self, effect: Effect) -> bytes:
        fulfillment = self._fulfillment(effect)
        if fulfillment.state not in MAY_BEGIN or progress.is_asked_back(fulfillment):
            self._take_over(fulfillment, effect)
            raise Halt(Refused("not_wanted"))
        lines = _lines(fulfillment)
        if payloads.lacks_proof(lines):
            raise Halt(Refused(f"{gate.STOPPED}no_routing_proof"))
        if why := payloads.not_sold(lines):
            raise Halt(Refused(f"{gate.STOPPED}{why}"))
        finding = gate.read_chart(
            [line.offer_line for line in lines], organization_id=fulfillment.organization_id, by=str(progress.system())
        )
        gate.require_whole(finding)
        if finding.problem:
            raise Halt(Refused(f"{gate.STOPPED}{finding.problem}"))
        request = payloads.request_for(
            fulfillment.order, lines, kind=fulfillment.kind, reference=str(fulfillment.public_id)
        )
        if payloads.renumbered(lines) or _is_changed(fulfillment.order, fulfillment, lines):
            raise Halt(NeedsHuman("payload_changed"))
        person = _person(fulfillment)
        _passed(fulfillment, finding)
        return chosen.fulfiller(fulfillment.supplier).render(payloads.with_person(request, person))

    def _take_over(self, fulfillment: Fulfillment, effect: Effect) -> None:
        """An order that is stopped between two tries: what a try may have left at the supplier is asked back."""
        if fulfillment.state != OrderState.CANCEL_REQUESTED or effect.request_sha256 is None:
            return
        status = chosen.fulfiller(fulfillment.supplier).find(str(fulfillment.public_id))
        if status is not None:
            with transaction.atomic():
                order, locked = progress.lock(effect.subject)
                self._sent(order, locked, Done(facts={"status": status}))

    def envelope(self, effect: Effect) -> UUID | None:
        return self._fulfillment(effect).order.offer.public_id

    # -- the last line: under the order's row lock, no call -----------------------------------------------------------
    def still_wanted(self, effect: Effect) -> None:
        order, fulfillment = progress.lock(effect.subject)
        if fulfillment.state != OrderState.GATED:
            raise Halt(Refused("not_wanted"))
        if order.total_cents and order.money not in (MoneyState.AUTHORIZED, MoneyState.CAPTURED):
            lapsed = money.waits_for_money(order)  # the patient was asked to pay anew, and may still do so
            raise Halt(TryAgain("hold_ended", after_s=3600) if lapsed else NeedsHuman("no_payment"))
        self._require_hold(order)
        gate.require_fresh(order, fulfillment.checked_at)
        self._require_legal_footing(order, fulfillment)
        audit.record(
            organization_id=order.organization_id, by=progress.system(), action="fulfillment.sending",
            entity=f"fulfillment:{fulfillment.public_id}", at=timezone.now(), purpose=fulfillment.kind,
            recipient=fulfillment.supplier.party, customer_key=order.offer.customer_key,
            elements=payloads.elements_for(fulfillment.kind, fulfillment.supplier),
        )  # fmt: skip

    def _require_hold(self, order: Order) -> None:
        """A hold that has lapsed by its own date pays for nothing, whether the processor has said so or not (REL-F22)."""
        payment = money.live_payment(order)
        held = payment is not None and payment.state == "authorized"
        if payment and held and payment.hold_ends_at and payment.hold_ends_at <= timezone.now():
            raise Halt(TryAgain("hold_ended", after_s=60))

    def _require_legal_footing(self, order: Order, fulfillment: Fulfillment) -> None:
        supplier = fulfillment.supplier
        try:
            chosen.usable(supplier, at=timezone.now())
            yes = consent.require(
                organization_id=order.organization_id, subject=str(order.offer.public_id), purpose=fulfillment.kind,
                recipient=supplier.party,
            )  # fmt: skip
        except NoSupplier as problem:
            raise Halt(NeedsHuman("no_agreement")) from problem
        except NoConsent as problem:
            raise Halt(Refused(f"{gate.STOPPED}no_consent")) from problem
        lines = _lines(fulfillment)
        # The yes was to all that this recipient gets; what is sent anew may be a part of it.
        whole = _lines(_first(fulfillment))
        now = payloads.agreed([line.offer_line for line in whole], kind=fulfillment.kind, supplier=supplier)
        if (yes.payload_digest and bytes(yes.payload_digest) != now) or _is_changed(order, fulfillment, lines):
            raise Halt(NeedsHuman("payload_changed"))
        if not supplier.serves(order.ship_to["state"]):
            raise Halt(NeedsHuman("not_licensed"))

    # -- the call -----------------------------------------------------------------------------------------------------
    def send(self, effect: Effect, body: bytes) -> Outcome:
        adapter = chosen.fulfiller(self._fulfillment(effect).supplier)
        return adapter.place(body, idempotency_key=effect.idempotency_key)

    def ask(self, effect: Effect) -> Outcome:
        fulfillment = self._fulfillment(effect)
        status = chosen.fulfiller(fulfillment.supplier).find(str(fulfillment.public_id))
        if status is None:
            return self.missing(effect)
        return Done(reference=status.supplier_reference, facts={"status": status})

    def by_hand(self, effect: Effect, *, happened: bool, reference: str) -> Outcome | None:
        """They have it, under their number: what else they know comes by tracking."""
        if not happened:
            return super().by_hand(effect, happened=False, reference="")
        status = SupplyStatus(effect.subject, reference, OrderState.DISPATCHED)
        return Done(reference, {"status": status})

    # -- after --------------------------------------------------------------------------------------------------------
    def settle(self, effect: Effect, outcome: Outcome) -> None:
        order, fulfillment = progress.lock(effect.subject)
        at, by = timezone.now(), progress.system()
        if isinstance(outcome, Done):
            self._sent(order, fulfillment, outcome)
        elif fulfillment.state == OrderState.CANCEL_REQUESTED and fulfillment.supplier_reference:
            progress.ask_back(fulfillment, at=at)  # they have it, whatever became of this try
        elif fulfillment.state == OrderState.CANCEL_REQUESTED and isinstance(outcome, Refused):
            progress.step(order, fulfillment, OrderState.CANCELLED, by=by, at=at)
        elif isinstance(outcome, Refused) and outcome.code.startswith(gate.STOPPED):
            reason = outcome.code.removeprefix(gate.STOPPED)
            progress.step(
                order, fulfillment, OrderState.CANCELLED, by=by, at=at, reason=reason, code=Code.ORDER_STOPPED
            )
        elif isinstance(outcome, Refused) and fulfillment.state in MAY_BEGIN and outcome.code != "not_wanted":
            progress.step(order, fulfillment, OrderState.REFUSED, by=by, at=at, reason=outcome.code)
        elif isinstance(outcome, NeedsHuman) and fulfillment.state in MAY_BEGIN[:2]:
            progress.step(order, fulfillment, OrderState.EXCEPTION, by=by, at=at, reason=outcome.code)

    def _sent(self, order: Order, fulfillment: Fulfillment, outcome: Done) -> None:
        at, status = timezone.now(), outcome.facts["status"]
        receipting.mark(fulfillment, DisclosureState.SENT, at=at)
        outbox.plan(
            kind="fulfillment.track", subject=str(fulfillment.public_id), organization_id=order.organization_id, at=at,
            run_at=at + progress.track_every(),
        )  # fmt: skip
        if fulfillment.state in MAY_BEGIN:
            progress.step(order, fulfillment, OrderState.DISPATCHED, by=progress.system(), at=at)
        progress.apply(order, fulfillment, status, at=at)
        if fulfillment.state == OrderState.CANCEL_REQUESTED:
            progress.ask_back(fulfillment, at=at)

    def overdue(self, effect: Effect) -> Outcome:
        """Nobody could be reached in all that time: the patient's money goes back rather than wait (REL-F13). Where
        something was tried, the supplier is asked first; each of those tries is known not to have arrived."""
        if effect.request_sha256 is None:
            return Refused("not_in_time")
        fulfillment = self._fulfillment(effect)
        try:
            status = chosen.held(fulfillment.supplier, str(fulfillment.public_id))
        except SupplierUnreachable:
            status = None
        except SupplierUnclear:
            return NeedsHuman("deadline")
        return Done(status.supplier_reference, {"status": status}) if status else Refused("not_in_time")


def _first(fulfillment: Fulfillment) -> Fulfillment:
    """The part that the patient agreed to, where this one replaces it."""
    while fulfillment.replaces_id is not None:
        fulfillment = Fulfillment.objects.get(pk=fulfillment.replaces_id)
    return fulfillment


def _lines(fulfillment: Fulfillment) -> list[OrderLine]:
    """In the order in which the payload was written first."""
    lines = OrderLine.objects.filter(fulfillment_lines__fulfillment=fulfillment)
    return list(lines.select_related("offer_line__product").order_by("pk"))


def _is_changed(order: Order, fulfillment: Fulfillment, lines: list[OrderLine]) -> bool:
    return payloads.is_changed(
        order, lines, kind=fulfillment.kind, reference=str(fulfillment.public_id),
        agreed_to=bytes(fulfillment.payload_digest or b""),
    )  # fmt: skip


def _person(fulfillment: Fulfillment) -> DispatchFacts | None:
    """Name and birth date for a pharmacy that needs them: pulled now, sent, not kept."""
    if fulfillment.kind != PRESCRIPTION or not fulfillment.supplier.needs_birth_date:
        return None
    try:
        person = chosen.chart().dispatch_facts(
            organization_id=fulfillment.organization_id, customer_key=fulfillment.order.offer.customer_key,
            by=str(progress.system()),
        )  # fmt: skip
    except ChartUnreachable as problem:
        raise Halt(TryAgain("chart_unreachable")) from problem
    except ChartNotPermitted as problem:
        raise Halt(NeedsHuman("chart_not_permitted")) from problem
    except NoAgreement as problem:
        raise Halt(NeedsHuman("no_agreement")) from problem
    if person is None:
        raise Halt(Refused(f"{gate.STOPPED}patient_not_served"))
    return person


def _passed(fulfillment: Fulfillment, finding: gate.Finding) -> None:
    """Commit the check: its time and the versions that were seen."""
    with transaction.atomic():
        order, locked = progress.lock(str(fulfillment.public_id))
        if locked.state not in MAY_BEGIN or progress.is_asked_back(locked):
            raise Halt(Refused("not_wanted"))
        payload = bytes(fulfillment.payload_digest or b"")
        if (bytes(locked.payload_digest or b""), locked.supplier_id) != (payload, fulfillment.supplier_id):
            raise Halt(TryAgain("changed_meanwhile", after_s=0))  # another address or supplier: read and written anew
        locked.checked_at, locked.checked_versions = finding.checked_at, dict(finding.versions)
        locked.save(update_fields=["checked_at", "checked_versions"])
        if PROGRESS.get(locked.state, 0) < PROGRESS[OrderState.GATED]:
            progress.step(order, locked, OrderState.GATED, by=progress.system(), at=timezone.now())
