"""The shop of the demo: real products under real codes, with invented prices. Data only, so that the command that
loads it, the tests and a reader all see one list.

A code row says "an order with this code means this product". Three rows are needed where one should do: EHRs write
HCPCS under http, under https, and under the URI of CPT; NDCs come with hyphens and without.

Controlled medicines are listed so that an order for one is refused by name and not as "no product"; they have no
price and are not sellable.

`DISPLAY_SYSTEM` rows map the words of an order that carries no code: EHRs answer a prescription with a reference and
a display. Mapping by words is an administrator's decision; these rows stand for decisions already taken.

Codes beyond the demo charts, taken from published orders of real producers: RxNorm 311354 (with its display row),
197604 (with its display row), 198436, 310965, 563026; one display row for a controlled stimulant; HCPCS E0601."""

from dataclasses import dataclass

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NDC = "http://hl7.org/fhir/sid/ndc"
LOINC = "http://loinc.org"
DISPLAY_SYSTEM = "urn:ehrcommerce:display"
HCPCS_SYSTEMS = (
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "http://www.ama-assn.org/go/cpt",
)

PRESCRIPTION, DEVICE, KIT = "prescription", "device", "kit"
PHARMACY, DEVICES, LAB = "pharmacy", "devices", "lab"

# X12 service type codes asked of a payer: pharmacy, durable medical equipment purchase, plan in general.
SERVICE_PHARMACY, SERVICE_EQUIPMENT, SERVICE_PLAN = "88", "12", "30"

NEUTRAL_EN, NEUTRAL_ES = "Item from your clinic", "Artículo de su clínica"

Code = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class DemoProduct:
    """One thing that a supplier ships. `price_cents` covers `quantity_basis`; None: no price today."""

    sku: str
    kind: str
    name_en: str
    name_es: str
    price_cents: int | None
    codes: tuple[Code, ...]
    supplier: str
    service_type: str
    quantity_basis: str
    shipping_weight_g: int
    days_supply: int | None = None
    rx_required: bool = False
    otc: bool = False
    controlled_schedule: str = ""
    sellable: bool = True
    # What is usual: measure, low, high, unit. An order outside of it is held for its prescriber.
    usual: tuple[tuple[str, str, str, str], ...] = ()
    neutral_name_en: str = NEUTRAL_EN
    neutral_name_es: str = NEUTRAL_ES


def _rxnorm(code: str, display: str, *ndc: str, words: str = "") -> tuple[Code, ...]:
    """RxNorm, then each NDC (5-4-2 with hyphens) in both spellings, then the display row."""
    rows: list[Code] = [(RXNORM, code, display)]
    for number in ndc:
        rows += [(NDC, number, display), (NDC, number.replace("-", ""), display)]
    if words:
        rows.append((DISPLAY_SYSTEM, words, words))
    return tuple(rows)


# For adults, by mouth; a clinic sets its own.
_USUAL: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "RX-METFORMIN-500": (
        ("dose", "500", "1000", "mg"), ("dose", "1", "2", "tablet"), ("daily", "500", "2550", "mg"), ("daily", "1", "5", "tablet"),
        ("quantity", "30", "360", "tablet"), ("days", "7", "100", ""),
    ),
    "RX-LISINOPRIL-10": (("dose", "2.5", "40", "mg"), ("dose", "0.5", "2", "tablet"), ("days", "7", "100", "")),
    "RX-LEVOTHYROXINE-100": (("dose", "25", "200", "mcg"), ("dose", "0.5", "2", "tablet"), ("days", "7", "100", "")),
    "RX-DIGOXIN-125": (("dose", "62.5", "250", "mcg"), ("dose", "0.5", "2", "tablet"), ("days", "7", "100", "")),
    "RX-AMOXICILLIN-500": (("dose", "250", "1000", "mg"), ("dose", "1", "2", "capsule"), ("days", "3", "30", "")),
    "OTC-IBUPROFEN-200": (("dose", "200", "800", "mg"), ("dose", "1", "4", "tablet")),
}  # fmt: skip


def _medicine(
    sku: str,
    name_en: str,
    name_es: str,
    price_cents: int | None,
    codes: tuple[Code, ...],
    basis: str = "90 tablets",
    days: int = 90,
    weight_g: int = 60,
    otc: bool = False,
) -> DemoProduct:
    return DemoProduct(
        sku=sku, kind=PRESCRIPTION, name_en=name_en, name_es=name_es, price_cents=price_cents, codes=codes,
        supplier=PHARMACY, service_type=SERVICE_PHARMACY, quantity_basis=basis, shipping_weight_g=weight_g,
        days_supply=days, rx_required=not otc, otc=otc, usual=_USUAL.get(sku, ()),
    )  # fmt: skip


