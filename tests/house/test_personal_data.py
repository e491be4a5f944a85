"""Every field of every table is sealed, a digest, or plain for a reason that stands here. Who adds a field decides."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models

from ehrcommerce.vault.fields import SealedField

# What these classes can hold tells nothing about a person: keys, yes and no, moments, counts.
HARMLESS = (
    models.AutoField, models.ForeignKey, models.BooleanField, models.UUIDField, models.DateTimeField,
    models.PositiveSmallIntegerField, models.PositiveIntegerField, models.PositiveBigIntegerField,
    models.BigIntegerField, models.IntegerField,
)  # fmt: skip
CODE, OPAQUE = "a word of a fixed list", "an opaque id"
OURS, PUBLIC, STAFF, PARTNER = "about the clinic", "about a product", "about staff", "about a partner"

# `*`: in every table. A name that ends in _digest, _sha256 or _ref holds a keyed hash and is bytes.
PLAIN = {
    "*": {
        "state": CODE, "kind": CODE, "code": CODE, "reason": CODE, "outcome": CODE, "purpose": CODE, "language": CODE,
        "currency": CODE, "action": CODE, "stage": CODE, "money": CODE, "port": CODE, "role": CODE, "channel": CODE,
        "elements": "names of FHIR elements, never values",
        "recipient": "a party of an agreement, by kind and opaque id",
        "actor": "kind and opaque id of who acted", "subject": OPAQUE, "customer_key": OPAQUE, "launch_key": OPAQUE,
        "recipient_name": PARTNER,
    },
    "vault.DataKey": {"wrapped": "a sealed key"},
    "audit.AuditEvent": {"entity": OPAQUE, "cause": OPAQUE, "seal": "a keyed hash over the chain"},
    "audit.AuditCheck": dict.fromkeys(("known_seal", "walked_seal"), "a keyed hash over the chain"),
    "outbox.Effect": {
        "queue": CODE, "reference": "what a partner calls our order by", "recipient": PARTNER, "owner": OPAQUE,
    },
    "outbox.Heartbeat": {"name": CODE, "skew_s": "seconds between two clocks"},
    "accounts.Organization": {
        "name": OURS, "alias": OURS, "phone": OURS, "time_zone": OURS, "held_words": OURS, "return_refunds": CODE, "approval": CODE,
        "minor_private": OURS, "language_help": OURS,
        **dict.fromkeys([f"{name}_{tongue}" for name in ("terms", "privacy", "accessibility") for tongue in ("en", "es")], OURS),
    },
    "accounts.User": {
        "password": "a salted hash", "username": STAFF, "first_name": "stays empty", "last_name": "stays empty",
        "email": "stays empty", "issuer": STAFF, "display_name": STAFF, "npi": STAFF,
    },
    "accounts.Agreement": {
        "party": PARTNER, "party_name": PARTNER, "document": PARTNER, "effective": PARTNER, "expires": PARTNER,
        "signed_off_by": STAFF, "party_role": CODE, "services": CODE, "document_sha256": PARTNER,
        "breach_contact": PARTNER, "subprocessors": PARTNER,
    },
    "accounts.BackupCodes": {"name": "the same for everybody", "digests": "keyed hashes of codes that staff have on paper"},
    "accounts.Reveal": {"entity": OPAQUE, "element": "the name of an element, never its value"},
    "accounts.BreakGlass": {"verdict": CODE},
    "accounts.ProposedChange": {"entity": OPAQUE, "diff": PARTNER},
    "audit.AuditGap": {"upto": CODE, "seal": "a keyed hash over the chain"},
    "audit.AuditRoot": {"day": CODE, "seal": "a keyed hash over the chain", "root": "a hash over seals"},
    "ehr.HookClient": {"hooks": CODE, "issuer": PARTNER, "jku": PARTNER, "algs": PARTNER, "tenant": PARTNER},
    "ehr.AppContext": {"hook": CODE},
    "suppliers.Supplier": dict.fromkeys(
        ("adapter", "name", "base_url", "ca_file", "client_certificate", "licensed_states", "phone", "ca_pem",
         "callback_certificates", "host_key", "account", "sender", "page_origin", "options", "owner", "escalation",
         "runbook_url"), PARTNER
    ),
    "suppliers.FileOut": {"skus": PUBLIC},
    "suppliers.FileIn": {"name": "a file's name, given by a partner", "problem": "our words, with line numbers"},
    "suppliers.FileAck": {
        "sku": PUBLIC, "status": CODE, "carrier": PARTNER,
    },
    "suppliers.CallbackSeen": {"event_id": OPAQUE},
    "disclosure.Disclosure": {"acting": CODE},
    "disclosure.ConsentText": {"text": "the words that everybody reads"},
    "disclosure.LegalHold": {
        "why": "a case or a law", "until": "a day of the law", "placed_by": OPAQUE, "released_by": OPAQUE,
    },
    "disclosure.PurgeCertificate": {"rule": CODE, "kept": CODE},
    "disclosure.ErasureRequest": {"asked_by": OPAQUE, "waits_for": CODE},
    "catalog.Product": dict.fromkeys(
        ("sku", "name_en", "name_es", "quantity_basis", "service_type", "controlled_schedule", "tax_class"), PUBLIC
    ),
    "catalog.TaxRule": dict.fromkeys(("tax_class", "starts_on", "ends_on"), PUBLIC),
    "catalog.ShippingRule": dict.fromkeys(("starts_on", "ends_on"), PUBLIC),
    "catalog.ProductCode": {"system": PUBLIC, "display": PUBLIC, "confidence": CODE, "approved_by": OPAQUE},
    "catalog.UsualRange": dict.fromkeys(("measure", "unit", "low", "high"), PUBLIC),
    "catalog.UnmappedCode": {"system": PUBLIC, "reason": CODE},
    "offers.Offer": {"trust_phrase": "two words drawn by lot", "provider_npi": STAFF},
    "offers.OfferLine": {
        "order_key": OPAQUE, "version": "a number of the chart", "routing_proof": CODE,
        "sku": PUBLIC, "name_en": PUBLIC, "name_es": PUBLIC,
    },
    "offers.Contact": {"masked": "shows the clinician which contact it was, and no more"},
    "offers.Helper": {"relation": CODE, "masked": "shows the patient which contact it was, and no more"},
    "offers.PurchaseLink": {"end_reason": CODE, "delivery": CODE},
    "orders.Order": {"number": "drawn by lot, to be said on the phone", "quote_version": "a hash of prices"},
    "orders.Fill": {"order_key": OPAQUE},
    "orders.Payment": {"processor_reference": OPAQUE, "page_url": "the processor's page, which ends with the payment"},
    "orders.Reconciliation": {"day": "the day that was compared"},
    "orders.LedgerEntry": {"cause": CODE, "account": CODE},
    "orders.OrderEvent": {"detail": CODE},
    "fulfillment.Fulfillment": {
        "supplier_reference": OPAQUE, "checked_versions": "opaque keys and version numbers", "replace_reason": CODE,
    },
    "fulfillment.PharmacistQuestion": {"asked": CODE, "answer": CODE},
    "fulfillment.FulfillmentLine": {"expected_on": "the day that a supplier names for a product"},
    "fulfillment.Shipment": {"carrier": PARTNER, "skus": PUBLIC},
    "ehr.EhrConnection": dict.fromkeys(
        ("slug", "name", "vendor", "fhir_base", "canonical_iss", "client_id", "client_auth", "assertion_alg",
         "oidc_issuer", "jwks_uri", "id_token_algs", "nonce_policy", "scope_dialect", "extra_origins", "frame_origins",
         "owner", "runbook_url",
         "owner_contact", "basic_encoding", "client_id_in_body", "aud_override", "assertion_aud", "more_issuers",
         "jwks_source", "launch_scopes", "fhir_user_policy", "search_parameters", "medication_order",
         "client_certificate", "tenant", "pinned_endpoints", "alert", "standing_alerts", "capability_snapshot", "check_findings"),
        PARTNER,
    ),
    "ehr.EhrIssuer": {"spelling": PARTNER, "canonical_iss": PARTNER},
    "ehr.LaunchAttempt": {"scope": CODE},
    "ehr.EhrSession": {"scope": CODE, "style_url": PARTNER, "intent": CODE, "tenant": PARTNER},
    "ehr.SigningKey": {"alg": CODE, "kid": OPAQUE},
    "ehr.ChartReference": {"key": OPAQUE, "resource_type": CODE, "version": "a number of the chart",
                           "named_version": "a number of the chart"},
    "ehr.Hl7Feed": {
        **dict.fromkeys(("name", "senders", "certificates", "networks", "folder", "order_id_at"), PARTNER),
        **dict.fromkeys(("patient_authority", "charset"), PARTNER),
        "processing_ids": CODE, "refused_kinds": "kinds of messages and how many",
    },
    "ehr.Subscription": {
        **dict.fromkeys(("scheme", "reference", "topic", "resource_types", "header_name", "news_hours",
                          "client_certificates"), PARTNER),
        **dict.fromkeys(("last_number", "gap_from", "gap_to"), "the EHR's count of its events"),
    },
    "ehr.Notification": {
        "resource_type": CODE, "focus": OPAQUE, "number": "the EHR's count of its events",
        "version": "a number of the chart",
    },
    "ehr.Hearing": {"kind": CODE, "numbers": "the EHR's count of its events"},
    "ehr.WaitingOrder": {"resource_type": CODE, "focus": OPAQUE, "revision": "a digest of the catalog"},
    "ehr.PollingWatermark": {"resource_type": CODE},
    "ehr.AutomationRule": {"name": OURS, "skus": PUBLIC, "npis": STAFF, "routing_proof": CODE},
    "ehr.AutomaticAct": {"order_key": OPAQUE, "version": "a number of the chart", "did": CODE, "ended_by": OPAQUE},
    "disclosure.Consent": {
        "acting": CODE, "attested_by": OPAQUE, "attested_on": "the day on which the clinic says it was given"},
}  # fmt: skip
# Of these the plain value is in nobody's database, whatever the class of the field.
ALWAYS_SEALED = (
    "phone_number", "birth_date", "family", "given", "address", "member_id", "ship_to", "eligibility", "quote",
    "packet", "patient", "patient_id", "resource_id", "tracking_number", "access_token", "refresh_token",
    "code_verifier", "private_jwk", "api_key", "callback_secret", "client_secret", "body",
)  # fmt: skip


def fields() -> Iterator[tuple[str, "models.Field[Any, Any]"]]:
    for model in apps.get_models():
        if model.__module__.startswith("ehrcommerce."):
            for field in model._meta.concrete_fields:
                yield model._meta.label, field


def is_hash(field: "models.Field[Any, Any]") -> bool:
    return isinstance(field, models.BinaryField) and field.name.endswith(("digest", "sha256", "_ref"))


def test_each_field_is_sealed_a_digest_or_plain_for_a_reason() -> None:
    unsaid = {
        f"{label}.{field.name}"
        for label, field in fields()
        if not isinstance(field, (SealedField, *HARMLESS)) and not is_hash(field)
        and field.name not in PLAIN["*"] and field.name not in PLAIN.get(label, {})
    }  # fmt: skip
    assert unsaid == set()


def test_the_list_names_only_what_there_is() -> None:
    known = {(label, field.name) for label, field in fields()}
    listed = {(label, name) for label, names in PLAIN.items() if label != "*" for name in names}
    assert listed - known == set()
    assert set(PLAIN["*"]) <= {name for _, name in known}


def test_what_identifies_a_person_or_opens_a_door_is_sealed() -> None:
    found = [(f"{label}.{field.name}", field) for label, field in fields() if field.name in ALWAYS_SEALED]
    assert len(found) > 15
    assert [name for name, field in found if not isinstance(field, (SealedField, models.ForeignKey))] == []
