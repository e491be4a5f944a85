"""The chart is told how the purchase of an order stands: a status and a time. Best effort in name, an effect in
fact."""

from django.utils import timezone

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.fulfillment import parts, progress
from ehrcommerce.commerce.fulfillment.models import Fulfillment, FulfillmentLine
from ehrcommerce.outbox.handlers import LOOKUP, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Halt, NeedsHuman, Outcome, Refused, TryAgain
from ehrcommerce.policy import derive
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import ChartNotPermitted, ChartUnreachable

# What is written: a pointer to the order of the chart, how its purchase stands, and when.
ELEMENTS = tuple(f"{row.resource}.{row.element}" for row in derive.outward("Task"))


class Report(Handler):
    """Subject: `<order line>:<state that was news>`. What is written is the state of this moment, so that reports which
    overtake one another end in the truth; writing it twice is writing it once."""

    kind = "chart.report"
    queue = "chart"

    def capability(self, effect: Effect) -> str:
        return LOOKUP

    def still_wanted(self, effect: Effect) -> None:
        """The clinic may have switched it off since; the intent is audited before the call (design law 9)."""
        line = _line(effect)
        offered = line.order_line.offer_line
        if not chosen.chart().may_report(organization_id=effect.organization_id, key=offered.order_key):
            raise Halt(Refused("write_back_off"))
        audit.record(
            organization_id=effect.organization_id, by=progress.system(), action="chart.reporting",
            entity=f"line:{line.order_line.public_id}", at=timezone.now(), purpose=line.fulfillment.kind,
            recipient="chart", elements=ELEMENTS, customer_key=offered.offer.customer_key,
        )  # fmt: skip

    def send(self, effect: Effect, body: bytes) -> Outcome:
        line = _line(effect)
        try:
            return chosen.chart().report(
                organization_id=effect.organization_id, key=line.order_line.offer_line.order_key,
                order_id=str(line.order_line.public_id), status=_status(line, line.fulfillment),
                at=timezone.now().isoformat(timespec="seconds"),
            )  # fmt: skip
        except ChartUnreachable:
            return TryAgain("chart_unreachable")
        except ChartNotPermitted:
            return NeedsHuman("chart_not_permitted")
        except NoAgreement:
            return NeedsHuman("no_agreement")

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")


def _line(effect: Effect) -> FulfillmentLine:
    """Of what is sent anew the line stands in several parts: the newest that is not over says how it stands."""
    lines = FulfillmentLine.objects.select_related("order_line__offer_line__offer", "fulfillment").order_by("-pk")
    mine = list(lines.filter(order_line__public_id=effect.subject.partition(":")[0]))
    return next((line for line in mine if line.fulfillment.state not in parts.OVER), mine[-1])


def _status(line: FulfillmentLine, fulfillment: Fulfillment) -> str:
    """A line that was not taken is refused, whatever became of its neighbors."""
    return "refused" if line.accepted is False and fulfillment.state != "cancelled" else fulfillment.state
