"""Who of the staff may see which kind of value: one table of roles and field classes, and for each column of the back
office the class that it belongs to. Data only. backoffice.py obeys it on every page, reveal.py for one value at a time;
tests/admin/test_field_classes.py reads it cell by cell.

A column that stands in no list here is shown to nobody: who adds one decides who sees it."""

from collections.abc import Iterable
from enum import StrEnum

from ehrcommerce.accounts.models import Role


class FieldClass(StrEnum):
    """What kind of value a column holds."""

    STATE = "state"  # where things stand: states, times, opaque ids, numbers that are said on the phone
    ITEM = "item"  # what a person bought: SKU, kind, quantity
    CLINICAL = "clinical"  # what the chart said of it: directions, dose
    CONTACT = "contact"  # where a person is reached; masked
    ADDRESS = "address"  # where a parcel goes
    COVERAGE = "coverage"  # what a plan pays, and whether there is one
    IDENTITY = "identity"  # how a person proved who they are: tries, level
    BIRTH_DATE = "birth date"  # also as a digest
    MONEY = "money"  # amounts, payments, ledger
    AUDIT = "audit"  # who did what
    CREDENTIALS = "credentials"  # keys, tokens, passwords
    STAFF = "staff"  # who works here
    PARTNER = "partner"  # EHR connections, suppliers, agreements
    PRODUCT = "product"  # the catalog: about nobody
    CLINIC = "clinic"  # the organization's own settings


SEE, REVEAL, NOTHING = "see", "reveal", "-"
ROLES = (
    Role.SUPPORT, Role.OPERATIONS, Role.FULFILLMENT, Role.CATALOG, Role.PRIVACY, Role.INTEGRATION, Role.ADMINISTRATOR,
)  # fmt: skip

# see: on the page. reveal: masked, and one value at a time after a fresh code and a reason. -: not at all.
_TABLE = """
class        support operations fulfillment catalog privacy integration administrator
state        see     see        see         see     see     see         see
item         -       -          see         -       -       -           see
clinical     -       -          -           -       -       -           -
contact      see     reveal     -           -       -       -           reveal
address      -       -          reveal      -       -       -           reveal
coverage     -       see        -           -       -       -           see
identity     see     see        -           -       see     -           see
birth_date   -       -          -           -       -       -           -
money        -       see        -           -       -       -           see
audit        -       -          -           -       see     -           see
credentials  -       -          -           -       -       -           -
staff        -       -          -           -       see     -           see
partner      see     see        see         see     see     see         see
product      see     see        see         see     see     see         see
clinic       see     see        see         see     see     see         see
"""


def _read(table: str) -> dict[FieldClass, dict[str, str]]:
    head, *lines = [line.split() for line in table.strip().splitlines()]
    return {FieldClass(name.replace("_", " ")): dict(zip(head[1:], cells, strict=True)) for name, *cells in lines}


MATRIX = _read(_TABLE)

