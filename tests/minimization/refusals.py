"""Orders that are not sold, and people to whom nothing is sold: each refusal is a branch of its own, and the element that
causes it is planted with the rest. The clinician's page must say why; nothing else of them may go anywhere."""

from tests.minimization.charts import EXTENSION, HCPCS, LOINC, OMIT, RXNORM, TEXT, Extra, Plan

RX, DEV, KIT = "MedicationRequest", "DeviceRequest", "ServiceRequest"
CONCEPT = "medicationCodeableConcept.coding"
_NO_CONCEPT = {CONCEPT: OMIT, "medicationCodeableConcept": OMIT}
_LONG_AGO = "2019-02-03T10:00:00Z"

ORDERS = (
    Extra("order on hold", RX, "on_hold", {"status": "on-hold"}),
    Extra("order not signed yet", RX, "draft", {"status": "draft"}),
    Extra("intent is a plan", RX, "not_an_order", {"intent": "plan"}),
    Extra("intent that nobody knows", DEV, "not_an_order", {"intent": OMIT}, {"intent": TEXT}),
    Extra("do not perform", RX, "do_not_perform", {"doNotPerform": True}),
    Extra("reported by somebody", RX, "reported", {"reportedBoolean": True}),
    Extra("reported by a named one", RX, "reported", {"reportedBoolean": OMIT, "reportedReference.display": None}, variant=1),
    Extra("modifierExtension", RX, "modifier_extension", {}, {"modifierExtension": EXTENSION}),
    Extra("modifierExtension of the dosage", RX, "modifier_extension", {}, {"dosageInstruction.modifierExtension": EXTENSION}),
    Extra("modifierExtension of the dispense request", RX, "modifier_extension", {},
          {"dispenseRequest.modifierExtension": EXTENSION}),
    Extra("modifierExtension of a device", DEV, "modifier_extension", {}, {"modifierExtension": EXTENSION}),
    Extra("modifierExtension of a kit", KIT, "modifier_extension", {}, {"modifierExtension": EXTENSION}),
    Extra("implicitRules", RX, "modifier_extension", {}, {"implicitRules": TEXT}),
    Extra("implicitRules of a device", DEV, "modifier_extension", {}, {"implicitRules": TEXT}),
    Extra("implicitRules of a kit", KIT, "modifier_extension", {}, {"implicitRules": TEXT}),
    Extra("restricted label", RX, "restricted_label", {"meta.security": [{"code": "R"}, {}]}),
    Extra("restricted label of a kit", KIT, "restricted_label", {"meta.security": [{"code": "HIV"}]}),
    Extra("label that nobody knows", DEV, "restricted_label", {"meta.security": None}),
    Extra("inpatient order", RX, "not_for_sale", {"category": [{"coding": [{"code": "inpatient"}]}]}, variant=2),
    Extra("image instead of a kit", KIT, "not_for_sale", {"category": [{"coding": [{"code": "363679005"}]}]}, variant=1),
    Extra("past its last day", RX, "expired", {"dispenseRequest.validityPeriod.end": "2020-01-31"}),
    Extra("too old", RX, "too_old", {"authoredOn": _LONG_AGO}),
    Extra("no date", RX, "no_date", {"authoredOn": OMIT}),
    Extra("controlled medicine", RX, "controlled", {CONCEPT: [{"system": RXNORM, "code": "854876"}, {}]}),
    Extra("code without a product", RX, "no_product", {CONCEPT: [{"system": RXNORM}, {}]}, variant=1),
    Extra("device without a product", DEV, "no_product", {"codeCodeableConcept.coding": [{"system": HCPCS}]}, variant=1),
    Extra("kit without a product", KIT, "no_product", {"code.coding": [{"system": LOINC}]}, variant=2),
    Extra("codes that disagree", RX, "codes_disagree",
          {CONCEPT: [{"system": RXNORM, "code": "861007"}, {"system": RXNORM, "code": "314076"}]}),
    Extra("another amount", RX, "other_quantity", {"dispenseRequest.quantity.value": None}),
    Extra("no price today", RX, "no_price", {CONCEPT: [{"system": RXNORM, "code": "197320"}]}),
    Extra("nothing that names a medicine", RX, "no_code", _NO_CONCEPT),
    Extra("directions too long", RX, "unreadable", {}, {"dosageInstruction.text": "Take one tablet. " * 60}),
    Extra("device detail outside the list", DEV, "unreadable", {"parameter.code.text": None}),
    Extra("device detail that is a range", DEV, "unreadable", {"parameter.valueRange.low": None,
          "occurrenceTiming.repeat.boundsDuration.unit": "d"}),
    Extra("device named by a reference", DEV, "no_code", {"codeCodeableConcept.coding": OMIT, "codeCodeableConcept": OMIT,
          "codeReference.reference": None, "codeReference.display": OMIT, "occurrenceTiming.repeat.boundsPeriod.start": None}),
    Extra("kit on a day of a period", KIT, "", {"occurrencePeriod.start": None, "quantityQuantity": OMIT,
          "quantityQuantity.value": OMIT, "asNeededCodeableConcept.text": None}, variant=1),
    Extra("device named by words alone", DEV, "no_product", {"codeCodeableConcept.coding": OMIT, "codeCodeableConcept": OMIT,
          "codeReference.display": None, "parameter.code.text": "size"}, variant=1),
    Extra("kit within a time", KIT, "", {"occurrenceTiming.repeat.boundsDuration.unit": None}, variant=1),
    Extra("kit until a day", KIT, "", {"occurrenceTiming.repeat.boundsPeriod.end": None}, variant=1),
    Extra("kits by a ratio", KIT, "", {"occurrenceTiming.repeat.boundsRange.low": None, "quantityQuantity": OMIT,
          "quantityQuantity.value": OMIT}, variant=2),
    Extra("as needed for a reason", RX, "", {"dosageInstruction.asNeededBoolean": OMIT,
          "dosageInstruction.asNeededCodeableConcept.text": None}),
    Extra("a generic for a reason", RX, "", {"substitution.allowedBoolean": OMIT,
          "substitution.allowedCodeableConcept.text": None}, variant=1),
    Extra("medicine inside a reference", RX, "", {**_NO_CONCEPT, "medicationReference.reference": "Medication/{self.medication}"}),
    Extra("medicine named by words alone", RX, "no_product", {**_NO_CONCEPT, "medicationReference.display": None,
          "medicationReference.reference": OMIT}),
    Extra("medicine entered in error", RX, "entered_in_error",
          {**_NO_CONCEPT, "medicationReference.reference": "Medication/{self.patient}-wrong"}),
    Extra("medicine with a label", RX, "restricted_label",
          {**_NO_CONCEPT, "medicationReference.reference": "Medication/{self.patient}-label"}),
    Extra("another amount of a kit", KIT, "other_quantity", {"quantityQuantity.value": None}),
)  # fmt: skip
# Read by two of those above.
MEDICINES = (
    Extra("(the wrong medicine)", "Medication", "", {"id": "{self.patient}-wrong", "status": "entered-in-error"},
          {"implicitRules": TEXT}),
    Extra("(the medicine with a label)", "Medication", "", {"id": "{self.patient}-label", "meta.security": None}),
)  # fmt: skip
OTHERS = (
    Extra(
        "(implicitRules of a plan)",
        "Coverage",
        "",
        {"status": "cancelled", "meta.security": None},
        {"implicitRules": TEXT, "modifierExtension": EXTENSION},
    ),
    Extra("(implicitRules of an organization)", "Organization", "", {"meta.security": None}, {"implicitRules": TEXT}),
    Extra("(implicitRules of a practitioner)", "Practitioner", "", {"meta.security": None}, {"implicitRules": TEXT}),
)

PEOPLE: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("deceased", "patient_deceased", {"deceasedBoolean": True}),
    ("deceased on a day", "patient_deceased", {"deceasedBoolean": OMIT, "deceasedDateTime": None}),
    ("inactive record", "patient_inactive", {"active": False, "implicitRules": None}),
    ("merged record", "patient_merged", {"link": [{"type": "replaced-by"}]}),
    ("restricted record", "restricted_label", {"meta.security": [{"code": "V"}]}),
    ("a minor", "patient_minor", {"birthDate": "2019-05-06"}),
    ("no full birth date", "patient_no_birth_date", {"birthDate": "1961"}),
)


def charts() -> list[tuple[Plan, str, str]]:
    """(plan, branch, refusal) of each person to whom nothing is sold."""
    return [
        (Plan(f"person: {branch}", ("device",), variant=number, rules={"Patient": rules}, member=""), branch, refusal)
        for number, (branch, refusal, rules) in enumerate(PEOPLE)
    ]
