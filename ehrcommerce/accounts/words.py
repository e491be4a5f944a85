"""Plain words for the codes that an operator meets: what an effect does, and for each way in which it can stop, what to
do. A code that is not here is shown as it is."""

TITLES = {
    "offers.link": "Link to the patient",
    "checkout.code": "One-time code to the patient",
    "checkout.eligibility": "Question to the health plan",
    "payment.open": "Open the payment page",
    "payment.look": "Ask how the payment stands",
    "payment.capture": "Take the money",
    "payment.void": "Release the money",
    "payment.refund": "Refund",
    "fulfillment.dispatch": "Order to the supplier",
    "fulfillment.look": "Ask the supplier after news",
    "fulfillment.track": "Follow the parcel",
    "fulfillment.cancel": "Ask the supplier to cancel",
    "fulfillment.forget": "Tell the supplier to forget the patient",
    "fulfillment.recheck": "Read the chart again after a change",
    "fulfillment.notify": "Message to the patient",
    "chart.report": "Report to the chart",
}

REMEDIES = {
    "not_authorized": "The partner refused our key. Set the key under Suppliers, then press Retry.",
    "no_agreement": "No agreement with this party is in force. Record it under Agreements, then press Retry.",
    "no_messaging_supplier": "No message service with an agreement. Check Suppliers and Agreements, then press Retry.",
    "chart_not_permitted": "The EHR does not let us read. Check the EHR connection and its scopes, then press Retry.",
    "not_licensed": "The supplier is not licensed where the parcel goes. Change the supplier or cancel the order.",
    "no_payment": "No money is held for this order. Cancel it, and let the clinic send a new link.",
    "not_granted": "What would be sent holds more than this recipient may get. Nothing was sent. Tell the privacy officer.",
    "unknown_field": "What would be sent holds a field that the policy table does not know. Nothing was sent. Tell support.",
    "too_long": "What would be sent is longer than any order's words. Nothing was sent. Cancel the order, or tell support.",
    "not_plain": "What would be sent is not in the agreed form. Nothing was sent. Tell support.",
    "payload_changed": "What would be sent is not what the patient agreed to. Cancel the order.",
    "amount_mismatch": "The processor names another sum than our books. Settle it there, then press Retry.",
    "page_elsewhere": "The processor's page is not at its own address. Check the supplier's address.",
    "key_reused": "The partner has other content under our key. Ask the partner what it holds, then press Retry.",
    "conflict": "The partner has something else under this reference. Ask the partner.",
    "alive_at_supplier": "The supplier still works on an order that is over for us. Ask it to cancel, then press Retry.",
    "controlled": "The medicine is controlled and is not sold by link. The order is stopped; nothing is left to do.",
    "not_sold": "The product is no longer sold. The order is stopped; nothing is left to do.",
    "not_found": "The partner knows nothing of it. Press Retry; if it stays, ask the partner.",
    "outcome_unknown": "It may have gone out and the partner cannot be asked by machine. Ask by phone before Retry.",
    "unexpected_answer": "The partner gave an answer that we do not know. Ask the partner, then press Retry.",
    "silent": "The supplier has said nothing for days. Ask by phone, then press Retry.",
    "deadline": "It could not be done in time. Retry, or cancel the order.",
    "poison": "It failed again and again inside this program. Tell the developers; the log has the place.",
    "unknown_kind": "This version of the program does not know it. Finish the update, then press Retry.",
    "partner_busy": "The partner asked us to come back later. It is tried again by itself.",
    "partner_failed": "The partner failed. It is asked again by itself.",
    "chart_unreachable": "The EHR does not answer. It is tried again by itself.",
    "ehr_unanswered": "The EHR does not answer. It is tried again by itself.",
    "ehr_not_reached": "The EHR cannot be reached. It is tried again by itself.",
    "check_too_old": "The chart is being read again. It is tried again by itself.",
    "NotSent": "The partner cannot be reached. It is tried again by itself.",
    "Unanswered": "The partner's answer was lost. It is asked again by itself.",
    "BadAnswer": "The partner's answer could not be read. It is asked again by itself.",
    "CircuitOpen": "The partner failed many times in a row and is left alone for a while. It goes on by itself.",
    "WrongAddress": "The address is not one of this partner's. Check the address under Suppliers or EHR connections.",
    "restored_unknown": "The database was restored, and this may have gone out before. Ask the partner, then close it.",
    "closed_by_person": "A person said that it did not happen. Nothing is left to do.",
    "tell_by_hand": "The patient is to be forgotten, and this supplier takes that by phone only. Call it, then close this.",
    "UnknownKey": "A value's key is not configured. Put it back into EHRC_FIELD_KEYS (docs/keys.md), then press Retry.",
    "Tampered": "A stored value was changed or moved. Restore the row (docs/keys.md), then press Retry.",
    "Destroyed": "The patient's data was erased. Nothing is left to do.",
    "not_final": "Not delivered yet; the supplier is asked regularly.",
}


def title(kind: str) -> str:
    return TITLES.get(kind, kind)


def remedy(code: str) -> str:
    return REMEDIES.get(code, "")
