"""Values of an order stand under the order's own key: one question for all of them, gone with the key, and never open
in another place. [SEC-B14]"""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.commerce.offers.models import Contact, OfferLine
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.vault import envelopes, keys, walls
from ehrcommerce.vault.keys import Destroyed, Tampered, UnknownKey
from ehrcommerce.vault.models import DataKey
from tests import factories
from tests.commerce.shop import Shop

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = "t.c:1"


def raw(table: str, column: str, pk: int) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE id = %s", [pk])
        return bytes(cursor.fetchone()[0])


def put(table: str, column: str, pk: int, value: bytes) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [value, pk])


def test_every_personal_value_of_an_order_stands_under_one_key(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION, DEVICE)
    scopes = {
        *(envelopes.scope_of(raw("offers_offerline", "packet", line.pk)) for line in order.offer.lines.all()),
        *(envelopes.scope_of(raw("offers_contact", "value", one.pk)) for one in order.offer.contacts.all()),
        envelopes.scope_of(raw("orders_order", "ship_to", order.pk)),
    }
    assert scopes == {order.offer.public_id}
    assert sorted(DataKey.objects.values_list("kind", flat=True)) == ["order", "organization"]


def test_all_values_of_an_order_cost_one_question_for_the_key(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION, DEVICE)
    lines, contacts = list(order.offer.lines.all()), list(order.offer.contacts.all())
    order = shop.fresh(order)
    envelopes.forget()
    with CaptureQueriesContext(connection) as asked:
        assert [line.packet["name"] for line in lines]
        assert [contact.value for contact in contacts] == ["+13605550101"]
        assert order.ship_to["city"] == "Olympia"
    assert len(asked) == 1


def test_a_key_is_forgotten_with_the_walls_and_never_held_for_another_organization(shop: Shop) -> None:
    order = shop.authorized(DEVICE)
    assert order.ship_to["city"] == "Olympia"
    assert len(connection.ehrc_keys) == 1  # type: ignore[attr-defined]
    other = factories.organization()
    with walls.organization(other.pk):
        assert len(connection.ehrc_keys) == 0  # type: ignore[attr-defined]
        with pytest.raises(UnknownKey):
            envelopes.open_sealed(raw_in(shop, order), f"orders_order.ship_to:{order.public_id}")
    walls.leave()
    assert len(connection.ehrc_keys) == 0  # type: ignore[attr-defined]


def raw_in(shop: Shop, order: Order) -> bytes:
    with walls.organization(shop.clinic.pk):
        return raw("orders_order", "ship_to", order.pk)


def test_no_more_keys_are_held_than_the_bound(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelopes, "MOST_HELD", 3)
    for _ in range(5):
        envelopes.seal(b"x", PLACE, scope=uuid4(), organization_id=shop.clinic.pk)
    assert len(connection.ehrc_keys) == 3  # type: ignore[attr-defined]


