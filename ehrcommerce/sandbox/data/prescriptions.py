"""The prescriptions of the demo: plain ones to buy, and one of each kind that a careful reader must refuse.

An id says whose it is and what: `marisol-metformin`. Why an odd one is odd stands beside it."""

from datetime import date

from . import patients as who
from .medicines import MEDICINES
from .prescription_shape import by_reference, rx
from .shapes import (
    CHART_ONLY,
    NDC,
    RXNORM,
    SITE,
    SNOMED,
    TERMINOLOGY,
    Resource,
    amount,
    concept,
    days_ago,
    ref,
)


def resources(today: date) -> list[Resource]:
    return [*_marisol(today), *_harold(today), *_everyday(today), *_refused_by_form(today), *_refused_by_patient(today)]


def _marisol(today: date) -> list[Resource]:
    """Coded, contained and referenced medication in one chart."""
    lisinopril = MEDICINES["lisinopril-10"]
    return [
        rx(
            "marisol-metformin",
            who.MARISOL,
            "metformin-500",
            today,
            0,
            sig="Take 1 tablet by mouth twice daily with meals",
            why=("Type 2 diabetes mellitus", "E11.9"),
        ),
        rx(
            "marisol-lisinopril",
            who.MARISOL,
            "lisinopril-10",
            today,
            6,
            sig="Take 1 tablet by mouth once daily",
            why=("Essential hypertension", "I10"),
            drug={"contained": [lisinopril.contained()], "medicationReference": ref("#drug", lisinopril.display)},
        ),
        rx(
            "marisol-ibuprofen",
            who.MARISOL,
            "ibuprofen-200",
            today,
            12,
            sig="Take 1 tablet by mouth every 6 hours as needed",
            as_needed=True,
            why=("Low back pain", "M54.5"),
            drug=by_reference("ibuprofen-200"),
        ),
        rx(
            "marisol-zolpidem",
            who.MARISOL,
            "zolpidem-5",
            today,
            3,
            sig="Take 1 tablet by mouth at bedtime",
            refills=1,
            why=("Insomnia", "G47.00"),
        ),
        rx(
            "marisol-amoxicillin",
            who.MARISOL,
            "amoxicillin-500",
            today,
            60,
            status="completed",
            sig="Take 1 capsule by mouth three times daily for 7 days",
            refills=0,
        ),
    ]


# Twenty, each by reference, so that one search with _include must bring twenty-one or more resources at once.
HAROLDS = (
    "metformin-500",
    "lisinopril-10",
    "atorvastatin-20",
    "amlodipine-5",
    "hydrochlorothiazide-25",
    "losartan-50",
    "metoprolol-er-50",
    "levothyroxine-100",
    "omeprazole-20",
    "pantoprazole-40",
    "furosemide-40",
    "glipizide-5",
    "clopidogrel-75",
    "digoxin-125",
    "montelukast-10",
    "albuterol-hfa",
    "cetirizine-10",
    "acetaminophen-325",
    "allopurinol-300",
    "warfarin-5",
)


def _harold(today: date) -> list[Resource]:
    return [
        rx(
            f"harold-{key}",
            who.HAROLD,
            key,
            today,
            10 + place,
            drug=by_reference(key),
            why=("Long-term medication", "Z79.899"),
        )
        for place, key in enumerate(HAROLDS)
    ]


def _everyday(today: date) -> list[Resource]:
    return [
        # Free text only: no timing, no dose that a machine could read, and in the patient's language.
        rx(
            "lucia-losartan",
            who.LUCIA,
            "losartan-50",
            today,
            4,
            structured=False,
            sig="Tomar 1 tableta por la boca una vez al día",
            why=("Essential hypertension", "I10"),
        ),
        rx(
            "joanna-levothyroxine",
            who.JOANNA,
            "levothyroxine-100",
            today,
            9,
            sig="Take 1 tablet by mouth every morning on an empty stomach",
            why=("Hypothyroidism", "E03.9"),
        ),
        rx(
            "edgar-furosemide",
            who.EDGAR,
            "furosemide-40",
            today,
            8,
            sig="Take 1 tablet by mouth every morning",
            why=("Heart failure", "I50.9"),
            drug=by_reference("furosemide-40"),
        ),
        # Half a tablet, and a quantity whose zeros are part of what was signed.
        rx(
            "priya-atorvastatin",
            who.PRIYA,
            "atorvastatin-20",
            today,
            5,
            sig="Take 1/2 tablet by mouth once daily",
            dose=amount("0.50", "tablet", "{tbl}"),
            quantity="90.0",
            days=180,
            why=("Hyperlipidemia", "E78.5"),
        ),
        rx(
            "tobias-omeprazole",
            who.TOBIAS,
            "omeprazole-20",
            today,
            7,
            sig="Take 1 capsule by mouth before breakfast",
            why=("Gastroesophageal reflux disease", "K21.9"),
        ),
        rx(
            "grace-amlodipine",
            who.GRACE,
            "amlodipine-5",
            today,
            2,
            sig="Take 1 tablet by mouth once daily",
            why=("Essential hypertension", "I10"),
        ),
        rx(
            "hector-clopidogrel",
            who.HECTOR,
            "clopidogrel-75",
            today,
            11,
            sig="Take 1 tablet by mouth once daily",
            why=("Stent in coronary artery", "Z95.5"),
        ),
    ]


