"""From one configured key to the next while readers and writers are at work; afterwards nothing needs the old one."""

import threading
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.accounts import approvals, seeds, shell
from ehrcommerce.accounts.models import Organization, ProposedChange
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.policy.packets import DEVICE
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.vault import envelopes, keys, rotation, walls
from ehrcommerce.vault.models import DataKey
from tests import factories
from tests.commerce.shop import Shop

pytestmark = pytest.mark.django_db(transaction=True)
OLD, NEW = {"old": b"o" * 32}, {"new": b"n" * 32}


@pytest.fixture(autouse=True)
def this_shop_alone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests' organizations stand in the same database, under keys that are not configured here."""
    monkeypatch.setattr(shell, "organization_ids", lambda: [shop.clinic.pk])
    monkeypatch.setattr(rotation, "organizations", lambda: [shop.clinic.pk])
    monkeypatch.setattr(rotation, "OTHERS", {})
    return


def agree(clinic: Organization) -> None:
    factories.two_agree(clinic, "keys")


def left_over(clinic: Organization) -> ProposedChange | None:
    return approvals.approved(
        kind="keys", entity=approvals.act("keys"), organization_id=clinic.pk, at=timezone.now()
    )


def rotate(**options: Any) -> str:
    out = StringIO()
    call_command("rotate_encryption_keys", stdout=out, stderr=out, **options)
    return out.getvalue()


def old_world(shop: Shop) -> Order:
    """An order of the scheme before, and a supplier's secret under the old key."""
    with override_settings(FIELD_KEYS=OLD, SEAL_UNDER_ORDER_KEYS=False):
        supplier = shop.supplier(Port.DEVICE)
        supplier.api_key = "a secret of a supplier"
        supplier.save()
        return shop.place(DEVICE)


def others_sealed_anew(shop: Shop) -> None:
    """Rows of this shop that other fixtures sealed under the test's usual key."""
    with override_settings(FIELD_KEYS=OLD):
        for supplier in Supplier.objects.filter(organization=shop.clinic):
            supplier.api_key, supplier.callback_secret = "key", "secret"
            supplier.save()


def test_everything_moves_and_the_old_key_opens_nothing_that_is_left(shop: Shop) -> None:
    others_sealed_anew(shop)
    order = old_world(shop)
    with override_settings(FIELD_KEYS={**NEW, **OLD}):
        with pytest.raises(CommandError, match="Two people must agree"):
            rotate()
        agree(shop.clinic)
        said = rotate()
        assert left_over(shop.clinic) is None
        assert "Nothing needs another key. Remove from EHRC_FIELD_KEYS: old." in said
    envelopes.forget()
    with override_settings(FIELD_KEYS=NEW):
        assert shop.fresh(order).ship_to["city"] == "Olympia"
        assert shop.supplier(Port.DEVICE).api_key == "a secret of a supplier"
    envelopes.forget()
    with override_settings(FIELD_KEYS=OLD), pytest.raises(keys.UnknownKey):
        _ = shop.fresh(order).ship_to


def test_an_organization_s_key_is_wrapped_anew_and_its_orders_are_not_touched(shop: Shop) -> None:
    others_sealed_anew(shop)
    with override_settings(FIELD_KEYS=OLD):
        order = shop.place(DEVICE)
        before = DataKey.objects.get(kind="order").wrapped
    envelopes.forget()
    with override_settings(FIELD_KEYS={**NEW, **OLD}):
        agree(shop.clinic)
        rotate()
    assert DataKey.objects.get(kind="order").wrapped == before
    assert keys.key_id_of(bytes(DataKey.objects.get(kind="organization").wrapped)) == "new"
    envelopes.forget()
    with override_settings(FIELD_KEYS=NEW):
        assert shop.fresh(order).ship_to["city"] == "Olympia"


def test_a_dry_run_counts_and_changes_nothing(shop: Shop) -> None:
    others_sealed_anew(shop)
    order = old_world(shop)
    with override_settings(FIELD_KEYS={**NEW, **OLD}):
        said = rotate(dry_run=True)
        assert "orders_order.ship_to" in said
        assert "1  offers_offerline.packet" in said
        assert rotate(dry_run=True) == said
    with override_settings(FIELD_KEYS=OLD):
        assert shop.fresh(order).ship_to["city"] == "Olympia"


def test_a_rotation_that_was_stopped_goes_on_where_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    others_sealed_anew(shop)
    old_world(shop)
    exchange, done = rotation._exchange, list[Any]()

    def dies(*arguments: Any) -> int:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(arguments)
        return exchange(*arguments)

    with override_settings(FIELD_KEYS={**NEW, **OLD}):
        agree(shop.clinic)
        monkeypatch.setattr(rotation, "_exchange", dies)
        with pytest.raises(KeyboardInterrupt):
            rotate()
        monkeypatch.setattr(rotation, "_exchange", exchange)
        before = sum(rotation.everything(write=False).left.values())
        assert "Nothing needs another key." in rotate()
    assert before > 0


