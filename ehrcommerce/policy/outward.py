"""The other half of the table: what goes out or stays that is no element of the chart. Numbers and words of our own in
the bytes that each outside party gets, the status that goes back to the EHR, and what the audit keeps.

`field` names the value in words of the port that carries it (suppliers/ports.py), `element` only where the receiver is
a FHIR server. A field that stands neither here nor in table.CROSSINGS for a hop is not sent to it
(suppliers/last_line.py)."""

from ehrcommerce.policy.keeping import AUDITED, EFFECT, SKELETON, Keeping
from ehrcommerce.policy.purposes import (
    AUDIT,
    CARRIER,
    CLINICIAN,
    CONTACT,
    DEVICE_SUPPLIER,
    EHR,
    ELIGIBILITY,
    LABORATORY,
    MESSENGER,
    PAYER,
    PAYMENT,
    PHARMACY,
    PRESCRIBER,
    PRESCRIPTION,
    PROCESSOR,
    SEE_AUDIT,
    SEE_COVERAGE,
    SEE_ITEM,
    SEE_MONEY,
    SEE_NOBODY,
    SEE_SOLD,
    SEE_STATES,
    SHIPPING,
    WRITE_BACK,
)
from ehrcommerce.policy.table import Crossing

_SUPPLIERS = (PHARMACY, DEVICE_SUPPLIER, LABORATORY)


def _own(
    purpose: str, kept: Keeping, recipients: tuple[str, ...], sees: tuple[str, ...], *lines: tuple[str, str]
) -> tuple[Crossing, ...]:
    return tuple(Crossing("", "", purpose, field, recipients, kept, sees, why) for field, why in lines)


def _back(kept: Keeping, *lines: tuple[str, str, str]) -> tuple[Crossing, ...]:
    return tuple(
        Crossing("Task", element, WRITE_BACK, field, (EHR,), kept, SEE_STATES, why) for element, field, why in lines
    )


OUTWARD: tuple[Crossing, ...] = (
    # -- to those who fill an order ------------------------------------------------------------------------------
    *_own(SHIPPING, SKELETON, _SUPPLIERS, SEE_STATES,
        ("SupplyRequest.reference", "names the order between us and them, opaque"),
    ),
    *_own(SHIPPING, SKELETON, _SUPPLIERS, SEE_SOLD,
        ("SupplyLine.sku", "their own number of the product"),
        ("SupplyLine.quantity", "how many"),
    ),
    *_own(PRESCRIPTION, SKELETON, (PHARMACY,), SEE_ITEM,
        ("OfferLine.routing_proof", "how the pharmacy gets the legal prescription"),
    ),
    *_own(PRESCRIPTION, EFFECT, (PHARMACY,), (CLINICIAN, PRESCRIBER),
        ("Fulfiller.answer", "the prescriber's answer to the pharmacy's question, in the prescriber's own words"),
    ),
    *_own(SHIPPING, EFFECT, (CARRIER,), SEE_STATES,
        ("Shipment.tracking_number", "asks where the parcel is; names nobody"),
    ),
    # -- to the payment processor: an opaque reference and a sum -------------------------------------------------
    *_own(PAYMENT, SKELETON, (PROCESSOR,), SEE_MONEY,
        ("PaymentRequest.reference", "names the payment, opaque"),
        ("PaymentRequest.amount_cents", "what to authorize, capture or give back"),
        ("PaymentRequest.currency", "of the sum"),
        ("PaymentRequest.success_url", "the way back, without a name in it"),
        ("PaymentRequest.cancel_url", "the way back, without a name in it"),
        ("PaymentRequest.expires_at", "until when their page takes it"),
        ("Payments.capture", "that money is taken later"),
    ),
    # -- to the plan ---------------------------------------------------------------------------------------------
    *_own(ELIGIBILITY, EFFECT, (PAYER,), SEE_COVERAGE,
        ("EligibilityRequest.reference", "names the question, opaque"),
        ("EligibilityRequest.provider_npi", "plans answer only who is known to them"),
        ("EligibilityLine.line_id", "tells the items of one question apart"),
        ("EligibilityLine.system", "which code system"),
        ("EligibilityLine.code", "the catalog's code of the product, never the order's words"),
        ("EligibilityLine.price_cents", "what the plan would be charged"),
        ("EligibilityLine.service_type", "pharmacy, device or laboratory"),
    ),
    # -- to the messenger: neutral words --------------------------------------------------------------------------
    *_own(CONTACT, EFFECT, (MESSENGER,), SEE_STATES,
        ("Message.reference", "names the message, opaque"),
        ("Message.channel", "text or e-mail"),
        ("Message.sender", "the clinic's neutral alias"),
    ),
    *_own(CONTACT, EFFECT, (MESSENGER,), SEE_NOBODY,
        ("Message.text", "fixed words with a link or a code; no name, no product"),
        ("Message.subject", "fixed words"),
        ("Message.html", "the same fixed words"),
    ),
    # -- back to the chart ----------------------------------------------------------------------------------------
    *_back(SKELETON,
        ("identifier.system", "", "whose number it is"),
        ("identifier.value", "StatusReport.order_id", "names the purchase, opaque"),
        ("status", "StatusReport.status", "how far it is"),
        ("businessStatus.coding.system", "", "whose word it is"),
        ("businessStatus.coding.code", "StatusReport.status", "how far it is, in our word"),
        ("intent", "", "always order"),
        ("code.coding.system", "", "what kind of task"),
        ("code.coding.code", "", "always fulfill"),
        ("focus.reference", "StatusReport.key", "the order of the chart, in the EHR's own id"),
        ("for.reference", "", "the EHR's own patient"),
        ("lastModified", "StatusReport.at", "when it changed"),
    ),
    # -- what the audit keeps -------------------------------------------------------------------------------------
    *_own(AUDIT, AUDITED, (), SEE_AUDIT,
        ("AuditEvent.at", "when"),
        ("AuditEvent.actor", "who, by an opaque id"),
        ("AuditEvent.action", "what was done"),
        ("AuditEvent.entity", "to what, by an opaque id"),
        ("AuditEvent.purpose", "what for"),
        ("AuditEvent.recipient", "who got it"),
        ("AuditEvent.elements", "names of elements, never a value"),
        ("AuditEvent.outcome", "whether it happened"),
        ("AuditEvent.reason", "why not, as a code"),
        ("AuditEvent.patient_ref", "the person, as a keyed hash that outlives the order"),
    ),
)  # fmt: skip

# What a clinician is told that stays, and the elements behind each word. No row of the table may name one of them
# (tests/policy/test_table.py).
STAYS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Diagnoses and reasons", (
        "reasonCode", "reasonReference", "detectedIssue", "Condition", "statusReason", "bodySite",
    )),
    ("Notes and documents", (
        "note", "supportingInfo", "supportingInformation", "DocumentReference", "div", "patientInstruction",
        "additionalInstruction", "extension", "contained",
    )),
    ("Results and vital signs", ("Observation", "DiagnosticReport", "specimen", "orderDetail")),
    ("Allergies", ("AllergyIntolerance",)),
    ("Visits and other orders", (
        "encounter", "Encounter", "basedOn", "groupIdentifier", "eventHistory", "relevantHistory", "insurance",
        "costToBeneficiary",
    )),
    ("Record numbers (MRN, SSN)", ("Patient.identifier",)),
    ("Sex, race, photo, family contacts", (
        "gender", "photo", "maritalStatus", "contact", "generalPractitioner",
    )),
)  # fmt: skip