# Model -> class -> columns (of the table, or computed by the page). `*`: every column that no other line names; only
# where no row of the model is about a patient.
_C = FieldClass
COLUMNS: dict[str, dict[FieldClass, str]] = {
    "accounts.organization": {_C.CLINIC: "*"},
    "accounts.user": {_C.STAFF: "*", _C.CREDENTIALS: "password"},
    "accounts.agreement": {_C.PARTNER: "*"},
    "accounts.proposedchange": {_C.PARTNER: "*", _C.CREDENTIALS: "payload before_digest"},
    "accounts.breakglass": {_C.AUDIT: "* note"},
    "audit.auditevent": {_C.AUDIT: "*"},
    "disclosure.legalhold": {
        _C.AUDIT: "public_id known_as person why placed placed_by placed_at until stands released released_by released_at",
    },
    "disclosure.purgecertificate": {_C.AUDIT: "*"},
    "disclosure.consent": {
        _C.AUDIT: "public_id known_as person recipient_name given_at withdrawn_at attested attested_on attested_by text"
                  " said_words", _C.IDENTITY: "identity_level", _C.CREDENTIALS: "customer_key payload_digest subject",
    },
    "outbox.effect": {
        _C.STATE: "what state code subject tries next_run_at changed_at what_to_do generation reference created_at"
                  " deadline_at kind recipient owner owner_name ask_first whom_to_call", _C.CLINICAL: "body",
    },
    "outbox.note": {_C.STATE: "at state code actor"},
    "suppliers.supplier": {_C.PARTNER: "*", _C.CREDENTIALS: "api_key callback_secret previous_callback_secret client_pem"},
    "suppliers.filein": {_C.STATE: "*"},
    "catalog.product": {_C.PRODUCT: "*"},
    "catalog.productcode": {_C.PRODUCT: "*"},
    "catalog.unmappedcode": {_C.PRODUCT: "*"},
    "catalog.usualrange": {_C.PRODUCT: "*"},
    "catalog.taxrule": {_C.PRODUCT: "*"},
    "catalog.shippingrule": {_C.PRODUCT: "*"},
    "offers.offer": {
        _C.STATE: "public_id made_by created_at needs_helper", _C.BIRTH_DATE: "birth_digest", _C.CONTACT: "language",
        _C.IDENTITY: "trust_phrase", _C.CREDENTIALS: "family_digest postal_digest customer_key",
    },
    "offers.offerline": {
        _C.ITEM: "product kind quantity", _C.STATE: "released_by released_at confirmed_by confirmed_at", _C.MONEY: "price",
        _C.CLINICAL: "packet digest routing_proof",
    },
    "offers.contact": {_C.CONTACT: "channel masked carries_link value look"},
    "offers.purchaselink": {
        _C.STATE: "public_id offer state sent_at delivered_at opened_at verified_at expires_at ended_at end_reason"
                  " messenger delivery reminder_1 reminder_2 asked_again_at",
        _C.IDENTITY: "tries_left wrong_at wrong_that_day", _C.CREDENTIALS: "token_sha256",
    },
    "orders.order": {
        _C.STATE: "number state money placed_at changed_at offer", _C.CONTACT: "language",
        _C.COVERAGE: "uses_plan plan_pays plan_cents",
        _C.MONEY: "full_price patient_pays full_cents patient_cents currency shipping_cents tax_cents"
                  " given_back_cents",
        _C.ADDRESS: "ship_to ships_to",
    },
    "orders.orderline": {
        _C.ITEM: "sku quantity", _C.STATE: "accepted reserved",
        _C.MONEY: "full patient_pays tax full_cents patient_cents tax_cents",
        _C.COVERAGE: "plan_pays plan_cents",
    },
    "orders.orderfee": {_C.ITEM: "kind", _C.MONEY: "fee tax cents tax_cents waived kept"},
    "orders.payment": {_C.MONEY: "state amount captured refunded processor_reference changed_at"},
    "orders.reconciliation": {_C.MONEY: "day supplier listed agreed to_compare strays crooked at public_id"},
    "orders.ledgerentry": {_C.MONEY: "at cause account amount"},
    "fulfillment.fulfillment": {_C.STATE: "supplier state reason replace_reason supplier_reference checked_at", _C.ITEM: "kind"},
    "fulfillment.pharmacistquestion": {
        _C.STATE: "public_id fulfillment asked_at answered_at answered_by closed_at",
        _C.CLINICAL: "asked words answer answer_words",
    },
    "ehr.ehrconnection": {_C.PARTNER: "*", _C.CREDENTIALS: "client_secret"},
    "ehr.ehrissuer": {_C.PARTNER: "*"},
    "ehr.hookclient": {_C.PARTNER: "*"},
    "ehr.hl7feed": {_C.PARTNER: "*"},
    "ehr.subscription": {_C.PARTNER: "*", _C.CREDENTIALS: "secret previous_secret hook_id"},
    "ehr.notification": {
        _C.STATE: "received_at connection subscription resource_type state number event_at done_at",
        _C.CREDENTIALS: "dedupe_sha256", _C.CLINICAL: "resource_id focus version version_at",
    },
    "ehr.pollingwatermark": {_C.PARTNER: "*"},
    "ehr.automationrule": {_C.CLINIC: "*"},
    "ehr.automaticact": {
        _C.STATE: "public_id made_at due_at ended_at rule action state did code reason clinician to_offer offer ended"
                  " ended_by connection", _C.CREDENTIALS: "customer_key order_key", _C.CLINICAL: "version digest",
    },
    "ehr.ehrsession": {
        _C.STATE: "public_id user connection scope started_at seen_at ends_at ended_at",
        _C.CREDENTIALS: "access_token refresh_token launch_key", _C.CLINICAL: "patient",
    },
}  # fmt: skip


