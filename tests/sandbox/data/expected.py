"""What must become of each demo order when its patient's chart is opened: "sellable" or a code of policy.refusals.

`sellable` is said of the order alone. Whether a pharmacy may have it (routing proof), and whether there is an address
or number to send a link to, is decided later and elsewhere."""

SELLABLE = "sellable"

EXPECTED: dict[str, str] = {
    # Marisol Rivera, the guided tour
    "MedicationRequest/marisol-metformin": SELLABLE,
    "MedicationRequest/marisol-lisinopril": SELLABLE,  # contained Medication
    "MedicationRequest/marisol-ibuprofen": SELLABLE,  # over the counter, referenced Medication
    "MedicationRequest/marisol-zolpidem": "controlled",
    "MedicationRequest/marisol-amoxicillin": "not_active",
    "DeviceRequest/marisol-glucose-meter": SELLABLE,
    "DeviceRequest/marisol-test-strips": SELLABLE,
    "DeviceRequest/marisol-cpap-nasal-mask": SELLABLE,  # HCPCS under the URI of CPT
    "DeviceRequest/marisol-cpap": "no_price",
    "ServiceRequest/marisol-hba1c-kit": SELLABLE,
    "ServiceRequest/marisol-chest-x-ray": "not_for_sale",
    # Harold Nakamura, twenty by reference
    "MedicationRequest/harold-metformin-500": SELLABLE,
    "MedicationRequest/harold-lisinopril-10": SELLABLE,
    "MedicationRequest/harold-atorvastatin-20": SELLABLE,
    "MedicationRequest/harold-amlodipine-5": SELLABLE,
    "MedicationRequest/harold-hydrochlorothiazide-25": SELLABLE,
    "MedicationRequest/harold-losartan-50": SELLABLE,
    "MedicationRequest/harold-metoprolol-er-50": SELLABLE,
    "MedicationRequest/harold-levothyroxine-100": SELLABLE,
    "MedicationRequest/harold-omeprazole-20": SELLABLE,
    "MedicationRequest/harold-pantoprazole-40": SELLABLE,
    "MedicationRequest/harold-furosemide-40": SELLABLE,
    "MedicationRequest/harold-glipizide-5": SELLABLE,
    "MedicationRequest/harold-clopidogrel-75": SELLABLE,
    "MedicationRequest/harold-digoxin-125": SELLABLE,
    "MedicationRequest/harold-montelukast-10": SELLABLE,
    "MedicationRequest/harold-albuterol-hfa": SELLABLE,
    "MedicationRequest/harold-cetirizine-10": SELLABLE,
    "MedicationRequest/harold-acetaminophen-325": SELLABLE,
    "MedicationRequest/harold-allopurinol-300": "no_price",
    "MedicationRequest/harold-warfarin-5": "no_product",
    # Lucía Muñoz Peña, Spanish
    "MedicationRequest/lucia-losartan": SELLABLE,  # free text directions only
    "MedicationRequest/lucia-metformin-on-hold": "on_hold",
    "DeviceRequest/lucia-blood-pressure-monitor": SELLABLE,
    "ServiceRequest/lucia-lipid-kit": SELLABLE,
    "ServiceRequest/lucia-metabolic-panel": "no_product",
    # Joanna Whitfield, two names
    "MedicationRequest/joanna-levothyroxine": SELLABLE,
    "MedicationRequest/joanna-omeprazole-plan": "not_an_order",
    "MedicationRequest/joanna-montelukast-restricted": "restricted_label",
    "DeviceRequest/joanna-ankle-gauntlet": SELLABLE,
    "ServiceRequest/joanna-tsh-kit": SELLABLE,
    # Edgar Stone, no phone and no mail
    "MedicationRequest/edgar-furosemide": SELLABLE,
    "MedicationRequest/edgar-missing-medication": "no_code",
    "DeviceRequest/edgar-walker": SELLABLE,
    # Priya Raman, plan does not cover
    "MedicationRequest/priya-atorvastatin": SELLABLE,  # 0.50 tablet, 90.0 tablets
    "MedicationRequest/priya-oxycodone": "controlled",
    "MedicationRequest/priya-cetirizine-do-not": "do_not_perform",
    "MedicationRequest/priya-methotrexate": "no_product",
    "DeviceRequest/priya-wrist-splint": SELLABLE,
    "ServiceRequest/priya-vitamin-d-kit": SELLABLE,
    # Tobias Wren, coverage unknown
    "MedicationRequest/tobias-omeprazole": SELLABLE,
    "MedicationRequest/tobias-montelukast-modifier": "modifier_extension",
    "MedicationRequest/tobias-glipizide-draft": "draft",
    "MedicationRequest/tobias-losartan-cancelled": "not_active",
    "MedicationRequest/tobias-warfarin-error": "entered_in_error",
    "DeviceRequest/tobias-nebulizer-revoked": "not_active",
    "ServiceRequest/tobias-ferritin-draft": "draft",
    "ServiceRequest/tobias-vitamin-d-draft": "draft",
    # Grace Adeyemi, payer cannot be reached
    "MedicationRequest/grace-amlodipine": SELLABLE,
    "MedicationRequest/grace-allopurinol": "no_price",
    "MedicationRequest/grace-pantoprazole-proposal": "not_an_order",
    "DeviceRequest/grace-compression-stockings": SELLABLE,
    "DeviceRequest/grace-full-face-mask": "retired",
    "ServiceRequest/grace-fit-kit": SELLABLE,
    # Hector Rivera, coverage over
    "MedicationRequest/hector-clopidogrel": SELLABLE,
    "MedicationRequest/hector-metoprolol-expired": "expired",
    "MedicationRequest/hector-acetaminophen-reported": "reported",
    "MedicationRequest/hector-codes-disagree": "codes_disagree",
    "ServiceRequest/hector-kidney-kit": SELLABLE,
    "ServiceRequest/hector-hba1c-on-hold": "on_hold",
    "ServiceRequest/hector-blood-count": "no_product",
    # Charts that nothing is sold from
    "MedicationRequest/old-marisol-metformin": "patient_merged",
    "MedicationRequest/ruth-digoxin": "patient_deceased",
    "DeviceRequest/ruth-walker": "patient_deceased",
    "MedicationRequest/noah-albuterol": "patient_minor",
    "DeviceRequest/noah-nebulizer": "patient_minor",
}
