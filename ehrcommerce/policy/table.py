"""THE TABLE: which FHIR element may cross the door, for which purpose, to whom, for how long, and why.

It is data and it runs: the scopes that the app asks for, `_elements` in each search, the projection of each answer,
retention, the clinician's "what leaves" page and docs/data-map.md are all derived from it (policy/derive.py).
An element without a row here does not exist for the rest of the app. Imports nothing of ours nor Django, so that
someone who does not program can read it beside the Privacy Rule (45 CFR 164.502(b), 164.514(d): minimum necessary).

Purpose of use (HL7 v3 ActReason) stands with each purpose.
"""

from dataclasses import dataclass

# Purposes, with their HL7 v3 ActReason code.
PRESCRIPTION = "prescription"  # TREAT
DEVICE = "device"  # TREAT
KIT = "kit"  # TREAT
BANNER = "banner"  # TREAT: the clinician sees whose chart this is
IDENTITY = "identity"  # PATRQT: the patient proves who they are
CONTACT = "contact"  # PATRQT: the link reaches the patient
SHIPPING = "shipping"  # HOPERAT
ELIGIBILITY = "eligibility"  # COVERAGE
DISPENSING = "dispensing"  # TREAT: the pharmacy's label and record
SIGN_IN = "sign-in"  # HSYSADMIN: who is the clinician
CATALOG = "catalog"  # HOPERAT: what was ordered and nobody sells
ACT_REASON = {
    PRESCRIPTION: "TREAT", DEVICE: "TREAT", KIT: "TREAT", BANNER: "TREAT", IDENTITY: "PATRQT", CONTACT: "PATRQT",
    SHIPPING: "HOPERAT", ELIGIBILITY: "COVERAGE", DISPENSING: "TREAT", SIGN_IN: "HSYSADMIN",
    CATALOG: "HOPERAT",
}  # fmt: skip

# Hops: each gets less than the one before.
CLINICIAN = "clinician"
PATIENT = "patient"
PHARMACY = "pharmacy"
DEVICE_SUPPLIER = "device supplier"
LABORATORY = "laboratory"
PAYER = "payer"
MESSENGER = "messenger"
CARRIER = "carrier"
CATALOG_TEAM = "catalog team"

# Kept how long. "decision" values live for one function call; "digest" is a keyed hash.
DECISION = "not kept: only decides"
IN_MEMORY = "not kept: one request"
DIGEST = "keyed digest until the link ends"
OFFER = "encrypted until the order ends, then 30 days"
CONTACT_KEPT = "encrypted until delivered, then 7 days"
SHIP_KEPT = "encrypted until the order ends, then 14 days"
UNMAPPED_CODE = "the code and a count, of no person; undecided ones 90 days after the last order"
UNMAPPED = "encrypted until mapped or never sold, else 90 days after it was last ordered; who and when stays out"
STAFF = "while the user has an account"


@dataclass(frozen=True, slots=True)
class Crossing:
    """One element, one purpose, one fate."""

    resource: str
    element: str  # path below the resource, FHIR R4 names; [x] types written out
    purpose: str
    field: str  # packet field it becomes, or "" when it only decides
    recipients: tuple[str, ...]
    kept: str
    because: str


def _rows(
    resource: str, purpose: str, kept: str, recipients: tuple[str, ...], *lines: tuple[str, str, str]
) -> tuple[Crossing, ...]:
    return tuple(Crossing(resource, element, purpose, field, recipients, kept, why) for element, field, why in lines)


_RX = (CLINICIAN, PATIENT, PHARMACY)
_DEV = (CLINICIAN, PATIENT, DEVICE_SUPPLIER)
_KIT = (CLINICIAN, PATIENT)
_NOBODY: tuple[str, ...] = ()

