"""Redis, sessions, caches and task bodies hold nothing personal, whatever was done until now."""

import re
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection

from ehrcommerce.outbox import doorbell
from ehrcommerce.outbox.models import Effect
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import Cy
from tests.commerce.checkout.test_rights import values

CANARIES = ("2065550142", "cy@mail.example", "metformin", "1968", "98101", "Rivera", "twice a day")


def found(text: str) -> list[str]:
    """Short numbers stand by themselves: the digits of a seal or an id can be these by chance."""
    return [
        canary for canary in CANARIES
        if re.search(rf"(?<![0-9A-Za-z]){canary}(?![0-9A-Za-z])" if len(canary) < 6 else re.escape(canary), text)
        or canary.encode().hex() in text
    ]  # fmt: skip


def test_the_whole_way_leaves_nothing_personal_outside_of_sealed_columns(
    cy: Cy, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[tuple[Any, ...]] = []
    ring = doorbell.ring

    def heard(*body: Any) -> None:
        rung.append(body)
        ring(*body)

    monkeypatch.setattr(doorbell, "ring", heard)
    cy.ship()
    cy.post("/c/pay/")
    for path in ("/c/data/read/", "/c/data/file/"):
        assert cy.get(path).status_code == 200
    store: Any = redis.Redis.from_url(settings.REDIS_URL)
    assert found("".join(map(repr, values(store)))) == []
    assert found(repr(rung)) == []
    assert found(repr([session.get_decoded() for session in Session.objects.all()])) == []
    assert found(repr(getattr(cache, "_cache", {}))) == []
    assert "1968" in repr({"born": "1968-03-14"})  # the search can find
    with walls.organization(cy.shop.clinic.pk), connection.cursor() as cursor:
        assert Effect.objects.exists()
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            text = " ".join(row[0] for row in cursor.fetchall())
            assert [canary for canary in found(text) if canary not in PLAIN.get(table, ())] == [], table


# The clinic's own words about what it sells; and the mask of a contact shows its end on purpose.
PLAIN = {"catalog_product": ("metformin",), "offers_offerline": ("metformin",)}
