"""A person is erased at once and found nowhere, or told what has to wait; what proves and counts still verifies."""

import json
import logging
from collections.abc import Iterable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.models import Role, User
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.checkout import export, rights
from ehrcommerce.commerce.offers.models import Contact, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders import ledger
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure import holds
from ehrcommerce.disclosure.bundle import bundle
from ehrcommerce.disclosure.models import Consent, Disclosure, ErasureRequest, LegalHold
from ehrcommerce.outbox import chores
from ehrcommerce.outbox.outcomes import Done, Outcome
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.suppliers.models import Port
from ehrcommerce.vault import walls
from ehrcommerce.vault.fields import SealedField
from ehrcommerce.vault.keys import VaultError
from tests import factories
from tests.commerce.fixtures import commits, shop, transactional_db
from tests.commerce.shop import CY, Shop

__all__ = ["commits", "shop", "transactional_db"]
# What is personal of Cy in tests.commerce.shop; the medicine's name is a value of the packet alone.
CANARIES = ("3605550101", "Cy Rivera", "12 Alder St", "Olympia", "metformin", "Take 1 tablet by mouth", "1Z-CANARY-9")


def over(shop: Shop, *kinds: str) -> Order:
    """An order that was shipped, tracked, delivered and is complete."""
    order = shop.accepted(*kinds)
    for part in shop.fulfillments(order):
        shop.hears(part, "shipped", carrier="UPS", tracking_number="1Z-CANARY-9")
        shop.hears(part, "delivered")
    shop.run()
    Order.objects.filter(pk=order.pk).update(state="completed")
    return shop.fresh(order)


def erase(shop: Shop, order: Order) -> ErasureRequest:
    return rights.ask_to_erase(
        organization_id=shop.clinic.pk, customer_key=order.offer.customer_key, reason="patient", by=CY,
        at=timezone.now(),
    )  # fmt: skip


def everything_stored(shop: Shop) -> str:
    """Each row of this clinic as text, raw, and each sealed value opened."""
    found = []
    for model in apps.get_models():
        if not model.__module__.startswith("ehrcommerce.") or not hasattr(model, "organization_id"):
            continue
        sealed = [field.attname for field in model._meta.concrete_fields if isinstance(field, SealedField)]
        for row in model._base_manager.filter(organization_id=shop.clinic.pk):
            found.append(" ".join(f"{name}={value!r}" for name, value in row.__dict__.items()))
            for name in sealed:
                try:
                    found.append(repr(getattr(row, name)))
                except VaultError as problem:
                    found.append(type(problem).__name__)
    return "\n".join(found)


def hits(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text]


def test_an_erased_person_is_found_nowhere_and_the_books_still_balance(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    order = over(shop, PRESCRIPTION, DEVICE)
    assert hits(everything_stored(shop)) == [*CANARIES]  # the search can find
    audit.seal(organization_id=shop.clinic.pk)
    balances = [ledger.balance(order, account) for account in ("held", "processor", "patient")]
    digests = list(OfferLine.objects.filter(offer=order.offer).order_by("pk").values_list("digest", flat=True))
    receipts = Disclosure.objects.filter(organization_id=shop.clinic.pk).count()
    caplog.clear()
    request = erase(shop, order)
    assert request.done_at is not None
    assert hits(everything_stored(shop)) == []
    assert hits(caplog.text) == []
    store: Any = redis.Redis.from_url(settings.REDIS_URL)
    assert hits("".join(map(repr, values(store)))) == []
    audit.seal(organization_id=shop.clinic.pk)
    assert audit.breaks(organization_id=shop.clinic.pk) == ()
    assert [ledger.balance(order, account) for account in ("held", "processor", "patient")] == balances
    assert list(OfferLine.objects.filter(offer=order.offer).order_by("pk").values_list("digest", flat=True)) == digests
    assert Disclosure.objects.filter(organization_id=shop.clinic.pk).count() == receipts > 0
    assert Consent.objects.filter(organization_id=shop.clinic.pk).exists()


def values(store: Any) -> Iterable[Any]:
    for key in store.scan_iter():
        kind = store.type(key)
        yield key
        yield {
            b"string": store.get, b"hash": store.hgetall, b"set": store.smembers,
            b"list": lambda name: store.lrange(name, 0, -1), b"zset": lambda name: store.zrange(name, 0, -1),
        }[kind](key)  # fmt: skip


def test_a_backup_of_the_ciphertext_is_erased_with_the_key(shop: Shop) -> None:
    """Every sealed value is put back as it was; nothing opens."""
    order = over(shop, DEVICE)
    kept = {}
    with connection.cursor() as cursor:
        for table, column in (
            ("offers_offerline", "packet"), ("offers_contact", "value"), ("orders_order", "ship_to"),
            ("fulfillment_shipment", "tracking_number"),
        ):  # fmt: skip
            cursor.execute(f"SELECT id, {column} FROM {table} WHERE organization_id = %s", [shop.clinic.pk])
            kept[table, column] = cursor.fetchall()
        erase(shop, order)
        for (table, column), rows in kept.items():
            assert rows
            for pk, value in rows:
                cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [value, pk])
    text = everything_stored(shop)
    assert hits(text) == []
    assert "Destroyed" in text


