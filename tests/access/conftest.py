"""Two clinics that mirror each other, made once for all cells; what a cell writes is rolled back."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from pytest_django import DjangoDbBlocker

from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.errors import ChartUnreadable
from ehrcommerce.ehr import checking
from ehrcommerce.outbox import doorbell
from ehrcommerce.outbox.models import OPEN, Effect
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.vault import walls
from tests import factories
from tests.access.cast import World, own_secrets, sign_in_all, tenant
from tests.commerce.shop import Shop


def unreadable(*args: Any, **kwargs: Any) -> Any:
    """There is no EHR behind these clinics: whoever gets as far as the chart reads that it does not answer."""
    raise ChartUnreadable


@pytest.fixture(scope="package")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        shops = {}
        for _ in range(2):
            clinic = factories.organization()
            shops[clinic.pk] = Shop(clinic, factories.clinician(clinic, subject="ada"))

        def adapter_of(supplier: Supplier) -> Any:
            return shops[supplier.organization_id].adapter_of(supplier)

        patch.setattr(doorbell, "ring", lambda effect_id, queue: None)
        patch.setattr(chosen, "adapter_of", adapter_of)
        tenants = []
        for shop in shops.values():
            walls.enter(shop.clinic.pk)
            shop.add_suppliers()
            patch.setattr(chosen, "chart", lambda shop=shop: shop.chart)
            tenants.append(tenant(shop))
            own_secrets(tenants[-1], mine=len(tenants) == 1)
        for name in [name for name in vars(door) if name.startswith("disclose_")]:
            patch.setattr(door, name, unreadable)
        patch.setattr(checking, "check", lambda row, by, at: None)
        made = World(tenants[0], tenants[1])
        sign_in_all(made)
        yield made
        for shop in shops.values():
            walls.enter(shop.clinic.pk)
            Effect.objects.filter(state__in=OPEN).update(state="rejected", next_run_at=None)
        walls.leave()
        keys = {value for cookies in made.cookies.values() for value in cookies.values()}
        Session.objects.filter(session_key__in=keys).delete()
