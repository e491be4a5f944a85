"""The words of the table: what a value is for, whom it reaches on its way, and which people may see it on our pages."""

# Purposes. Their values stand in rows (consent, audit), so they are not renamed.
PRESCRIPTION = "prescription"
DEVICE = "device"
KIT = "kit"
BANNER = "banner"
IDENTITY = "identity"
CONTACT = "contact"
SHIPPING = "shipping"
ELIGIBILITY = "eligibility"
DISPENSING = "dispensing"
SIGN_IN = "sign-in"
CATALOG = "catalog"
EVENT = "event"
REFILL = "refill"
PAYMENT = "payment"
WRITE_BACK = "write-back"
AUDIT = "audit"
# Code of HL7 v3 ActReason (PurposeOfUse) for each.
ACT_REASON = {
    PRESCRIPTION: "TREAT", DEVICE: "TREAT", KIT: "TREAT", BANNER: "TREAT", IDENTITY: "PATRQT", CONTACT: "PATRQT",
    SHIPPING: "HOPERAT", ELIGIBILITY: "COVERAGE", DISPENSING: "TREAT", SIGN_IN: "HSYSADMIN", CATALOG: "HOPERAT",
    EVENT: "HOPERAT", REFILL: "TREAT", PAYMENT: "HPAYMT", WRITE_BACK: "TREAT", AUDIT: "HCOMPL",
}  # fmt: skip
# As people read them.
TITLE = {
    PRESCRIPTION: "Prescription", DEVICE: "Device", KIT: "Specimen kit", BANNER: "Whose chart this is",
    IDENTITY: "Identity match", CONTACT: "Link delivery", SHIPPING: "Shipping", ELIGIBILITY: "Eligibility",
    DISPENSING: "Dispensing", SIGN_IN: "Sign-in", CATALOG: "Catalog", EVENT: "Event", REFILL: "Refill",
    PAYMENT: "Payment", WRITE_BACK: "Status write-back", AUDIT: "Audit",
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
PROCESSOR = "payment processor"
CATALOG_TEAM = "catalog team"
EHR = "EHR"
# Outside parties that bytes of ours are sent to, by the port of their row (suppliers.models.Port).
HOP_OF_PORT = {
    "pharmacy": PHARMACY, "device": DEVICE_SUPPLIER, "kit": LABORATORY, "carrier": CARRIER, "payment": PROCESSOR,
    "eligibility": PAYER, "messaging": MESSENGER,
}  # fmt: skip

# Who may see it on a page of ours: `patient`, or a role of accounts.models.Role.
SUPPORT, OPERATIONS, FULFILLMENT, CATALOGUER = "support", "operations", "fulfillment", "catalog"
PRIVACY, INTEGRATION, ADMINISTRATOR, PRESCRIBER = "privacy", "integration", "administrator", "prescriber"
SEE_NOBODY: tuple[str, ...] = ()
SEE_CLINIC = (CLINICIAN, PRESCRIBER)
SEE_ITEM = (PATIENT, CLINICIAN, PRESCRIBER)
SEE_SOLD = (PATIENT, CLINICIAN, PRESCRIBER, FULFILLMENT, ADMINISTRATOR)
SEE_MASKED = (PATIENT, CLINICIAN, PRESCRIBER, SUPPORT, OPERATIONS, ADMINISTRATOR)
SEE_DELIVERY = (PATIENT, FULFILLMENT, ADMINISTRATOR)
SEE_COVERAGE = (PATIENT, OPERATIONS, ADMINISTRATOR)
SEE_MONEY = (PATIENT, OPERATIONS, ADMINISTRATOR)
SEE_STATES = (
    PATIENT, CLINICIAN, PRESCRIBER, SUPPORT, OPERATIONS, FULFILLMENT, CATALOGUER, PRIVACY, INTEGRATION, ADMINISTRATOR,
)  # fmt: skip
SEE_STAFF = (CLINICIAN, PRESCRIBER, PRIVACY, ADMINISTRATOR)
SEE_CATALOG = (CATALOGUER, ADMINISTRATOR)
SEE_AUDIT = (PRIVACY, ADMINISTRATOR)