def test_an_open_order_waits_and_is_erased_when_it_ends(shop: Shop) -> None:
    order = shop.authorized(DEVICE)
    request = erase(shop, order)
    assert (request.done_at, request.waits_for) == (None, rights.OPEN_ORDER)
    assert shop.fresh(order).ship_to["city"] == "Olympia"
    assert rights.settle_waiting(shop.clinic.pk, timezone.now()) == 0
    shop.run()
    Order.objects.filter(pk=order.pk).update(state="completed")
    assert rights.settle_waiting(shop.clinic.pk, timezone.now()) == 1
    assert hits(everything_stored(shop)) == []


def test_asked_twice_it_is_one_request(shop: Shop) -> None:
    order = shop.authorized(DEVICE)
    assert erase(shop, order).pk == erase(shop, order).pk
    asked = AuditEvent.objects.filter(organization_id=shop.clinic.pk, action="erasure.asked")
    assert asked.count() == 1


def test_a_legal_hold_wins_until_it_is_released(shop: Shop) -> None:
    order = over(shop, DEVICE)
    hold = holds.place(
        organization_id=shop.clinic.pk, customer_key=order.offer.customer_key, why="case 7", by=CY, at=timezone.now()
    )
    request = erase(shop, order)
    assert (request.done_at, request.waits_for) == (None, rights.LEGAL_HOLD)
    assert shop.fresh(order).ship_to
    holds.release(hold, by=CY, at=timezone.now())
    assert rights.settle_waiting(shop.clinic.pk, timezone.now()) == 1
    assert LegalHold.objects.filter(pk=hold.pk).exists()


def test_a_hold_ends_with_its_day(shop: Shop) -> None:
    order, at = over(shop, DEVICE), timezone.now()
    holds.place(
        organization_id=shop.clinic.pk, customer_key=order.offer.customer_key, why="case 7", by=CY, at=at,
        until=at.date(),
    )  # fmt: skip
    assert erase(shop, order).waits_for == rights.LEGAL_HOLD
    assert rights.settle_waiting(shop.clinic.pk, at + timedelta(days=1)) == 1


def test_each_supplier_that_had_something_is_told_as_an_effect(shop: Shop) -> None:
    order = over(shop, PRESCRIPTION, DEVICE)
    told: list[str] = []

    def forget(reference: str, *, idempotency_key: str) -> Outcome:
        told.append(reference)
        return Done()

    shop.pharmacy.forget = forget  # type: ignore[attr-defined]
    erase(shop, order)
    shop.run("fulfillment.forget")
    pharmacy = next(part for part in shop.fulfillments(order) if part.supplier.port == Port.PHARMACY)
    device = next(part for part in shop.fulfillments(order) if part.supplier.port == Port.DEVICE)
    assert told == [pharmacy.supplier_reference]
    assert shop.effect("fulfillment.forget", pharmacy.public_id).state == "done"
    waiting = shop.effect("fulfillment.forget", device.public_id)
    assert (waiting.state, waiting.code) == ("needs_human", "tell_by_hand")
    assert AuditEvent.objects.filter(organization_id=shop.clinic.pk, action="erasure.told").count() == 2


def test_the_link_of_an_erased_offer_opens_for_nobody(shop: Shop) -> None:
    order = over(shop, DEVICE)
    erase(shop, order)
    link = PurchaseLink.objects.get(offer=order.offer)
    assert (link.state, link.end_reason) == ("revoked", "erased")


def test_another_person_keeps_everything(shop: Shop) -> None:
    order, other = over(shop, DEVICE), over(shop, PRESCRIPTION)
    erase(shop, order)
    assert shop.fresh(other).ship_to["city"] == "Olympia"
    assert OfferLine.objects.get(offer=other.offer).packet["name"].startswith("metformin")


# -- export -----------------------------------------------------------------------------------------------------------


def test_the_bundle_holds_what_is_held_and_nothing_of_another(shop: Shop) -> None:
    order, other = over(shop, PRESCRIPTION, DEVICE), over(shop, DEVICE)
    held = export.gather(
        organization_id=shop.clinic.pk, customer_key=order.offer.customer_key, clinic=shop.clinic.alias
    )
    made = bundle(held, at=timezone.now())
    text = json.dumps(made)
    assert hits(text) == [*CANARIES]
    kinds = [one["resource"]["resourceType"] for one in made["entry"]]
    assert {"Patient", "MedicationRequest", "DeviceRequest", "Invoice", "Consent", "AuditEvent"} <= set(kinds)
    assert str(other.public_id) not in text


