"""Health for the load balancer; three hosts in production; pages for what is refused. [SEC-B20]"""

from collections.abc import Iterator

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from ehrcommerce.ehr import keys
from ehrcommerce.urls.hosts import HostMiddleware


@pytest.fixture
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(keys, "RSA_BITS", 2048)
    keys.forget()
    yield
    keys.forget()


def test_healthz_asks_no_database() -> None:
    """pytest-django fails any query of a test that did not ask for the database."""
    response = Client().get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")
    assert not response.cookies


@pytest.mark.django_db
def test_readyz_looks_at_database_migrations_and_keys(quick_keys: None) -> None:
    response = Client().get("/readyz")
    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.django_db
def test_readyz_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "public_set", lambda: {"keys": []})
    response = Client().get("/readyz")
    assert (response.status_code, response.content) == (503, b"keys")


def urlconf_of(host: str) -> str | None:
    seen: list[str | None] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(getattr(request, "urlconf", None))
        return HttpResponse()

    HostMiddleware(view)(RequestFactory().get("/", headers={"Host": host}))
    return seen[0]


def test_each_host_has_its_own_pages(settings: Settings) -> None:
    settings.CLINIC_HOST, settings.PATIENT_HOST, settings.ADMIN_HOST = "clinic.example", "pay.example", "admin.example"
    settings.ALLOWED_HOSTS = ["*"]
    assert urlconf_of("clinic.example") == "ehrcommerce.urls.clinic"
    assert urlconf_of("PAY.example:443") == "ehrcommerce.urls.patient"
    assert urlconf_of("admin.example") == "ehrcommerce.urls.admin"
    assert urlconf_of("other.example") == "ehrcommerce.urls.health"


def test_one_host_serves_everything_where_none_is_configured() -> None:
    assert urlconf_of("testserver") is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "clinic", "patient", "admin"),
    [
        ("/ehr/launch", 400, 404, 404),
        ("/admin/login/", 404, 404, 200),
        ("/.well-known/jwks.json", 200, 404, 404),
        ("/healthz", 200, 200, 200),
    ],
)
def test_a_host_does_not_know_the_pages_of_another(
    settings: Settings, quick_keys: None, address: str, clinic: int, patient: int, admin: int
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    settings.CLINIC_HOST, settings.PATIENT_HOST, settings.ADMIN_HOST = "clinic.example", "pay.example", "admin.example"
    found = [
        Client().get(address, headers={"Host": host}).status_code
        for host in ("clinic.example", "pay.example", "admin.example")
    ]
    assert found == [clinic, patient, admin]


@pytest.mark.django_db
def test_refusals_have_pages_without_details(settings: Settings) -> None:
    assert b"does not exist" in Client().get("/nowhere/<script>/").content
    response = Client().get("/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert b"could not be read" in response.content
    assert b"evil" not in response.content
