"""Why a rule did less than it might, in sentences for clinicians and administrators."""

from ehrcommerce.policy.refusals import REFUSALS

_WHY = {
    "words_held": "The directions may tell why the patient takes it. Look at the marked words.",
    "unusual_value": "A value of it is likely a slip. Its prescriber must look at it.",
    "no_routing_proof": "Nobody has said how the pharmacy gets this prescription.",
    "occurs_later": "It is meant for a day more than a month ahead.",
    "no_clinician": "Its prescriber is not known here, and the rule names nobody.",
    "minor": "The patient is a minor. Choose a phone or e-mail of the parent, and send it yourself.",
    "no_contact": "The chart has no phone and no e-mail. Print the link.",
    "no_consent": "The patient has not agreed to kits without asking. They got the link.",
    "not_free": "It costs the patient something. They got the link.",
    "address": "The address in the chart is not whole, or a post office box. They got the link.",
    "no_supplier": "No laboratory with an agreement serves that state. They got the link.",
    "not_sold_there": "There is no rule for tax or shipping to that state. They got the link.",
    "NotSoldThere": "There is no rule for tax or shipping to that state. They got the link.",
    "SoldOut": "None was left in stock.",
    "sent_by_hand": "A clinician sent it by hand.",
    "already_ordered": "The patient has ordered it already.",
    "order_changed": "The order was changed in the chart.",
    "order_gone": "The order is gone from the chart.",
    "replaced": "Another order took its place.",
    "rule_off": "The rule was switched off before its time came.",
    "too_late": "The EHR could not be asked for two days.",
    "WordsHeld": "The directions may tell why the patient takes it. Look at the marked words.",
    "NoRoutingProof": "Nobody has said how the pharmacy gets this prescription.",
    "OtherQuantity": "The price is for another amount than the chart says.",
    "ClinicStopped": "This clinic's sales are stopped after an incident.",
    "NobodyToRecognize": "The chart has too little to recognize the patient by.",
    "HelpersOff": "The patient is a minor, and helpers are not switched on.",
    "MinorPrivate": "A minor decides alone on this. It is not sold by link.",
    "NothingChosen": "The product has no price today.",
}


def why(code: str) -> str:
    """ "" for no code; the code itself where nobody wrote a sentence for it."""
    if code in _WHY:
        return _WHY[code]
    return REFUSALS[code].sentence if code in REFUSALS else code
