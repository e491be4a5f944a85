"""Each personal column belongs to a class of the table and has a job that erases it, or is a secret of a partner."""

from django.apps import apps
from django.db import models

from ehrcommerce.disclosure import retention
from ehrcommerce.policy import derive
from ehrcommerce.vault.fields import SealedField

# Sealed, and about nobody: they go with their row, or by hand.
SECRETS = {
    "ehr.EhrConnection.client_secret", "ehr.SigningKey.private_jwk", "suppliers.Supplier.api_key",
    "accounts.ProposedChange.payload", "suppliers.Supplier.callback_secret", "suppliers.Supplier.previous_callback_secret",
    "suppliers.Supplier.client_pem", "ehr.Subscription.secret", "ehr.Subscription.previous_secret",
}  # fmt: skip
# Erased by the act that ends them, within minutes: the outbox blanks bytes, the clock deletes attempts. And the number of
# a parcel in a partner's answer, by the clock, once no parcel is that long on its way (suppliers.callbacks.forget).
BY_THEIR_OWN_END = {
    "suppliers.FileAck.tracking_number",
    "outbox.Effect.body", "ehr.LaunchAttempt.code_verifier", "ehr.LaunchAttempt.nonce", "ehr.LaunchAttempt.launch",
}  # fmt: skip
# Personal though they are not sealed.
ALSO = ("masked", "customer_key", "trust_phrase", "order_key", "birth_digest", "family_digest", "postal_digest",
        "value_digest", "tracking_digest")  # fmt: skip
# Rows about a request or a hold: they are the proof that it was kept, and go with the organization.
PROOF = {"disclosure.LegalHold.customer_key", "disclosure.ErasureRequest.customer_key"}


def personal() -> set[str]:
    found = set()
    for model in apps.get_models():
        if not model.__module__.startswith("ehrcommerce."):
            continue
        for field in model._meta.concrete_fields:
            if isinstance(field, SealedField) or (field.name in ALSO and not isinstance(field, models.ForeignKey)):
                found.add(f"{model._meta.label}.{field.name}")
    return found


def test_each_personal_column_has_a_class_and_a_job() -> None:
    jobs = {column for rule in retention.RULES.values() for column in rule.keeps}
    assert personal() - jobs - SECRETS - BY_THEIR_OWN_END - PROOF == set()


def test_what_the_jobs_name_is_there() -> None:
    known = {
        f"{model._meta.label}.{field.name}" for model in apps.get_models() for field in model._meta.concrete_fields
    }
    named = {column for rule in retention.RULES.values() for column in rule.keeps}
    assert (named | SECRETS | BY_THEIR_OWN_END | PROOF) - known == set()


def test_each_class_of_a_job_is_one_of_the_table() -> None:
    classes = {one.keeping for one in derive.retention().values()}
    assert {kept for rule in retention.RULES.values() for kept in rule.keeps.values()} <= classes


def test_each_class_that_is_kept_sealed_or_digested_has_a_job() -> None:
    """The class of effects is the outbox's own: bytes are blanked when an effect ends."""
    wanted = {name for name, one in derive.retention().items() if one.keeping.form in ("encrypted", "keyed digest")}
    has = {kept.name for rule in retention.RULES.values() for kept in rule.keeps.values()}
    assert wanted - has == {"effect"}
