"""Roles decide, and nothing else does: who sees, changes, adds and presses what. [SEC-B11]"""

from typing import Any

import pytest
from django.contrib.admin import ModelAdmin
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.models import Agreement, BreakGlass, Role
from ehrcommerce.accounts.otp import site
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.catalog.models import ShippingRule, TaxRule, UnmappedCode
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.commerce.orders.models import Reconciliation
from ehrcommerce.disclosure import consent, holds
from ehrcommerce.disclosure.models import PurgeCertificate
from ehrcommerce.ehr import polling
from ehrcommerce.ehr.models import AutomaticAct, AutomationRule, EhrConnection, Notification, Subscription
from ehrcommerce.outbox.models import Effect
from ehrcommerce.suppliers.models import FileIn
from ehrcommerce.vault import walls
from tests import factories
from tests.admin.conftest import STAFF, SignedIn, signed_in, staff_user
from tests.commerce.shop import Shop

# Page -> what each role may there: v view, c change, a add; then the actions it is offered. No role deletes anything.
ALL = ["support", "operations", "fulfillment", "catalog", "privacy", "integration", "administrator"]
TABLE: dict[str, dict[str, str]] = {
    "accounts.organization": dict.fromkeys(ALL, "v") | {"administrator": "vc"},
    "accounts.user": {"privacy": "v", "administrator": "vca"},
    "accounts.agreement": dict.fromkeys(ALL, "v") | {"administrator": "vca end put_in_force"},
    "audit.auditevent": {"privacy": "v", "administrator": "v"},
    "outbox.effect": dict.fromkeys(ALL, "v")
    | dict.fromkeys(("operations", "administrator"), "v give_back give_up retry take"),
    "suppliers.supplier": dict.fromkeys(ALL, "v") | {"integration": "vca", "administrator": "vca"},
    "suppliers.filein": dict.fromkeys(ALL, "v"),
    "catalog.product": dict.fromkeys(ALL, "v") | {"catalog": "vca", "administrator": "vca"},
    "catalog.unmappedcode": {"catalog": "vc", "administrator": "vc"},
    "disclosure.legalhold": {"privacy": "v", "administrator": "v"},
    "disclosure.purgecertificate": {"privacy": "v", "administrator": "v"},
    "catalog.taxrule": dict.fromkeys(ALL, "v") | {"catalog": "vca", "administrator": "vca"},
    "catalog.shippingrule": dict.fromkeys(ALL, "v") | {"catalog": "vca", "administrator": "vca"},
    "offers.offer": dict.fromkeys(ALL, "v"),
    "offers.purchaselink": dict.fromkeys(ALL, "v") | {"operations": "v revoke", "administrator": "v revoke"},
    "orders.order": dict.fromkeys(ALL, "v") | dict.fromkeys(("operations", "administrator"), "v move_on"),
    "orders.reconciliation": dict.fromkeys(ALL, "v"),
    "ehr.ehrconnection": dict.fromkeys(ALL, "v") | {"integration": "vca", "administrator": "vca"},
    "accounts.proposedchange": {"integration": "v", "privacy": "v", "administrator": "v"},
    "accounts.breakglass": {"privacy": "v", "administrator": "v"},
    "ehr.hookclient": dict.fromkeys(ALL, "v") | {"integration": "vca", "administrator": "vca"},
    "ehr.hl7feed": dict.fromkeys(ALL, "v") | {"integration": "vca", "administrator": "vca"},
    "ehr.subscription": dict.fromkeys(ALL, "v")
    | {"integration": "vca look_now", "administrator": "vca look_now"},
    "ehr.notification": dict.fromkeys(ALL, "v"),
    "ehr.pollingwatermark": dict.fromkeys(ALL, "v") | {"integration": "vca", "administrator": "vca"},
    "ehr.ehrsession": {"integration": "v", "privacy": "v", "administrator": "v"},
    "disclosure.consent": dict.fromkeys(("privacy", "administrator"), "v take_back"),
    "ehr.automationrule": dict.fromkeys(ALL, "v") | {"administrator": "vca"},
    "ehr.automaticact": dict.fromkeys(ALL, "v") | {"operations": "v undo", "administrator": "v undo"},
}


