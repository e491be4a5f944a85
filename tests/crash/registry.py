"""The names: where a process can be made to kill itself, and which mistakes can be put into it.

A point is `<kind of effect>:<stage>` or `<act of a page>:<stage>`. The harness arms it, the first process that comes by
dies there by SIGKILL. tests/crash/test_kills.py proves that each name is reached by the journeys that are walked."""

from dataclasses import dataclass

# Kind of effect -> what it is called among people.
KINDS = {
    "offers.link": "the link is sent",
    "checkout.code": "the one-time code is sent",
    "checkout.eligibility": "the plan is asked",
    "payment.open": "the payment page is opened",
    "payment.look": "the processor is asked",
    "payment.capture": "the money is taken",
    "payment.void": "the hold is given back",
    "payment.refund": "the money is given back",
    "fulfillment.dispatch": "the order goes to its supplier",
    "fulfillment.look": "the supplier is asked",
    "fulfillment.track": "the supplier is asked now and then",
    "fulfillment.cancel": "the order is asked back",
    "fulfillment.notify": "the patient is told",
    "chart.report": "the chart is told",
    "offers.undelivered": "the link's message has bounced",
    "fulfillment.untold": "news of the order has bounced",
    "fulfillment.return": "a parcel is lost or came back",
    "ehr.automatic": "a rule answers an order of the chart",
    "ehr.refill": "the next fill is offered",
}
STAGES = {
    "claimed": "the row is claimed, nothing is read yet",
    "prepared": "the bytes are made, `sending` is not committed",
    "sending": "`sending` is committed, the call has not begun",
    "called": "the partner has answered, nothing is written",
    "settling": "the rows are moved, the transaction is open",
    "ended": "the result is committed",
}
# Act of a page or a callback -> the function whose transaction it is.
ACTS = {
    "launch.kept": "ehrcommerce.ehr.sessions.start",
    "offer.made": "ehrcommerce.commerce.offers.services.make_offer",
    "identity.answered": "ehrcommerce.commerce.offers.links.answer",
    "code.planned": "ehrcommerce.commerce.checkout.code._plan",
    "identity.verified": "ehrcommerce.commerce.checkout.services.verified",
    "consent.given": "ehrcommerce.commerce.checkout.consents.give",
    "order.placed": "ehrcommerce.commerce.orders.services.place_order",
    "payment.planned": "ehrcommerce.commerce.orders.services._plan_payment",
    "callback.taken": "ehrcommerce.suppliers.callbacks.first_time",
    "order.cancelled": "ehrcommerce.commerce.orders.services.cancel_order",
}
COMMITS = ("before_commit", "after_commit")
OTHERS = ("claim:before", "claim:after", "bell:before", "bell:after", "sweep:found")
POINTS = (
    *(f"{kind}:{stage}" for kind in KINDS for stage in STAGES),
    *(f"{act}:{stage}" for act in ACTS for stage in COMMITS),
    *OTHERS,
)


@dataclass(frozen=True)
class Bug:
    """A mistake as people make them. `ending`: the journey on which it shows; `invariant`: what must then cry out."""

    says: str
    invariant: str
    ending: str = "delivered"
    item: str = "device"
    # "lost": the answer to the first dispatch is lost. "late": whoever has it sleeps until another has ended the effect.
    fault: str = ""


