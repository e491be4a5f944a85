"""Why an order is not sold by link, who can change that, and the sentences that say so. One list for the door,
the clinician's page and the tests, so that no order disappears without a reason.

A badge names the family of the cause in a few words: what is needed, or that nothing will help."""

from dataclasses import dataclass

CLINICIAN, CATALOG, ADMINISTRATOR, NOBODY = "clinician", "catalog", "administrator", "nobody"
CHART_BADGE, HOLD_BADGE, UNSIGNED_BADGE = "Needs the chart", "On hold", "Not signed"
CATALOG_BADGE, HELP_BADGE = "Needs the catalog", "Needs your administrator"
FORBIDDEN_BADGE, NOT_FOR_SALE_BADGE, STOPPED_BADGE = "Not allowed", "Not for sale", "Stopped"


@dataclass(frozen=True, slots=True)
class Refusal:
    """`who` acts next: clinician, catalog, administrator or nobody; `remedy` says it in words, "" where nothing helps."""

    code: str
    badge: str
    sentence: str
    who: str
    remedy: str = ""

    @property
    def can_be_changed(self) -> bool:
        return self.who != NOBODY


_IN_CHART = "You can change this in the chart."
_BY_ADMINISTRATOR = "Your administrator can change this."
_ALL = (
    Refusal("not_active", CHART_BADGE, "Not active in the chart.", CLINICIAN, _IN_CHART),
    Refusal("on_hold", HOLD_BADGE, "On hold in the chart.", CLINICIAN, "You can take it off hold in the chart."),
    Refusal("draft", UNSIGNED_BADGE, "Not signed yet.", CLINICIAN, "Sign it in the chart first."),
    Refusal("entered_in_error", STOPPED_BADGE, "Marked as entered in error.", NOBODY),
    Refusal(
        "not_an_order", UNSIGNED_BADGE, "Only a plan or proposal, not a signed order.", CLINICIAN,
        "Sign an order for it in the chart.",
    ),
    Refusal("do_not_perform", FORBIDDEN_BADGE, "The chart says: do not give this.", NOBODY),
    Refusal(
        "reported", CHART_BADGE, "Reported by somebody else, not ordered here.", CLINICIAN,
        "Sign an order for it in the chart.",
    ),
    Refusal(
        "modifier_extension", HELP_BADGE, "Carries a note for machines that this app does not know.", ADMINISTRATOR,
        "Order it another way, or ask your administrator.",
    ),
    Refusal(
        "restricted_label", FORBIDDEN_BADGE, "Marked as restricted in the chart. It does not leave the chart.", NOBODY
    ),
    Refusal("controlled", FORBIDDEN_BADGE, "Controlled medicine. Not sold by link.", NOBODY),
    Refusal(
        "no_code", CHART_BADGE, "No medicine, device or test is named in a form that this app can read.", CLINICIAN,
        "Name it with a code in the chart.",
    ),
    Refusal(
        "codes_disagree", CHART_BADGE, "The codes of this order name different products.", CLINICIAN,
        "Correct the order in the chart. If its codes are right, tell the catalog team.",
    ),
    Refusal("no_product", CATALOG_BADGE, "No product for this code.", CATALOG, "The catalog team was told."),
    Refusal("ambiguous", CATALOG_BADGE, "More than one product fits.", CATALOG, "The catalog team must choose one."),
    Refusal("no_price", CATALOG_BADGE, "The product has no price today.", CATALOG, "The catalog team can set one."),
    Refusal(
        "other_quantity", CATALOG_BADGE, "The price is for another amount than the chart says.", CATALOG,
        "The catalog team can add this amount.",
    ),
    Refusal(
        "retired", CATALOG_BADGE, "The product is no longer sold.", CATALOG, "The catalog team can name another one."
    ),
    Refusal("not_for_sale", NOT_FOR_SALE_BADGE, "This kind of order is not something to buy.", NOBODY),
    Refusal(
        "expired", CHART_BADGE, "The order is past its last valid day.", CLINICIAN, "You can renew it in the chart."
    ),
    Refusal(
        "too_old", CHART_BADGE,
        "The prescription is too old. State law limits how long a prescription is good, often to one year.", CLINICIAN,
        "Renew it in the chart.",
    ),
    Refusal(
        "no_date", CHART_BADGE, "The chart has no date for this prescription, so nobody knows how old it is.", CLINICIAN,
        "Renew it in the chart.",
    ),
    Refusal(
        "no_routing_proof", CHART_BADGE, "The pharmacy needs an e-prescription first.", CLINICIAN,
        "Send it to the pharmacy from the chart.",
    ),
    Refusal(
        "unreadable", HELP_BADGE, "The chart holds this order in a form that cannot be read safely.", ADMINISTRATOR,
        _BY_ADMINISTRATOR,
    ),
    Refusal(
        "other_patient", HELP_BADGE, "Belongs to another patient. Nothing of it was shown.", ADMINISTRATOR,
        _BY_ADMINISTRATOR,
    ),
    Refusal("patient_deceased", FORBIDDEN_BADGE, "The patient is recorded as deceased.", NOBODY),
    Refusal("patient_inactive", CHART_BADGE, "This patient record is not active.", CLINICIAN, _IN_CHART),
    Refusal(
        "patient_merged", CHART_BADGE, "This patient record was merged into another.", CLINICIAN, "Open that chart."
    ),
    Refusal(
        "patient_minor", FORBIDDEN_BADGE, "The patient is a minor. Your organization has not switched on helpers.",
        ADMINISTRATOR, "Your administrator can switch them on.",
    ),
    Refusal(
        "minor_private", FORBIDDEN_BADGE,
        "Your organization lets a minor decide alone on this. A helper would see it, so it is not sold by link.",
        ADMINISTRATOR, "Talk with the patient. Your administrator can change the list.",
    ),
    Refusal(
        "patient_no_birth_date", CHART_BADGE, "The chart has no full birth date, so nobody could open a link.",
        CLINICIAN, "You can add it in the chart.",
    ),
)  # fmt: skip
REFUSALS: dict[str, Refusal] = {refusal.code: refusal for refusal in _ALL}
