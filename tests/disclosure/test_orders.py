"""One order at a time: how each shape of a chart becomes a packet, and the fixed order of refusals."""

from dataclasses import replace
from typing import Any

import pytest

from ehrcommerce.disclosure import extract
from ehrcommerce.policy.digests import digest
from ehrcommerce.policy.packets import ChartOrder
from tests.disclosure.charts import BASE, Json, chart, device, key_of, kit, prescription

BY_REFERENCE: Json = {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/m1"}}
MEDICATION: Json = {
    "resourceType": "Medication", "id": "m1", "code": {"coding": [{"system": "s", "code": "42", "display": "Tablet"}]},
    "form": {"text": "tablet"}, "batch": {"lotNumber": "secret"},
}  # fmt: skip


def read(raw: Json, found: dict[tuple[str, str], Json] | None = None) -> ChartOrder:
    return extract.order(raw, chart(found=found))


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (prescription(), ""),
        (device(), ""),
        (kit(), ""),
        (prescription(status="entered-in-error", intent="plan"), "entered_in_error"),
        (prescription(status="completed", intent="plan"), "not_active"),
        (prescription(status="on-hold", doNotPerform=True), "on_hold"),
        (prescription(status="draft", modifierExtension=[{"url": "u"}]), "draft"),
        (prescription(status="Active"), "not_active"),
        (prescription(status=None, _status={"extension": [{"url": "data-absent-reason"}]}), "not_active"),
        (prescription(status=["active"]), "not_active"),
        (prescription(intent="proposal", doNotPerform=True), "not_an_order"),
        (prescription(intent=None), "not_an_order"),
        (kit(intent="directive"), "not_an_order"),
        (device(intent="original-order"), ""),
        (prescription(doNotPerform=True, reportedBoolean=True), "do_not_perform"),
        (prescription(doNotPerform="true"), "do_not_perform"),
        (prescription(reportedBoolean=True, modifierExtension=[{"url": "u"}]), "reported"),
        (prescription(reportedBoolean=False), ""),
        (prescription(reportedReference={"display": "spouse"}), "reported"),
        (prescription(modifierExtension=[{"url": "u"}], meta={"security": [{"code": "R"}]}), "modifier_extension"),
        (prescription(dosageInstruction=[{"text": "x", "modifierExtension": [{"url": "u"}]}]), "modifier_extension"),
        (prescription(dispenseRequest={"modifierExtension": [{"url": "u"}]}), "modifier_extension"),
        (device(parameter=[{"code": {"text": "Size"}, "modifierExtension": [{"url": "u"}]}]), "modifier_extension"),
        (prescription(implicitRules="http://rules.example"), "modifier_extension"),
        (
            prescription(meta={"security": [{"code": "V"}]}, category=[{"coding": [{"code": "inpatient"}]}]),
            "restricted_label",
        ),
        (prescription(meta={"security": [{"system": "s", "code": "SUD"}]}), "restricted_label"),
        (prescription(meta={"security": [{"code": "N"}]}), ""),
        (prescription(category=[{"coding": [{"code": "inpatient"}]}]), "not_for_sale"),
        (prescription(category=[{"coding": [{"code": "inpatient"}]}, {"coding": [{"code": "discharge"}]}]), ""),
        (kit(category=[{"coding": [{"code": "363679005"}]}]), "not_for_sale"),
        (kit(category=[{"coding": [{"code": "363679005"}, {"code": "108252007"}]}]), ""),
        (
            prescription(dispenseRequest={"validityPeriod": {"end": "2026-11-01"}}, medicationCodeableConcept=None),
            "expired",
        ),
        (prescription(dispenseRequest={"validityPeriod": {"end": "2026-11-02"}}), ""),
        (prescription(dispenseRequest={"validityPeriod": {"end": "2026-11"}}), ""),
        (prescription(dispenseRequest={"validityPeriod": {"end": "2025"}}), "expired"),
        (prescription(dispenseRequest={"validityPeriod": {"end": "2026-11-01T23:00:00"}}), "expired"),
        (prescription(dispenseRequest={"validityPeriod": {"end": "soon"}}), ""),
        (prescription(authoredOn="2025-11-02"), ""),
        (prescription(authoredOn="2025-11-01"), "too_old"),
        (prescription(authoredOn="2025-11-01T23:59:00-08:00"), "too_old"),
        (prescription(authoredOn="2025"), "too_old"),
        (prescription(authoredOn="2026"), ""),
        (prescription(authoredOn=None), "no_date"),
        (prescription(authoredOn="soon"), "no_date"),
        (prescription(authoredOn="2020-01-01", dispenseRequest={"validityPeriod": {"end": "2026-11-01"}}), "expired"),
        (device(authoredOn="2020-01-01"), ""),
        (kit(authoredOn="2020-01-01"), ""),
        (prescription(medicationCodeableConcept=None), "no_code"),
        (device(codeCodeableConcept=None), "no_code"),
        (kit(code={"text": "  "}), "no_code"),
    ],
)
def test_the_first_refusal_in_the_fixed_order_is_said(raw: Json, refusal: str) -> None:
    assert read(raw).state.refusal == refusal