BUGS = {
    "new_key_on_retry": Bug("a try after a lost answer gets a key of its own", "I2", fault="lost"),
    "other_bytes_on_retry": Bug("a try after a lost answer sends other bytes under the old key", "I2", fault="lost"),
    "new_reference_on_retry": Bug("a try after a lost answer is an order of its own", "I3", fault="lost"),
    "lost_answer_is_no": Bug("an answer that was lost counts as a refusal", "I3", ending="left", fault="lost"),
    "dispatched_twice": Bug("the unique key of effects is gone: two dispatches", "I2"),
    "done_unsent": Bug("the row says done before anything was sent", "I1"),
    "no_repull": Bug("the chart is not read again before the dispatch", "I6"),
    "stop_ignored": Bug("what the second reading found is ignored", "I6", ending="stopped"),
    "change_ignored": Bug(
        "what the second reading says is not compared with what was sold", "I6", ending="changed", item="prescription"
    ),
    "no_consent": Bug("nobody asks whether the consent still stands", "I6", ending="unconsented"),
    "captured_early": Bug("the money is taken before the supplier has accepted", "I4", ending="left"),
    "captured_short": Bug("a cent is lost between the order and the capture", "I4"),
    "capture_new_key": Bug("each try of a capture has a key of its own", "I2"),
    "refund_without_key": Bug("a refund travels without a key", "I2", ending="refunded"),
    "refund_new_key": Bug("each try of a refund has a key of its own", "I2", ending="refunded"),
    "ledger_skipped": Bug("a capture is not written into the books", "I4"),
    "ledger_short": Bug("the books have another sum than the processor", "I4"),
    "hold_forgotten": Bug("the hold of a refused order is not given back", "I4", ending="refused"),
    "refund_forgotten": Bug("the money of an order asked back is kept", "I4", ending="refunded"),
    "void_new_key": Bug("each try of a void has a key of its own", "I2", ending="refused"),
    "notified_twice": Bug("each message goes out twice", "I2"),
    "audit_skipped": Bug("the dispatch is not in the audit", "I9"),
    "illegal_move": Bug("an order jumps to its end and back", "I8"),
    "left_sending": Bug("a result is thrown away and nobody looks again", "I5"),
    "dose_as_float": Bug("the dose passes through a float", "I11", item="prescription"),
    "quantity_doubled": Bug("the supplier is asked for twice as much", "I10"),
    "browser_believed": Bug("who comes back from the payment page has paid", "I4", ending="unpaid"),
    "name_in_log": Bug("the bytes of a dispatch are logged", "I12"),
    "name_in_redis": Bug("the bytes of a dispatch are left in Redis", "I12"),
    "item_in_text": Bug("a text message names the item", "I12"),
    "fence_ignored": Bug(
        "the result of a worker that slept past its lease is written down", "I8", "left", fault="late"
    ),
    "sent_before_commit": Bug("the supplier is called before `sending` is committed", "I9"),
    "rung_before_commit": Bug("the doorbell is rung before its row is committed", "I9"),
    "event_believed": Bug("what a notification says is acted on, and the chart not read", "I6", ending="misinformed"),
    "callback_unwritten": Bug("a callback is answered with 200 and not written down", "I7"),
    "message_unaudited": Bug("a message to the patient is not in the audit", "I9"),
    "read_unaudited": Bug("a reading of the chart is not in the audit", "I9"),
    "cancel_unsent": Bug("an order counts as cancelled before the supplier was asked", "I3", ending="cancelled"),
}
INVARIANTS = {
    "I1": "orders that patients saw placed = final + open with a next look + with a person; none without its supplier",
    "I2": "one order, one act on money, one message for each reference; again only with the same key and bytes",
    "I3": "whatever a supplier holds stands in our books, and lives there as long as it lives at the supplier",
    "I4": "the ledger sums to zero and is the processor's to the cent; nothing is taken early, short, or kept",
    "I5": "nothing is `sending` past its lease without a next look",
    "I6": "each dispatch: that recipient's consent, a verified person, the order read live and active at most 60 s before,"
    " a paid hold of the whole sum; and none is stopped that neither patient nor chart has stopped",
    "I7": "each callback that was answered with 200 stands in our books, once; no event of the EHR lies unread",
    "I8": "the history of each order is a legal path, and of each effect: nothing follows its end",
    "I9": "each outward act, message and reading was in the audit before it happened; no bell rang before its commit",
    "I10": "no supplier is asked for more than was offered",
    "I11": "the dose at the pharmacy is the chart's, character for character",
    "I12": "no name, birth date or item outside its place: logs, Redis, messages, payment",
}
