"""Whether what the link offers is still what the chart orders, read when the patient sees the items, the price, and presses
Pay. A link whose order was changed or stopped meanwhile ends there, before anybody agrees to or pays for the old one.

A chart that cannot be read says nothing, and the page goes on: before money is taken and before anything is sent it is
read again by the gate, which waits (orders/gate.py)."""

from datetime import datetime

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.checkout import services
from ehrcommerce.commerce.checkout.errors import LinkOver
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.fulfillment.recheck import GONE
from ehrcommerce.commerce.offers import links
from ehrcommerce.commerce.offers.models import CHANGED, LinkState
from ehrcommerce.commerce.offers.services import lines_of
from ehrcommerce.commerce.orders import gate
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.outcomes import Halt

CHART = audit.system("chart")


def require(session: CheckoutSession, *, at: datetime) -> None:
    """Raises LinkOver where the chart orders something else now, or nothing. Call without a transaction."""
    if session.order is not None:
        return
    try:
        with outbox.a_page_waits():
            finding = gate.read_chart(
                lines_of(session.link.offer), organization_id=session.organization_id,
                by=str(services.actor_of(session)),
            )  # fmt: skip
    except Halt:
        return
    if finding.problem == GONE:  # a copy of the EHR's database may lag: believed when it is said twice (relook.py)
        outbox.plan_next(
            kind="fulfillment.relook", subject=str(session.link.public_id), organization_id=session.organization_id,
            at=at,
        )  # fmt: skip
    elif finding.problem:
        _end(session, finding.problem, at)


def _end(session: CheckoutSession, problem: str, at: datetime) -> None:
    """Where the link was spent meanwhile its order goes on, and is read by itself."""
    changed = problem == CHANGED
    state = LinkState.SUPERSEDED if changed else LinkState.REVOKED
    if links.end(link=session.link, state=state, reason=problem[:32], by=CHART, at=at):
        raise LinkOver("updated" if changed else "revoked")
