"""No page of the back office shows who the patient is, or a secret: not as a value, not in a title, a history, a search
or a refusal. [SEC-B11]"""

from typing import Any
from urllib.parse import quote

import pytest

from ehrcommerce.accounts.models import Role
from ehrcommerce.ehr.models import EhrSession
from ehrcommerce.suppliers.models import Supplier
from tests import factories
from tests.admin.conftest import SignedIn, second_approves
from tests.admin.crawl import crawl
from tests.commerce.shop import HOME, Shop
from tests.wire.certificates import authority, issue

SECRETS = ("s3cret", "launch-token-canary", "callback-canary", "api-key-canary", "client-secret-canary", "PRIVATE KEY")


def test_no_page_says_who_the_patient_is(as_role: SignedIn, shop: Shop) -> None:
    order = shop.accepted("prescription", "device", "kit")
    shop.dispatched("device", consented=False)
    ehr = factories.ehr_connection(shop.clinic, client_secret="client-secret-canary")
    factories.ehr_session(ehr, shop.ada, access_token="launch-token-canary", patient="patient-id-canary")
    Supplier(
        organization=shop.clinic, port="device", adapter="none", name="Another", base_url="https://x.example.org",
        api_key="api-key-canary", callback_secret="callback-canary",
    ).save()  # fmt: skip
    person = [HOME.name, HOME.name.split()[1], HOME.line, HOME.postal_code, "1980-02-29", "3605550101", "Take 1 tablet"]
    hidden = [*person, *SECRETS, "patient-id-canary", order.offer.customer_key]
    client = as_role(Role.ADMINISTRATOR)
    pages = crawl(lambda address: client.get(address, follow=True).content.decode())
    assert any(f"/orders/order/{order.pk}/change/" in address for address in pages)
    assert sum("/history/" in address for address in pages) > 10
    found = {(word, address) for address, body in pages.items() for word in hidden if word in body}
    assert found == set()


def test_a_search_for_a_person_finds_nobody(as_role: SignedIn, shop: Shop) -> None:
    shop.dispatched("device")
    client = as_role(Role.ADMINISTRATOR)
    for page in ("orders/order", "offers/offer", "offers/purchaselink", "outbox/effect", "audit/auditevent"):
        for word in (HOME.name, HOME.postal_code, "+13605550101", "1980-02-29"):
            body = client.get(f"/admin/{page}/?q={quote(word)}").content.decode()
            assert "0 results" in body, (page, word)


def test_what_cannot_be_looked_up_cannot_be_asked_for_by_address_either(as_role: SignedIn, shop: Shop) -> None:
    """Django refuses lookups that the page does not offer: a filter by a patient's key would be an oracle."""
    shop.dispatched("device")
    client = as_role(Role.OPERATIONS)
    for lookup in (
        "offer__customer_key__startswith=cy",
        "offer__birth_digest=x",
        "offer__lines__order_key__contains=key",
    ):
        assert client.get(f"/admin/orders/order/?{lookup}").status_code == 400


def test_secrets_go_in_and_never_come_out(as_role: SignedIn, shop: Shop) -> None:
    supplier = shop.supplier("device")
    client, address = as_role(Role.INTEGRATION), f"/admin/suppliers/supplier/{supplier.pk}/change/"
    fields = {
        "name": "The device",
        "port": "device",
        "adapter": "device_http",
        "at_once": "4",
        "base_url": "https://partner.example.org",
        "active": "on",
        "new_api_key": "api-key-canary",
        "new_callback_secret": "callback-canary",
    }
    pem = issue(authority(), "ehrcommerce").with_key
    assert client.post(address, {**fields, "new_client_pem": pem}).status_code == 302
    assert Supplier.objects.get(pk=supplier.pk).api_key == "key"
    second_approves(shop.clinic)
    fresh = Supplier.objects.get(pk=supplier.pk)
    assert (fresh.api_key, fresh.callback_secret, fresh.previous_callback_secret) == (
        "api-key-canary",
        "callback-canary",
        "s3cret",
    )
    assert (fresh.client_pem or "").strip() == pem.strip()
    body = client.get(address).content.decode()
    assert "CN=ehrcommerce, good until" in body
    assert not any(secret in body for secret in SECRETS)
    assert client.post(address, {**fields, "new_api_key": "", "new_callback_secret": ""}).status_code == 302
    assert Supplier.objects.get(pk=supplier.pk).api_key == "api-key-canary"
    refused = client.post(address, {**fields, "name": ""}).content.decode()
    assert "api-key-canary" not in refused
    assert EhrSession.objects.filter(user=shop.ada).count() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"adapter": "no_such"}, {"adapter": "_http_partner"}, {"adapter": "../x"}, {"base_url": "ftp://x.example"},
        {"base_url": "javascript:alert(1)"}, {"ca_pem": "no pem"}, {"new_client_pem": "no pem"}, {"options": "[1]"},
        {"options": "{"}, {"callback_certificates": "ab"}, {"base_url": "https://elsewhere.example"},
    ],
)  # fmt: skip
def test_a_row_that_could_not_work_is_not_saved(
    as_role: SignedIn, shop: Shop, settings: Any, wrong: dict[str, str]
) -> None:
    settings.PARTNER_HOSTS = ["*.example.org"]
    supplier = shop.supplier("device")
    address = f"/admin/suppliers/supplier/{supplier.pk}/change/"
    fields = {"name": "New name", "port": "device", "adapter": "device_http", "base_url": "https://p.example.org",
              "at_once": "4", "active": "on"}  # fmt: skip
    assert as_role(Role.INTEGRATION).post(address, {**fields, **wrong}).status_code == 200
    assert Supplier.objects.get(pk=supplier.pk).name == supplier.name