def _controlled(sku: str, name_en: str, name_es: str, schedule: str, codes: tuple[Code, ...]) -> DemoProduct:
    return DemoProduct(
        sku=sku, kind=PRESCRIPTION, name_en=name_en, name_es=name_es, price_cents=None, codes=codes,
        supplier=PHARMACY, service_type=SERVICE_PHARMACY, quantity_basis="", shipping_weight_g=0,
        rx_required=True, controlled_schedule=schedule, sellable=False,
    )  # fmt: skip


def _device(
    sku: str,
    code: str,
    hcpcs_name: str,
    name_en: str,
    name_es: str,
    price_cents: int | None,
    weight_g: int,
    basis: str = "1 piece",
    sellable: bool = True,
    days: int | None = None,
) -> DemoProduct:
    return DemoProduct(
        sku=sku, kind=DEVICE, name_en=name_en, name_es=name_es, price_cents=price_cents,
        codes=tuple((system, code, hcpcs_name) for system in HCPCS_SYSTEMS),
        supplier=DEVICES, service_type=SERVICE_EQUIPMENT, quantity_basis=basis, shipping_weight_g=weight_g,
        days_supply=days, sellable=sellable,
    )  # fmt: skip


def _kit(sku: str, name_en: str, name_es: str, price_cents: int, *codes: tuple[str, str]) -> DemoProduct:
    return DemoProduct(
        sku=sku, kind=KIT, name_en=name_en, name_es=name_es, price_cents=price_cents,
        codes=tuple((LOINC, code, display) for code, display in codes),
        supplier=LAB, service_type=SERVICE_PLAN, quantity_basis="1 kit", shipping_weight_g=180,
    )  # fmt: skip


