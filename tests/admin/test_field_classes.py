"""The table of roles and field classes (accounts/access.py), cell by cell, on the pages as they are rendered: in lists,
forms, parts of a page, filters, searches, addresses, and in what the database is asked for. [SEC-B12]"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from ehrcommerce.accounts import access
from ehrcommerce.accounts.access import MATRIX, NOTHING, ROLES, FieldClass
from ehrcommerce.accounts.models import Role, User
from ehrcommerce.accounts.otp import site
from ehrcommerce.policy import derive
from ehrcommerce.vault.fields import SealedField
from tests.admin.conftest import SignedIn
from tests.commerce.shop import Shop


def flat(columns: Any) -> Iterator[str]:
    for column in columns:
        if isinstance(column, list | tuple):
            yield from flat(column)
        elif isinstance(column, str):
            yield column


def request_of(role: str) -> Any:
    request = RequestFactory().get("/admin/")
    request.user = User(role=role, is_active=True, is_staff=True)
    return request


def named(page: Any) -> set[tuple[str, str]]:
    """(model, column) of everything that a page would show to somebody who sees all."""
    label = page.opts.label_lower
    columns = {*flat(page.list_display), *flat(page.list_filter), *flat(page.fields or ())}
    columns |= {each.strip("=^@").removesuffix("__exact") for each in page.search_fields if "__" not in each[:-7]}
    columns |= {name for _, options in page.fieldsets or () for name in flat(options["fields"])}
    found = {(label, column) for column in columns}
    for inline in page.inlines:
        found |= {(inline.model._meta.label_lower, column) for column in flat(inline.fields or ())}
    return found


def on_pages(role: str) -> set[tuple[str, str]]:
    """(model, column) of all that stands on a page of this role, by the admin's own answers."""
    found, request = set(), request_of(role)
    for page in site._registry.values():
        label = page.opts.label_lower
        if not page.has_view_permission(request):
            continue
        columns = {*flat(page.get_list_display(request)), *flat(page.get_list_filter(request))}
        columns |= {name for _, options in page.get_fieldsets(request) for name in flat(options["fields"])}
        found |= {(label, column) for column in columns}
        for inline in page.get_inline_instances(request):
            found |= {(inline.model._meta.label_lower, column) for column in flat(inline.get_fields(request))}
    return found


ALL = sorted(set().union(*(named(page) for page in site._registry.values())))


def test_each_column_of_a_page_has_a_class() -> None:
    """Who adds a column adds it to COLUMNS in accounts/access.py, or nobody sees it."""
    assert [f"{model}.{column}" for model, column in ALL if access.class_of(model, column) is None] == []


def test_the_table_decides_every_cell_and_names_only_what_there_is() -> None:
    assert set(MATRIX) == set(FieldClass)
    assert all(set(row) == {str(role) for role in ROLES} for row in MATRIX.values())
    assert {cell for row in MATRIX.values() for cell in row.values()} <= {"see", "reveal", "-"}
    labels = {model._meta.label_lower for model in site._registry} | {
        inline.model._meta.label_lower for page in site._registry.values() for inline in page.inlines
    }
    assert labels <= set(access.COLUMNS), "a page without a line in COLUMNS shows nothing"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("wanted", FieldClass)
def test_a_cell_of_the_table_is_what_the_pages_show(role: str, wanted: FieldClass) -> None:
    of_class = {
        (model, column) for model, column in ALL
        if access.class_of(model, column) == wanted and column not in access.UNMASKED.get(model, ())
    }  # fmt: skip
    seen = of_class & on_pages(role)
    if MATRIX[wanted][role] == NOTHING:
        assert seen == set()
    elif of_class:
        assert seen, "the table allows it and no page shows it"