CROSSINGS: tuple[Crossing, ...] = (
    # -- prescriptions -------------------------------------------------------------------------------------------
    *_rows("MedicationRequest", PRESCRIPTION, DECISION, _NOBODY,
        ("id", "OrderedItem.key", "turned into an opaque handle that only the EHR half can turn back"),
        ("meta.versionId", "OrderState.version", "tells a changed order from an unchanged one"),
        ("meta.lastUpdated", "OrderState.updated_at", "tells which of two versions is newer"),
        ("meta.security.code", "", "a restricted label stops the order"),
        ("implicitRules", "", "rules that this app does not know may change the meaning"),
        ("status", "OrderState.status", "only an active order is sold"),
        ("intent", "", "only an order is sold, never a plan or proposal"),
        ("doNotPerform", "", "an instruction not to give is never sold"),
        ("reportedBoolean", "", "a reported medicine is nobody's order here"),
        ("reportedReference", "", "a reported medicine is nobody's order here"),
        ("category.coding.code", "", "an inpatient order is not bought"),
        ("priorPrescription.reference", "OrderState.replaces", "a replaced prescription supersedes its link"),
        ("subject.reference", "", "must be the patient of this launch"),
        ("modifierExtension", "", "an unknown one may change the meaning: the order is refused"),
        ("dosageInstruction.modifierExtension", "", "as above"),
        ("dosageInstruction.timing.modifierExtension", "", "as above"),
        ("dispenseRequest.modifierExtension", "", "as above"),
        ("substitution.modifierExtension", "", "as above"),
        ("medicationReference.reference", "", "finds the Medication"),
        ("requester.reference", "", "finds the prescriber"),
    ),
    *_rows("MedicationRequest", PRESCRIPTION, OFFER, _RX,
        ("medicationCodeableConcept.coding.system", "OrderedItem.codings", "finds the product"),
        ("medicationCodeableConcept.coding.code", "OrderedItem.codings", "finds the product"),
        ("medicationCodeableConcept.coding.display", "OrderedItem.codings", "names the medicine"),
        ("medicationCodeableConcept.text", "OrderedItem.name", "names the medicine as the chart does"),
        ("medicationReference.display", "OrderedItem.name", "names the medicine where no Medication can be read"),
        ("authoredOn", "OrderedItem.ordered_on", "the pharmacy must know how old the order is"),
        ("requester.display", "OrderedItem.orderer_name", "the patient sees who ordered it"),
        ("dosageInstruction.sequence", "OrderedItem.directions", "keeps the steps in order"),
        ("dosageInstruction.text", "OrderedItem.directions", "the label's directions"),
        ("dosageInstruction.timing.repeat.frequency", "OrderedItem.timing", "the label's directions"),
        ("dosageInstruction.timing.repeat.period", "OrderedItem.timing", "the label's directions"),
        ("dosageInstruction.timing.repeat.periodUnit", "OrderedItem.timing", "the label's directions"),
        ("dosageInstruction.timing.repeat.frequencyMax", "OrderedItem.timing", "1 to 2 times is not 1 time"),
        ("dosageInstruction.timing.repeat.periodMax", "OrderedItem.timing", "every 4 to 6 hours is not every 4 hours"),
        ("dosageInstruction.timing.repeat.count", "OrderedItem.timing", "the label's directions"),
        ("dosageInstruction.timing.repeat.dayOfWeek", "OrderedItem.timing", "once a week, on which day"),
        ("dosageInstruction.timing.repeat.timeOfDay", "OrderedItem.timing", "the label's directions"),
        ("dosageInstruction.timing.repeat.when", "OrderedItem.timing", "before a meal is not after it"),
        ("dosageInstruction.timing.code.text", "OrderedItem.timing", "the label's directions"),
        ("dosageInstruction.asNeededBoolean", "OrderedItem.timing", "the label's directions"),
        ("dosageInstruction.asNeededCodeableConcept", "OrderedItem.timing", "that it is as needed, never for what"),
        ("dosageInstruction.route.coding.display", "OrderedItem.route", "the label's directions"),
        ("dosageInstruction.route.text", "OrderedItem.route", "the label's directions"),
        ("dosageInstruction.doseAndRate.doseQuantity.value", "OrderedItem.dose", "the label's directions"),
        ("dosageInstruction.doseAndRate.doseQuantity.unit", "OrderedItem.dose", "the label's directions"),
        ("dosageInstruction.doseAndRate.doseQuantity.code", "OrderedItem.dose", "the unit, where it has no words"),
        ("dosageInstruction.doseAndRate.doseRange.low.value", "OrderedItem.dose", "the label's directions"),
        ("dosageInstruction.doseAndRate.doseRange.low.unit", "OrderedItem.dose", "the label's directions"),
        ("dosageInstruction.doseAndRate.doseRange.high.value", "OrderedItem.dose", "the label's directions"),
        ("dosageInstruction.doseAndRate.doseRange.high.unit", "OrderedItem.dose", "the label's directions"),
        ("dispenseRequest.quantity.value", "OrderedItem.quantity", "how much is sold"),
        ("dispenseRequest.quantity.unit", "OrderedItem.quantity_unit", "how much is sold"),
        ("dispenseRequest.quantity.code", "OrderedItem.quantity_unit", "the unit, where it has no words"),
        ("dispenseRequest.numberOfRepeatsAllowed", "OrderedItem.repeats", "how often it may be sold"),
        ("dispenseRequest.validityPeriod.end", "OrderedItem.valid_until", "until when it may be sold"),
        ("dispenseRequest.expectedSupplyDuration.value", "OrderedItem.days_supply", "when a refill is due"),
        ("dispenseRequest.expectedSupplyDuration.unit", "OrderedItem.days_supply", "when a refill is due"),
        ("dispenseRequest.expectedSupplyDuration.code", "OrderedItem.days_supply", "the unit, where it has no words"),
        ("substitution.allowedBoolean", "OrderedItem.substitution", "whether a generic may be given"),
    ),
    *_rows("Medication", PRESCRIPTION, OFFER, _RX,
        ("id", "", "matches the reference"),
        ("status", "", "a medicine that was entered in error is not sold"),
        ("modifierExtension", "", "an unknown one may change the meaning: the order is refused"),
        ("code.coding.system", "OrderedItem.codings", "finds the product"),
        ("code.coding.code", "OrderedItem.codings", "finds the product"),
        ("code.coding.display", "OrderedItem.codings", "names the medicine"),
        ("code.text", "OrderedItem.name", "names the medicine as the chart does"),
        ("form.text", "OrderedItem.form", "tells a tablet from a liquid"),
        ("form.coding.display", "OrderedItem.form", "tells a tablet from a liquid"),
    ),
    *_rows("Practitioner", PRESCRIPTION, OFFER, _RX,
        ("id", "", "matches the reference"),
        ("name.family", "OrderedItem.orderer_name", "the patient sees who ordered it"),
        ("name.given", "OrderedItem.orderer_name", "the patient sees who ordered it"),
        ("name.text", "OrderedItem.orderer_name", "the patient sees who ordered it"),
        ("name.use", "", "chooses the current name"),
        ("identifier.system", "", "finds the NPI; other numbers stay"),
        ("identifier.value", "OrderedItem.orderer_npi", "the pharmacy must know the prescriber (NPI)"),
    ),
    *(row for kind in (DEVICE, KIT) for row in _rows("Practitioner", kind, OFFER, (CLINICIAN, PATIENT),
        ("id", "", "matches the reference"),
        ("name.family", "OrderedItem.orderer_name", "the patient sees who ordered it"),
        ("name.given", "OrderedItem.orderer_name", "the patient sees who ordered it"),
        ("name.text", "OrderedItem.orderer_name", "the patient sees who ordered it"),
        ("name.use", "", "chooses the current name"),
    )),
    # -- devices -------------------------------------------------------------------------------------------------
    *_rows("DeviceRequest", DEVICE, DECISION, _NOBODY,
        ("id", "OrderedItem.key", "turned into an opaque handle"),
        ("meta.versionId", "OrderState.version", "tells a changed order from an unchanged one"),
        ("meta.lastUpdated", "OrderState.updated_at", "tells which of two versions is newer"),
        ("meta.security.code", "", "a restricted label stops the order"),
        ("implicitRules", "", "rules that this app does not know may change the meaning"),
        ("status", "OrderState.status", "only an active order is sold"),
        ("intent", "", "only an order is sold"),
        ("priorRequest.reference", "OrderState.replaces", "a replaced order supersedes its link"),
        ("subject.reference", "", "must be the patient of this launch"),
        ("modifierExtension", "", "an unknown one may change the meaning"),
        ("requester.reference", "", "finds who ordered it"),
    ),
    *_rows("DeviceRequest", DEVICE, OFFER, _DEV,
        ("codeCodeableConcept.coding.system", "OrderedItem.codings", "finds the product"),
        ("codeCodeableConcept.coding.code", "OrderedItem.codings", "finds the product"),
        ("codeCodeableConcept.coding.display", "OrderedItem.codings", "names the device"),
        ("codeCodeableConcept.text", "OrderedItem.name", "names the device as the chart does"),
        ("codeReference.display", "OrderedItem.name", "names the device"),
        ("parameter.modifierExtension", "", "an unknown one may change the meaning"),
        ("parameter.code.text", "OrderedItem.parameters", "size, side or count"),
        ("parameter.code.coding.display", "OrderedItem.parameters", "size, side or count"),
        ("parameter.valueCodeableConcept.text", "OrderedItem.parameters", "size, side or count"),
        ("parameter.valueCodeableConcept.coding.display", "OrderedItem.parameters", "size, side or count"),
        ("parameter.valueQuantity.value", "OrderedItem.parameters", "size, side or count"),
        ("parameter.valueQuantity.unit", "OrderedItem.parameters", "size, side or count"),
        ("parameter.valueQuantity.code", "OrderedItem.parameters", "the unit, where it has no words"),
        ("parameter.valueBoolean", "OrderedItem.parameters", "size, side or count"),
        ("occurrencePeriod.start", "OrderedItem.occurrence", "when it is needed"),
        ("authoredOn", "OrderedItem.ordered_on", "how old the order is"),
        ("requester.display", "OrderedItem.orderer_name", "the patient sees who ordered it"),
    ),
    # -- specimen kits -------------------------------------------------------------------------------------------
    *_rows("ServiceRequest", KIT, DECISION, _NOBODY,
        ("id", "OrderedItem.key", "turned into an opaque handle"),
        ("meta.versionId", "OrderState.version", "tells a changed order from an unchanged one"),
        ("meta.lastUpdated", "OrderState.updated_at", "tells which of two versions is newer"),
        ("meta.security.code", "", "a restricted label stops the order"),
        ("implicitRules", "", "rules that this app does not know may change the meaning"),
        ("status", "OrderState.status", "only an active order is sold"),
        ("intent", "", "only an order is sold"),
        ("doNotPerform", "", "an instruction not to do is never sold"),
        ("category.coding.code", "", "an order for a visit or an image is not a kit"),
        ("replaces.reference", "OrderState.replaces", "a replaced order supersedes its link"),
        ("subject.reference", "", "must be the patient of this launch"),
        ("modifierExtension", "", "an unknown one may change the meaning"),
        ("requester.reference", "", "finds who ordered it"),
    ),
    *_rows("ServiceRequest", KIT, OFFER, _KIT,
        ("code.coding.system", "OrderedItem.codings", "finds the kit; the laboratory gets our SKU only"),
        ("code.coding.code", "OrderedItem.codings", "finds the kit; the laboratory gets our SKU only"),
        ("code.coding.display", "OrderedItem.codings", "names the test"),
        ("code.text", "OrderedItem.name", "names the test as the chart does"),
        ("quantityQuantity.value", "OrderedItem.quantity", "how many kits"),
        ("quantityQuantity.unit", "OrderedItem.quantity_unit", "how many kits"),
        ("occurrenceDateTime", "OrderedItem.occurrence", "when the sample is due"),
        ("authoredOn", "OrderedItem.ordered_on", "how old the order is"),
        ("requester.display", "OrderedItem.orderer_name", "the patient sees who ordered it"),
    ),
    # -- the person ----------------------------------------------------------------------------------------------
    *_rows("Patient", BANNER, IN_MEMORY, (CLINICIAN,),
        ("id", "RecipientFacts.customer_key", "turned into an opaque handle"),
        ("name.family", "PatientBanner.family", "the clinician sees whose chart this is"),
        ("name.given", "PatientBanner.given", "the clinician sees whose chart this is"),
        ("name.text", "PatientBanner.family", "where the chart has no name parts"),
        ("name.use", "", "chooses the current name"),
        ("name.period.start", "", "chooses the current name"),
        ("name.period.end", "", "chooses the current name"),
        ("birthDate", "PatientBanner.birth_date", "the clinician sees whose chart this is"),
    ),
    *_rows("Patient", IDENTITY, DECISION, _NOBODY,
        ("active", "PatientBanner.refusal", "an inactive record gets no link"),
        ("deceasedBoolean", "PatientBanner.refusal", "a deceased person gets no link"),
        ("deceasedDateTime", "PatientBanner.refusal", "a deceased person gets no link"),
        ("link.type", "PatientBanner.refusal", "a merged record gets no link"),
        ("meta.security.code", "PatientBanner.refusal", "a restricted record gets no link"),
        ("modifierExtension", "PatientBanner.refusal", "an unknown one may change the meaning"),
        ("link.modifierExtension", "PatientBanner.refusal", "as above"),
        ("address.use", "", "an old address is not compared"),
        ("address.period.end", "", "an old address is not compared"),
    ),
    *_rows("Patient", IDENTITY, DIGEST, _NOBODY,
        ("birthDate", "RecipientFacts.birth_digest", "checks who opened the link"),
        ("name.family", "RecipientFacts.family_digest", "checks who opened the link, where that is asked"),
        ("address.postalCode", "RecipientFacts.postal_digest", "checks who opened the link, where that is asked"),
    ),
    *_rows("Patient", CONTACT, CONTACT_KEPT, (CLINICIAN, MESSENGER),
        ("telecom.system", "RecipientFacts.contacts", "where the link and the code are sent"),
        ("telecom.value", "RecipientFacts.contacts", "where the link and the code are sent"),
        ("telecom.use", "RecipientFacts.contacts", "an old number is not used"),
        ("telecom.rank", "RecipientFacts.contacts", "the preferred one comes first"),
        ("telecom.period.end", "RecipientFacts.contacts", "an old number is not used"),
        ("communication.language.coding.code", "RecipientFacts.language", "messages in the patient's language"),
        ("communication.preferred", "RecipientFacts.language", "messages in the patient's language"),
    ),
    *_rows("Patient", SHIPPING, SHIP_KEPT, (PATIENT, PHARMACY, DEVICE_SUPPLIER, LABORATORY, CARRIER),
        ("id", "", "must be the patient asked for"),
        ("name.family", "ShipTo.name", "names the parcel"),
        ("name.given", "ShipTo.name", "names the parcel"),
        ("name.text", "ShipTo.name", "names the parcel"),
        ("name.use", "", "chooses the current name"),
        ("name.period.end", "", "chooses the current name"),
        ("address.use", "", "an old address is not used"),
        ("address.period.end", "", "an old address is not used"),
        ("address.line", "ShipTo.line", "where the parcel goes"),
        ("address.city", "ShipTo.city", "where the parcel goes"),
        ("address.state", "ShipTo.state", "where the parcel goes; the supplier must be licensed there"),
        ("address.postalCode", "ShipTo.postal_code", "where the parcel goes"),
        ("address.country", "ShipTo.country", "where the parcel goes"),
    ),
    *_rows("Patient", DISPENSING, IN_MEMORY, (PHARMACY,),
        ("id", "", "must be the patient asked for"),
        ("name.family", "DispatchFacts.name", "the pharmacy's label and record"),
        ("name.given", "DispatchFacts.name", "the pharmacy's label and record"),
        ("name.text", "DispatchFacts.name", "the pharmacy's label and record"),
        ("name.use", "", "chooses the current name"),
        ("name.period.end", "", "chooses the current name"),
        ("birthDate", "DispatchFacts.birth_date", "the pharmacy's label and record"),
        ("active", "", "an inactive record gets no medicine"),
        ("deceasedBoolean", "", "a deceased person gets no medicine"),
        ("deceasedDateTime", "", "a deceased person gets no medicine"),
        ("link.type", "", "a merged record gets no medicine"),
    ),
    # -- the plan ------------------------------------------------------------------------------------------------
    *_rows("Coverage", ELIGIBILITY, IN_MEMORY, (PAYER,),
        ("id", "", "tells two plans apart"),
        ("status", "", "only an active plan is asked"),
        ("beneficiary.reference", "", "must be the patient"),
        ("subscriberId", "CoverageFacts.member_id", "the plan knows the member by it"),
        ("relationship.coding.code", "CoverageFacts.relationship", "self or dependent"),
        ("period.start", "", "only a plan of today is asked"),
        ("period.end", "", "only a plan of today is asked"),
        ("payor.reference", "", "finds the payer"),
        ("payor.display", "CoverageFacts.payer_name", "names who pays"),
        ("payor.identifier.value", "CoverageFacts.payer_id", "the payer's own number"),
        ("class.type.coding.code", "", "tells group from plan"),
        ("class.value", "CoverageFacts.group", "the payer's group number"),
        ("class.value", "CoverageFacts.plan", "which of the payer's plans"),
        ("class.value", "CoverageFacts.rx_bin", "pharmacy routing number"),
        ("class.value", "CoverageFacts.rx_pcn", "pharmacy routing number"),
        ("class.value", "CoverageFacts.rx_group", "pharmacy routing number"),
        ("class.modifierExtension", "", "an unknown one may change the meaning"),
        ("order", "", "which plan is asked first"),
        ("modifierExtension", "", "an unknown one may change the meaning"),
    ),
    *_rows("Organization", ELIGIBILITY, IN_MEMORY, (PAYER, PATIENT),
        ("id", "", "matches the reference"),
        ("name", "CoverageFacts.payer_name", "names who pays"),
        ("identifier.value", "CoverageFacts.payer_id", "the payer's own number"),
    ),
    # -- the clinician -------------------------------------------------------------------------------------------
    *_rows("Practitioner", SIGN_IN, STAFF, (CLINICIAN,),
        ("id", "", "must be the user of this launch"),
        ("name.family", "UserFacts.name", "shows who is signed in"),
        ("name.given", "UserFacts.name", "shows who is signed in"),
        ("name.text", "UserFacts.name", "shows who is signed in"),
        ("name.use", "", "chooses the current name"),
        ("identifier.system", "", "finds the NPI; other numbers stay"),
        ("identifier.value", "UserFacts.npi", "tells a prescriber from a delegate"),
    ),
    # -- orders that no product answers to -----------------------------------------------------------------------
    *(row for resource, element in (
        ("MedicationRequest", "medicationCodeableConcept"), ("Medication", "code"),
        ("DeviceRequest", "codeCodeableConcept"), ("ServiceRequest", "code"),
    ) for row in _rows(resource, CATALOG, UNMAPPED_CODE, (CATALOG_TEAM,),
        (f"{element}.coding.system", "OrderedItem.codings", "the catalog team says which product this code means"),
        (f"{element}.coding.code", "OrderedItem.codings", "the catalog team says which product this code means"),
    ) + _rows(resource, CATALOG, UNMAPPED, (CATALOG_TEAM,),
        (f"{element}.coding.display", "OrderedItem.codings", "the code's words, where the code system is a public one"),
        (f"{element}.text", "OrderedItem.name", "the order's own words, only where it has no code"),
    )),
    *(row for resource, element in (
        ("MedicationRequest", "medicationReference.display"), ("DeviceRequest", "codeReference.display"),
    ) for row in _rows(resource, CATALOG, UNMAPPED, (CATALOG_TEAM,),
        (element, "OrderedItem.name", "the order's own words, only where it has no code"),
    )),
)  # fmt: skip
