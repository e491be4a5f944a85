"""A minor's chart at the door: refused while the organization lets nobody act for patients, sold to a helper where it does; and
that somebody must act is all that is kept of an age."""

from dataclasses import replace

import pytest

from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.policy.packets import ChartPage
from ehrcommerce.policy.refusals import ADMINISTRATOR, REFUSALS
from tests.disclosure.charts import patient, prescription
from tests.disclosure.conftest import AT
from tests.disclosure.fake_ehr import FakeEhr

pytestmark = pytest.mark.django_db
ORDER = {"k" * 64: ("MedicationRequest", "rx-1")}


def page(ehr: FakeEhr, access: FhirAccess, by: Actor, born: str) -> ChartPage:
    ehr.put(patient(birthDate=born), prescription())
    return door.disclose_chart(access, by=by, at=AT)


@pytest.mark.parametrize(
    ("born", "helpers", "refusal", "needs_helper"),
    [
        ("2015-05-06", False, "patient_minor", True),
        ("2015-05-06", True, "", True),
        ("1980-05-06", False, "", False),
        ("1980-05-06", True, "", False),
        ("1980", True, "patient_no_birth_date", False),
    ],
)
def test_a_minor_is_refused_by_rule_until_helpers_are_switched_on(
    ehr: FakeEhr, access: FhirAccess, by: Actor, born: str, helpers: bool, refusal: str, needs_helper: bool
) -> None:
    found = page(ehr, replace(access, helpers=helpers), by, born)
    assert found.banner.refusal == refusal
    assert {one.state.refusal for one in found.orders} == {refusal}
    assert found.recipient.needs_helper is needs_helper


@pytest.mark.parametrize(("helpers", "refusal"), [(False, "patient_minor"), (True, "")])
def test_the_freshness_gate_asks_the_same(
    ehr: FakeEhr, access: FhirAccess, by: Actor, helpers: bool, refusal: str
) -> None:
    ehr.put(patient(birthDate="2015-05-06"), prescription())
    found = door.disclose_orders(replace(access, helpers=helpers), ORDER, by=by, at=AT)
    assert [one.state.refusal for one in found.values() if one] == [refusal]


def test_the_refusal_says_why_and_who_can_change_it() -> None:
    refusal = REFUSALS["patient_minor"]
    assert "minor" in refusal.sentence
    assert "helpers" in refusal.sentence
    assert refusal.who == ADMINISTRATOR
    assert "administrator can switch them on" in refusal.remedy
