"""The table is sound: it names real fields, each field has a reason to be there, and scopes and elements follow it."""

from dataclasses import fields

import pytest

from ehrcommerce.accounts.models import Role
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.fulfillment.models import Shipment
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.policy import derive, outward, packets, refusals, table
from ehrcommerce.policy.table import CROSSINGS
from ehrcommerce.suppliers import ports
from tests.policy import elements

# Roles of people here, and two that the table knows beside those an organization has today.
PEOPLE = {*Role.values, "support", "fulfillment"}

PACKETS = {
    found.__name__: {one.name for one in fields(found)}
    for found in (
        packets.OrderedItem, packets.OrderState, packets.PatientBanner, packets.RecipientFacts, packets.ShipTo,
        packets.CoverageFacts, packets.DispatchFacts, packets.UserFacts, packets.EventHint, packets.StatusReport,
    )
}  # fmt: skip
# Values of our own that go out or stay: what carries them.
CARRIERS: dict[str, set[str]] = {
    **{found.__name__: {one.name for one in fields(found)} for found in (
        ports.SupplyRequest, ports.SupplyLine, ports.PaymentRequest, ports.EligibilityRequest, ports.EligibilityLine,
        ports.Message,
    )},
    **{found.__name__: set(vars(found)) for found in (ports.Fulfiller, ports.Payments)},
    **{found.__name__: {one.name for one in found._meta.get_fields()} for found in (AuditEvent, OfferLine, Shipment)},
}  # fmt: skip
# They say what our own code made of the order: which kind it is, and why it may not be sold.
MADE_HERE = {"OrderedItem.kind", "OrderState.refusal"}
# HL7 v3 ActReason, below PurposeOfUse.
PURPOSES_OF_USE = {"TREAT", "HPAYMT", "HOPERAT", "COVERAGE", "PATRQT", "HSYSADMIN", "HCOMPL"}
# Whatever the page says that stays.
NEVER = {name for _, elements_ in outward.STAYS for name in elements_}


def names(row: table.Crossing) -> str:
    return f"{row.resource}.{row.element}:{row.field}:{row.purpose}"


@pytest.mark.parametrize("row", derive.EVERYTHING, ids=names)
def test_each_row_names_a_field_that_exists_and_why(row: table.Crossing) -> None:
    assert row.field == "" or is_field(row.field)
    assert row.because
    assert row.purpose in table.ACT_REASON
    assert set(row.sees) <= {table.PATIENT, *PEOPLE}


def is_field(name: str) -> bool:
    packet, _, field = name.partition(".")
    return field in PACKETS.get(packet, CARRIERS.get(packet, set()))


def test_each_row_names_an_element_that_fhir_has() -> None:
    """A word that FHIR R4 does not know would never be found in an answer, and the field would stay empty for ever."""
    assert [
        names(row) for row in derive.EVERYTHING if row.resource and not elements.exists(row.resource, row.element)
    ] == []


@pytest.mark.parametrize(
    "path",
    [
        "MedicationRequest.dosageInstructions.text", "MedicationRequest.dosageInstruction.txt", "MedicationRequest.status.code",
        "Patient.birthdate", "MedicationOrder.status", "Coverage.class_fhir.value", "Patient.name", "MedicationRequest.fhirclient",
    ],
)  # fmt: skip
def test_an_element_that_fhir_does_not_have_is_refused(path: str) -> None:
    assert not elements.exists(*path.split(".", 1))


@pytest.mark.parametrize("field", ["OrderedItem.diagnosis", "Nothing.name", "OrderedItem", "SupplyLine.price"])
def test_a_field_that_no_packet_has_is_refused(field: str) -> None:
    assert not is_field(field)


def test_each_level_of_what_is_sold_is_watched_for_what_turns_its_meaning_around() -> None:
    for resource, kind in (
        *((name, kind) for kind, name in derive.ORDER_TYPE.items()),
        ("Medication", table.PRESCRIPTION),
    ):
        watched = derive.paths(resource, (kind,))
        assert set(elements.modifiers(resource)) <= watched, resource