def test_an_export_after_the_erasure_shows_the_skeleton_alone(shop: Shop) -> None:
    order = over(shop, DEVICE)
    erase(shop, order)
    held = export.gather(
        organization_id=shop.clinic.pk, customer_key=order.offer.customer_key, clinic=shop.clinic.alias
    )
    assert hits(json.dumps(bundle(held, at=timezone.now()))) == []


# -- the privacy officer's commands -----------------------------------------------------------------------------------


@pytest.fixture
def officer(shop: Shop) -> User:
    return factories.clinician(shop.clinic, subject="", role=Role.PRIVACY, is_staff=True)


def command(name: str, shop: Shop, officer: User, **options: Any) -> str:
    out = StringIO()
    walls.leave()
    given = {"organization": shop.clinic.pk, "by": officer.username, "reason": "request 14", **options}
    words = [f"--{key}={value}" for key, value in given.items()]
    try:
        call_command(name, *words, stdout=out)
    finally:
        walls.enter(shop.clinic.pk)
    return out.getvalue()


def agreed(shop: Shop, order: Order) -> None:
    factories.two_agree(shop.clinic, "purge", approvals.person(order.offer.customer_key))


def test_the_officer_erases_nobody_alone_and_nobody_else(shop: Shop, officer: User) -> None:
    order = over(shop, DEVICE)
    factories.two_agree(shop.clinic, "purge", approvals.person("somebody else"))
    with pytest.raises(CommandError, match="Two people must agree"):
        command("patient_erase", shop, officer, order=order.number)
    assert not ErasureRequest.objects.exists()
    assert Contact.objects.get(offer=order.offer).value


def test_the_officer_erases_by_a_phone_number_written_in_another_way(shop: Shop, officer: User) -> None:
    order = over(shop, DEVICE)
    agreed(shop, order)
    said = command("patient_erase", shop, officer, contact="(360) 555-0101")
    assert said.startswith("Erased.")
    assert hits(everything_stored(shop)) == []
    asked = AuditEvent.objects.get(organization_id=shop.clinic.pk, action="erasure.asked")
    assert (asked.actor, asked.reason) == (f"user:{officer.public_id}", "request 14")
    assert asked.patient_ref == audit.patient_ref(order.offer.customer_key)


def test_the_officer_is_told_what_has_to_wait(shop: Shop, officer: User) -> None:
    order = shop.authorized(DEVICE)
    agreed(shop, order)
    assert "an order is still open" in command("patient_erase", shop, officer, order=order.number)


def test_the_officer_exports_into_a_file_of_their_own(shop: Shop, officer: User, tmp_path: Path) -> None:
    order, file = over(shop, DEVICE), tmp_path / "export.json"
    command("patient_export", shop, officer, offer=order.offer.public_id, to=file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert "12 Alder St" in file.read_text("utf-8")
    assert AuditEvent.objects.filter(organization_id=shop.clinic.pk, action="patient.exported").count() == 1
    with pytest.raises(CommandError, match="Name a new file"):
        command("patient_export", shop, officer, offer=order.offer.public_id, to=file)


def test_a_contact_from_before_the_index_is_found_after_an_hour(shop: Shop, officer: User) -> None:
    agreed(shop, over(shop, DEVICE))
    Contact.objects.filter(organization=shop.clinic).update(value_digest=b"")
    assert chores.CHORES["contact digests"].work(shop.clinic.pk, timezone.now()) == 1
    assert command("patient_erase", shop, officer, contact="+13605550101").startswith("Erased.")


@pytest.mark.parametrize("contact", ["+12065550199", "nobody@mail.example", "x"])
def test_nobody_is_found_by_a_contact_that_is_not_there(shop: Shop, officer: User, contact: str) -> None:
    over(shop, DEVICE)
    with pytest.raises(CommandError, match="Nothing is held"):
        command("patient_erase", shop, officer, contact=contact)


def test_only_a_privacy_officer_may_ask(shop: Shop) -> None:
    order = over(shop, DEVICE)
    with pytest.raises(CommandError, match="no active privacy officer"):
        command("patient_erase", shop, shop.ada, order=order.number)
    assert Contact.objects.get(offer=order.offer).value


def test_another_organization_s_officer_finds_nothing(shop: Shop) -> None:
    order = over(shop, DEVICE)
    other = factories.organization()
    stranger = factories.clinician(other, subject="", role=Role.PRIVACY, is_staff=True)
    with pytest.raises(CommandError, match="Nothing is held"):
        command("patient_erase", shop, stranger, organization=other.pk, order=order.number)
