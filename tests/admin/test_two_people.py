"""Where an EHR or a supplier is reached is decided by two people, and so are keys, export, purge and hold. [SEC-B11]"""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.models import ProposalState, ProposedChange, Role, User
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.suppliers.models import Supplier
from tests import factories
from tests.admin.conftest import PASSWORD, SignedIn, signed_in, staff_user
from tests.commerce.shop import Shop

ELSEWHERE = "https://elsewhere.example.org"


@pytest.fixture
def other(shop: Shop) -> Client:
    """The second person."""
    user = factories.staff(
        shop.clinic, username=f"second-{shop.clinic.pk}", password=PASSWORD, role=Role.INTEGRATION, is_superuser=False
    )
    return signed_in(user)


def device_supplier(shop: Shop) -> Supplier:
    """Whose adapter there is, so that its form can be saved."""
    supplier = shop.supplier("device")
    Supplier.objects.filter(pk=supplier.pk).update(adapter="device_http")
    return Supplier.objects.get(pk=supplier.pk)


def supplier_fields(supplier: Supplier, **changes: str) -> dict[str, str]:
    fields = {"name": supplier.name, "port": supplier.port, "adapter": supplier.adapter, "base_url": supplier.base_url,
              "active": "on", "at_once": "4"}  # fmt: skip
    return {**fields, **changes}


def page_of(supplier: Supplier) -> str:
    return f"/admin/suppliers/supplier/{supplier.pk}/change/"


def fresh(supplier: Supplier) -> Supplier:
    return Supplier.objects.get(pk=supplier.pk)


def the_proposal() -> ProposedChange:
    return ProposedChange.objects.latest("pk")


def decide(client: Client, change: ProposedChange, verb: str = "approve") -> Any:
    return client.post(f"/admin/accounts/proposedchange/{change.pk}/{verb}/", follow=True)


def test_a_new_address_waits_and_another_name_does_not(as_role: SignedIn, shop: Shop, other: Client) -> None:
    supplier, client = device_supplier(shop), as_role(Role.INTEGRATION)
    answer = client.post(page_of(supplier), supplier_fields(supplier, base_url=ELSEWHERE, name="Harbor"), follow=True)
    assert "Waits for a second person" in answer.content.decode()
    assert (fresh(supplier).base_url, fresh(supplier).name) == (supplier.base_url, "Harbor")
    change = the_proposal()
    assert change.diff == [["base url", supplier.base_url, ELSEWHERE]]
    assert ELSEWHERE in other.get(f"/admin/accounts/proposedchange/{change.pk}/change/").content.decode()
    assert "and done" in decide(other, change).content.decode()
    assert fresh(supplier).base_url == ELSEWHERE
    told = AuditEvent.objects.filter(entity=f"supplier:{supplier.public_id}").values_list("action", "actor")
    assert {"change.proposed", "change.approved"} <= {action for action, _ in told}
    assert len({actor for action, actor in told if action.startswith("change.")}) == 2


def test_whoever_proposes_does_not_approve(as_role: SignedIn, shop: Shop) -> None:
    supplier, client = device_supplier(shop), as_role(Role.INTEGRATION)
    client.post(page_of(supplier), supplier_fields(supplier, base_url=ELSEWHERE))
    change = the_proposal()
    assert (
        "Approve: it takes effect"
        not in client.get(f"/admin/accounts/proposedchange/{change.pk}/change/").content.decode()
    )
    assert "cannot approve it" in decide(client, change).content.decode()
    assert fresh(supplier).base_url == supplier.base_url
    assert "Refused" in decide(client, change, "refuse").content.decode()


def test_roles_that_do_not_change_do_not_approve(as_role: SignedIn, shop: Shop) -> None:
    supplier = device_supplier(shop)
    as_role(Role.INTEGRATION).post(page_of(supplier), supplier_fields(supplier, base_url=ELSEWHERE))
    for role in (Role.PRIVACY, Role.OPERATIONS, Role.SUPPORT):
        assert decide(as_role(role), the_proposal()).status_code == 403
    assert fresh(supplier).base_url == supplier.base_url


def test_a_secret_waits_unseen_and_is_gone_afterwards(as_role: SignedIn, shop: Shop, other: Client) -> None:
    supplier = device_supplier(shop)
    as_role(Role.INTEGRATION).post(page_of(supplier), supplier_fields(supplier, new_api_key="key-canary"))
    change = the_proposal()
    assert fresh(supplier).api_key == "key"
    body = other.get(f"/admin/accounts/proposedchange/{change.pk}/change/").content.decode()
    assert "key-canary" not in body
    assert "(a new secret)" in body
    decide(other, change)
    assert fresh(supplier).api_key == "key-canary"
    assert not the_proposal().payload


def test_a_row_that_changed_meanwhile_makes_the_proposal_void(as_role: SignedIn, shop: Shop, other: Client) -> None:
    supplier = device_supplier(shop)
    as_role(Role.INTEGRATION).post(page_of(supplier), supplier_fields(supplier, base_url=ELSEWHERE))
    moved = fresh(supplier)
    moved.base_url = "https://third.example.org"
    moved.save()
    assert "it is void" in decide(other, the_proposal()).content.decode()
    assert (fresh(supplier).base_url, the_proposal().state) == ("https://third.example.org", ProposalState.VOID)


