"""What the tests of the door do again and again: open the clinician's page, and look at one order alone."""

from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door, extract
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.policy.packets import ChartOrder, ChartPage
from tests.disclosure.charts import Json, chart
from tests.disclosure.conftest import AT


def page(access: FhirAccess, by: Actor) -> ChartPage:
    return door.disclose_chart(access, by=by, at=AT)


def names(found: ChartPage) -> list[tuple[str, str]]:
    """Each order as it is called, with what stands against it."""
    return [(one.item.name, one.state.refusal) for one in found.orders]


def only(raw: Json) -> ChartOrder:
    return extract.order(raw, chart())
