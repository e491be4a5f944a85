"""What the pages of the back office say and do: the first page, the order, the queue of codes, users, the audit."""

from datetime import date

from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.accounts.models import Role, User
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.catalog.models import ProductCode, UnmappedCode
from ehrcommerce.commerce.fulfillment.timeline import effects_of, order_of, timeline, waiting
from ehrcommerce.commerce.offers.models import LinkState, PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import NeedsHuman
from ehrcommerce.policy.packets import DEVICE
from tests.admin.conftest import PASSWORD, SignedIn
from tests.commerce.shop import Shop


def _order(pk: int) -> Order:
    return Order.objects.select_related("offer").get(pk=pk)


def stuck_order(shop: Shop) -> tuple[int, str]:
    """An order whose supplier refused our key."""
    shop.devices.faults.coming = [NeedsHuman("not_authorized")]
    order = shop.dispatched("device")
    return order.pk, order.number


def test_the_first_page_names_what_is_stuck_and_leads_there(as_role: SignedIn, shop: Shop, ending: date) -> None:
    pk, number = stuck_order(shop)
    UnmappedCode.objects.create(
        organization=shop.clinic, kind="device", system="s", code="X1", display="Walker", last_seen_at=timezone.now()
    )
    page = as_role(Role.ADMINISTRATOR).get("/admin/").content.decode()
    for words in (
        f"{number} Order to the supplier",
        "The partner refused our key",
        "Walker",
        "Fading Partner",
        "Exception",
    ):
        assert words in page
    effect = shop.effect("fulfillment.dispatch")
    assert f"/admin/orders/order/{pk}/change/" in page
    answer = as_role(Role.ADMINISTRATOR).get(f"/admin/orders/order/of-effect/{effect.pk}/")
    assert answer["Location"] == f"/admin/orders/order/{pk}/change/"


def test_each_role_is_shown_its_own_work(as_role: SignedIn, shop: Shop) -> None:
    operations = as_role(Role.OPERATIONS).get("/admin/").content.decode()
    catalog = as_role(Role.CATALOG).get("/admin/").content.decode()
    assert "Ordered, but no product" in catalog
    assert "Ordered, but no product" not in operations
    assert "Agreements that end" not in operations


def test_the_order_page_tells_the_story_in_order(as_role: SignedIn, shop: Shop) -> None:
    order = shop.accepted("device", "kit")
    told = [moment.happened for moment in timeline(order)]
    wanted = ["sent", "placed", "payment authorized", "dispatched", "accepted", "payment captured"]
    assert [told.index(word) for word in wanted] == sorted(told.index(word) for word in wanted)
    assert [moment.at for moment in timeline(order)] == sorted(moment.at for moment in timeline(order))
    page = as_role(Role.FULFILLMENT).get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    for line in order.lines.select_related("offer_line__product"):
        assert line.offer_line.product.sku in page
    assert "Retry what waits" not in page
    assert AuditEvent.objects.filter(action="order.viewed", entity=f"order:{order.public_id}").exists()


def test_every_effect_of_an_order_leads_back_to_it_and_to_no_other(shop: Shop) -> None:
    shop.chart.reports = True
    one, two = shop.accepted("device", "prescription"), shop.accepted("device")
    for order in (one, two):
        found = list(effects_of(order))
        kinds = {effect.kind for effect in found}
        assert {
            "payment.open",
            "fulfillment.dispatch",
            "fulfillment.notify",
            "chart.report",
            "payment.capture",
        } <= kinds
        assert {each.pk for each in map(order_of, found) if each} == {order.pk}
    mine = set(effects_of(one)) | set(effects_of(two))
    assert mine == set(Effect.objects.filter(organization_id=shop.clinic.pk))


def test_retry_moves_what_waits_and_leaves_the_routine_question_alone(as_role: SignedIn, shop: Shop) -> None:
    pk, _ = stuck_order(shop)
    page = as_role(Role.OPERATIONS).get(f"/admin/orders/order/{pk}/change/").content.decode()
    held = [effect.kind for effect in waiting(_order(pk))]
    assert f"Retry what waits ({len(held)})" in page
    assert "fulfillment.dispatch" in held
    as_role(Role.OPERATIONS).post(f"/admin/orders/order/{pk}/retry/")
    shop.later("fulfillment.dispatch", seconds=5)
    shop.run()
    shop.later("fulfillment.dispatch", seconds=5)
    shop.run()
    assert _order(pk).state == "dispatched"
    assert waiting(_order(pk)) == []


def test_an_order_that_left_is_not_cancelled_and_says_so(as_role: SignedIn, shop: Shop) -> None:
    order = shop.accepted("device")
    shop.hears(shop.fulfillment(order), "shipped")
    client = as_role(Role.OPERATIONS)
    answer = client.post(f"/admin/orders/order/{order.pk}/cancel/", {"reason": "patient_asked"}, follow=True)
    assert "has left the supplier" in answer.content.decode()
    answer = client.post(f"/admin/orders/order/{order.pk}/cancel/", {"reason": "anything"}, follow=True)
    assert "Choose a reason" in answer.content.decode()


