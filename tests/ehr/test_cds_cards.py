"""H10: from the card to the launch that it opens. The handle is opaque, counts once, and only where and for whom it was
made; every other launch begins as usual."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from ehrcommerce.ehr import cds_cards, cds_hooks
from ehrcommerce.ehr.handles import key_maker
from ehrcommerce.ehr.models import AppContext, EhrConnection, EhrSession
from ehrcommerce.vault import walls
from tests import factories
from tests.ehr import cds as clients
from tests.ehr.cds import Cds, device
from tests.ehr.conftest import Browser
from tests.ehr.fake_ehr import FakeEhr

pytestmark = pytest.mark.django_db


@pytest.fixture
def cds(ehr: FakeEhr, connection: EhrConnection, monkeypatch: pytest.MonkeyPatch) -> Cds:
    monkeypatch.setattr(cds_hooks, "DEADLINE_S", 60.0)
    clients.sell_masks(connection)
    return clients.registered(ehr, connection)


def link_of(cds: Cds, **more: Any) -> dict[str, Any]:
    (card,) = cds.cards(device(), **more)
    (link,) = card["links"]
    return dict(link)


def opened(browser: Browser, handle: Any, **token: Any) -> EhrSession:
    """The launch of a token answer that carries this."""
    browser.ehr.token = {"appContext": handle, "fhirContext": None, **token}
    assert browser.open().status_code == 303
    with walls.organization(browser.connection.organization_id):
        return EhrSession.objects.latest("pk")


def test_h10_a_card_opens_the_app_with_its_orders_once(cds: Cds, browser: Browser) -> None:
    link = link_of(cds)
    assert link["type"] == "smart"
    assert link["url"] == f"{settings.CLINIC_URL}/ehr/launch"
    assert len(link["appContext"]) <= 64
    first, second = (opened(browser, link["appContext"]) for _ in range(2))
    assert (first.from_card, first.focus) == (True, "DeviceRequest/mask-1")
    assert (second.from_card, second.focus) == (False, "")


def test_h10_only_its_hash_is_kept(cds: Cds) -> None:
    handle = link_of(cds)["appContext"]
    row = AppContext.objects.get()
    assert handle.encode() not in bytes(row.handle_sha256)
    assert "mask" not in handle


@pytest.mark.smart("H78")
@pytest.mark.parametrize("change", [{"patient": "dee-2"}, {"user": "eve"}])
def test_h10_another_patient_or_user_begins_as_usual_and_spends_nothing(
    cds: Cds, browser: Browser, change: dict[str, str]
) -> None:
    handle = link_of(cds)["appContext"]
    if "user" in change:
        browser.ehr.claims = {"fhirUser": f"{browser.ehr.base}/Practitioner/eve", "sub": "eve"}
    session = opened(browser, handle, **{name: value for name, value in change.items() if name == "patient"})
    assert (session.from_card, session.focus) == (False, "")
    browser.ehr.claims = {}
    assert opened(browser, handle).from_card


def test_h10_another_connection_begins_as_usual(cds: Cds) -> None:
    handle = link_of(cds)["appContext"]
    other, at = factories.ehr_connection(cds.connection.organization), timezone.now()
    assert cds_cards.spend(other, handle, patient="cy-1", user="Practitioner/ada", at=at) is None
    assert cds_cards.spend(cds.connection, handle, patient="cy-1", user="Practitioner/ada", at=at) is not None


@pytest.mark.parametrize("odd", ["", "unknown", "x" * 65, 7, None, {"a": 1}, ["x"], "\x00"])
def test_h10_an_unknown_or_odd_context_begins_as_usual(cds: Cds, browser: Browser, odd: Any) -> None:
    assert not opened(browser, odd).from_card


def test_h10_a_card_is_over_after_half_an_hour(cds: Cds) -> None:
    handle, at = link_of(cds)["appContext"], timezone.now() + timedelta(minutes=31)
    assert cds_cards.spend(cds.connection, handle, patient="cy-1", user="Practitioner/ada", at=at) is None


def test_h10_a_card_without_a_user_opens_nothing_special(cds: Cds) -> None:
    handle = link_of(cds, context={"userId": None})["appContext"]
    assert cds_cards.spend(cds.connection, handle, patient="cy-1", user="", at=timezone.now()) is None


def test_h10_what_fhir_context_says_stays_where_there_is_no_card(cds: Cds, browser: Browser) -> None:
    session = opened(browser, "unknown", fhirContext=[{"reference": "MedicationRequest/7"}])
    assert (session.from_card, session.focus) == (False, "MedicationRequest/7")


def test_what_a_card_spoke_of_goes_when_it_is_over_and_the_card_after_a_week(cds: Cds) -> None:
    link_of(cds)
    row, organization_id = AppContext.objects.get(), cds.connection.organization_id
    assert cds_cards.erase(organization_id, row.made_at) == 0
    assert cds_cards.erase(organization_id, row.expires_at) == 1
    row.refresh_from_db()
    assert not row.orders
    assert cds_cards.erase(organization_id, row.expires_at) == 0
    assert cds_cards.erase(organization_id, row.made_at + timedelta(days=8)) == 1
    assert not AppContext.objects.exists()


def test_one_persons_cards_can_be_forgotten(cds: Cds) -> None:
    link_of(cds)
    key = key_maker(cds.connection)
    assert cds_cards.forget(cds.connection.organization_id, key("Patient", "dee-2"), frozenset()) == 0
    assert cds_cards.forget(cds.connection.organization_id, key("Patient", "cy-1"), frozenset()) == 1


def test_calls_that_are_over_are_forgotten(cds: Cds) -> None:
    cds.call(device())
    assert cds_cards.tidy(cds.connection.organization_id, timezone.now()) == 0
    assert cds_cards.tidy(cds.connection.organization_id, timezone.now() + timedelta(hours=1)) == 1
