"""Which insurance plans an eligibility question may name."""

from typing import Any

from ehrcommerce.disclosure import plans
from ehrcommerce.policy.packets import CoverageFacts
from tests.disclosure.charts import BASE, DEMO, TODAY, Json


def asked(*coverages: Json, found: Any = None) -> tuple[CoverageFacts, ...]:
    return plans.plans(coverages, base=BASE, on=TODAY, found=found)


def coverage(**changes: Any) -> Json:
    raw: Json = {
        "resourceType": "Coverage", "id": "c1", "status": "active", "beneficiary": {"reference": "Patient/cy"},
        "subscriberId": "M-1", "payor": [{"display": "Cascade"}],
    }  # fmt: skip
    return {name: value for name, value in {**raw, **changes}.items() if value is not None}


def demo(name: str) -> Json:
    return DEMO["Coverage", name]


def test_a_plan_of_today_with_all_its_numbers() -> None:
    (facts,) = asked(demo("marisol-cascade"), found=DEMO)
    assert facts == CoverageFacts(
        payer_name="Cascade Health Plan", payer_id="90011", member_id="CHP-4471-0142", relationship="self",
        group="GRP-2210",
        plan="PPO-SILVER", rx_bin="990011", rx_pcn="DEMOPCN", rx_group="DEMORX",
    )  # fmt: skip


def test_the_plan_to_ask_first_stands_in_front() -> None:
    facts = asked(demo("joanna-cascade-second"), demo("joanna-evergreen"), found=DEMO)
    assert [one.member_id for one in facts] == ["EVG-1177-0119", "CHP-1177-0119"]


def test_a_plan_that_ended_is_not_asked_though_its_status_is_active() -> None:
    assert asked(demo("hector-evergreen-expired"), found=DEMO) == ()


def test_a_payer_that_is_only_a_name_has_no_number() -> None:
    (facts,) = asked(demo("edgar-nameless"))
    assert (facts.payer_name, facts.payer_id) == ("Rainier Employees Trust", "")


def test_what_is_no_plan_to_ask() -> None:
    assert asked(coverage(status="cancelled"), coverage(payor=None), coverage(modifierExtension=[{"url": "u"}])) == ()
    assert (
        asked(coverage(period={"start": "2030-01-01"}), coverage(**{"class": [{"modifierExtension": [{"url": "u"}]}]}))
        == ()
    )


def test_a_contained_payer_and_one_that_is_only_an_identifier() -> None:
    inner = {
        "resourceType": "Organization",
        "id": "o",
        "name": "Evergreen",
        "identifier": [{"value": "90022"}],
        "telecom": ["x"],
    }
    (contained,) = asked(coverage(payor=[{"reference": "#o"}], contained=[inner]))
    assert (contained.payer_name, contained.payer_id) == ("Evergreen", "90022")
    (identified,) = asked(coverage(payor=[{"identifier": {"value": "CMS"}}]))
    assert (identified.payer_name, identified.payer_id) == ("", "CMS")


def test_odd_shapes_are_no_plans_and_no_faults() -> None:
    assert asked(coverage(payor="x", **{"class": "y"}, relationship=[], order="first", period="z")) == ()
    assert len(asked(coverage(order="-1", **{"class": [{"type": None, "value": {"a": 1}}]}))) == 1