def test_an_unmapped_code_takes_a_product_of_its_kind_once(as_role: SignedIn, shop: Shop) -> None:
    kit, device = shop.product("kit"), shop.product("device")
    code = UnmappedCode.objects.create(
        organization=shop.clinic, kind="device", system="s", code="X1", display="Walker", last_seen_at=timezone.now()
    )
    client, address = as_role(Role.CATALOG), f"/admin/catalog/unmappedcode/{code.pk}/change/"
    page = client.get(address).content.decode()
    assert device.sku in page
    assert kit.sku not in page
    assert "Walker" in client.get("/admin/catalog/unmappedcode/").content.decode()
    assert client.post(address, {"product": kit.pk}).status_code == 200
    assert client.post(address, {"product": device.pk, "never_sell": "on"}).status_code == 200
    assert client.post(address, {"product": device.pk}).status_code == 302
    assert ProductCode.objects.get(code="X1").product == device
    assert AuditEvent.objects.filter(action="catalog.mapped").exists()
    assert "Walker" not in client.get("/admin/catalog/unmappedcode/").content.decode()
    assert "Walker" in client.get("/admin/catalog/unmappedcode/?queue=mapped").content.decode()
    other = shop.product("device")
    client.post(address, {"product": other.pk})
    assert ProductCode.objects.get(code="X1").product == device


def test_codes_of_a_product_are_spelled_as_the_launch_looks_for_them(as_role: SignedIn, shop: Shop) -> None:
    product = shop.product("device")
    client, address = as_role(Role.CATALOG), f"/admin/catalog/product/{product.pk}/change/"
    fields = {
        "sku": product.sku,
        "kind": "device",
        "name_en": "Mask",
        "name_es": "M",
        "price_cents": "100",
        "currency": "USD",
        "weight_grams": "0",
        "active": "on",
        "usual_ranges-TOTAL_FORMS": "0",
        "usual_ranges-INITIAL_FORMS": "0",
        "codes-TOTAL_FORMS": "2",
        "codes-INITIAL_FORMS": "0",
        "codes-0-system": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
        "codes-0-code": "a7034",
        "codes-0-confidence": "certain",
        "codes-1-system": "https://www.cms.gov/medicare/coding/hcpcsreleasecodesets",
        "codes-1-code": "A7034",
        "codes-1-confidence": "certain",
    }
    assert "stands here twice" in client.post(address, fields).content.decode()
    assert client.post(address, {**fields, "codes-TOTAL_FORMS": "1"}).status_code == 302
    assert ProductCode.objects.get(product=product).code == "A7034"
    assert AuditEvent.objects.filter(action="product.codes_changed", entity=f"product:{product.public_id}").exists()


def test_a_new_administrator_gets_a_device_and_a_new_password_leaves_it(as_role: SignedIn, shop: Shop) -> None:
    client = as_role(Role.ADMINISTRATOR)
    name = f"new-{shop.clinic.pk}"
    fields = {"username": name, "display_name": "New", "role": "operations", "is_active": "on"}
    add = "/admin/accounts/user/add/"
    assert "first password" in client.post(add, {**fields, "new_password": ""}).content.decode()
    assert "too short" in client.post(add, {**fields, "new_password": "short"}).content.decode()
    assert (
        "come from the EHR"
        in client.post(add, {**fields, "role": "clinician", "new_password": PASSWORD}).content.decode()
    )
    answer = client.post(add, {**fields, "new_password": PASSWORD}, follow=True)
    assert "otpauth://totp/" in answer.content.decode()
    user = User.objects.get(username=name)
    assert user.is_staff
    assert not user.is_superuser
    device = TOTPDevice.objects.get(user=user)
    address = f"/admin/accounts/user/{user.pk}/change/"
    answer = client.post(address, {**fields, "new_password": "another horse battery"}, follow=True)
    assert device.key not in answer.content.decode()
    assert User.objects.get(pk=user.pk).check_password("another horse battery")
    assert TOTPDevice.objects.get(user=user).key == device.key


def test_history_is_the_audit_with_names_of_fields(as_role: SignedIn, shop: Shop) -> None:
    product = shop.product("device")
    client, address = as_role(Role.CATALOG), f"/admin/catalog/product/{product.pk}"
    fields = {
        "sku": product.sku, "kind": "device", "name_en": "Quiet name", "name_es": "M", "price_cents": "100",
        "currency": "USD", "weight_grams": "0", "active": "on", "codes-TOTAL_FORMS": "0", "codes-INITIAL_FORMS": "0",
        "usual_ranges-TOTAL_FORMS": "0", "usual_ranges-INITIAL_FORMS": "0",
    }  # fmt: skip
    assert client.post(f"{address}/change/", fields).status_code == 302
    assert client.get(f"{address}/history/").status_code == 403
    page = as_role(Role.ADMINISTRATOR).get(f"{address}/history/").content.decode()
    for words in (f"catalog-{shop.clinic.pk}", "product.changed", "name_en"):
        assert words in page
    assert "Quiet name" not in page


def test_the_audit_is_searched_by_username_and_the_search_is_in_it(as_role: SignedIn, shop: Shop) -> None:
    client = as_role(Role.PRIVACY)
    client.get("/admin/audit/auditevent/")
    page = client.get(f"/admin/audit/auditevent/?q=privacy-{shop.clinic.pk}").content.decode()
    assert "audit.searched" in page
    assert "0 results" not in page


def test_patients_who_ask_for_a_new_link_stand_on_the_first_page(as_role: SignedIn, shop: Shop) -> None:
    link = shop.link(DEVICE, state=LinkState.EXPIRED)
    assert "Nobody waits for a new link." in as_role(Role.SUPPORT).get("/admin/").content.decode()
    PurchaseLink.objects.filter(pk=link.pk).update(asked_again_at=timezone.now(), sent_at=timezone.now())
    page = as_role(Role.SUPPORT).get("/admin/").content.decode()
    assert "who sends it from the chart" in page
    assert f"/admin/offers/purchaselink/{link.pk}/change/" in page
