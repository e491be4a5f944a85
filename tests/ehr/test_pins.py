"""Where the EHR's addresses and keys come from, and what happens when a recorded one changes."""

from typing import Any

import pytest

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr import alerts, discovery, errors
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.vault import walls
from tests import factories
from tests.ehr.conftest import Browser
from tests.ehr.fake_ehr import FakeEhr, as_json


@pytest.mark.smart("I2")
def test_keys_come_from_where_the_row_says(ehr: FakeEhr, connection: EhrConnection) -> None:
    ehr.replies["/fhir/R4/.well-known/openid-configuration"] = as_json(
        {"issuer": ehr.base, "jwks_uri": f"{ehr.url}/other-keys"}
    )
    connection.jwks_source = "openid_configuration"
    assert discovery.configuration(connection).jwks_uri == f"{ehr.url}/other-keys"
    connection.jwks_source = "pinned"
    assert discovery.configuration(connection).jwks_uri == ""
    connection.jwks_uri = f"{ehr.url}/mine"
    assert discovery.configuration(connection).jwks_uri == f"{ehr.url}/mine"


@pytest.mark.smart("I2")
def test_where_the_issuer_has_no_document_the_base_is_asked(ehr: FakeEhr, connection: EhrConnection) -> None:
    connection.oidc_issuer = f"{ehr.url}/oauth2"
    ehr.document = {"jwks_uri": None, "issuer": None}
    ehr.replies["/fhir/R4/.well-known/openid-configuration"] = as_json(
        {"issuer": f"{ehr.url}/oauth2", "jwks_uri": f"{ehr.url}/jwks"}
    )
    assert discovery.configuration(connection).jwks_uri == f"{ehr.url}/jwks"
    assert ehr.paths()[1:] == ["/oauth2/.well-known/openid-configuration", "/fhir/R4/.well-known/openid-configuration"]


@pytest.mark.smart("I2", "D2")
def test_an_issuer_elsewhere_is_not_asked(ehr: FakeEhr, connection: EhrConnection) -> None:
    connection.oidc_issuer = "https://idp.example.net"
    ehr.document = {"jwks_uri": None, "issuer": None}
    ehr.replies["/fhir/R4/.well-known/openid-configuration"] = as_json(
        {"issuer": "https://idp.example.net", "jwks_uri": f"{ehr.url}/jwks"}
    )
    assert discovery.configuration(connection).jwks_uri == f"{ehr.url}/jwks"


@pytest.mark.smart("D6")
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint"])
def test_an_address_that_moved_is_reported_and_not_used(
    browser: Browser, ehr: FakeEhr, clinic: Organization, name: str
) -> None:
    assert browser.open().status_code == 303
    discovery.forget()
    ehr.document = {name: f"{ehr.url}/elsewhere"}
    assert browser.open().status_code == 303
    assert "/elsewhere" not in ehr.paths()
    with walls.organization(clinic.pk):
        row = EhrConnection.objects.get(pk=browser.connection.pk)
        assert row.alert == alerts.ENDPOINT
        assert AuditEvent.objects.filter(action="connection.alert", reason=alerts.ENDPOINT).count() == 1
        alerts.clear(row, by=factories.clinician(clinic, subject="root").actor, at=factories.NOW, unpin=True)
        assert (row.alert, row.pinned_endpoints) == ("", {})
        assert getattr(discovery.configuration(row), name) == f"{ehr.url}/elsewhere"


@pytest.mark.smart("H19")
def test_another_issuer_is_an_alert(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    browser.open()
    discovery.forget()
    ehr.document = {"issuer": "https://evil.example"}
    assert browser.launch().status_code == 502
    with walls.organization(clinic.pk):
        assert EhrConnection.objects.get(pk=browser.connection.pk).alert == alerts.ISSUER


@pytest.mark.smart("D2")
def test_an_optional_address_elsewhere_is_as_if_it_were_not_named(ehr: FakeEhr, connection: EhrConnection) -> None:
    ehr.document = {"revocation_endpoint": "https://evil.example/r", "introspection_endpoint": "oauth/i"}
    found = discovery.configuration(connection)
    assert (found.revocation_endpoint, found.introspection_endpoint) == ("", f"{ehr.base}/oauth/i")


def test_the_partner_carries_the_knobs_of_the_row(connection: EhrConnection, settings: Any) -> None:
    settings.CLIENT_CERTIFICATES = {"lakeside": "/etc/ehrc/lakeside.pem"}
    connection.connect_s, connection.read_s, connection.rate_per_minute = 2, 7, 50
    connection.client_certificate = "lakeside"
    found = discovery.connection_partner(connection)
    assert (found.connect_s, found.read_s, found.rate_per_minute) == (2.0, 7.0, 50)
    assert found.client_certificate == "/etc/ehrc/lakeside.pem"
    connection.client_certificate = "another"
    with pytest.raises(errors.CertificateMissing):
        discovery.connection_partner(connection)


@pytest.mark.smart("D6")
def test_what_was_pinned_belongs_to_the_base_that_it_was_found_at(
    browser: Browser, ehr: FakeEhr, clinic: Organization
) -> None:
    browser.open()
    with walls.organization(clinic.pk):
        row = EhrConnection.objects.get(pk=browser.connection.pk)
        row.save()
        assert set(row.pinned_endpoints) == {"authorization_endpoint", "token_endpoint"}
        row.fhir_base = f"{ehr.url}/fhir/other"
        row.save()
        row.refresh_from_db()
        assert row.pinned_endpoints == {}
