"""Medicines as charts name them: RxNorm codes of clinical drugs, here and there with an NDC beside them. Written
by hand for the sandbox; what a shop sells under which code is the shop's own list."""

from dataclasses import dataclass

from .shapes import CHART_ONLY, NDC, RXNORM, Resource, concept, narrative


@dataclass(frozen=True, slots=True)
class Medicine:
    key: str
    rxnorm: str
    display: str
    ndc: str = ""
    pack: int = 90
    days: int = 90

    @property
    def unit(self) -> str:
        """What a patient counts."""
        if "Inhaler" in self.display:
            return "inhaler"
        return "capsule" if "Capsule" in self.display else "tablet"

    @property
    def usual_sig(self) -> str:
        if self.unit == "inhaler":
            return "Inhale 2 puffs every 4 hours as needed"
        return f"Take 1 {self.unit} by mouth {'twice' if self.twice_daily else 'once'} daily"

    @property
    def twice_daily(self) -> bool:
        return self.pack == 2 * self.days

    @property
    def reference(self) -> str:
        return f"Medication/med-{self.key}"

    def concept(self) -> Resource:
        more = [(NDC, self.ndc, "")] if self.ndc else []
        return concept(RXNORM, self.rxnorm, self.display, *more)

    def contained(self) -> Resource:
        return {"resourceType": "Medication", "id": "drug", "code": self.concept()}

    def resource(self) -> Resource:
        return {
            "resourceType": "Medication",
            "id": f"med-{self.key}",
            "text": narrative(self.display),
            "code": self.concept(),
            "status": "active",
            "batch": {"lotNumber": f"{CHART_ONLY} lot"},
        }


_ALL = (
    Medicine("metformin-500", "861007", "metformin hydrochloride 500 MG Oral Tablet", "00093-1048-01", pack=180),
    Medicine("lisinopril-10", "314076", "lisinopril 10 MG Oral Tablet"),
    Medicine("atorvastatin-20", "617310", "atorvastatin 20 MG Oral Tablet"),
    Medicine("amlodipine-5", "197361", "amlodipine 5 MG Oral Tablet"),
    Medicine("hydrochlorothiazide-25", "310798", "hydrochlorothiazide 25 MG Oral Tablet"),
    Medicine("losartan-50", "979492", "losartan potassium 50 MG Oral Tablet", "00093736598"),
    Medicine("metoprolol-er-50", "866436", "24 HR metoprolol succinate 50 MG Extended Release Oral Tablet"),
    Medicine("levothyroxine-100", "892246", "levothyroxine sodium 0.1 MG Oral Tablet"),
    Medicine("omeprazole-20", "198051", "omeprazole 20 MG Delayed Release Oral Capsule", pack=30, days=30),
    Medicine("pantoprazole-40", "314200", "pantoprazole 40 MG Delayed Release Oral Tablet"),
    Medicine("furosemide-40", "313988", "furosemide 40 MG Oral Tablet"),
    Medicine("glipizide-5", "310490", "glipizide 5 MG Oral Tablet"),
    Medicine("clopidogrel-75", "309362", "clopidogrel 75 MG Oral Tablet"),
    Medicine("digoxin-125", "197604", "digoxin 0.125 MG Oral Tablet"),
    Medicine("amoxicillin-500", "308191", "amoxicillin 500 MG Oral Capsule", pack=21, days=7),
    Medicine("montelukast-10", "200224", "montelukast 10 MG Oral Tablet"),
    Medicine(
        "albuterol-hfa",
        "745679",
        "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler",
        "00173-0682-20",
        pack=1,
        days=30,
    ),
    Medicine("ibuprofen-200", "310965", "ibuprofen 200 MG Oral Tablet", pack=100, days=25),
    Medicine("cetirizine-10", "1014678", "cetirizine hydrochloride 10 MG Oral Tablet"),
    Medicine("acetaminophen-325", "198436", "acetaminophen 325 MG Oral Capsule", pack=100, days=30),
    Medicine("allopurinol-300", "197320", "allopurinol 300 MG Oral Tablet"),
    Medicine("warfarin-5", "855332", "warfarin sodium 5 MG Oral Tablet"),
    Medicine("methotrexate-2.5", "105585", "methotrexate 2.5 MG Oral Tablet", pack=16, days=28),
    Medicine("zolpidem-5", "854876", "zolpidem tartrate 5 MG Oral Tablet", pack=30, days=30),
    Medicine("oxycodone-5", "1049621", "oxycodone hydrochloride 5 MG Oral Tablet", pack=12, days=3),
)
MEDICINES: dict[str, Medicine] = {medicine.key: medicine for medicine in _ALL}


def resources() -> list[Resource]:
    """Every medicine as a resource of its own, for the orders that only point at it."""
    return [medicine.resource() for medicine in _ALL]
