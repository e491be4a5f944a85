"""The clinician changes or stops an order while its link lies unused: nobody agrees to or pays for the old one."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.ehr.order_rows import progress_of
from ehrcommerce.ehr.views.made import _new_versions
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import ChartOrder
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import Cy, words
from tests.commerce.checkout.doubles import Chart

KEY = "order-1"
UPDATED, STOPPED, NEWER = "Your clinic updated this", "This link was stopped", "There is a newer link"


def changed(**how: Any) -> None:
    now = Chart.orders[KEY]
    assert now is not None
    Chart.orders[KEY] = ChartOrder(replace(now.item, **how), replace(now.state, version="2"))


def stopped() -> None:
    now = Chart.orders[KEY]
    assert now is not None
    Chart.orders[KEY] = ChartOrder(now.item, replace(now.state, refusal="not_active", version="2"))


def ended(cy: Cy) -> tuple[str, str]:
    with walls.organization(cy.shop.clinic.pk):
        row = PurchaseLink.objects.get(pk=cy.link.pk)
    return row.state, row.end_reason


def ordered(cy: Cy) -> bool:
    with walls.organization(cy.shop.clinic.pk):
        return Order.objects.exists()


def at_open(cy: Cy) -> Any:
    cy.prove()
    return lambda: cy.get("/c/check/")


def at_quote(cy: Cy) -> Any:
    cy.choose()
    return lambda: cy.get("/c/price/")


def at_pay(cy: Cy) -> Any:
    cy.ship()
    seen = cy.quote("/c/pay/")
    return lambda: cy.post("/c/pay/", quote=seen)


MOMENTS = [at_open, at_quote, at_pay]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_changed_order_ends_the_link_at_the_next_read(cy: Cy, moment: Any) -> None:
    look = moment(cy)
    changed(directions="Take 2 tablets by mouth twice a day")
    answer = look()
    assert (answer.status_code, ended(cy)) == (410, ("superseded", "order_changed"))
    assert UPDATED in words(answer)
    assert not any(name in words(answer) for name in ("etformin", "Rivera", "Okafor"))
    assert not ordered(cy)
    assert UPDATED in words(cy.get("/c/check/"))
    assert UPDATED in words(cy.get(cy.address))
    with walls.organization(cy.shop.clinic.pk):
        assert AuditEvent.objects.filter(action="link.superseded", reason="order_changed").count() == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_order_that_was_stopped_before_the_link_was_used_revokes_it(cy: Cy, moment: Any) -> None:
    look = moment(cy)
    stopped()
    answer = look()
    assert (answer.status_code, ended(cy)) == (410, ("revoked", "not_active"))
    assert STOPPED in words(answer)
    assert not ordered(cy)


def test_an_order_that_is_gone_from_the_chart_is_looked_for_twice_before_the_link_ends(cy: Cy) -> None:
    look = at_open(cy)
    Chart.orders[KEY] = None
    assert look().status_code == 200
    with walls.organization(cy.shop.clinic.pk):
        effect = Effect.objects.get(kind="fulfillment.relook", subject=str(cy.link.public_id))
        for _ in range(2):
            outbox.run(str(effect.public_id))
            Effect.objects.filter(pk=effect.pk).update(next_run_at=timezone.now() - timedelta(seconds=1))
    assert ended(cy) == ("revoked", "order_gone")
    assert STOPPED in words(look())


def test_a_link_that_only_a_newer_one_replaced_does_not_say_that_the_clinic_changed_the_order(cy: Cy) -> None:
    with walls.organization(cy.shop.clinic.pk):
        PurchaseLink.objects.filter(pk=cy.link.pk).update(state="superseded", end_reason="newer_link")
    said = words(cy.get(cy.address))
    assert NEWER in said
    assert UPDATED not in said


def test_the_clinics_change_is_told_in_spanish_too(cy: Cy) -> None:
    with walls.organization(cy.shop.clinic.pk):
        PurchaseLink.objects.filter(pk=cy.link.pk).update(state="superseded", end_reason="order_changed")
    assert "Su clínica" in words(cy.get(f"{cy.address}?lang=es"))


def test_a_new_version_with_the_same_words_changes_nothing(cy: Cy) -> None:
    cy.prove()
    changed()
    assert cy.get("/c/check/").status_code == 200
    assert (ended(cy), Chart.looked > 0) == (("verified", ""), True)


def test_a_chart_that_cannot_be_read_stops_nobody_here(cy: Cy) -> None:
    cy.prove()
    Chart.down = True
    assert cy.get("/c/check/").status_code == 200
    assert ended(cy)[0] == "verified"


def test_nothing_is_read_before_somebody_is_known(cy: Cy) -> None:
    cy.get(cy.address)
    cy.answer()
    assert Chart.looked == 0


def test_the_clinician_sees_why_and_can_send_the_new_version_once(cy: Cy) -> None:
    look = at_open(cy)
    changed(directions="Take 1 tablet by mouth twice a day, with food")
    look()
    how: Any = {"organization_id": cy.shop.clinic.pk, "customer_key": "customer-cy", "also": ["orders"]}
    with walls.organization(cy.shop.clinic.pk):
        (old,) = offers.sent_for(**how)
        assert progress_of(old.offer, old.link).words == "Changed in the chart: the link ended"
        assert _new_versions([old]) == {old.link.pk: f"order={KEY}"}
        assert offers.newest_by_order([old]) == {}
    now = Chart.orders[KEY]
    assert now is not None
    cy.shop.offer(("MET", now.item))
    with walls.organization(cy.shop.clinic.pk):
        assert _new_versions(offers.sent_for(**how)) == {}