def test_a_proposal_ends_after_a_week(as_role: SignedIn, shop: Shop, other: Client) -> None:
    supplier = device_supplier(shop)
    as_role(Role.INTEGRATION).post(page_of(supplier), supplier_fields(supplier, base_url=ELSEWHERE))
    ProposedChange.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "decided, expired or void" in decide(other, the_proposal()).content.decode()
    assert fresh(supplier).base_url == supplier.base_url


def test_a_new_supplier_begins_switched_off_and_off_needs_nobody(as_role: SignedIn, shop: Shop, other: Client) -> None:
    client = as_role(Role.INTEGRATION)
    fields = supplier_fields(Supplier(name="New one", port="kit", adapter="kit_http", base_url=ELSEWHERE))
    client.post("/admin/suppliers/supplier/add/", fields)
    made = Supplier.objects.get(name="New one")
    assert not made.active
    decide(other, the_proposal())
    assert fresh(made).active
    client.post(page_of(made), {name: value for name, value in fields.items() if name != "active"})
    assert not fresh(made).active


def test_a_further_address_of_an_ehr_waits(as_role: SignedIn, shop: Shop, other: Client) -> None:
    row, client = factories.ehr_connection(shop.clinic), as_role(Role.INTEGRATION)
    approvals.propose(
        kind="connection", entity=f"connection:{row.public_id}", by=staff(shop), at=timezone.now(),
        values={"spellings": ["https://two.example.org/R4"]}, before=digest_of(row),
    )  # fmt: skip
    assert row.spellings.count() == 0
    decide(other, the_proposal())
    assert [each.spelling for each in row.spellings.all()] == ["https://two.example.org/R4"]
    assert client.get("/admin/").status_code == 200


def staff(shop: Shop) -> User:
    return User.objects.get(username=f"integration-{shop.clinic.pk}")


def digest_of(row: EhrConnection) -> bytes:
    from ehrcommerce.accounts.two_people import stands
    from ehrcommerce.ehr.admin import GUARDED

    return stands(EhrConnection.objects.get(pk=row.pk), "enabled", GUARDED)


@pytest.mark.parametrize("kind", ["keys", "bulk_export", "purge"])
def test_an_act_of_a_command_is_approved_by_another_and_good_once(as_role: SignedIn, shop: Shop, kind: str) -> None:
    at, one, order = timezone.now(), as_role(Role.ADMINISTRATOR), shop.place("device")
    second = factories.staff(shop.clinic, username=f"admin-two-{shop.clinic.pk}", password=PASSWORD)
    entity = approvals.person(order.offer.customer_key) if kind == "purge" else approvals.act(kind)
    act: dict[str, Any] = {"kind": kind, "entity": entity, "organization_id": shop.clinic.pk, "at": at}
    fields = {"kind": kind, "about": order.number}
    assert one.post("/admin/accounts/proposedchange/propose/", fields).status_code == 302
    with pytest.raises(approvals.NotApproved):
        approvals.spend(**act)
    decide(signed_in(second), the_proposal())
    with pytest.raises(approvals.NotApproved):
        approvals.spend(**{**act, "entity": approvals.person("somebody else")})
    approvals.spend(**act)
    with pytest.raises(approvals.NotApproved):
        approvals.spend(**act)


def test_an_erasing_names_whose_data_and_shows_it_to_the_second_person(as_role: SignedIn, shop: Shop) -> None:
    order, client = shop.place("device"), as_role(Role.PRIVACY)
    page = client.post("/admin/accounts/proposedchange/propose/", {"kind": "purge", "about": "LK-NOBODY"}, follow=True)
    assert "Say whose data it is about" in page.content.decode()
    assert not ProposedChange.objects.exists()
    client.post("/admin/accounts/proposedchange/propose/", {"kind": "purge", "about": order.number})
    page = as_role(Role.ADMINISTRATOR).get(f"/admin/accounts/proposedchange/{the_proposal().pk}/change/")
    assert order.number in page.content.decode()
    assert order.offer.customer_key not in page.content.decode()


def test_what_could_not_wait_is_looked_at_by_another_however_late(as_role: SignedIn, shop: Shop, other: Client) -> None:
    one = staff_user(shop.clinic, Role.ADMINISTRATOR)
    change = approvals.afterwards(kind="keys_review", what="Keys", why="leak", by=one, at=timezone.now())
    approvals.expire(organization_id=shop.clinic.pk, at=timezone.now() + timedelta(days=800))
    for verb in (approvals.approve, approvals.refuse):
        with pytest.raises(approvals.NeedsAnother):
            verb(change=change, by=one, at=timezone.now())
    second = factories.staff(shop.clinic, username=f"admin-two-{shop.clinic.pk}", password=PASSWORD)
    client = signed_in(second)
    assert "look at it afterwards" in client.get("/admin/").content.decode()
    assert "It was not right" in client.get(f"/admin/accounts/proposedchange/{change.pk}/change/").content.decode()
    assert 'value="keys_review"' not in client.get("/admin/accounts/proposedchange/").content.decode()
    decide(client, change, "refuse")
    assert (the_proposal().state, the_proposal().decided_by) == (ProposalState.REFUSED, second)


def test_the_database_refuses_one_person_twice(shop: Shop) -> None:
    from django.db import IntegrityError, transaction

    user = staff_user(shop.clinic, Role.ADMINISTRATOR)
    change = approvals.propose(kind="purge", entity="act:purge", by=user, at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        ProposedChange.objects.filter(pk=change.pk).update(decided_by=user, state="approved")