def rights(page: "ModelAdmin[Any]", request: Any) -> str:
    asked = (("v", page.has_view_permission), ("c", page.has_change_permission), ("a", page.has_add_permission))
    letters = "".join(letter for letter, question in asked if question(request))
    return " ".join([letters, *sorted(page.get_actions(request))]).strip()


@pytest.mark.django_db
@pytest.mark.parametrize("role", [*Role.values])
def test_each_role_may_what_the_table_says(clinic: Any, role: str) -> None:
    request = RequestFactory().get("/admin/")
    request.user = staff_user(clinic, role)
    found = {page.opts.label_lower: rights(page, request) for page in site._registry.values()}
    assert found == {name: roles.get(role, "") for name, roles in TABLE.items()}
    assert not any(page.has_delete_permission(request) for page in site._registry.values())


@pytest.fixture
def rows(shop: Shop) -> dict[str, Any]:
    """A row of everything."""
    order = shop.dispatched("device")
    ehr = factories.ehr_connection(shop.clinic)
    session = factories.ehr_session(ehr, shop.ada)
    subscription = Subscription(organization=shop.clinic, connection=ehr, created_at=timezone.now())
    subscription.save()
    code = UnmappedCode.objects.create(
        organization=shop.clinic, kind="device", system="s", code="X1", last_seen_at=timezone.now()
    )
    user = factories.staff(shop.clinic, username=f"keeper-{shop.clinic.pk}", password="correct horse battery staple")
    change = approvals.propose(kind="purge", entity="act:purge", by=user, at=timezone.now())
    broken = BreakGlass(
        organization=shop.clinic, user=user, reason="safety", note="n", began_at=timezone.now(), ends_at=timezone.now(),
        told=shop.ada,
    )  # fmt: skip
    broken.save()
    return {
        "accounts.proposedchange": change,
        "accounts.breakglass": broken,
        "accounts.organization": shop.clinic,
        "accounts.user": shop.ada,
        "accounts.agreement": Agreement.objects.latest("pk"),
        "audit.auditevent": AuditEvent.objects.latest("pk"),
        "outbox.effect": Effect.objects.latest("pk"),
        "suppliers.supplier": shop.supplier("device"),
        "suppliers.filein": FileIn.objects.create(
            organization=shop.clinic, supplier=shop.supplier("device"), name="a.csv", file_digest=b"d" * 32, at=timezone.now()
        ),
        "catalog.product": shop.product("device"),
        "catalog.unmappedcode": code,
        "catalog.taxrule": TaxRule.objects.latest("pk"),
        "catalog.shippingrule": ShippingRule.objects.latest("pk"),
        "offers.offer": order.offer,
        "offers.purchaselink": PurchaseLink.objects.latest("pk"),
        "orders.order": order,
        "orders.reconciliation": Reconciliation.objects.create(
            organization=shop.clinic,
            supplier=shop.supplier("payment"),
            day=timezone.now().date(),
            listed=1,
            agreed=1,
            to_compare=0,
            strays=0,
            crooked=0,
            at=timezone.now(),
        ),
        "disclosure.legalhold": holds.place(
            organization_id=shop.clinic.pk, customer_key="k", why="case", by=shop.ada.actor, at=timezone.now()
        ),
        "disclosure.purgecertificate": PurgeCertificate.objects.create(
            organization=shop.clinic, rule="addresses", kept="shipping", rows=1, at=timezone.now()
        ),
        "disclosure.consent": consent.give(
            organization_id=shop.clinic.pk, customer_key="k", subject=consent.standing_subject("k"),
            wanted=[consent.Wanted("kit", shop.supplier("kit").party, "The kit")], language="en", text="w",
            identity_level=0, by=shop.ada.actor, at=timezone.now(),
        )[0],
        "ehr.ehrconnection": ehr,
        "ehr.ehrsession": session,
        "ehr.subscription": subscription,
        "ehr.hl7feed": factories.hl7_feed(ehr),
        "ehr.notification": Notification.objects.create(
            organization=shop.clinic, connection=ehr, dedupe_sha256=b"d" * 32, resource_type="DeviceRequest", focus="k",
            received_at=timezone.now(),
        ),
        "ehr.pollingwatermark": polling.begin(ehr, at=timezone.now())[0],
        "ehr.automationrule": (rule := AutomationRule.objects.create(
            organization=shop.clinic, name="Masks", kind="device", created_at=timezone.now()
        )),
        "ehr.automaticact": AutomaticAct.objects.create(
            organization=shop.clinic, rule=rule, connection=ehr, customer_key="k", order_key="k", version="1",
            digest=b"d" * 32, action="draft", state="prepared", made_at=timezone.now(),
        ),
    }  # fmt: skip