@pytest.mark.parametrize("authored", ["2011-11-01", None])
def test_an_organization_without_a_longest_age_sells_old_prescriptions(authored: str | None) -> None:
    free = replace(chart(), prescription_max_age_days=0)
    assert extract.order(prescription(authoredOn=authored), free).state.refusal == ""


def test_an_organization_chooses_its_longest_age() -> None:
    strict = replace(chart(), prescription_max_age_days=2)
    assert extract.order(prescription(authoredOn="2026-10-31"), strict).state.refusal == ""
    assert extract.order(prescription(authoredOn="2026-10-30"), strict).state.refusal == "too_old"


class TestMedicines:
    def test_a_written_concept_wins_over_a_reference(self) -> None:
        both = prescription(medicationReference={"reference": "Medication/m1"})
        assert read(both, {("Medication", "m1"): MEDICATION}).item.codings[0].code == "861007"

    def test_a_contained_one_is_cut_by_the_rows_of_medication(self) -> None:
        inner = {**MEDICATION, "id": "in", "batch": {"lotNumber": "secret"}, "ingredient": [{"x": "secret"}]}
        raw = prescription(medicationCodeableConcept=None, medicationReference={"reference": "#in"}, contained=[inner])
        order = read(raw)
        assert (order.item.name, order.item.form, order.item.codings[0].code) == ("Tablet", "tablet", "42")
        assert "secret" not in repr(order)

    def test_a_reference_is_resolved(self) -> None:
        assert read(prescription(**BY_REFERENCE), {("Medication", "m1"): MEDICATION}).item.name == "Tablet"

    def test_the_display_speaks_where_nothing_can_be_read(self) -> None:
        raw = prescription(
            medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1", "display": "digoxin 125"}
        )
        order = read(raw)
        assert (order.item.name, order.item.codings, order.state.refusal) == ("digoxin 125", (), "")

    def test_a_modifier_in_the_medication_refuses_the_order(self) -> None:
        odd = {**MEDICATION, "modifierExtension": [{"url": "u"}]}
        assert read(prescription(**BY_REFERENCE), {("Medication", "m1"): odd}).state.refusal == "modifier_extension"

    def test_a_medication_entered_in_error_is_not_sold(self) -> None:
        wrong = {**MEDICATION, "status": "entered-in-error"}
        assert read(prescription(**BY_REFERENCE), {("Medication", "m1"): wrong}).state.refusal == "entered_in_error"

    def test_a_reference_that_did_not_answer_makes_the_order_unreadable(self) -> None:
        lost = extract.Chart(BASE, "cy", key_of, chart().on, {}, frozenset({("Medication", "m1")}))
        order = extract.order(prescription(**BY_REFERENCE), lost)
        assert (order.state.refusal, order.item.name) == ("unreadable", "Order that cannot be read")

    def test_a_code_without_words_names_itself(self) -> None:
        assert read(device()).item.name == "E0143"

    def test_a_code_that_says_only_why_there_is_none_is_no_code(self) -> None:
        absent = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}
        assert read(prescription(medicationCodeableConcept=absent)).state.refusal == "no_code"