def test_a_destroyed_key_erases_every_value_at_once(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    assert envelopes.destroy(order.offer.public_id, at=timezone.now())
    with pytest.raises(Destroyed):
        _ = shop.fresh(order).ship_to
    with pytest.raises(Destroyed):
        _ = OfferLine.objects.get(offer=order.offer).packet
    with pytest.raises(Destroyed):
        _ = Contact.objects.get(offer=order.offer).value
    assert not envelopes.destroy(order.offer.public_id, at=timezone.now())


def test_after_destruction_nothing_new_is_stored_and_no_second_key_is_made(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    envelopes.destroy(order.offer.public_id, at=timezone.now())
    late = shop.fresh(order)
    late.ship_to = {"city": "Olympia"}
    late.save()
    assert raw("orders_order", "ship_to", order.pk) == b""
    assert DataKey.objects.filter(kind="order").count() == 1


def test_a_key_that_another_process_destroyed_is_not_used_after_the_next_entry(shop: Shop) -> None:
    order = shop.authorized(DEVICE)
    assert order.ship_to
    DataKey.objects.filter(scope=order.offer.public_id).update(wrapped=b"", destroyed_at=timezone.now())
    walls.leave()
    walls.enter(shop.clinic.pk)
    with pytest.raises(Destroyed):
        _ = shop.fresh(order).ship_to


def test_a_key_is_not_held_for_ever_inside_the_walls(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelopes, "HELD_S", -1.0)
    scope = uuid4()
    sealed = envelopes.seal(b"x", PLACE, scope=scope, organization_id=shop.clinic.pk)
    DataKey.objects.filter(scope=scope).update(wrapped=b"", destroyed_at=timezone.now())
    with pytest.raises(Destroyed):
        envelopes.open_sealed(sealed, PLACE)


def undone(shop: Shop, scope: UUID) -> None:
    with transaction.atomic():
        envelopes.seal(b"x", PLACE, scope=scope, organization_id=shop.clinic.pk)
        transaction.set_rollback(True)


def test_a_key_of_a_transaction_that_was_undone_is_made_anew(shop: Shop) -> None:
    """Else a value would be written under a key that no row has."""
    scope = uuid4()
    undone(shop, scope)
    sealed = envelopes.seal(b"kept", PLACE, scope=scope, organization_id=shop.clinic.pk)
    envelopes.forget()
    assert envelopes.open_sealed(sealed, PLACE) == b"kept"


def test_a_savepoint_that_was_undone_takes_its_key_with_it(shop: Shop) -> None:
    scope = uuid4()
    with transaction.atomic():
        undone(shop, scope)
        sealed = envelopes.seal(b"kept", PLACE, scope=scope, organization_id=shop.clinic.pk)
    envelopes.forget()
    assert envelopes.open_sealed(sealed, PLACE) == b"kept"


def test_an_organization_s_key_opens_only_with_the_configured_key(shop: Shop) -> None:
    order = shop.authorized(DEVICE)
    envelopes.forget()
    with override_settings(FIELD_KEYS={"other": b"z" * 32}), pytest.raises(UnknownKey):
        _ = shop.fresh(order).ship_to
    assert shop.fresh(order).ship_to["city"] == "Olympia"


# -- bad input --------------------------------------------------------------------------------------------------------


def test_a_value_under_an_unknown_key_holds_its_row_and_no_other(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    one, other = shop.authorized(DEVICE), shop.authorized(DEVICE)
    strange = envelopes.VERSION + uuid4().bytes + raw("orders_order", "ship_to", one.pk)[17:]
    put("orders_order", "ship_to", one.pk, strange)
    with pytest.raises(UnknownKey):
        _ = shop.fresh(one).ship_to
    assert "UnknownKey in orders_order.ship_to" in caplog.text
    assert shop.fresh(other).ship_to["city"] == "Olympia"
    assert raw("orders_order", "ship_to", one.pk) == strange


def test_an_effect_that_needs_a_value_under_an_unknown_key_waits_for_a_person_and_others_go_on(shop: Shop) -> None:
    one, other = shop.authorized(DEVICE), shop.authorized(DEVICE)
    sealed = raw("orders_order", "ship_to", one.pk)
    put("orders_order", "ship_to", one.pk, envelopes.VERSION + uuid4().bytes + sealed[17:])
    shop.run("fulfillment.dispatch")
    held = shop.effect("fulfillment.dispatch", shop.fulfillment(one).public_id)
    assert (held.state, held.code) == ("needs_human", "UnknownKey")
    assert shop.effect("fulfillment.dispatch", shop.fulfillment(other).public_id).state == "done"
    assert shop.fulfillment(one).supplier_reference == ""


@pytest.mark.parametrize("place", [17, 28, 29, 40, -1])
def test_a_flipped_bit_is_noticed(shop: Shop, place: int, caplog: pytest.LogCaptureFixture) -> None:
    order = shop.authorized(DEVICE)
    sealed = bytearray(raw("orders_order", "ship_to", order.pk))
    sealed[place] ^= 1
    put("orders_order", "ship_to", order.pk, bytes(sealed))
    with pytest.raises(Tampered):
        _ = shop.fresh(order).ship_to
    assert "Tampered" in caplog.text


@pytest.mark.parametrize("length", [1, 16, 17, 30, 44, 60])
def test_a_truncated_value_is_noticed(shop: Shop, length: int) -> None:
    order = shop.authorized(DEVICE)
    put("orders_order", "ship_to", order.pk, raw("orders_order", "ship_to", order.pk)[:length])
    with pytest.raises(Tampered):
        _ = shop.fresh(order).ship_to


def test_a_value_swapped_between_rows_of_one_key_or_of_two_does_not_open(shop: Shop) -> None:
    order, other = shop.authorized(PRESCRIPTION, DEVICE), shop.authorized(DEVICE)
    first, second = OfferLine.objects.filter(offer=order.offer).order_by("pk")
    put("offers_offerline", "packet", first.pk, raw("offers_offerline", "packet", second.pk))
    put("orders_order", "ship_to", order.pk, raw("orders_order", "ship_to", other.pk))
    with pytest.raises(Tampered):
        _ = OfferLine.objects.get(pk=first.pk).packet
    with pytest.raises(Tampered):
        _ = shop.fresh(order).ship_to


def test_a_value_swapped_between_columns_of_one_row_does_not_open(shop: Shop) -> None:
    line = OfferLine.objects.get(offer=shop.authorized(DEVICE).offer)
    sealed = raw("offers_offerline", "packet", line.pk)
    with pytest.raises(Tampered):
        envelopes.open_sealed(sealed, f"offers_offerline.other:{line.public_id}")


def test_a_wrapped_key_moved_to_another_order_does_not_open(shop: Shop) -> None:
    one, other = shop.authorized(DEVICE), shop.authorized(DEVICE)
    theirs = DataKey.objects.get(scope=other.offer.public_id).wrapped
    DataKey.objects.filter(scope=one.offer.public_id).update(wrapped=theirs)
    envelopes.forget()
    with pytest.raises(Tampered):
        _ = shop.fresh(one).ship_to


# -- the scheme before ------------------------------------------------------------------------------------------------


def test_a_value_of_the_scheme_before_stays_readable_and_moves_when_it_is_written(shop: Shop) -> None:
    with override_settings(SEAL_UNDER_ORDER_KEYS=False):
        order = shop.authorized(DEVICE)
    assert raw("orders_order", "ship_to", order.pk)[:1] == keys.VERSION
    assert shop.fresh(order).ship_to["city"] == "Olympia"
    again = shop.fresh(order)
    again.ship_to = {**again.ship_to, "city": "Lacey"}
    again.save(update_fields=["ship_to"])
    assert envelopes.scope_of(raw("orders_order", "ship_to", order.pk)) == order.offer.public_id
    assert shop.fresh(order).ship_to["city"] == "Lacey"


def test_two_organizations_have_two_keys(shop: Shop) -> None:
    shop.authorized(DEVICE)
    mine = set(DataKey.objects.values_list("scope", flat=True))
    other: Organization = factories.organization()
    with walls.organization(other.pk):
        envelopes.seal(b"x", PLACE, scope=uuid4(), organization_id=other.pk)
        theirs: set[UUID] = set(DataKey.objects.values_list("scope", flat=True))
    assert len(theirs) == 2
    assert not mine & theirs


def test_a_shipment_stands_under_the_order_s_key(shop: Shop) -> None:
    order = shop.accepted(DEVICE)
    shop.hears(shop.fulfillment(order), "shipped", carrier="UPS", tracking_number="1Z999")
    parcel: Any = shop.fulfillment(order).shipments.get()
    assert parcel.tracking_number == "1Z999"
    assert envelopes.scope_of(raw("fulfillment_shipment", "tracking_number", parcel.pk)) == order.offer.public_id


def test_bytes_on_their_way_to_a_supplier_stand_under_the_order_s_key(shop: Shop) -> None:
    order = shop.authorized(DEVICE)
    shop.devices.faults.coming = ["lost"]
    shop.run("fulfillment.dispatch", rounds=1)
    effect = shop.effect("fulfillment.dispatch")
    assert effect.state == "unknown"
    assert b"Alder" in bytes(effect.body)
    assert envelopes.scope_of(raw("outbox_effect", "body", effect.pk)) == order.offer.public_id