_MEDICINES = (
    _medicine("RX-METFORMIN-500", "Metformin 500 mg tablets", "Metformina 500 mg, tabletas", 1480,
              _rxnorm("861007", "metformin hydrochloride 500 MG Oral Tablet", "00093-1048-01"),
              "180 tablets", weight_g=120),
    _medicine("RX-LISINOPRIL-5", "Lisinopril 5 mg tablets", "Lisinopril 5 mg, tabletas", 790,
              _rxnorm("311354", "lisinopril 5 MG Oral Tablet", words="lisinopril (PRINIVIL,ZESTRIL) 5 MG tablet"),
              "30 tablets", 30, 40),
    _medicine("RX-LISINOPRIL-10", "Lisinopril 10 mg tablets", "Lisinopril 10 mg, tabletas", 1190,
              _rxnorm("314076", "lisinopril 10 MG Oral Tablet")),
    _medicine("RX-ATORVASTATIN-20", "Atorvastatin 20 mg tablets", "Atorvastatina 20 mg, tabletas", 1650,
              _rxnorm("617310", "atorvastatin 20 MG Oral Tablet")),
    _medicine("RX-AMLODIPINE-5", "Amlodipine 5 mg tablets", "Amlodipino 5 mg, tabletas", 1090,
              _rxnorm("197361", "amlodipine 5 MG Oral Tablet")),
    _medicine("RX-HCTZ-25", "Hydrochlorothiazide 25 mg tablets", "Hidroclorotiazida 25 mg, tabletas", 980,
              _rxnorm("310798", "hydrochlorothiazide 25 MG Oral Tablet")),
    _medicine("RX-LOSARTAN-50", "Losartan 50 mg tablets", "Losartán 50 mg, tabletas", 1390,
              _rxnorm("979492", "losartan potassium 50 MG Oral Tablet", "00093-7365-98")),
    _medicine("RX-METOPROLOL-ER-50", "Metoprolol succinate ER 50 mg tablets",
              "Succinato de metoprolol de liberación prolongada 50 mg, tabletas", 1890,
              _rxnorm("866436", "24 HR metoprolol succinate 50 MG Extended Release Oral Tablet")),
    _medicine("RX-LEVOTHYROXINE-100", "Levothyroxine 100 mcg tablets", "Levotiroxina 100 mcg, tabletas", 1740,
              _rxnorm("892246", "levothyroxine sodium 0.1 MG Oral Tablet")),
    _medicine("RX-OMEPRAZOLE-20", "Omeprazole 20 mg delayed-release capsules",
              "Omeprazol 20 mg, cápsulas de liberación retardada", 1290,
              _rxnorm("198051", "omeprazole 20 MG Delayed Release Oral Capsule"), "30 capsules", 30, 50),
    _medicine("RX-PANTOPRAZOLE-40", "Pantoprazole 40 mg delayed-release tablets",
              "Pantoprazol 40 mg, tabletas de liberación retardada", 1590,
              _rxnorm("314200", "pantoprazole 40 MG Delayed Release Oral Tablet")),
    _medicine("RX-FUROSEMIDE-40", "Furosemide 40 mg tablets", "Furosemida 40 mg, tabletas", 1120,
              _rxnorm("313988", "furosemide 40 MG Oral Tablet")),
    _medicine("RX-GLIPIZIDE-5", "Glipizide 5 mg tablets", "Glipizida 5 mg, tabletas", 1210,
              _rxnorm("310490", "glipizide 5 MG Oral Tablet")),
    _medicine("RX-CLOPIDOGREL-75", "Clopidogrel 75 mg tablets", "Clopidogrel 75 mg, tabletas", 1820,
              _rxnorm("309362", "clopidogrel 75 MG Oral Tablet")),
    _medicine("RX-DIGOXIN-125", "Digoxin 125 mcg tablets", "Digoxina 125 mcg, tabletas", 2350,
              _rxnorm("197604", "digoxin 0.125 MG Oral Tablet", words="digoxin (LANOXIN) 125 MCG tablet")),
    _medicine("RX-AMOXICILLIN-500", "Amoxicillin 500 mg capsules", "Amoxicilina 500 mg, cápsulas", 890,
              _rxnorm("308191", "amoxicillin 500 MG Oral Capsule"), "21 capsules", 7, 50),
    _medicine("RX-MONTELUKAST-10", "Montelukast 10 mg tablets", "Montelukast 10 mg, tabletas", 1690,
              _rxnorm("200224", "montelukast 10 MG Oral Tablet")),
    _medicine("RX-ALBUTEROL-HFA", "Albuterol inhaler, 200 puffs", "Inhalador de albuterol, 200 inhalaciones", 3490,
              _rxnorm("745679", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", "00173-0682-20"),
              "1 inhaler", 30, 90),
    _medicine("RX-ALLOPURINOL-300", "Allopurinol 300 mg tablets", "Alopurinol 300 mg, tabletas", None,
              _rxnorm("197320", "allopurinol 300 MG Oral Tablet")),
    _medicine("OTC-IBUPROFEN-200", "Ibuprofen 200 mg tablets", "Ibuprofeno 200 mg, tabletas", 690,
              _rxnorm("310965", "ibuprofen 200 MG Oral Tablet"), "100 tablets", 25, 80, otc=True),
    _medicine("OTC-CETIRIZINE-10", "Cetirizine 10 mg tablets", "Cetirizina 10 mg, tabletas", 1150,
              _rxnorm("1014678", "cetirizine hydrochloride 10 MG Oral Tablet"), otc=True),
    _medicine("OTC-ACETAMINOPHEN-325", "Acetaminophen 325 mg capsules", "Acetaminofén 325 mg, cápsulas", 640,
              _rxnorm("198436", "acetaminophen 325 MG Oral Capsule"), "100 capsules", 30, 80, otc=True),
)  # fmt: skip

_CONTROLLED = (
    _controlled("CS-ZOLPIDEM-5", "Zolpidem 5 mg tablets", "Zolpidem 5 mg, tabletas", "IV",
                _rxnorm("854876", "zolpidem tartrate 5 MG Oral Tablet")),
    _controlled("CS-OXYCODONE-5", "Oxycodone 5 mg tablets", "Oxicodona 5 mg, tabletas", "II",
                _rxnorm("1049621", "oxycodone hydrochloride 5 MG Oral Tablet")),
    _controlled("CS-DIAZEPAM", "Diazepam tablets", "Diazepam, tabletas", "IV",
                (*_rxnorm("197591", "diazepam 5 MG Oral Tablet"), (RXNORM, "563026", "Diazepam [Valium]"))),
    _controlled("CS-AMPHETAMINE-XR", "Mixed amphetamine salts, extended release",
                "Sales mixtas de anfetamina, liberación prolongada", "II",
                ((DISPLAY_SYSTEM, "amphetamine-dextroamphetamine XR (ADDERALL XR) 30 MG 24 hr capsule",
                  "amphetamine-dextroamphetamine XR (ADDERALL XR) 30 MG 24 hr capsule"),)),
)  # fmt: skip

_DEVICES = (
    _device("DV-GLUCOSE-METER", "E0607", "Home blood glucose monitor", "Blood glucose meter kit",
            "Kit de medidor de glucosa en sangre", 2495, 320, "1 kit"),
    _device("DV-TEST-STRIPS-50", "A4253", "Blood glucose test or reagent strips, per 50 strips",
            "Blood glucose test strips, box of 50", "Tiras reactivas de glucosa, caja de 50", 1895, 90,
            "1 box of 50", days=25),
    _device("DV-LANCETS-100", "A4259", "Lancets, per box of 100", "Lancets, box of 100", "Lancetas, caja de 100", 795,
            110, "1 box of 100", days=50),
    _device("DV-CPAP-NASAL-MASK", "A7034", "Nasal interface (mask or cannula type) used with PAP device",
            "CPAP nasal mask", "Mascarilla nasal para CPAP", 6990, 240),
    _device("DV-CPAP-FULL-MASK", "A7030", "Full face mask used with PAP device", "CPAP full face mask, first series",
            "Mascarilla facial completa para CPAP, primera serie", 9990, 310, sellable=False),
    _device("DV-CPAP", "E0601", "Continuous positive airway pressure (CPAP) device", "CPAP device", "Equipo CPAP",
            None, 2900),
    _device("DV-NEBULIZER", "E0570", "Nebulizer, with compressor", "Nebulizer with compressor",
            "Nebulizador con compresor", 5450, 1900),
    _device("DV-BP-MONITOR", "A4670", "Automatic blood pressure monitor", "Automatic blood pressure monitor",
            "Tensiómetro automático", 4290, 620),
    _device("DV-WALKER", "E0143", "Walker, folding, wheeled, adjustable or fixed height", "Folding walker with wheels",
            "Andador plegable con ruedas", 7480, 4100),
    _device("DV-ANKLE-GAUNTLET", "L1902", "Ankle orthosis, ankle gauntlet, prefabricated, off-the-shelf", "Ankle brace",
            "Tobillera ortopédica", 3950, 210),
    _device("DV-WRIST-SPLINT", "L3908", "Wrist hand orthosis, cock-up, prefabricated, off-the-shelf", "Wrist splint",
            "Férula de muñeca", 3290, 190),
    _device("DV-COMPRESSION-18-30", "A6530", "Gradient compression stocking, below knee, 18-30 mmHg, each",
            "Compression stocking, below knee", "Media de compresión, hasta la rodilla", 2790, 120, "1 stocking"),
)  # fmt: skip

_KITS = (
    _kit("KT-HBA1C", "HbA1c home collection kit", "Kit de hemoglobina A1c para tomar en casa", 4900,
         ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),
         ("17856-6", "Hemoglobin A1c/Hemoglobin.total in Blood by HPLC")),
    _kit("KT-LIPID", "Lipid panel home collection kit", "Kit de perfil de lípidos para tomar en casa", 5900,
         ("57698-3", "Lipid panel with direct LDL - Serum or Plasma"),
         ("24331-1", "Lipid 1996 panel - Serum or Plasma")),
    _kit("KT-FIT", "Colon screening kit (FIT)", "Kit de detección de colon (FIT)", 3900,
         ("29771-3", "Hemoglobin.gastrointestinal.lower [Presence] in Stool by Immunoassay"),
         ("2335-8", "Hemoglobin.gastrointestinal [Presence] in Stool")),
    _kit("KT-TSH", "Thyroid (TSH) home collection kit", "Kit de tiroides (TSH) para tomar en casa", 5200,
         ("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma")),
    _kit("KT-VITAMIN-D", "Vitamin D home collection kit", "Kit de vitamina D para tomar en casa", 5400,
         ("62292-8", "25-hydroxyvitamin D3+25-hydroxyvitamin D2 [Mass/volume] in Serum or Plasma"),
         ("1989-3", "25-hydroxyvitamin D3 [Mass/volume] in Serum or Plasma")),
    _kit("KT-KIDNEY", "Kidney (albumin) home collection kit", "Kit de riñón (albúmina) para tomar en casa", 4400,
         ("9318-7", "Albumin/Creatinine [Mass Ratio] in Urine"),
         ("14959-1", "Microalbumin/Creatinine [Mass Ratio] in Urine")),
    _kit("KT-FERRITIN", "Ferritin home collection kit", "Kit de ferritina para tomar en casa", 4700,
         ("2276-4", "Ferritin [Mass/volume] in Serum or Plasma")),
    _kit("KT-CT-NG", "Confidential home collection kit", "Kit confidencial para tomar en casa", 7900,
         ("36902-5", "Chlamydia trachomatis+Neisseria gonorrhoeae DNA [Presence] in Specimen by NAA")),
)  # fmt: skip

PRODUCTS: tuple[DemoProduct, ...] = _MEDICINES + _CONTROLLED + _DEVICES + _KITS
