"""Every picture of the docs, by section. docs/pictures.md is made from this, and a house test compares both with the
templates: a page that nobody looked at is found."""

from ehrcommerce.workbench.pictures import Picture


def patient(name: str, shows: str, template: str) -> Picture:
    return Picture(f"patient-{name}", shows, f"checkout/{template}", spanish=True)


def clinician(name: str, shows: str, template: str) -> Picture:
    return Picture(f"clinician-{name}", shows, template)


EHR = (
    Picture("ehr-sign-in", "The sandbox EHR asks who is there."),
    Picture("ehr-patients", "Its patient list."),
    Picture("ehr-chart", "A chart with its orders and the two buttons that open the app."),
    Picture("ehr-chart-told", "The same chart after delivery, with what the app reported back."),
)
CLINICIAN = (
    clinician("first-look", "What the app shows right after its launch.", "ehr/orders.html"),
    clinician("orders", "Three orders are ticked; the button says how many.", "ehr/orders.html"),
    clinician("values", "The exact values that would leave, from where, to whom and why.", "ehr/values.html"),
    clinician("sent", "The link was sent: QR code, two words to tell the patient, undo.", "ehr/sent.html"),
    clinician("sheet", "The sheet to print, without a name and without an item.", "ehr/sheet.html"),
    clinician("delivered", "At the next launch the rows say that the order was delivered.", "ehr/orders.html"),
    clinician("links", "All links of this patient and what can be done about each.", "ehr/links.html"),
    clinician("links-none", "A patient to whom nothing was sent yet.", "ehr/links.html"),
    clinician("no-orders", "A chart without open orders says what to do next.", "ehr/orders.html"),
    clinician("nothing-chosen", "Send without a tick: the page stays and says what is missing.", "ehr/orders.html"),
    clinician("no-contact", "Nobody can be reached: no phone and no e-mail in the chart.", "ehr/orders.html"),
    clinician("one-kind-unread", "The EHR did not let us read one kind of order; the others are listed.", "ehr/orders.html"),
    clinician("taken-back", "Undo: the link does not work any more.", "ehr/sent.html"),
    clinician("order-changed", "An order was changed in the chart between the list and Send.", "ehr/order_changed.html"),
    clinician("question", "A pharmacist asks about an order; the answer goes back to the pharmacy.", "ehr/question.html"),
    clinician("other-patient", "A form of one patient came to the launch of another: both are named.", "ehr/other_patient.html"),
    clinician("chart-unreadable", "The EHR is down.", "ehr/chart_unreadable.html"),
    clinician("chart-forbidden", "The EHR does not let this clinician read the chart.", "ehr/chart_forbidden.html"),
    clinician("wrong-patient", "The EHR answered with a record of another patient: stopped.", "ehr/wrong_patient.html"),
    clinician("session-over", "The launch is over.", "errors/session_over.html"),
    clinician("session-over-stale", "A button pressed in a tab whose launch is over: both are named.", "errors/session_over.html"),
    clinician("unknown-issuer", "A launch from an EHR that is not registered.", "errors/launch_refused.html"),
    clinician("cookies-blocked", "The browser keeps no cookie in the frame.", "errors/launch_refused.html"),
    clinician("launch-continue", "A long authorization request goes on by a form.", "ehr/launch_continue.html"),
    clinician("launch-left", "Signed out: the launch is over and the EHR was told.", "ehr/launch_left.html"),
    clinician("outside", "Somebody opened the app's address without a chart.", "ehr/outside.html"),
    clinician("not-found", "An address that does not exist.", "errors/404.html"),
)  # fmt: skip
PATIENT = (
    Picture("phone-message", "The text message: no name, no item, no clinic specialty."),
    patient("who", "The first page: who are you?", "state.html:who"),
    patient("who-wrong", "A birth date that does not match.", "state.html:who"),
    patient("code", "The one-time code is on its way.", "code.html"),
    patient("code-wrong", "A code that is not the right one.", "code.html"),
    patient("code-again", "A new code was sent.", "code.html"),
    patient("check", "The order, who ordered it, and how to pay.", "check.html"),
    patient("check-missing", "Continue without a choice.", "check.html"),
    patient("price", "Full price, what the plan pays, what you pay, and the consent for each recipient.", "price.html"),
    patient("price-missing", "Continue without the consent.", "price.html"),
    patient("price-not-covered", "The plan does not pay for this.", "price.html"),
    patient("price-unknown", "It is not known what the plan pays.", "price.html"),
    patient("price-unreachable", "The plan did not answer.", "price.html"),
    patient("where", "Where should it go?", "where.html"),
    patient("where-missing", "Another address that lacks a line.", "where.html"),
    patient("pay", "The sum, the address, one button.", "pay.html"),
    patient("pay-refused", "The card was refused; no money moved.", "pay.html"),
    patient("pay-open", "The payment page was left.", "pay.html"),
    patient("pay-later", "No payment can be taken right now.", "pay.html"),
    patient("price-changed", "The price changed before the payment.", "price_changed.html"),
    Picture("payment-page", "The sandbox's hosted payment page: it learns the sum and nothing of the order."),
    patient("checking", "Back from the payment page while the answer is still awaited.", "checking.html"),
    patient("follow-paid", "Paid, and what is next.", "follow.html"),
    patient("follow-shipped", "On its way, with the tracking number.", "follow.html"),
    patient("follow-delivered", "Delivered.", "follow.html"),
    patient("follow-refused", "The supplier cannot fill the order: nothing was charged.", "follow.html"),
    patient("follow-canceled", "Canceled by the patient.", "follow.html"),
    patient("cancel", "One question before the order is canceled.", "cancel.html"),
    patient("cancel-late", "Too late to cancel: whom to call.", "cancel.html"),
    patient("receipt", "The receipt.", "receipt.html"),
    patient("receipt-plain", "The receipt without the names of the items.", "receipt.html"),
    patient("shared", "What was shared with whom, each with the button that takes the yes back.", "shared.html"),
    patient("shared-taken-back", "One yes was taken back.", "shared.html"),
    patient("link-unknown", "A link that nobody made.", "state.html:unknown"),
    patient("link-expired", "A link that is too old.", "state.html:expired"),
    patient("link-replaced", "A newer link exists.", "state.html:replaced"),
    patient("link-revoked", "The clinic stopped the link.", "state.html:revoked"),
    patient("link-locked", "Five wrong answers close the link.", "state.html:locked"),
    patient("link-completed", "The link was used for an order: it leads there after the same question.", "state.html:who"),
    patient("link-tomorrow", "Too many wrong answers after the order: closed for today.", "state.html:tomorrow"),
    patient("link-codes", "Too many codes were asked for.", "state.html:codes"),
    patient("link-no-supplier", "Nobody can fill the order now.", "state.html:no_supplier"),
    patient("data", "Your own data: what one can do with it, and which law says so.", "data.html"),
    patient("data-prove", "Your data asks once more who is there.", "data_prove.html"),
    patient("data-read", "Everything that is kept, in words.", "data_read.html"),
    patient("data-erase", "One question before everything is deleted.", "data_erase.html"),
    patient("data-erased", "Deleted, or what has to end first.", "data_erase.html"),
    patient("said-no", "The patient said no.", "state.html:no"),
    patient("over", "Away for too long: the page was closed.", "state.html:over"),
    Picture("error-patient-form", "A form that did not come from our own page (403).", "errors/csrf.html", spanish=True),
    Picture("error-patient-not-found", "A patient's address that does not exist (404).", "errors/404.html", spanish=True),
    Picture("error-patient-method", "A form sent to an address that takes none (405).", "errors/405.html", spanish=True),
    Picture("error-patient-unreadable", "A request that cannot be read (400): both languages at once.", "errors/400.html"),
    Picture("error-patient-ours", "A fault of ours (500): both languages at once.", "errors/500.html"),
    Picture("error-patient-away", "The database is away for a moment (503): both languages at once.", "errors/503.html"),
)  # fmt: skip
ADMIN = (
    Picture("admin-index", "What is stuck, first."),
    Picture("admin-order", "One order on one page, with its timeline."),
    Picture("admin-order-cancel", "Canceling asks first and says what it does."),
    Picture("admin-orders-order", "All orders."),
    Picture("admin-outbox-effect", "Effects that wait for a person."),
    Picture("admin-catalog-unmappedcode", "Codes that no product has yet."),
    Picture("admin-catalog-product", "The catalog."),
    Picture("admin-ehr-ehrconnection-one", "One EHR connection."),
    Picture("admin-audit-auditevent", "The audit log."),
    Picture("admin-accounts-user", "Users and their roles."),
    Picture("admin-offers-offer", "Offers: what was sent to whom."),
    Picture("admin-forbidden", "A page that this role may not see (403).", "errors/403.html"),
)
SECTIONS: tuple[tuple[str, tuple[Picture, ...]], ...] = (
    ("The sandbox EHR, 1024x600", EHR),
    ("Clinician, 1024x600, framed by the EHR", CLINICIAN),
    ("Patient, 390x844", PATIENT),
    ("Administrator, 1280x720", ADMIN),
)
# Pages of ours without a picture, each with the reason.
WITHOUT: dict[str, str] = {
    "checkout/layout.html": "the frame of the patient's pages, seen on each",
    "checkout/state.html:updated": "new: its picture is taken with the next whole run of the gallery",
    "checkout/state.html:unproven": "only an address that is typed before the code was entered leads here",
    "checkout/state.html:contact": "offers hold a contact or a printed link: no walk through the pages leads here",
    "checkout/state.html:no_address": "only a printed link whose chart lost its address meanwhile; no walk leads here",
    "checkout/state.html:sold_out": "only where somebody else buys the last one while the pay page is open",
    "ehr/order_stands.html": "only where the patient orders between the reading and the writing of one press of Send",
    "ehr/revoke_refused.html": "only where the patient orders after the list of links was shown; no walk reaches it yet",
    "ehr/base.html": "the frame of the clinician's pages, seen on each",
}
