"""Pairs of charts that differ in forbidden elements alone are the same chart for everything behind the door: packets,
digests, what goes to each hop, audit rows, log lines; byte for byte, over the real transport. [SEC-3.4.6]"""

import json
import logging
import random
import re
from dataclasses import asdict, replace
from typing import Any

import pytest

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door, extract
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.policy.digests import digest
from ehrcommerce.workbench import rotation
from tests.disclosure.conftest import AT, Open, access, by, ehr, opened
from tests.disclosure.fake_ehr import FakeEhr
from tests.minimization import pairs
from tests.minimization.charts import OMIT, Extra, Json, Plan, chart
from tests.minimization.conftest import Tell
from tests.minimization.refusals import ORDERS
from tests.minimization.sentinels import Ledger

__all__ = ["access", "by", "ehr", "opened"]
PAIRS, NIGHTLY_PAIRS = 50, 5000
TWINS = 5  # pairs that share their first chart
TYPES = ("MedicationRequest", "DeviceRequest", "ServiceRequest")


def first_of(number: int, dice: random.Random) -> tuple[str, str, list[Json]]:
    """Some person with some orders, sold and refused."""
    extra: tuple[Extra, ...] = tuple(dice.sample(ORDERS, 3))
    rules: Any = {} if number % 2 else {
        "MedicationRequest": {"medicationCodeableConcept": OMIT, "medicationCodeableConcept.coding": OMIT,
                              "medicationReference.reference": "Medication/{self.medication}"}}  # fmt: skip
    made = chart(Ledger(dice.randrange(10**9)), Plan(f"pair {number}", variant=number % 4, rules=rules, extra=extra))
    return (
        made.patient,
        next(one["id"] for one in made.resources if one["resourceType"] == "Practitioner"),
        made.resources,
    )


def all_that_comes_out(
    ehr: FakeEhr, access: FhirAccess, by: Actor, user: str, resources: list[Json], caplog: Any
) -> str:
    """Everything that the door lets through of one chart, and what it writes down meanwhile."""
    ehr.resources.clear()
    ehr.asked.clear()
    ehr.put(*resources)
    last = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    caplog.clear()
    page = door.disclose_chart(access, by=by, at=AT, fhir_user=f"Practitioner/{user}")
    orders = {
        one["id"]: (str(one["resourceType"]), str(one["id"])) for one in resources if one["resourceType"] in TYPES
    }
    found = {
        "page": asdict(page),
        "digests": [digest(one.item).hex() for one in page.orders],
        "gate": {key: asdict(one) if one else None for key, one in door.disclose_orders(access, orders, by=by, at=AT).items()},
        "coverage": [asdict(one) for one in door.disclose_coverage(access, by=by, at=AT)],
        "ship_to": door.disclose_ship_to(access, by=by, at=AT),
        "dispatch": door.disclose_dispatch_facts(access, by=by, at=AT),
        "user": asdict(door.disclose_user(access, f"Practitioner/{user}", by=by, at=AT)),
        "asked": sorted(f"{one.method} {one.path} {sorted(one.query)}" for one in ehr.asked),
        "log": sorted(re.sub(r"0x[0-9a-f]+|:\d{4,5}\b|\d+\.\d+", "#", record.getMessage()) for record in caplog.records),
        "audit": [
            [row.action, row.entity, row.purpose, row.recipient, row.outcome, row.reason, sorted(row.elements)]
            for row in AuditEvent.objects.filter(pk__gt=last).order_by("pk")
        ],
    }  # fmt: skip
    return json.dumps(found, default=str, sort_keys=True, indent=1)


def compare(number: int, ehr: FakeEhr, opened: Open, by: Actor, caplog: Any, *, pairs_of_it: int = TWINS) -> None:
    """One chart, and twins of it that differ in forbidden elements alone: each is a pair with the first."""
    dice = random.Random(f"{rotation.seed()} {number}")
    patient, user, resources = first_of(number, dice)
    access = opened(patient)
    one = all_that_comes_out(ehr, replace(access), by, user, resources, caplog)
    assert '"name": ""' not in one.split('"gate"')[0]
    for twin in range(pairs_of_it):
        others = [pairs.shaken(each, dice) for each in resources]
        assert all(map(pairs.differ, resources, others))
        other = all_that_comes_out(ehr, replace(access), by, user, others, caplog)
        assert one == other, f"twin {twin} of chart {number} of seed {rotation.seed()} comes out differently"


@pytest.mark.django_db
def test_pairs_that_differ_in_forbidden_elements_come_out_equal(
    ehr: FakeEhr, opened: Open, by: Actor, caplog: pytest.LogCaptureFixture, tell: Tell
) -> None:
    caplog.set_level(logging.DEBUG)
    for number in range(PAIRS // TWINS):
        compare(number, ehr, opened, by, caplog)
    tell("Pairs of charts that came out equal", str(PAIRS))


@pytest.mark.nightly
@pytest.mark.django_db
def test_five_thousand_pairs(
    ehr: FakeEhr, opened: Open, by: Actor, caplog: pytest.LogCaptureFixture, tell: Tell
) -> None:
    caplog.set_level(logging.DEBUG)
    for number in range(PAIRS // TWINS, NIGHTLY_PAIRS // TWINS):
        compare(number, ehr, opened, by, caplog)
    tell("Pairs of charts that came out equal", f"{NIGHTLY_PAIRS:,}")


@pytest.mark.django_db
@pytest.mark.parametrize("derived", ["a length", "a count", "a choice"])
def test_a_leak_that_no_sentinel_shows_is_seen(
    derived: str,
    ehr: FakeEhr,
    opened: Open,
    by: Actor,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The comparison can fail: nothing of the chart is repeated, and yet something of it comes out."""
    real = extract.order

    def leaking(raw: Any, *args: Any, **more: Any) -> Any:
        order = real(raw, *args, **more)
        told = {
            "a length": f"{len(json.dumps(raw)) % 7}",
            "a count": f"{len(raw)}",
            "a choice": "late" if raw.get("note") else "soon",
        }
        return replace(order, item=replace(order.item, orderer_name=f"{order.item.orderer_name} {told[derived]}"))

    monkeypatch.setattr(extract, "order", leaking)

    def several() -> None:
        for number in range(6):
            compare(number, ehr, opened, by, caplog, pairs_of_it=1)

    with pytest.raises(AssertionError, match="comes out differently"):
        several()
