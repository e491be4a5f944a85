"""What the patient's plan pays: asked only after they chose to use it and agreed that it is asked.

The plan is pulled from the chart for this one question and not kept; what is kept is the answer. Whatever goes wrong
becomes a named state on the page, never a zero, and never keeps anybody from paying the full price."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.catalog import codes
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.checkout.services import actor_of
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.offers.services import lines_of
from ehrcommerce.disclosure import consent, receipts
from ehrcommerce.disclosure.errors import NoConsent
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import NONE, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, Refused, TryAgain
from ehrcommerce.policy import derive, table
from ehrcommerce.policy.packets import CoverageFacts
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.suppliers.ports import (
    ChartNotPermitted,
    ChartUnreachable,
    Eligibility,
    EligibilityAnswer,
    EligibilityLine,
    EligibilityRequest,
    NoSupplier,
)

KIND = "checkout.eligibility"
FRESH = timedelta(minutes=30)
PATIENCE = timedelta(seconds=60)
# A refusal of the effect -> what the page says of the plan.
_STATE_OF = {"no_plan": "unknown", "not_permitted": "unknown", "chart_unreachable": "unreachable"}


def payer_of(session: CheckoutSession, at: datetime) -> Supplier | None:
    """Who answers for plans, or None: then the page offers the full price alone."""
    try:
        return chosen.choose(organization_id=session.organization_id, port=Port.ELIGIBILITY, at=at)
    except NoSupplier:
        return None


def answer_of(session: CheckoutSession) -> EligibilityAnswer | None:
    """The kept answer; None where none is used."""
    kept: dict[str, Any] = session.eligibility
    if not session.uses_plan or not kept:
        return None
    return EligibilityAnswer(state=kept["state"], as_of=kept["as_of"], pays=kept["pays"], reason=kept["reason"])


def is_fresh(session: CheckoutSession, at: datetime) -> bool:
    """An answer older than half an hour is asked for again before it is charged by."""
    asked = parse_datetime(str(session.eligibility.get("asked_at", ""))) if session.eligibility else None
    return asked is not None and at - asked < FRESH


def ask(session: CheckoutSession, *, at: datetime) -> None:
    """Ask the plan and wait. Afterwards the session holds a state in any case."""
    with transaction.atomic():
        effect = outbox.plan_next(
            kind=KIND, subject=str(session.public_id), organization_id=session.organization_id, at=at,
            deadline_at=at + PATIENCE, ring=False,
        )  # fmt: skip
        audit.record(
            organization_id=session.organization_id, by=actor_of(session), action="coverage.asked",
            entity=f"checkout:{session.public_id}", at=at, purpose=table.ELIGIBILITY,
            customer_key=session.link.offer.customer_key,
        )  # fmt: skip
    keep(session, EligibilityAnswer(state="unreachable", as_of="", reason="no_answer"), at=at)
    outbox.run_inline(effect)
    session.refresh_from_db(fields=["eligibility"])


def keep(session: CheckoutSession, answer: EligibilityAnswer, *, at: datetime) -> None:
    session.eligibility = {**asdict(answer), "pays": dict(answer.pays), "asked_at": at.isoformat()}
    session.save(update_fields=["eligibility"])


def question(lines: Sequence[OfferLine]) -> tuple[EligibilityLine, ...]:
    """Each line as the plan needs it: the catalog's code of the product, never the words of the order."""
    return tuple(
        EligibilityLine(
            line_id=str(line.public_id), system=system, code=code, price_cents=line.price_cents * line.quantity,
            service_type=line.product.service_type,
        )
        for line in lines
        for system, code in [_code(line)]
    )  # fmt: skip


def _code(line: OfferLine) -> tuple[str, str]:
    row = line.product.codes.exclude(system=codes.DISPLAY_SYSTEM).order_by("pk").first()
    return (row.system, row.code) if row else ("", line.sold_as)


