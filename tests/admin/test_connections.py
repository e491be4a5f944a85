"""A new EHR in the back office: seven answers, the vendor's values, the test, and what to hand over."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY

from ehrcommerce.accounts.models import Role
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr import alerts
from ehrcommerce.ehr.models import EhrConnection, EhrIssuer
from ehrcommerce.vault import walls
from tests import factories
from tests.admin.conftest import STAFF, SignedIn, second_approves
from tests.commerce.shop import Shop
from tests.ehr.fake_ehr import EC, FakeEhr, as_json, running
from tests.ehr.statements import statement
from tests.journeys.visitor import Page

LIST = "/admin/ehr/ehrconnection/"
PINNED = {"token_endpoint": "https://old.example.org/t"}


@pytest.fixture
def ehr() -> Iterator[FakeEhr]:
    with running() as fake:
        fake.replies["/fhir/R4/metadata"] = as_json(statement())
        yield fake


def page_of(answer: Any) -> Page:
    return Page("http://testserver/", answer.status_code, {}, answer.content.decode(), [])


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))


def add(as_role: SignedIn, slug: str, **changes: str) -> Any:
    fields = {"name": "Hill EHR", "slug": slug, "vendor": "epic", "fhir_base": f"https://{slug}.example.org/api/FHIR/R4",
              "client_id": "abc", "enabled": "on", **changes}  # fmt: skip
    return as_role(Role.INTEGRATION).post(f"{LIST}add/", fields, follow=True)


def change(as_role: SignedIn, row: EhrConnection, **changes: str) -> Any:
    """Every field of the form as it stands, but what is changed."""
    address, client = f"{LIST}{row.pk}/change/", as_role(Role.INTEGRATION)
    form = next(each for each in page_of(client.get(address)).forms if each.value("slug"))
    return client.post(address, dict(form.fields) | changes, follow=True)


def test_a_new_connection_starts_with_the_values_of_its_vendor(as_role: SignedIn, shop: Shop) -> None:
    answer = add(as_role, "hill")
    row = EhrConnection.objects.get(slug="hill")
    assert (row.scope_dialect, row.basic_encoding, row.honors_include) == ("v1", "urlencoded", False)
    assert row.organization_id == shop.clinic.pk
    assert answer.redirect_chain[-1][0] == f"{LIST}{row.pk}/test/"
    said = words(answer)
    for expected in (
        "Saved with the values of Epic",
        "/ehr/launch",
        "/ehr/callback/hill/",
        "/.well-known/jwks.json",
        "patient/MedicationRequest.read",
        "patient/ServiceRequest.read user/Practitioner.read",
        "system/Patient.read",
        "No agreement is in force",
        "Record one",
        "letter by letter",
    ):
        assert expected in said, expected


def test_how_the_app_proves_itself_may_be_said_at_once(as_role: SignedIn, shop: Shop) -> None:
    add(as_role, "dale", client_auth="client_secret_basic", new_client_secret="s3cret")
    row = EhrConnection.objects.get(slug="dale")
    assert (row.client_auth, row.client_secret, row.backend_services) == ("client_secret_basic", "s3cret", False)


def test_the_client_id_may_come_later_and_nobody_launches_before(as_role: SignedIn, shop: Shop) -> None:
    add(as_role, "lake", client_id="")
    row = EhrConnection.objects.get(slug="lake")
    assert not row.enabled
    assert "Needed before" in words(change(as_role, row, enabled="on"))
    change(as_role, row, enabled="on", client_id="abc")
    assert not EhrConnection.objects.get(slug="lake").enabled
    second_approves(shop.clinic)
    assert EhrConnection.objects.get(slug="lake").enabled


def test_a_vendor_that_cannot_be_connected_is_refused_with_the_reason(as_role: SignedIn, shop: Shop) -> None:
    assert "its token answer names no patient" in words(add(as_role, "moor", vendor="medent"))
    assert not EhrConnection.objects.filter(slug="moor").exists()


def test_what_was_changed_by_hand_is_shown_and_can_be_taken_back(as_role: SignedIn, shop: Shop) -> None:
    add(as_role, "glen")
    row = EhrConnection.objects.get(slug="glen")
    assert "In nothing." in words(as_role(Role.INTEGRATION).get(f"{LIST}{row.pk}/change/"))
    change(as_role, row, scope_dialect="v2", honors_include="on")
    said = words(as_role(Role.INTEGRATION).get(f"{LIST}{row.pk}/change/"))
    assert "Scopes: v2 here, v1 in the preset" in said
    assert "Honors _include: on here, off in the preset (Epic ignores" in said
    change(as_role, row, refill="on")
    row.refresh_from_db()
    assert (row.scope_dialect, row.honors_include) == ("v1", False)


BAD: dict[str, tuple[dict[str, str], str]] = {
    "no algorithm of ours": ({"id_token_algs": "RS256 none"}, "Others are never accepted"),
    "a shared secret": ({"id_token_algs": "HS256"}, "Others are never accepted"),
    "an origin with a path": ({"extra_origins": "https://x.example.org/login"}, "is not an origin"),
    "an origin with a user": ({"frame_origins": "https://a@x.example.org"}, "is not an origin"),
    "a wild frame": ({"frame_origins": "*"}, "is not an origin"),
    "keys elsewhere": ({"jwks_uri": "https://keys.example.net/jwks"}, "not an origin of this connection"),
    "pinned to nothing": ({"jwks_source": "pinned"}, "need their address"),
    "an issuer that is no address": ({"more_issuers": "https://a.example.org\nnonsense"}, "complete https address"),
    "an issuer with a fragment": ({"oidc_issuer": "https://a.example.org/#x"}, "complete https address"),
    "too wide a scope": (
        {"launch_scopes": "launch openid patient/*.rs patient/Patient.r"},
        "more than the app may ask",
    ),
    "a scope to write": (
        {"launch_scopes": "launch openid patient/Patient.rs patient/Task.cu"},
        "more than the app may ask",
    ),
    "no patient": ({"launch_scopes": "launch openid patient/MedicationRequest.rs"}, "patient/Patient is needed"),
    "a search of everybody": ({"search_parameters": '{"MedicationRequest": "patient="}'}, "is set by the app"),
    "a search of more": ({"search_parameters": '{"MedicationRequest": "_elements="}'}, "is set by the app"),
    "a type not searched": ({"search_parameters": '{"Observation": "status=x"}'}, "is not searched"),
    "no parameters": ({"search_parameters": '{"MedicationRequest": "intent"}'}, "name=value"),
    "a list": ({"search_parameters": '["intent=order"]'}, "Write it like"),
    "no JSON": ({"search_parameters": "{"}, "valid JSON"),
    "an unknown place": ({"medication_order": "concept guess"}, "Some of these words"),
    "an unknown certificate": ({"client_certificate": "/etc/key.pem"}, "No certificate of this name"),
    "anybody as staff": (
        {"standalone": "on", "fhir_user_policy": "not_needed"},
        "a patient could pass for staff",
    ),
    "no signing": ({"client_auth": "none", "backend_services": "on"}, "needs private_key_jwt"),
    "no FHIR base": ({"fhir_base": "https://ehr.example.org/fhir?x=1"}, "Not an address"),
    "an http base": ({"fhir_base": "http://ehr.example.org/fhir"}, "Not an address"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_knob_takes_only_what_is_sound(as_role: SignedIn, shop: Shop, what: str) -> None:
    row = factories.ehr_connection(shop.clinic, client_auth="private_key_jwt")
    changes, told = BAD[what]
    before = EhrConnection.objects.filter(pk=row.pk).values().get()
    assert told in words(change(as_role, row, **changes))
    assert EhrConnection.objects.filter(pk=row.pk).values().get() == before


def test_sound_values_are_kept_in_their_plain_form(as_role: SignedIn, shop: Shop) -> None:
    row = factories.ehr_connection(shop.clinic, client_auth="private_key_jwt")
    answer = change(
        as_role, row, extra_origins="https://Login.Example.org:443/\nhttps://login.example.org",
        id_token_algs="RS256, ES384", more_issuers="https://a.example.org/oidc/1/",
        search_parameters='{"MedicationRequest": "intent=order,plan&status="}', medication_order="display concept",
        launch_scopes="launch openid patient/Patient.read patient/MedicationRequest.rs?status=active",
    )  # fmt: skip
    assert answer.status_code == 200
    second_approves(shop.clinic)
    row.refresh_from_db()
    assert row.extra_origins == "https://login.example.org"
    assert row.id_token_algs == "RS256 ES384"
    assert row.more_issuers == "https://a.example.org/oidc/1/"
    assert row.search_parameters == {"MedicationRequest": "intent=order,plan&status="}
    assert row.medication_order == "display concept"
    assert "?status=active" in row.launch_scopes


# ------------------------------------------------------------------------------------------------------------ the test
@pytest.fixture
def live_row(shop: Shop, ehr: FakeEhr) -> EhrConnection:
    return factories.ehr_connection(shop.clinic, fhir_base=ehr.base, client_auth="private_key_jwt", agreed=False)


def test_the_test_says_what_it_found_and_the_list_shows_it(
    as_role: SignedIn, live_row: EhrConnection, ehr: FakeEhr
) -> None:
    client = as_role(Role.INTEGRATION)
    assert "Not tested yet" in words(client.get(f"{LIST}{live_row.pk}/test/"))
    assert ehr.asked == []
    assert "not tested yet" in words(client.get(LIST))
    said = words(client.post(f"{LIST}{live_row.pk}/test/", follow=True))
    assert "Sign-in codes are protected (PKCE S256)." in said
    assert "No agreement is in force" in said
    assert "ok, 2 to look at" in words(client.get(LIST))
    ehr.document = {"code_challenge_methods_supported": ["plain"]}
    said = words(client.post(f"{LIST}{live_row.pk}/test/", follow=True))
    assert "Something is wrong" in said
    assert "switch on S256" in said
    assert "misconfigured (1)" in words(client.get(LIST))


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("button", ["test", "origin", "knob", "alert"])
def test_only_integration_presses_the_buttons(
    as_role: SignedIn, live_row: EhrConnection, ehr: FakeEhr, role: str, button: str
) -> None:
    may = role in (Role.INTEGRATION, Role.ADMINISTRATOR)
    client, address = as_role(role), f"{LIST}{live_row.pk}/{button}/"
    assert client.post(address).status_code == (302 if may else 403)
    assert bool(ehr.asked) is (may and button == "test")
    page = client.get(f"{LIST}{live_row.pk}/change/").content.decode()
    assert (f'action="{LIST}{live_row.pk}/test/"' in page) is may
    assert client.get(f"{LIST}{live_row.pk}/test/").status_code == 200


def test_an_origin_is_added_only_if_the_last_test_named_it(
    as_role: SignedIn, live_row: EhrConnection, ehr: FakeEhr
) -> None:
    EhrConnection.objects.filter(pk=live_row.pk).update(enabled=False)
    other = f"http://localhost:{ehr.url.rpartition(':')[2]}"
    ehr.document = {"token_endpoint": f"{other}/token"}
    client, address = as_role(Role.INTEGRATION), f"{LIST}{live_row.pk}/origin/"
    assert "not named by the last test" in words(client.post(address, {"origin": other}, follow=True))
    client.post(f"{LIST}{live_row.pk}/test/")
    assert "not named" in words(client.post(address, {"origin": "https://evil.example"}, follow=True))
    said = words(client.post(address, {"origin": other}, follow=True))
    assert "tested again" in said
    live_row.refresh_from_db()
    assert live_row.extra_origins == other
    assert f"Add {other}" not in said
    assert AuditEvent.objects.filter(action="connection.origin_added").exists()


@pytest.mark.smart("I1")
@pytest.mark.parametrize("on", [True, False])
def test_what_fits_the_keys_of_the_ehr_is_set_with_one_button(
    as_role: SignedIn, live_row: EhrConnection, ehr: FakeEhr, on: bool
) -> None:
    """An EHR that signs by ES384 alone, and a row that lists RS256."""
    EhrConnection.objects.filter(pk=live_row.pk).update(enabled=on, id_token_algs="RS256")
    ehr.replies["/jwks"] = as_json({"keys": [EC.as_dict(private=False)]})
    client, address = as_role(Role.INTEGRATION), f"{LIST}{live_row.pk}/knob/"
    wish = {"knob": "id_token_algs", "value": "ES384"}
    assert "not named by the last test" in words(client.post(address, wish, follow=True))
    assert "to ES384" in words(client.post(f"{LIST}{live_row.pk}/test/", follow=True))
    for strange in ({"value": "none"}, {"knob": "fhir_base", "value": "https://evil.example"}, {"value": ""}):
        assert "not named by the last test" in words(client.post(address, wish | strange, follow=True))
    said = words(client.post(address, wish, follow=True))
    live_row.refresh_from_db()
    if on:
        assert "Waits for a second person" in said
        assert live_row.id_token_algs == "RS256"
        second_approves(live_row.organization)
        live_row.refresh_from_db()
    else:
        assert "Its signatures is now ES384, and the connection was tested again" in said
        assert AuditEvent.objects.filter(action="connection.knob_set").exists()
    assert live_row.id_token_algs == "ES384"


@pytest.mark.smart("T4")
def test_signed_statements_take_the_place_of_a_secret_with_one_button(
    as_role: SignedIn, live_row: EhrConnection, ehr: FakeEhr
) -> None:
    """The EHR offers both; the connection has a secret."""
    EhrConnection.objects.filter(pk=live_row.pk).update(
        enabled=False, client_auth="client_secret_basic", backend_services=False
    )
    ehr.document = {"token_endpoint_auth_methods_supported": ["client_secret_basic"]}
    client = as_role(Role.INTEGRATION)
    assert "takes signed statements" not in words(client.post(f"{LIST}{live_row.pk}/test/", follow=True))
    ehr.document = {"token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"]}
    said = words(client.post(f"{LIST}{live_row.pk}/test/", follow=True))
    assert "The EHR takes signed statements, and this connection proves who the app is by client_secret_basic." in said
    assert "Set 'How we prove who we are' to private_key_jwt" in said
    wish = {"knob": "client_auth", "value": "private_key_jwt"}
    said = words(client.post(f"{LIST}{live_row.pk}/knob/", wish, follow=True))
    live_row.refresh_from_db()
    assert live_row.client_auth == "private_key_jwt"
    assert "takes signed statements" not in said


@pytest.mark.parametrize("button", ["test", "origin", "knob", "alert"])
def test_without_a_one_time_code_no_button_works(
    as_role: SignedIn, live_row: EhrConnection, ehr: FakeEhr, button: str
) -> None:
    client = as_role(Role.INTEGRATION)
    session = client.session
    del session[DEVICE_ID_SESSION_KEY]
    session.save()
    answer = client.post(f"{LIST}{live_row.pk}/{button}/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")
    assert ehr.asked == []


def test_a_form_from_elsewhere_tests_nothing(as_role: SignedIn, live_row: EhrConnection, ehr: FakeEhr) -> None:
    client = as_role(Role.INTEGRATION)
    client.handler.enforce_csrf_checks = True
    assert client.post(f"{LIST}{live_row.pk}/test/").status_code == 403
    assert ehr.asked == []


def test_somebody_else_s_connection_is_not_tested(as_role: SignedIn, shop: Shop, ehr: FakeEhr) -> None:
    other = factories.ehr_connection(factories.organization(), fhir_base=ehr.base)
    walls.enter(shop.clinic.pk)
    assert as_role(Role.INTEGRATION).post(f"{LIST}{other.pk}/test/").status_code == 404
    assert ehr.asked == []


def test_an_alert_is_shown_and_settled_by_a_person(as_role: SignedIn, live_row: EhrConnection) -> None:
    EhrConnection.objects.filter(pk=live_row.pk).update(oidc_issuer="https://old.example.org", pinned_endpoints=PINNED)
    live_row.refresh_from_db()
    alerts.note(live_row, alerts.ISSUER, timezone.now())
    client = as_role(Role.INTEGRATION)
    assert "another issuer than the one recorded" in words(client.get(f"{LIST}{live_row.pk}/change/"))
    assert "look at the alert" in words(client.get(LIST))
    client.post(f"{LIST}{live_row.pk}/alert/", {"decision": "keep"})
    live_row.refresh_from_db()
    assert (live_row.alert, live_row.oidc_issuer) == ("", "https://old.example.org")
    alerts.note(live_row, alerts.ISSUER, timezone.now())
    client.post(f"{LIST}{live_row.pk}/alert/", {"decision": "unpin"})
    live_row.refresh_from_db()
    assert live_row.oidc_issuer == "https://old.example.org", "whom we believe is decided by two"
    second_approves(live_row.organization)
    live_row.refresh_from_db()
    assert (live_row.alert, live_row.oidc_issuer, live_row.pinned_endpoints) == ("", "", PINNED)


def test_an_alert_about_nothing_recorded_has_no_button_to_record_anew(
    as_role: SignedIn, live_row: EhrConnection
) -> None:
    EhrConnection.objects.filter(pk=live_row.pk).update(oidc_issuer="https://old.example.org")
    alerts.note(live_row, alerts.CLIENT, timezone.now())
    client = as_role(Role.INTEGRATION)
    assert "The new values are right" not in words(client.get(f"{LIST}{live_row.pk}/change/"))
    client.post(f"{LIST}{live_row.pk}/alert/", {"decision": "unpin"})
    live_row.refresh_from_db()
    assert (live_row.alert, live_row.oidc_issuer) == ("", "https://old.example.org")


def test_a_graver_alert_is_not_cleared_by_a_page_that_did_not_show_it(
    as_role: SignedIn, live_row: EhrConnection
) -> None:
    alerts.note(live_row, alerts.ISSUER, timezone.now())
    as_role(Role.INTEGRATION).post(f"{LIST}{live_row.pk}/alert/", {"decision": "keep", "word": alerts.TENANT})
    live_row.refresh_from_db()
    assert live_row.alert == alerts.ISSUER


def test_what_a_launch_recorded_while_the_form_was_open_stays(as_role: SignedIn, shop: Shop) -> None:
    row = factories.ehr_connection(shop.clinic, client_auth="private_key_jwt")
    address, client = f"{LIST}{row.pk}/change/", as_role(Role.INTEGRATION)
    form = next(each for each in page_of(client.get(address)).forms if each.value("slug"))
    pins = {"oidc_issuer": "https://ehr.example.org", "jwks_uri": "https://ehr.example.org/jwks",
            "pinned_endpoints": PINNED, "tenant": "t-1"}  # fmt: skip
    EhrConnection.objects.filter(pk=row.pk).update(**pins)
    client.post(address, dict(form.fields) | {"read_s": "17"}, follow=True)
    assert EhrConnection.objects.filter(pk=row.pk).values(*pins).get() == pins
    assert EhrConnection.objects.get(pk=row.pk).read_s == 17


def test_another_base_at_the_form_forgets_the_addresses_of_the_old_one(as_role: SignedIn, shop: Shop) -> None:
    row = factories.ehr_connection(shop.clinic, client_auth="private_key_jwt", pinned_endpoints=PINNED)
    change(as_role, row, fhir_base="https://new.example.org/fhir")
    second_approves(shop.clinic)
    row.refresh_from_db()
    assert (row.canonical_iss, row.pinned_endpoints) == ("https://new.example.org/fhir", {})


def test_who_waits_to_be_let_in_stands_on_the_administrator_s_first_page(as_role: SignedIn, shop: Shop) -> None:
    waiting = factories.clinician(shop.clinic, subject="unsaid", is_active=False)
    said = words(as_role(Role.ADMINISTRATOR).get("/admin/"))
    assert "People who wait to be let in" in said
    assert waiting.username in said


def test_a_further_spelling_is_kept_in_its_walls_and_only_once(as_role: SignedIn, shop: Shop) -> None:
    row, other = (
        factories.ehr_connection(shop.clinic, client_auth="private_key_jwt"),
        factories.ehr_connection(shop.clinic),
    )
    more = {"spellings-TOTAL_FORMS": "1", "spellings-INITIAL_FORMS": "0"}
    taken = change(as_role, row, **more, **{"spellings-0-spelling": other.fhir_base})
    assert "registered already" in words(taken)
    same = change(as_role, row, **more, **{"spellings-0-spelling": f"{row.fhir_base}/"})
    assert "the FHIR address above" in words(same)
    change(as_role, row, **more, **{"spellings-0-spelling": "https://Other.example.org/fhir/"})
    assert not EhrIssuer.objects.filter(connection=row).exists(), "whose EHR calls is decided by two"
    second_approves(shop.clinic)
    made = EhrIssuer.objects.get(connection=row)
    assert (made.canonical_iss, made.organization_id) == ("https://other.example.org/fhir", shop.clinic.pk)
    assert AuditEvent.objects.filter(action="connection.spellings_changed").exists()