def _refused_by_form(today: date) -> list[Resource]:
    """One order for each reason that lies in the order itself."""
    expired = {"start": days_ago(today, 400), "end": days_ago(today, 35)}
    label = {"security": [{"system": f"{TERMINOLOGY}/v3-Confidentiality", "code": "R", "display": "restricted"}]}
    unknown = [{"url": f"{SITE}/StructureDefinition/hold-until-called", "valueBoolean": True}]
    disagreeing = concept(RXNORM, "314076", "lisinopril 10 MG Oral Tablet", (NDC, "00093-1048-01", ""))
    return [
        rx(
            "lucia-metformin-on-hold",
            who.LUCIA,
            "metformin-500",
            today,
            15,
            status="on-hold",
            statusReason=concept(SNOMED, "281647001", f"Adverse reaction ({CHART_ONLY} status reason)"),
        ),
        rx("joanna-omeprazole-plan", who.JOANNA, "omeprazole-20", today, 14, intent="plan"),
        rx("joanna-montelukast-restricted", who.JOANNA, "montelukast-10", today, 14, meta=label),
        # Points at a Medication that the server does not have.
        rx(
            "edgar-missing-medication",
            who.EDGAR,
            "digoxin-125",
            today,
            21,
            drug={"medicationReference": ref("Medication/med-withdrawn-by-vendor")},
        ),
        rx(
            "priya-oxycodone",
            who.PRIYA,
            "oxycodone-5",
            today,
            3,
            refills=0,
            sig="Take 1 tablet by mouth every 6 hours as needed",
        ),
        rx("priya-cetirizine-do-not", who.PRIYA, "cetirizine-10", today, 16, doNotPerform=True),
        # A clinical drug that the catalog does not sell.
        rx(
            "priya-methotrexate",
            who.PRIYA,
            "methotrexate-2.5",
            today,
            18,
            sig="Take 4 tablets by mouth once a week",
        ),
        rx("tobias-montelukast-modifier", who.TOBIAS, "montelukast-10", today, 13, modifierExtension=unknown),
        rx("tobias-glipizide-draft", who.TOBIAS, "glipizide-5", today, 1, status="draft"),
        rx("tobias-losartan-cancelled", who.TOBIAS, "losartan-50", today, 26, status="cancelled"),
        rx("tobias-warfarin-error", who.TOBIAS, "warfarin-5", today, 27, status="entered-in-error"),
        rx("grace-allopurinol", who.GRACE, "allopurinol-300", today, 9),
        rx("grace-pantoprazole-proposal", who.GRACE, "pantoprazole-40", today, 9, intent="proposal"),
        # Its last valid day is over.
        rx("hector-metoprolol-expired", who.HECTOR, "metoprolol-er-50", today, 400, validity=expired),
        # Told by the patient's spouse, ordered by nobody here.
        rx("hector-acetaminophen-reported", who.HECTOR, "acetaminophen-325", today, 17, reportedBoolean=True),
        # RxNorm says lisinopril, the NDC says metformin.
        rx(
            "hector-codes-disagree",
            who.HECTOR,
            "lisinopril-10",
            today,
            5,
            drug={"medicationCodeableConcept": disagreeing},
        ),
    ]


def _refused_by_patient(today: date) -> list[Resource]:
    return [
        rx("old-marisol-metformin", who.OLD_MARISOL, "metformin-500", today, 200),
        rx("ruth-digoxin", who.RUTH, "digoxin-125", today, 40),
        rx("noah-albuterol", who.NOAH, "albuterol-hfa", today, 4, as_needed=True),
    ]
