"""Orders and patients that a chart should not hold, rows 64 to 69 of docs' list of hostile inputs: not sold, never guessed
at, and never in the way of the others."""

from typing import Any

import pytest

from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure.access import FhirAccess
from tests.disclosure.charts import Json, device, patient, prescription
from tests.disclosure.fake_ehr import FakeEhr
from tests.disclosure.reading import names, only, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_the_ehr")]


@pytest.mark.smart("H64")
def test_64_no_medicine_wrong_status_no_status() -> None:
    assert only(prescription(medicationCodeableConcept=None)).state.refusal == "no_code"
    assert only(prescription(status="Active")).state.refusal == "not_active"
    assert only(prescription(status=None)).state.refusal == "not_active"


@pytest.mark.smart("H65")
def test_65_plans_prohibitions_and_unknown_modifiers_are_not_sold() -> None:
    assert [only(prescription(**change)).state.refusal for change in (
        {"intent": "plan"}, {"doNotPerform": True}, {"modifierExtension": [{"url": "u"}]},
    )] == ["not_an_order", "do_not_perform", "modifier_extension"]  # fmt: skip


@pytest.mark.smart("H66")
@pytest.mark.parametrize(
    ("quantity", "said"),
    [
        ({"value": "90"}, ("90", "")), ({"value": "0.50", "unit": "mL"}, ("0.50", "mL")),
        ({"value": "1.10", "code": "mL"}, ("1.10", "mL")),
        ({"value": "-90", "unit": "tablet"}, ("", "")), ({"value": "1e9"}, ("", "")),
        ({"value": "1000000000"}, ("", "")),
        ({"unit": "tablet"}, ("", "")), ({"value": True}, ("", "")), ({"value": "ninety"}, ("", "")),
        ("90", ("", "")), (None, ("", "")),
        ({"value": "٩٠"}, ("", "")),
    ],
)  # fmt: skip
def test_66_quantities_are_what_they_say_or_unknown(quantity: Any, said: tuple[str, str]) -> None:
    item = only(prescription(dispenseRequest={"quantity": quantity})).item
    assert (item.quantity, item.quantity_unit) == said


@pytest.mark.smart("H66")
@pytest.mark.parametrize(
    ("end", "valid_until"),
    [
        ("2027", "2027"),
        ("2027-05", "2027-05"),
        ("2027-05-06T10:00:00", "2027-05-06"),
        ("6 May", ""),
        ("2027-13-45", ""),
    ],
)
def test_66_dates_are_as_precise_as_they_were_written(end: str, valid_until: str) -> None:
    assert only(prescription(dispenseRequest={"validityPeriod": {"end": end}})).item.valid_until == valid_until


@pytest.mark.smart("H67")
@pytest.mark.parametrize(
    ("words", "clean"),
    [
        ("<script>alert(1)</script>Metformin", "alert(1) Metformin"), ("<<b>b>Met</b>formin", "< b>Met formin"),
        ("abc\u202etxt.exe", "abctxt.exe"), ("a\u0000b\r\nc\td", "a b c d"), ("a\u200bb\ufeff", "ab"), ("\ud800x", "x"),
        ("dose < 5 mg and > 2 mg", "dose < 5 mg and > 2 mg"), ("x" * 1_000_000, "x" * 199 + "…"), ("  ", "E"),
    ],
)  # fmt: skip
def test_67_words_are_stripped_and_capped(words: str, clean: str) -> None:
    name = only(prescription(medicationCodeableConcept={"text": words, "coding": [{"code": "E"}]})).item.name
    assert name == clean


@pytest.mark.smart("H68")
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"deceasedBoolean": True}, "patient_deceased"), ({"active": False}, "patient_inactive"),
        ({"link": [{"type": "replaced-by", "other": {"reference": "Patient/2"}}]}, "patient_merged"),
    ],
)  # fmt: skip
def test_68_nothing_is_sold_from_a_closed_record(
    ehr: FakeEhr, access: FhirAccess, by: Actor, change: Json, refusal: str
) -> None:
    ehr.put(patient(**change), prescription())
    found = page(access, by)
    assert (found.banner.refusal, found.orders[0].state.refusal) == (refusal, refusal)


@pytest.mark.smart("H69")
def test_69_a_restricted_order_says_only_that_it_is_restricted(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.put(
        prescription(meta={"security": [{"code": "V"}]}), device(meta={"security": [{"code": "R"}]}, status="draft")
    )
    found = page(access, by)
    assert names(found) == [("Order marked as restricted", "restricted_label"), ("Order marked as restricted", "draft")]
    assert "etformin" not in repr(found)
