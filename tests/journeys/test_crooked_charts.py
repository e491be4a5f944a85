"""Charts that no EHR should hold, and some do: parts of orders and patients replaced by what does not belong there.
Every order still has its row, sellable or refused in words; nothing of it runs in the browser, and no page fails."""

import copy
import random
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from ehrcommerce.policy.refusals import REFUSALS
from ehrcommerce.workbench import real_data
from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Ada, Desk
from tests.journeys.charts import new_chart

Json = dict[str, Any]
ORDERS_EACH, PATIENTS = 40, 12
SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
CROOKED: tuple[Any, ...] = (
    "", " ", "0", "-1", "1e400", "NaN", SCRIPT, "\u202egnp.exe", "\u0007bell", "x" * 9000, "9999-99-99", "2020-02",
    0, -1, 10**30, True, [], {}, [[]], [{}], {"value": []}, ["x"], [{"coding": "x"}],
    {"reference": "Patient/somebody-else"}, {"reference": "../../../Patient/1"}, {"reference": "https://elsewhere.example/Patient/1"},
)  # fmt: skip
# What makes it an order of this patient at all; a crooked one of these is another test's matter.
KEPT = {"resourceType", "id", "subject", "status", "intent", "meta"}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a resource."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        if path or name not in KEPT:
            yield (*path, name)
            yield from places(part, (*path, name))


def bent(resource: Json, chance: random.Random, name: str) -> Json:
    """The resource under another id, with one to three parts replaced."""
    made: Json = {**copy.deepcopy(resource), "id": name}
    for _ in range(chance.randint(1, 3)):
        way = chance.choice(list(places(made)))
        holder = made
        for step in way[:-1]:
            holder = holder[step]
        holder[way[-1]] = copy.deepcopy(chance.choice(CROOKED))
    return made


@pytest.mark.parametrize("kind", real_data.ORDER_TYPES)
def test_crooked_orders_have_their_rows(live: Live, desk: Desk, kind: str) -> None:
    chance = random.Random(f"orders {kind}")
    chart = new_chart()
    there = desk.call("GET", f"/control/fhir?type={kind}")["resources"]
    models = [one for one in there if one["status"] in real_data.OPEN]
    held = []
    for place in range(ORDERS_EACH):
        order = bent(chance.choice(models), chance, f"bent-{chart.patient}-{place}")
        subject = {"reference": f"Patient/{chart.patient}"}
        held.append({**order, "status": "active", "intent": "order", "subject": subject})
    desk.put(*chart.resources, *held)
    page = Ada(live, desk).launch(chart.patient)
    assert page.status == 200, page.text[:400]
    rows = [row for row in re.findall(r"<tr[^>]*>.*?</tr>", page.body, re.S) if "<strong>" in row]
    assert len(rows) == ORDERS_EACH
    for row in rows:
        assert 'name="order"' in row or any(refusal.sentence in unescape(row) for refusal in REFUSALS.values()), row
    assert "<script>alert" not in page.body
    assert "<img src=x" not in page.body


def test_crooked_patients_have_a_page_that_says_something(live: Live, desk: Desk) -> None:
    chance = random.Random("patients")
    models = desk.call("GET", "/control/fhir?type=Patient")["resources"]
    for place in range(PATIENTS):
        chart = new_chart("prescription", "device", "kit")
        person = {**bent(chance.choice(models), chance, chart.patient), "resourceType": "Patient"}
        desk.put(person, *(one for one in chart.resources if one["resourceType"] != "Patient"))
        page = Ada(live, desk).launch(chart.patient)
        assert page.status == 200, (place, page.status, page.text[:400])
        assert "<script>alert" not in page.body
        assert len(page.text) > 200