def test_every_purpose_has_a_reason_that_hl7_knows_a_title_and_rows() -> None:
    assert set(table.ACT_REASON.values()) <= PURPOSES_OF_USE
    assert set(table.ACT_REASON) == set(table.TITLE) == {row.purpose for row in derive.EVERYTHING}
    assert {
        table.EVENT, table.PRESCRIPTION, table.DEVICE, table.KIT, table.CONTACT, table.IDENTITY, table.SHIPPING,
        table.ELIGIBILITY, table.REFILL, table.WRITE_BACK, table.AUDIT,
    } <= set(table.TITLE)  # fmt: skip


def test_each_field_of_a_packet_has_a_row() -> None:
    wanted = {f"{name}.{field}" for name, found in PACKETS.items() for field in found}
    assert wanted - {row.field for row in derive.EVERYTHING} == MADE_HERE


def test_no_element_that_must_never_cross_has_a_row() -> None:
    assert {"reasonCode", "note", "encounter", "photo", "patientInstruction", "contained"} <= NEVER
    assert not {part for row in CROSSINGS for part in row.element.split(".")} & NEVER
    assert not {row.resource for row in CROSSINGS} & NEVER
    assert not [
        row
        for row in CROSSINGS
        if f"{row.resource}.{row.element}".startswith(tuple(one for one in NEVER if "." in one))
    ]


def test_a_row_that_becomes_a_field_has_a_recipient_unless_it_only_decides() -> None:
    for row in CROSSINGS:
        if row.kept not in (table.DECISION, table.DIGEST, table.INBOX):
            assert row.recipients, row


def test_a_digest_and_a_decision_are_shown_to_nobody_and_nobody_ever_sees_a_birth_date_but_the_launching_clinician() -> (
    None
):
    for row in derive.EVERYTHING:
        if row.kept in (table.DECISION, table.DIGEST):
            assert row.sees == (), row
        if row.element == "birthDate" and row.sees:
            assert row.purpose == table.BANNER
            assert set(row.sees) == {"clinician", "prescriber"}


def test_support_sees_states_and_neither_items_nor_addresses_nor_a_plan() -> None:
    seen = {field.split(".")[0] for field, who in derive.viewers().items() if "support" in who}
    assert not seen & {"OrderedItem", "ShipTo", "CoverageFacts", "DispatchFacts", "PatientBanner", "SupplyLine"}
    assert "support" in derive.viewers()["RecipientFacts.contacts"]  # masked


def test_whoever_packs_sees_what_goes_where_and_no_plan_and_no_directions() -> None:
    seen = {field for field, who in derive.viewers().items() if "fulfillment" in who}
    assert {"SupplyLine.sku", "SupplyLine.quantity", "ShipTo.line"} <= seen
    assert not {one for one in seen if one.startswith(("OrderedItem.", "CoverageFacts.", "Eligibility"))}


def test_every_kept_class_says_what_starts_its_time_and_for_how_long() -> None:
    for name, one in derive.retention().items():
        assert name == one.keeping.name
        assert one.keeping.after
        assert one.keeping.days >= 0
        assert (one.keeping.form == "not kept") == (not one.keeping.is_kept)
        assert str(one.keeping.days) in one.keeping.words or one.keeping.days in (0, 2192)
    assert "OrderedItem.directions" in derive.retention()["offer"].fields


def test_no_supplier_but_the_pharmacy_learns_what_a_prescription_says() -> None:
    assert "OrderedItem.parameters" in derive.granted(table.DEVICE_SUPPLIER)
    assert not {one for one in derive.granted(table.DEVICE_SUPPLIER) if one.startswith("OrderedItem.")} - {
        "OrderedItem.parameters"
    }
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
