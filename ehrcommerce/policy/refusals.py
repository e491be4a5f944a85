"""Why an order is not sold by link, who can change that, and the sentence that says so. One list for the door,
the clinician's page and the tests, so that no order disappears without a reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """`who` acts next: clinician, catalog, administrator or nobody."""

    code: str
    sentence: str
    who: str


_ALL = (
    Refusal("not_active", "Not active in the chart.", "clinician"),
    Refusal("on_hold", "On hold in the chart.", "clinician"),
    Refusal("draft", "Not signed yet. Sign it in the chart first.", "clinician"),
    Refusal("entered_in_error", "Marked as entered in error.", "nobody"),
    Refusal("not_an_order", "A plan or proposal, not a signed order.", "clinician"),
    Refusal("do_not_perform", "The chart says: do not give this.", "nobody"),
    Refusal("reported", "Reported by somebody else, not ordered here.", "clinician"),
    Refusal(
        "modifier_extension",
        "Carries a note for machines that this app does not know. Order it another way.",
        "administrator",
    ),
    Refusal("restricted_label", "Marked as restricted in the chart. It does not leave the chart.", "nobody"),
    Refusal("controlled", "Controlled medicine. Not sold by link.", "nobody"),
    Refusal("no_code", "No medicine, device or test is named in a form that this app can read.", "clinician"),
    Refusal("no_product", "No product for this code. The catalog team was told.", "catalog"),
    Refusal("ambiguous", "More than one product fits. The catalog team must choose.", "catalog"),
    Refusal("no_price", "The product has no price today. The catalog team can set one.", "catalog"),
    Refusal(
        "other_quantity", "The price is for another amount than the chart says. The catalog team can add it.", "catalog"
    ),
    Refusal("retired", "The product is no longer sold. The catalog team can name another.", "catalog"),
    Refusal("not_for_sale", "This kind of order is not something to buy.", "nobody"),
    Refusal("expired", "The order is past its last valid day.", "clinician"),
    Refusal("no_routing_proof", "The pharmacy needs an e-prescription first.", "clinician"),
    Refusal("unreadable", "The chart holds this order in a form that cannot be read safely.", "administrator"),
    Refusal("other_patient", "Belongs to another patient. Nothing of it was shown.", "administrator"),
    Refusal("patient_deceased", "The patient is recorded as deceased.", "nobody"),
    Refusal("patient_inactive", "This patient record is not active.", "clinician"),
    Refusal("patient_merged", "This patient record was merged into another. Open that chart.", "clinician"),
    Refusal("patient_minor", "The patient is a minor. Your organization has not switched on helpers.", "administrator"),
    Refusal("patient_no_birth_date", "The chart has no full birth date, so nobody could open a link.", "clinician"),
)
REFUSALS: dict[str, Refusal] = {refusal.code: refusal for refusal in _ALL}