def test_what_the_rules_say_in_words() -> None:
    """The sentences of the requirement, so that a change of the table that breaks one is seen."""
    for role in ROLES:
        assert MATRIX[FieldClass.BIRTH_DATE][role] == MATRIX[FieldClass.CREDENTIALS][role] == NOTHING
    for role in (Role.SUPPORT, Role.OPERATIONS):
        assert (MATRIX[FieldClass.STATE][role], MATRIX[FieldClass.ITEM][role]) == ("see", NOTHING)
    assert MATRIX[FieldClass.ITEM][Role.FULFILLMENT] == "see"
    assert MATRIX[FieldClass.COVERAGE][Role.FULFILLMENT] == NOTHING
    assert MATRIX[FieldClass.AUDIT][Role.PRIVACY] == "see"
    request = request_of(Role.PRIVACY)
    for page in site._registry.values():
        assert not page.has_change_permission(request), page
        assert not page.has_add_permission(request), page


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_does_not_see_is_not_asked_of_the_database(role: str, as_role: SignedIn, shop: Shop) -> None:
    """Not in the list, not in the page of the row, not in its parts."""
    order = shop.accepted("prescription", "device")
    client = as_role(role)
    asked: list[str] = []
    for address in (
        f"/admin/orders/order/{order.pk}/change/", "/admin/orders/order/", "/admin/offers/offer/",
        f"/admin/offers/offer/{order.offer_id}/change/", "/admin/offers/purchaselink/", "/admin/outbox/effect/",
    ):  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        asked += [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    unseen = ["ship_to", "packet", "value"]
    if MATRIX[FieldClass.MONEY][role] == NOTHING:
        unseen += ["amount_cents", "captured_cents"]
    tables = {"ship_to": "orders_order", "packet": "offers_offerline", "value": "offers_contact"}
    selected = {
        column for column in unseen for sql in asked
        if f'"{tables.get(column, "orders_payment")}"."{column}"' in sql.partition(" FROM ")[0]
    }  # fmt: skip
    assert selected == set()


@pytest.mark.parametrize("role", ROLES)
def test_the_page_of_an_order_says_what_the_role_may_read(role: str, as_role: SignedIn, shop: Shop) -> None:
    order = shop.accepted("device")
    body = as_role(role).get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    sku = order.lines.select_related("offer_line__product").get().offer_line.sold_as
    assert (sku in body) == (MATRIX[FieldClass.ITEM][role] != NOTHING)
    assert ("$69.90" in body) == (MATRIX[FieldClass.MONEY][role] != NOTHING)
    assert order.number in body


@pytest.mark.parametrize("role", ROLES)
def test_an_address_cannot_ask_what_the_page_does_not_say(role: str, as_role: SignedIn, shop: Shop) -> None:
    """A filter by a hidden column, a column of another table, or a sealed one is an oracle: 400."""
    shop.dispatched("device")
    client = as_role(role)
    plan = client.get("/admin/orders/order/?uses_plan__exact=1").status_code
    assert plan == (200 if MATRIX[FieldClass.COVERAGE][role] != NOTHING else 400)
    amount = client.get("/admin/orders/order/?patient_cents__gt=6989").status_code
    assert amount == (200 if MATRIX[FieldClass.MONEY][role] != NOTHING else 400)
    for lookup in ("ship_to__contains=Alder", "quote_version=x", "offer__birth_digest=x"):
        assert client.get(f"/admin/orders/order/?{lookup}").status_code == 400, lookup
    assert client.get("/admin/offers/offer/?birth_digest=x").status_code == 400
    assert client.get("/admin/autocomplete/?app_label=orders&model_name=order&field_name=offer").status_code == 404


def test_every_sealed_column_behind_a_page_is_for_nobody_or_revealed_one_by_one() -> None:
    for model in [*site._registry, *(inline.model for page in site._registry.values() for inline in page.inlines)]:
        for field in model._meta.concrete_fields:
            if isinstance(field, SealedField):
                label = model._meta.label_lower
                found = access.class_of(label, field.name)
                # A code without a product says what was ordered, and of whom it does not.
                revealed = field.name in access.UNMASKED.get(label, ()) or label == "catalog.unmappedcode"
                # Why somebody broke the glass is written for those who review it.
                revealed = revealed or (label, field.name) == ("accounts.breakglass", "note")
                assert revealed or found is None or set(MATRIX[found].values()) == {NOTHING}, (label, field.name)


@pytest.mark.parametrize("field", sorted(derive.viewers()))
def test_the_policy_and_the_back_office_say_the_same_of_each_field(field: str) -> None:
    """Who may see a field by the table of the law, and who by the class of its column. A difference has its reason and
    its page in access.DIFFERENCES, or it is a mistake in one of the two."""
    by_law = set(derive.viewers()[field]) & {str(role) for role in ROLES}
    wanted = access.class_of_packet(field)
    by_class = {str(role) for role in ROLES if access.may(role, wanted) != NOTHING}
    if field not in access.DIFFERENCES:
        assert by_class == by_law
        return
    assert by_class != by_law, "there is no difference any more: take the line out"
    page = next(page for model, page in site._registry.items() if model._meta.label_lower == access.DIFFERENCES[field][0])
    assert {str(role) for role in ROLES if page.has_view_permission(request_of(role))} == by_law


def test_the_two_tables_name_the_same_fields() -> None:
    fields = set(derive.viewers())
    packets = {one.partition(".")[0] for one in fields}
    named = {one for one in access.PACKETS if not one.endswith(".*")}
    assert named | set(access.DIFFERENCES) <= fields
    assert {one.partition(".")[0] for one in access.PACKETS} == packets
