"""The glass: broken with a reason and a code, told at once, for half an hour, to look only, and reviewed by somebody else
within three days, or the account is shut. (45 CFR 164.312(a)(2)(ii))"""

from datetime import timedelta

import pytest
from django.utils import timezone

from ehrcommerce.accounts import glass
from ehrcommerce.accounts.models import BreakGlass, Role, User
from ehrcommerce.audit.models import AuditEvent
from tests.admin.conftest import SignedIn, staff_user
from tests.admin.test_reveal import code_of
from tests.commerce.shop import HOME, Shop

WHY = {"reason": "safety", "note": "A caller cannot wait for the pharmacy"}


def broken(shop: Shop, user: User) -> BreakGlass:
    return glass.begin(user=user, reason=WHY["reason"], note=WHY["note"], at=timezone.now())


def user_of(shop: Shop, role: str) -> User:
    return User.objects.get(username=f"{role}-{shop.clinic.pk}")


def test_support_sees_the_items_and_a_banner_and_changes_nothing(as_role: SignedIn, shop: Shop) -> None:
    order, client = shop.dispatched("device"), as_role(Role.SUPPORT)
    as_role(Role.PRIVACY)
    sku = order.lines.get().offer_line.sold_as
    page = f"/admin/orders/order/{order.pk}/change/"
    assert sku not in client.get(page).content.decode()
    answer = client.post("/admin/break-glass/", {**WHY, "otp_token": code_of(Role.SUPPORT, shop)})
    assert answer.status_code == 302
    body = client.get(page).content.decode()
    assert sku in body
    assert "The glass is broken until" in body
    assert "The glass is broken until" in client.get("/admin/").content.decode()
    assert HOME.line not in body, "what has a mask is still shown one by one"
    assert client.get("/admin/audit/auditevent/").status_code == 200
    assert "Somebody" not in body
    event = AuditEvent.objects.get(action="glass.broken", organization_id=shop.clinic.pk)
    assert event.recipient == f"user:{user_of(shop, Role.PRIVACY).public_id}"


def test_an_operator_behind_broken_glass_presses_no_button(as_role: SignedIn, shop: Shop) -> None:
    order, client = shop.authorized("device"), as_role(Role.OPERATIONS)
    as_role(Role.PRIVACY)
    broken(shop, user_of(shop, Role.OPERATIONS))
    assert client.post(f"/admin/orders/order/{order.pk}/cancel/", {"reason": "operator"}).status_code == 403
    assert "Cancel this order" not in client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert client.get("/admin/suppliers/supplier/add/").status_code == 403


def test_the_second_person_is_told_at_once_and_reviews(as_role: SignedIn, shop: Shop) -> None:
    as_role(Role.SUPPORT)
    privacy = as_role(Role.PRIVACY)
    made = broken(shop, user_of(shop, Role.SUPPORT))
    assert "broke the glass" in privacy.get("/admin/").content.decode()
    page = f"/admin/accounts/breakglass/{made.pk}/"
    assert WHY["note"] in privacy.get(f"{page}change/").content.decode()
    assert privacy.post(f"{page}review/", {"verdict": "justified"}).status_code == 302
    fresh = BreakGlass.objects.get(pk=made.pk)
    assert (fresh.verdict, fresh.reviewed_by) == ("justified", user_of(shop, Role.PRIVACY))
    assert fresh.ends_at <= timezone.now()


def test_nobody_reviews_their_own_and_nobody_breaks_it_alone(as_role: SignedIn, shop: Shop) -> None:
    alone = staff_user(shop.clinic, Role.ADMINISTRATOR)
    with pytest.raises(glass.NobodyToTell):
        broken(shop, alone)
    as_role(Role.PRIVACY)
    made = broken(shop, alone)
    with pytest.raises(glass.NotYours):
        glass.review(glass=made, verdict="justified", by=alone, at=timezone.now())
    with pytest.raises(glass.StillOpen):
        broken(shop, alone)


def test_after_half_an_hour_it_is_whole_again(as_role: SignedIn, shop: Shop) -> None:
    order, client = shop.dispatched("device"), as_role(Role.SUPPORT)
    as_role(Role.PRIVACY)
    made = broken(shop, user_of(shop, Role.SUPPORT))
    began = made.began_at - timedelta(minutes=31)
    BreakGlass.objects.filter(pk=made.pk).update(began_at=began, ends_at=began + glass.LASTS)
    body = client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert order.lines.get().offer_line.sold_as not in body
    assert "The glass is broken until" not in body


def test_without_a_review_in_72_hours_the_account_is_shut_until_there_is_one(as_role: SignedIn, shop: Shop) -> None:
    client, privacy = as_role(Role.SUPPORT), as_role(Role.PRIVACY)
    made = broken(shop, user_of(shop, Role.SUPPORT))
    began = made.began_at - timedelta(hours=72, minutes=1)
    BreakGlass.objects.filter(pk=made.pk).update(began_at=began, ends_at=began + glass.LASTS)
    assert client.get("/admin/").status_code == 302
    assert privacy.get("/admin/").status_code == 200
    privacy.post(f"/admin/accounts/breakglass/{made.pk}/review/", {"verdict": "unclear"})
    assert client.get("/admin/").status_code == 200


def test_it_takes_a_reason_and_a_code(as_role: SignedIn, shop: Shop) -> None:
    client = as_role(Role.SUPPORT)
    as_role(Role.PRIVACY)
    for wrong in ({**WHY}, {**WHY, "otp_token": "000000"}, {"reason": "", "note": "x"}):
        assert client.post("/admin/break-glass/", wrong).status_code == 422
    assert not BreakGlass.objects.filter(organization_id=shop.clinic.pk).exists()