class TestDirections:
    def said(self, *steps: Json) -> Any:
        return read(prescription(dosageInstruction=list(steps))).item

    def test_steps_stand_in_their_own_order(self) -> None:
        assert (
            self.said({"sequence": "2", "text": "then 1"}, {"sequence": "1", "text": "2 at once"}).directions
            == "2 at once; then 1"
        )

    def test_five_hundred_characters_pass_and_more_are_refused_not_cut(self) -> None:
        assert read(prescription(dosageInstruction=[{"text": "a" * 500}])).state.refusal == ""
        order = read(prescription(dosageInstruction=[{"text": "a" * 501}]))
        assert order.state.refusal == "unreadable"
        assert len(order.item.directions) == 500

    def test_ranges_are_not_made_narrower_than_they_are(self) -> None:
        repeat = {"frequency": "1", "frequencyMax": "2", "period": "4", "periodMax": "6", "periodUnit": "h"}
        dose = {"doseRange": {"low": {"value": "1", "unit": "tablet"}, "high": {"value": "2", "unit": "tablet"}}}
        item = self.said({"timing": {"repeat": repeat}, "doseAndRate": [dose]})
        assert (item.timing, item.dose) == ("1-2 per 4-6 h", "1-2 tablet")

    def test_as_needed_is_said_but_never_for_what(self) -> None:
        item = self.said({"text": "1 tablet", "asNeededCodeableConcept": {"text": "for migraine"}})
        assert item.timing == "as needed"
        assert "migraine" not in repr(item)

    @pytest.mark.parametrize(
        ("duration", "days"),
        [
            ({"value": "30", "unit": "Day"}, "30"), ({"value": "30", "code": "d"}, "30"),
            ({"value": "2", "unit": "wk"}, "14"),
            ({"value": "1", "unit": "month"}, ""), ({"value": "30"}, ""), ({"unit": "days"}, ""), ("30 days", ""),
        ],
    )  # fmt: skip
    def test_a_supply_is_given_in_days_or_not_at_all(self, duration: Any, days: str) -> None:
        assert read(prescription(dispenseRequest={"expectedSupplyDuration": duration})).item.days_supply == days


class TestDevices:
    def test_size_side_and_count_pass(self) -> None:
        order = read(device(parameter=[
            {"code": {"text": "Size"}, "valueCodeableConcept": {"coding": [{"display": "Medium"}]}},
            {"code": {"coding": [{"display": "Side"}]}, "valueCodeableConcept": {"text": "left"}},
            {"code": {"text": "Quantity"}, "valueQuantity": {"value": "2", "unit": "box"}},
        ]))  # fmt: skip
        assert [(one.code, one.value) for one in order.item.parameters] == [
            ("Size", "Medium"),
            ("Side", "left"),
            ("Quantity", "2 box"),
        ]
        assert order.state.refusal == ""

    @pytest.mark.parametrize(
        "parameter",
        [{"code": {"text": "Diagnosis"}, "valueCodeableConcept": {"text": "apnea"}}, {"code": {"text": "Size"}}, {}],
    )
    def test_any_other_detail_stops_the_order_and_stays(self, parameter: Json) -> None:
        order = read(device(parameter=[parameter]))
        assert (order.state.refusal, order.item.parameters) == ("unreadable", ())


class TestWhoOrdered:
    PERSON: Json = {
        "resourceType": "Practitioner", "id": "p1", "name": [{"family": "Okafor", "given": ["Ada"]}],
        "identifier": [{"system": "urn:dea", "value": "1111111111"}, {"system": "http://hl7.org/fhir/sid/us-npi",
        "value": "1234567893"}],
    }  # fmt: skip

    def test_name_and_npi_come_from_the_practitioner_and_no_other_number(self) -> None:
        raw = prescription(requester={"reference": "Practitioner/p1", "display": "A. O."})
        item = read(raw, {("Practitioner", "p1"): self.PERSON}).item
        assert (item.orderer_name, item.orderer_npi) == ("Ada Okafor", "1234567893")

    @pytest.mark.parametrize("npi", ["123456789", "12345678934", "ABCDEFGHIJ", "", None, 5])
    def test_what_is_no_npi_is_left_out(self, npi: Any) -> None:
        person = {**self.PERSON, "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": npi}]}
        raw = prescription(requester={"reference": "Practitioner/p1"})
        assert read(raw, {("Practitioner", "p1"): person}).item.orderer_npi == ""

    def test_the_display_speaks_where_nothing_can_be_read(self) -> None:
        raw = prescription(requester={"reference": "PractitionerRole/r1", "display": "Dr. Jones"})
        assert read(raw).item.orderer_name == "Dr. Jones"
        assert extract.references(raw, BASE) == set()


def test_the_order_that_this_one_replaces_is_named_by_its_key() -> None:
    state = read(prescription(priorPrescription={"reference": "MedicationRequest/old"})).state
    assert state.replaces == (key_of("MedicationRequest", "old"),)


def test_a_new_version_with_the_same_content_has_the_same_digest() -> None:
    before, after = (
        prescription(),
        prescription(meta={"versionId": "4", "lastUpdated": "2026-11-01T00:00:00Z"}, note=[{"text": "x"}]),
    )
    assert digest(read(before).item) == digest(read(after).item)
    assert read(before).state.version != read(after).state.version


def test_another_dose_has_another_digest() -> None:
    changed = prescription(dosageInstruction=[{"text": "Take 2 tablets twice daily"}])
    assert digest(read(prescription()).item) != digest(read(changed).item)
