"""The payer's answers, chosen by the end of the member id."""

from typing import Any

import pytest

from .conftest import Caller


def question(member_id: str, *prices_cents: int) -> dict[str, Any]:
    system = "http://www.nlm.nih.gov/research/umls/rxnorm"
    items = [
        {"line": str(at), "system": system, "code": "314076", "price_cents": cents, "service_type": "88"}
        for at, cents in enumerate(prices_cents or (4600,), start=1)
    ]
    return {
        "reference": "elig-1",
        "member_id": member_id,
        "payer_id": "60054",
        "plan": {"group": "G1", "rxbin": "610279", "rxpcn": "A1"},
        "patient": {"name": "Cy Sample", "birth_date": "1980-02-03"},
        "provider_npi": "1234567893",
        "items": items,
    }


def test_a_covered_item_costs_a_quarter_within_bounds(caller: Caller) -> None:
    prices = (4600, 4601, 1200, 300, 0)
    answer = caller.post("/payer/eligibility", question("W123", *prices)).json()
    assert (answer["reference"], answer["status"], answer["aaa"]) == ("elig-1", "active", "")
    assert all(item["covered"] is True for item in answer["items"])
    assert [item["patient_pays_cents"] for item in answer["items"]] == [1150, 1151, 400, 300, 0]


@pytest.mark.parametrize(
    ("end", "status", "aaa", "covered"),
    [
        ("-NC", "active", "", False),
        ("-UN", "active", "", None),
        ("-IN", "inactive", "", False),
        ("-75", "not_found", "75", None),
        ("-72", "not_found", "72", None),
        ("-71", "not_found", "71", None),
        ("-42", "payer_unreachable", "42", None),
    ],
)
def test_the_member_id_chooses_the_answer(
    caller: Caller, end: str, status: str, aaa: str, covered: bool | None
) -> None:
    answer = caller.post("/payer/eligibility", question(f"W123{end}")).json()
    assert (answer["status"], answer["aaa"]) == (status, aaa)
    assert answer["items"] == [{"line": "1", "covered": covered, "patient_pays_cents": None}]


def test_a_payer_that_is_down_answers_503_and_may_be_asked_again(caller: Caller) -> None:
    assert caller.post("/payer/eligibility", question("W123-DN"), key="down-1").status_code == 503
    assert caller.post("/payer/eligibility", question("W123-DN"), key="down-1").status_code == 503


@pytest.mark.parametrize("other", [{"provider_npi": "12"}, {"items": []}, {"diagnosis": "E11"}, {"member_id": ""}])
def test_a_malformed_question_is_refused(caller: Caller, other: dict[str, Any]) -> None:
    assert caller.post("/payer/eligibility", {**question("W123"), **other}).status_code == 422
