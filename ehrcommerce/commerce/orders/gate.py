"""The freshness gate (design law 7): the chart is read again before money is taken and before anything is sent.

The read commits its time; right before the act, under the order's row lock and without any call, the act goes on only
if that time is at most FRESHNESS_S ago and the EHR has said nothing since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.commerce.offers.models import CHANGED, OfferLine
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox.outcomes import Halt, NeedsHuman, TryAgain
from ehrcommerce.policy import derive
from ehrcommerce.policy.digests import as_json, digest, from_json
from ehrcommerce.policy.packets import ChartOrder
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import ChartNotPermitted, ChartUnreachable

STOPPED = "stopped:"
MISSING = "element_missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """`checked_at` is the moment before the read; `problem` is "" or why the order must not go on. `missing`: the path of
    an element that the chart does not say any more, where nothing else of the order is different."""

    checked_at: datetime
    versions: Mapping[str, str]
    problem: str = ""
    missing: str = ""


def read_chart(lines: Sequence[OfferLine], *, organization_id: int, by: str) -> Finding:
    """Ask the chart for these lines' orders. Call without a transaction. Halt where it cannot be asked now."""
    checked_at = timezone.now()
    try:
        found = chosen.chart().current(organization_id=organization_id, keys=[line.order_key for line in lines], by=by)
    except ChartUnreachable as problem:
        raise Halt(TryAgain("chart_unreachable")) from problem
    except ChartNotPermitted as problem:
        raise Halt(NeedsHuman("chart_not_permitted")) from problem
    except NoAgreement as problem:
        raise Halt(NeedsHuman("no_agreement")) from problem
    problems = [why for line in lines if (why := _problem(line, found.get(line.order_key)))]
    versions = {line.order_key: order.state.version for line in lines if (order := found.get(line.order_key))}
    gone = [path for line in lines if (path := _missing(line, found.get(line.order_key)))]
    return Finding(checked_at, versions, problems[0] if problems else "", gone[0] if gone else "")


def _problem(line: OfferLine, order: ChartOrder | None) -> str:
    if order is None:
        return "order_gone"
    if order.state.refusal:
        return order.state.refusal
    # A new version with the same digest (somebody added a note) changes nothing that was bought.
    return "" if digest(order.item) == bytes(line.digest) else CHANGED


def _missing(line: OfferLine, order: ChartOrder | None) -> str:
    """What the order said when it was sent and does not say now, as a path of its resource; "" where anything else is
    different as well."""
    if order is None or order.state.refusal or not line.packet:
        return ""
    before, now = as_json(from_json(line.packet)), as_json(order.item)
    different = [name for name in before if before[name] != now[name]]
    if not different or any(now[name] for name in different):
        return ""
    rows = derive.rows(purposes=(line.kind,))
    return next((row.element for row in rows if row.field == f"OrderedItem.{different[0]}"), different[0])


def require_whole(finding: Finding) -> None:
    """An order that only lost an element was hardly changed by its clinician: an EHR that was upgraded stops saying it, in
    all charts at once. Held for a person, who reads which it is (REL-F29)."""
    if finding.problem == CHANGED and finding.missing:
        raise Halt(NeedsHuman(f"{MISSING}:{finding.missing}"[:64]))


def require_fresh(order: Order, checked_at: datetime | None) -> None:
    """Under the order's row lock: Halt unless the check is young and no event came after it."""
    if checked_at is None or timezone.now() - checked_at > timedelta(seconds=settings.FRESHNESS_S):
        raise Halt(TryAgain("check_too_old", after_s=0))
    if order.event_at is not None and order.event_at >= checked_at:
        raise Halt(TryAgain("chart_event", after_s=0))