@pytest.mark.parametrize("role", STAFF)
def test_pages_answer_as_the_table_says(as_role: SignedIn, rows: dict[str, Any], role: str) -> None:
    client = as_role(role)
    assert client.get("/admin/").status_code == 200
    for name, row in rows.items():
        may, page = TABLE[name].get(role, "").partition(" ")[0], f"admin:{name.replace('.', '_')}"
        sees = 200 if "v" in may else 403
        assert client.get(reverse(f"{page}_changelist")).status_code == sees, name
        assert client.get(reverse(f"{page}_change", args=[row.pk])).status_code == sees, name
        history = sees if role in (Role.PRIVACY, Role.ADMINISTRATOR) else 403
        assert client.get(reverse(f"{page}_history", args=[row.pk])).status_code == history, name
        assert client.get(reverse(f"{page}_delete", args=[row.pk])).status_code == 403, name
        assert client.get(reverse(f"{page}_add")).status_code == (200 if "a" in may else 403), name
        if "c" not in may:
            assert client.post(reverse(f"{page}_change", args=[row.pk]), {}).status_code == 403, name


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("button", ["retry", "cancel"])
def test_only_operations_press_the_buttons_of_an_order(as_role: SignedIn, shop: Shop, role: str, button: str) -> None:
    order = shop.authorized("device")
    may = role in (Role.OPERATIONS, Role.ADMINISTRATOR)
    client, address = as_role(role), f"/admin/orders/order/{order.pk}/{button}/"
    page = client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert (address in page) is may
    assert client.get(address).status_code == (405 if may else 403)
    assert client.post(address, {"reason": "clinic_asked"}).status_code == (302 if may else 403)
    wanted = {"retry": "effect.retried", "cancel": "order.cancel_wanted"}[button]
    events = AuditEvent.objects.filter(action=wanted, organization_id=shop.clinic.pk)
    assert events.exists() is may


def test_a_form_from_elsewhere_presses_nothing(as_role: SignedIn, shop: Shop) -> None:
    order = shop.authorized("device")
    client = as_role(Role.OPERATIONS)
    client.handler.enforce_csrf_checks = True
    assert client.post(f"/admin/orders/order/{order.pk}/cancel/", {"reason": "operator"}).status_code == 403
    assert shop.fresh(order).state == "authorized"


@pytest.mark.parametrize("role", STAFF)
def test_nobody_sees_another_clinic(as_role: SignedIn, rows: dict[str, Any], role: str) -> None:
    stranger = staff_user(factories.organization(), role)
    client = signed_in(stranger)
    for name, row in rows.items():
        if "v" in TABLE[name].get(role, ""):
            page = f"admin:{name.replace('.', '_')}"
            assert client.get(reverse(f"{page}_change", args=[row.pk])).status_code == 404, name
    assert client.post(f"/admin/orders/order/{rows['orders.order'].pk}/retry/").status_code in (403, 404)


def test_a_connection_is_not_registered_twice(as_role: SignedIn, shop: Shop) -> None:
    other = factories.ehr_connection(factories.organization())
    walls.enter(shop.clinic.pk)
    client = as_role(Role.INTEGRATION)
    fields = {
        "name": "EHR",
        "slug": "another",
        "vendor": "epic",
        "fhir_base": other.fhir_base,
        "client_id": "c",
        "client_auth": "none",
        "assertion_alg": "ES384",
        "id_token_algs": "RS256",
        "nonce_policy": "required",
        "scope_dialect": "v2",
        "read_s": "10",
    }
    answer = client.post("/admin/ehr/ehrconnection/add/", fields)
    assert "registered already" in answer.content.decode()
    answer = client.post(
        "/admin/ehr/ehrconnection/add/", {**fields, "slug": other.slug, "fhir_base": "https://x.example.org/R4"}
    )
    assert "short name is taken" in answer.content.decode()
    assert (
        client.post("/admin/ehr/ehrconnection/add/", {**fields, "fhir_base": "https://x.example.org/R4"}).status_code
        == 302
    )
    assert EhrConnection.objects.get(slug="another").organization_id == shop.clinic.pk
