"""Two more ways in: R4 writes each resource behind our address, and a client certificate proves who sends."""

import json
from typing import Any

import pytest
from django.test import Client

from ehrcommerce.ehr.models import Notification, PollingWatermark, Scheme, Subscription
from ehrcommerce.vault import walls
from tests.disclosure.charts import device
from tests.events.conftest import FHIR, SECRET, Ward, at_version, id_only
from tests.events.test_following import state
from tests.suppliers.test_client_certificates import OTHERS, PROXY, THEIRS, fingerprint, nginx


def put(ward: Ward, place: str, body: Any, *, secret: str = SECRET, **how: Any) -> int:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    walls.leave()
    try:
        return Client().put(
            f"/hooks/ehr/{ward.subscription.hook_id}/{place}", raw, content_type=FHIR,
            headers={"X-Ehrcommerce-Secret": secret, **how},
        ).status_code  # fmt: skip
    finally:
        walls.enter(ward.shop.clinic.pk)


@pytest.fixture
def plain(ward: Ward) -> Ward:
    Subscription.objects.filter(pk=ward.subscription.pk).update(scheme=Scheme.REST_HOOK, reference="")
    return ward


# ------------------------------------------------------------------------------------------------- R4 with the resource
def test_a_resource_that_is_put_behind_the_address_is_a_hint_and_its_words_count_for_nothing(plain: Ward) -> None:
    link = plain.link()
    told = at_version(device(), 4, status="revoked")
    assert put(plain, "DeviceRequest/dev-1", told) == 200
    plain.settle()
    assert state(link)[0] == "verified", "the chart says otherwise, and only the chart counts"
    plain.ehr.put(at_version(device(), 5, status="revoked"))
    assert put(plain, "DeviceRequest/dev-1", at_version(device(), 5, status="active")) == 200
    plain.settle(passing_s=11)
    assert state(link) == ("revoked", "not_active")


def test_the_version_that_is_put_is_known_from_then_on(plain: Ward) -> None:
    put(plain, "DeviceRequest/dev-1", at_version(device(), 7))
    put(plain, "DeviceRequest/dev-1", at_version(device(), 7))
    row = Notification.objects.get(connection=plain.connection)
    assert (row.resource_type, row.version) == ("DeviceRequest", "7")


@pytest.mark.parametrize(("place", "body", "status"), [
    ("DeviceRequest/dev-2", at_version(device(), 4), 400), ("Patient/dev-1", at_version(device(), 4), 400),
    ("DeviceRequest/dev-1", b"", 400), ("DeviceRequest/dev-1", b"[]", 400), ("DeviceRequest/dev-1", b"{", 400),
    ("DeviceRequest/..", {**device(), "id": ".."}, 200), ("Observation/o-1", {"resourceType": "Observation", "id": "o-1"}, 200),
])  # fmt: skip
def test_what_is_put_in_the_wrong_place_is_refused_or_dropped(plain: Ward, place: str, body: Any, status: int) -> None:
    assert put(plain, place, body) == status
    assert plain.states() == []


def test_nothing_is_put_without_the_secret_nor_at_another_kind_of_subscription(ward: Ward) -> None:
    assert put(ward, "DeviceRequest/dev-1", device(), secret="guess") == 401
    assert put(ward, "DeviceRequest/dev-1", device()) == 400, "this one sends Bundles"
    assert ward.states() == []


def test_a_resource_that_is_posted_is_the_same_hint(plain: Ward) -> None:
    assert plain.post(at_version(device(), 4)) == 200
    assert Notification.objects.get(connection=plain.connection).resource_type == "DeviceRequest"


# --------------------------------------------------------------------------------------------------- client certificates
@pytest.fixture
def pinned(ward: Ward, settings: Any) -> Ward:
    settings.CLIENT_CERTIFICATE_HEADER, settings.PROXY_ADDRESSES = "Client-Cert", [PROXY]
    Subscription.objects.filter(pk=ward.subscription.pk).update(client_certificates=fingerprint(THEIRS))
    return ward


def post(ward: Ward, shown: str | None, *, address: str = PROXY, secret: str = SECRET) -> int:
    headers = {"X-Ehrcommerce-Secret": secret} | ({"Client-Cert": shown} if shown is not None else {})
    return ward.post(id_only("DeviceRequest/dev-1"), headers=headers, REMOTE_ADDR=address)


def without_secret(ward: Ward) -> None:
    row = Subscription.objects.get(pk=ward.subscription.pk)
    row.secret = row.previous_secret = ""
    row.save()


def test_with_the_certificate_from_our_proxy_and_the_secret_it_counts(pinned: Ward) -> None:
    assert post(pinned, nginx(THEIRS)) == 200
    assert len(pinned.states()) == 1


@pytest.mark.parametrize("how", [
    {"shown": None}, {"shown": ""}, {"shown": "rubbish"}, {"shown": nginx(OTHERS)},
    {"shown": nginx(THEIRS), "address": "203.0.113.9"}, {"shown": nginx(THEIRS), "secret": "guess"},
])  # fmt: skip
def test_without_one_of_the_two_nothing_counts(pinned: Ward, how: dict[str, Any]) -> None:
    assert post(pinned, **how) == 401
    assert pinned.states() == []
    pinned.subscription.refresh_from_db()
    assert pinned.subscription.refused == 1


def test_a_certificate_alone_is_enough_where_no_secret_was_agreed(pinned: Ward) -> None:
    without_secret(pinned)
    assert post(pinned, nginx(OTHERS), secret="") == 401
    assert post(pinned, nginx(THEIRS), secret="") == 200


def test_without_secret_and_certificate_nobody_is_let_in(ward: Ward) -> None:
    without_secret(ward)
    assert post(ward, None, secret="") == 401
    assert not PollingWatermark.objects.filter(connection=ward.connection).exists()
