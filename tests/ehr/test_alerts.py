"""What an operator sees: the gravest word first, none lost, and strangers cannot write over it."""

from datetime import timedelta

import pytest
from django.db.models import F

from ehrcommerce.accounts.models import Organization, User
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr import alerts, discovery
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.vault import walls
from tests import factories
from tests.ehr.conftest import Browser
from tests.ehr.fake_ehr import FakeEhr


def fresh(connection: EhrConnection) -> EhrConnection:
    with walls.organization(connection.organization_id):
        return EhrConnection.objects.get(pk=connection.pk)


@pytest.mark.smart("B4")
def test_answers_of_another_ehr_hide_no_alert_and_are_written_down_once_an_hour(
    browser: Browser, clinic: Organization
) -> None:
    other = factories.ehr_connection(clinic, fhir_base="https://other.example.org/fhir")
    alerts.note(other, alerts.ISSUER, factories.NOW)
    for _ in range(3):
        state = browser.sign_in()["state"]
        assert browser.come_back(slug=other.slug, code="c", state=state).status_code == 400
    assert fresh(other).alert == alerts.ISSUER
    with walls.organization(clinic.pk):
        refused = AuditEvent.objects.filter(entity=f"connection:{other.public_id}", reason="C-MIX")
        assert refused.count() == 1
        EhrConnection.objects.filter(pk=other.pk).update(mixed_up_at=F("mixed_up_at") - timedelta(hours=1))
    browser.come_back(slug=other.slug, code="c", state=browser.sign_in()["state"])
    with walls.organization(clinic.pk):
        assert refused.count() == 2


def test_a_lesser_word_waits_behind_a_graver_one_and_each_is_written_down_once(connection: EhrConnection) -> None:
    for word in (alerts.TENANT, alerts.ISSUER, alerts.ENDPOINT, alerts.TENANT, alerts.ISSUER):
        alerts.note(connection, word, factories.NOW)
    row = fresh(connection)
    assert (row.alert, set(row.standing_alerts)) == (alerts.ISSUER, {alerts.TENANT, alerts.ISSUER, alerts.ENDPOINT})
    with walls.organization(connection.organization_id):
        noted = list(AuditEvent.objects.filter(action="connection.alert").values_list("reason", flat=True))
    assert sorted(noted) == sorted(row.standing_alerts)


def test_what_waited_comes_forward_when_the_graver_one_is_cleared(connection: EhrConnection, ada: User) -> None:
    alerts.note(connection, alerts.CLIENT, factories.NOW)
    alerts.note(connection, alerts.ISSUER, factories.NOW)
    for left in (alerts.CLIENT, ""):
        with walls.organization(connection.organization_id):
            alerts.clear(connection, by=ada.actor, at=factories.NOW)
        assert fresh(connection).alert == left
    assert alerts.note(connection, alerts.ISSUER, factories.NOW), "cleared: it may be raised again"


PINNED = {
    "oidc_issuer": "https://i.example.org", "jwks_uri": "https://k.example.org/jwks", "tenant": "t-1",
    "pinned_endpoints": {"token_endpoint": "https://i.example.org/t"},
}  # fmt: skip


@pytest.mark.smart("D6")
@pytest.mark.parametrize(
    ("word", "emptied"),
    [(alerts.ISSUER, "oidc_issuer"), (alerts.KEYS, "jwks_uri"), (alerts.TENANT, "tenant"), (alerts.CLIENT, ""),
     (alerts.ENDPOINT, "pinned_endpoints"), (alerts.WRITTEN_ELSEWHERE, "")],
)  # fmt: skip
def test_only_what_an_alert_is_about_is_unpinned(connection: EhrConnection, ada: User, word: str, emptied: str) -> None:
    with walls.organization(connection.organization_id):
        EhrConnection.objects.update(**PINNED)
        alerts.note(connection, word, factories.NOW)
        alerts.clear(connection, by=ada.actor, at=factories.NOW, unpin=True)
    row = fresh(connection)
    assert {name for name in PINNED if not getattr(row, name)} == ({emptied} - {""})


def test_a_key_address_that_a_person_set_is_never_emptied(connection: EhrConnection, ada: User) -> None:
    with walls.organization(connection.organization_id):
        EhrConnection.objects.update(**PINNED, jwks_source="pinned")
        alerts.note(connection, alerts.KEYS, factories.NOW)
        alerts.clear(connection, by=ada.actor, at=factories.NOW, unpin=True)
    assert (fresh(connection).jwks_uri, fresh(connection).alert) == (PINNED["jwks_uri"], "")


@pytest.mark.smart("D6", "B4")
def test_a_first_launch_through_a_further_issuer_pins_the_ehr_s_own_and_locks_nobody_out(
    browser: Browser, ehr: FakeEhr
) -> None:
    with walls.organization(browser.connection.organization_id):
        EhrConnection.objects.update(more_issuers="https://idp.example.org/oidc/7/")
    ehr.claims = {"iss": "https://idp.example.org/oidc/7/"}
    assert browser.open().status_code == 303
    assert fresh(browser.connection).oidc_issuer == ehr.base
    for claims in ({"iss": "https://idp.example.org/oidc/7/"}, {}):
        discovery.forget()
        ehr.claims = claims
        assert browser.open().status_code == 303
