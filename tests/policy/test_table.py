"""The table is sound: it names real fields, each field has a reason to be there, and scopes and elements follow it."""

import re
from dataclasses import fields

import pytest

from ehrcommerce.policy import derive, packets, refusals, table
from ehrcommerce.policy.table import CROSSINGS

PACKETS = {
    found.__name__: {one.name for one in fields(found)}
    for found in (
        packets.OrderedItem, packets.OrderState, packets.PatientBanner, packets.RecipientFacts, packets.ShipTo,
        packets.CoverageFacts, packets.DispatchFacts, packets.UserFacts,
    )
}  # fmt: skip
# They say what our own code made of the order: which kind it is, and why it may not be sold.
MADE_HERE = {"OrderedItem.kind", "OrderState.refusal"}
NEVER = {
    "encounter", "reasonCode", "reasonReference", "supportingInfo", "supportingInformation", "note", "statusReason",
    "insurance", "detectedIssue", "eventHistory", "relevantHistory", "basedOn", "groupIdentifier", "bodySite",
    "specimen",
    "orderDetail", "patientInstruction", "additionalInstruction", "photo", "gender", "maritalStatus", "contact",
    "generalPractitioner", "costToBeneficiary", "extension", "contained", "div",
}  # fmt: skip


@pytest.mark.parametrize("row", CROSSINGS, ids=lambda row: f"{row.resource}.{row.element}:{row.purpose}")
def test_each_row_names_a_field_that_exists_and_why(row: table.Crossing) -> None:
    name, _, field = row.field.partition(".")
    assert row.field == "" or field in PACKETS[name]
    assert row.because
    assert row.purpose in table.ACT_REASON
    assert re.fullmatch(r"[a-z][A-Za-z]*(\.[a-z][A-Za-z]*)*", row.element)


def test_each_field_of_a_packet_has_a_row() -> None:
    wanted = {f"{name}.{field}" for name, found in PACKETS.items() for field in found}
    assert wanted - {row.field for row in CROSSINGS} == MADE_HERE


def test_no_element_that_must_never_cross_has_a_row() -> None:
    assert not {part for row in CROSSINGS for part in row.element.split(".")} & NEVER


def test_a_row_that_becomes_a_field_has_a_recipient_unless_it_only_decides() -> None:
    for row in CROSSINGS:
        if row.kept not in (table.DECISION, table.DIGEST):
            assert row.recipients, row


def test_no_supplier_but_the_pharmacy_learns_what_a_prescription_says() -> None:
    for row in derive.rows(purposes=(table.PRESCRIPTION,)):
        assert set(row.recipients) <= {table.CLINICIAN, table.PATIENT, table.PHARMACY}


def test_a_laboratory_learns_no_code_and_no_name_of_a_test() -> None:
    assert all(table.LABORATORY not in row.recipients for row in derive.rows(purposes=(table.KIT,)))


@pytest.mark.parametrize(("dialect", "read", "search"), [("v2", ".r", ".rs"), ("v1", ".read", ".read")])
def test_the_scopes_of_a_launch_are_the_types_of_the_table(dialect: str, read: str, search: str) -> None:
    scopes = derive.launch_scopes(dialect)
    types = {row.resource for row in derive.rows(purposes=(*derive.LAUNCH_PURPOSES, table.SIGN_IN))}
    asked = {scope.split("/")[1].split(".")[0]: scope for scope in scopes if "/" in scope}
    assert set(asked) == types
    for name, scope in asked.items():
        assert scope.endswith(search if name in derive.SEARCHED else read)
    assert not any("*" in scope or "write" in scope or "Coverage" in scope for scope in scopes)


@pytest.mark.parametrize(
    ("purpose", "kinds", "types"),
    [
        (table.ELIGIBILITY, (), {"Coverage", "Organization"}),
        (table.SHIPPING, (), {"Patient"}),
        (table.DISPENSING, (), {"Patient"}),
        (table.PRESCRIPTION, (packets.PRESCRIPTION,), {"MedicationRequest", "Medication", "Patient", "Practitioner"}),
        (table.DEVICE, (packets.DEVICE,), {"DeviceRequest", "Patient", "Practitioner"}),
    ],
)
def test_a_job_without_a_clinician_asks_for_its_own_types_alone(
    purpose: str, kinds: tuple[str, ...], types: set[str]
) -> None:
    scopes = derive.system_scopes(purpose, kinds)
    assert {scope.removeprefix("system/").split(".")[0] for scope in scopes} == types
    # Orders are never read again without asking whether their patient may still be sold anything.
    purposes = (purpose, table.IDENTITY) if kinds else (purpose,)
    assert types == {row.resource for row in derive.rows(purposes=purposes)}


def test_elements_name_what_may_change_the_meaning_and_what_is_contained() -> None:
    names = derive.elements("MedicationRequest", (table.PRESCRIPTION,)).split(",")
    assert {"modifierExtension", "implicitRules", "doNotPerform", "intent", "status", "subject", "contained"} <= set(
        names
    )
    assert not {"reasonCode", "note", "encounter", "text", "extension", "insurance"} & set(names)


def test_each_refusal_is_a_sentence_that_names_who_acts_next() -> None:
    for code, refusal in refusals.REFUSALS.items():
        assert code == refusal.code
        assert refusal.sentence.endswith(".")
        assert refusal.who in ("clinician", "catalog", "administrator", "nobody")