def test_in_an_emergency_one_begins_at_once_and_another_looks_at_it_afterwards(shop: Shop) -> None:
    others_sealed_anew(shop)
    old_world(shop)
    one = factories.staff(shop.clinic, username=f"at-night-{shop.clinic.pk}", password="correct horse battery staple")
    with override_settings(FIELD_KEYS={**NEW, **OLD}):
        for given in ({}, {"by": one.username}, {"by": shop.ada.username, "reason": "the key was in a log"}):
            with pytest.raises(CommandError, match="In an emergency"):
                rotate(emergency=True, **given)
        assert rotation.everything(write=False).left
        assert "Nothing needs another key." in rotate(emergency=True, by=one.username, reason="the key was in a log")
    change = ProposedChange.objects.get(kind="keys_review")
    assert (change.state, change.proposed_by, change.diff[0][2]) == ("open", one, "the key was in a log")
    assert AuditEvent.objects.filter(action="change.afterwards", actor=str(one.actor)).count() == 1


def test_a_row_that_no_key_opens_is_held_named_and_does_not_stop_the_others(shop: Shop) -> None:
    others_sealed_anew(shop)
    with override_settings(FIELD_KEYS={"lost": b"l" * 32}):
        supplier = shop.supplier(Port.KIT)
        supplier.api_key = "gone"
        supplier.save()
    order = old_world(shop)
    with override_settings(FIELD_KEYS={**NEW, **OLD}):
        out = StringIO()
        agree(shop.clinic)
        with pytest.raises(CommandError, match="Not all was moved"):
            call_command("rotate_encryption_keys", stdout=out, stderr=out)
    assert f"held, not changed: suppliers_supplier.api_key {supplier.public_id}: UnknownKey" in out.getvalue()
    envelopes.forget()
    with override_settings(FIELD_KEYS=NEW):
        assert shop.fresh(order).ship_to["city"] == "Olympia"


def test_a_writer_that_comes_between_wins(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    others_sealed_anew(shop)
    order = old_world(shop)
    exchange = rotation._exchange

    def late(model: Any, one: Any, pk: int, before: bytes, after: bytes) -> int:
        if model is Order and before[:1] == keys.VERSION:
            written = shop.fresh(order)
            written.ship_to = {**written.ship_to, "city": "Lacey"}
            written.save(update_fields=["ship_to"])
        return exchange(model, one, pk, before, after)

    monkeypatch.setattr(rotation, "_exchange", late)
    with override_settings(FIELD_KEYS={**NEW, **OLD}):
        agree(shop.clinic)
        rotate()
        assert shop.fresh(order).ship_to["city"] == "Lacey"


def test_readers_and_writers_at_work_notice_nothing(shop: Shop) -> None:
    others_sealed_anew(shop)
    with override_settings(FIELD_KEYS=OLD, SEAL_UNDER_ORDER_KEYS=False):
        orders = [shop.place(DEVICE) for _ in range(6)]
    stop, failed, did = threading.Event(), list[str](), list[int]()

    def work(order: Order, writes: bool) -> None:
        turn = 0
        try:
            while not stop.is_set():
                turn += 1
                with walls.organization(shop.clinic.pk):
                    row = Order.objects.get(pk=order.pk)
                    assert row.ship_to["name"] == "Cy Rivera"
                    if writes:
                        row.ship_to = {**row.ship_to, "line": f"{turn} Alder St"}
                        row.save(update_fields=["ship_to"])
                        assert Order.objects.get(pk=order.pk).ship_to["line"] == f"{turn} Alder St"
        except Exception as fault:
            failed.append(repr(fault))
        finally:
            did.append(turn)
            connection.close()

    with override_settings(FIELD_KEYS={**NEW, **OLD}):
        threads = [threading.Thread(target=work, args=(order, place % 2 == 0)) for place, order in enumerate(orders)]
        for thread in threads:
            thread.start()
        try:
            agree(shop.clinic)
            said = rotate(batch=2)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert failed == []
    assert len(did) == 6
    assert min(did) > 0
    assert "Nothing needs another key." in said
    envelopes.forget()
    with override_settings(FIELD_KEYS=NEW):
        assert {shop.fresh(order).ship_to["name"] for order in orders} == {"Cy Rivera"}


# -- seeds of one-time codes ------------------------------------------------------------------------------------------


def stored(device: TOTPDevice) -> str:
    return str(TOTPDevice.objects.filter(pk=device.pk).values_list("key", flat=True)[0])


def test_a_seed_is_sealed_in_the_database_and_bound_to_its_user(shop: Shop) -> None:
    one, other = (
        TOTPDevice.objects.create(user=factories.clinician(shop.clinic, subject=f"s{n}"), name="phone") for n in (1, 2)
    )
    seed = one.key
    assert len(seed) == 40
    assert stored(one).startswith("sealed:")
    assert seed not in stored(one)
    assert TOTPDevice.objects.get(pk=one.pk).key == seed
    TOTPDevice.objects.filter(pk=one.pk).update(key=stored(other))
    with pytest.raises(keys.Tampered):
        TOTPDevice.objects.get(pk=one.pk)
    TOTPDevice.objects.filter(pk__in=(one.pk, other.pk)).delete()


def test_a_seed_in_clear_is_read_and_sealed_by_a_rotation(shop: Shop) -> None:
    device = TOTPDevice.objects.create(user=factories.clinician(shop.clinic, subject="s3"), name="phone")
    others = TOTPDevice.objects.exclude(pk=device.pk)
    others.delete()
    seed = device.key
    TOTPDevice.objects.filter(pk=device.pk).update(key=seed)
    assert TOTPDevice.objects.get(pk=device.pk).key == seed
    assert (seeds.reseal(write=False), seeds.reseal(write=True), seeds.reseal(write=False)) == (1, 1, 0)
    assert seed not in stored(device)
    assert TOTPDevice.objects.get(pk=device.pk).key == seed
    device.delete()