class AskPlan(Handler):
    """One question about one offer. The page waits for it; an answer that comes later is kept for a reload."""

    kind = KIND
    queue = "patient"

    def capability(self, effect: Effect) -> str:
        payer = self._session(effect).payer
        return chosen.eligibility(payer).capability if payer else NONE

    def _session(self, effect: Effect) -> CheckoutSession:
        return CheckoutSession.objects.select_related("link__offer", "payer").get(public_id=effect.subject)

    def _payer(self, session: CheckoutSession) -> Supplier:
        """Who was named in the words that the patient agreed to, and nobody else. Raises NoSupplier."""
        if session.payer is None:
            raise NoSupplier
        chosen.usable(session.payer, at=timezone.now())
        return session.payer

    def _agreed(self, session: CheckoutSession) -> Supplier:
        """The payer, with a live agreement and a live yes; Halt without."""
        try:
            supplier = self._payer(session)
            consent.require(
                organization_id=session.organization_id, subject=str(session.link.offer.public_id),
                purpose=table.ELIGIBILITY, recipient=supplier.party,
            )  # fmt: skip
        except (NoSupplier, NoAgreement) as problem:
            raise Halt(Refused("no_supplier")) from problem
        except NoConsent as problem:
            raise Halt(Refused("no_consent")) from problem
        return supplier

    def prepare(self, effect: Effect) -> bytes:
        session = self._session(effect)
        supplier = self._agreed(session)
        try:
            plan = self._plan(session)
        except NoAgreement as problem:
            raise Halt(Refused("no_supplier")) from problem
        except ChartUnreachable as problem:
            raise Halt(Refused("chart_unreachable")) from problem
        except ChartNotPermitted as problem:
            raise Halt(Refused("not_permitted")) from problem
        return self._body(effect, session, supplier, chosen.eligibility(supplier), plan)

    def _plan(self, session: CheckoutSession) -> CoverageFacts:
        offer = session.link.offer
        plans = chosen.chart().coverage(
            organization_id=session.organization_id, customer_key=offer.customer_key, by=str(actor_of(session))
        )
        if not plans:
            raise Halt(Refused("no_plan"))
        return plans[0]

    def _body(
        self, effect: Effect, session: CheckoutSession, supplier: Supplier, port: Eligibility, plan: CoverageFacts
    ) -> bytes:
        offer = session.link.offer
        body = port.render(
            EligibilityRequest(
                reference=str(effect.public_id), plan=plan, person=None, provider_npi=offer.provider_npi,
                lines=question(lines_of(offer)),
            )
        )  # fmt: skip
        receipts.plan(
            organization_id=effect.organization_id, customer_key=offer.customer_key, subject=str(offer.public_id),
            purpose=table.ELIGIBILITY, recipient=supplier.party, recipient_name=supplier.name, elements=elements(),
            payload_digest=hashlib.sha256(body).digest(), at=timezone.now(),
        )  # fmt: skip
        return body

    def envelope(self, effect: Effect) -> UUID | None:
        return self._session(effect).link.offer.public_id

    def still_wanted(self, effect: Effect) -> None:
        rows = CheckoutSession.objects.select_for_update(of=("self",)).select_related("link__offer", "payer")
        session = rows.filter(public_id=effect.subject, ended_at=None, order=None, uses_plan=True).first()
        if session is None:
            raise Halt(Refused("not_wanted"))
        supplier = self._agreed(session)
        audit.record(
            organization_id=effect.organization_id, by=actor_of(session), action="coverage.sent",
            entity=f"checkout:{session.public_id}", at=timezone.now(), purpose=table.ELIGIBILITY,
            recipient=supplier.party, elements=elements(), customer_key=session.link.offer.customer_key,
        )  # fmt: skip

    def send(self, effect: Effect, body: bytes) -> Outcome:
        try:
            port = chosen.eligibility(self._payer(self._session(effect)))
        except NoSupplier:
            return Refused("no_supplier")
        outcome = port.check(body, idempotency_key=effect.idempotency_key)
        # Nobody waits for a plan longer than a page: a busy one is an unreachable one.
        return Refused("payer_busy") if isinstance(outcome, TryAgain) else outcome

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        rows = CheckoutSession.objects.select_for_update(of=("self",)).select_related("link__offer")
        session = rows.get(public_id=effect.subject)
        _mark_sent(effect, session)
        if session.order_id is not None or session.ended_at is not None:
            return
        if isinstance(outcome, Done):
            keep(session, outcome.facts["answer"], at=effect.created_at)
        elif isinstance(outcome, Refused | NeedsHuman):
            state = _STATE_OF.get(outcome.code, "unreachable")
            keep(session, EligibilityAnswer(state=state, as_of="", reason=outcome.code), at=effect.created_at)

    def unresolved(self, effect: Effect) -> Outcome:
        """A payer that never answers: the page says so, and the patient may ask again."""
        return Refused("too_late")

    def overdue(self, effect: Effect) -> Outcome:
        return Refused("too_late")


def _mark_sent(effect: Effect, session: CheckoutSession) -> None:
    """Bytes went out, whatever came back: the receipt says so."""
    if effect.request_sha256:
        digest, subject = bytes(effect.request_sha256), str(session.link.offer.public_id)
        rows = [row for row in receipts.of(effect.organization_id, subject) if bytes(row.payload_digest) == digest]
        receipts.mark_sent(rows, timezone.now())


def elements() -> list[str]:
    """What a plan learns from the chart, as the table says."""
    rows = derive.rows(purposes=(table.ELIGIBILITY,))
    return [f"{row.resource}.{row.element}" for row in rows if row.field and table.PAYER in row.recipients]