def class_of(model: str, column: str) -> FieldClass | None:
    """The class of a column of `app.model`; None: nobody decided, nobody sees it."""
    rest = None
    for found, names in COLUMNS.get(model, {}).items():
        listed = names.split()
        if column in listed:
            return found
        rest = found if "*" in listed else rest
    return rest


def may(role: str, wanted: FieldClass | None) -> str:
    """see, reveal or -. An unknown role and an unknown class get nothing."""
    return NOTHING if wanted is None else MATRIX[wanted].get(role, NOTHING)


def somebody_sees(wanted: FieldClass | None) -> bool:
    """Whether the class is for anybody at all: what is for nobody stays so in an emergency too."""
    return wanted is not None and any(cell != NOTHING for cell in MATRIX[wanted].values())


def sees(role: str, model: str, column: str) -> bool:
    """Whether this column stands on a page of this role. A plain value that has a mask stands on nobody's."""
    wanted = class_of(model, column)
    return may(role, wanted) != NOTHING and column not in UNMASKED.get(model, ())


def hidden(role: str, model: str, columns: Iterable[str]) -> list[str]:
    """Those of `columns` that this role does not see."""
    return [column for column in columns if not sees(role, model, column)]


# The plain values: on no page of anybody, revealed one by one where the class says `reveal` (reveal.py).
UNMASKED: dict[str, tuple[str, ...]] = {"offers.contact": ("value",), "orders.order": ("ship_to",)}

# The same question as the policy asks of packets (`sees` in policy/table.py, derive.viewers): which class a packet's field
# is here, so that the two cannot drift apart (tests/admin/test_field_classes.py). `.*`: all other fields of the packet.
# None: it has no column of the back office.
PACKETS: dict[str, FieldClass | None] = {
    "AuditEvent.*": _C.AUDIT,
    "CoverageFacts.payer_id": _C.COVERAGE, "CoverageFacts.payer_name": _C.COVERAGE, "CoverageFacts.*": None,
    "DispatchFacts.birth_date": _C.BIRTH_DATE, "DispatchFacts.name": None,
    "EligibilityLine.*": _C.COVERAGE, "EligibilityRequest.*": _C.COVERAGE,
    "EventHint.*": None, "Fulfiller.answer": None,
    "Message.channel": _C.STATE, "Message.reference": _C.STATE, "Message.sender": _C.STATE, "Message.*": None,
    "OfferLine.routing_proof": _C.CLINICAL, "OrderState.*": None,
    "OrderedItem.*": _C.CLINICAL,
    "PatientBanner.birth_date": _C.BIRTH_DATE, "PatientBanner.*": None,
    "PaymentRequest.*": _C.MONEY, "Payments.capture": _C.MONEY,
    "RecipientFacts.birth_digest": _C.BIRTH_DATE, "RecipientFacts.contacts": _C.CONTACT,
    "RecipientFacts.language": _C.CONTACT, "RecipientFacts.*": _C.CREDENTIALS,
    "ShipTo.*": _C.ADDRESS, "Shipment.tracking_number": _C.STATE, "StatusReport.*": _C.STATE,
    "SupplyLine.*": _C.ITEM, "SupplyRequest.reference": _C.STATE, "UserFacts.*": _C.STAFF,
}  # fmt: skip

# Where the two tables differ, and why that is right: the packet's field -> (page that shows it, reason). The page is open
# to exactly the staff whom the policy names.
DIFFERENCES = {
    "OrderedItem.codings": ("catalog.unmappedcode", "a code that has no product yet, in the list of such codes: of nobody"),
    "OrderedItem.name": ("catalog.unmappedcode", "the code's own name, beside it in that list: of nobody"),
}


def class_of_packet(name: str) -> FieldClass | None:
    """The class of `Packet.field`. Raises KeyError where nobody decided."""
    return PACKETS[name] if name in PACKETS else PACKETS[f"{name.partition('.')[0]}.*"]
