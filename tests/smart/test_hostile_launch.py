"""Rows 1 to 13: what can stand in the address by which an EHR opens the app. Nothing of it is believed, and nobody is
asked anything before the issuer is known."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr.models import LaunchAttempt
from ehrcommerce.vault import walls
from ehrcommerce.workbench.rotation import rotating
from tests import factories
from tests.smart.conftest import Ehr, words

pytestmark = pytest.mark.django_db


def attempts(ehr: Ehr) -> int:
    with walls.organization(ehr.clinic.pk):
        return LaunchAttempt.objects.count()


def refused(ehr: Ehr, status: int, **query: Any) -> str:
    """A page of this status, no attempt, and not one request to the EHR."""
    mark = ehr.desk.mark()
    answer = ehr.client.get("/ehr/launch", query)
    assert answer.status_code == status, words(answer)
    assert attempts(ehr) == 0
    assert ehr.desk.journal(mark) == []
    assert answer["Cache-Control"] == "no-store"
    return str(answer.content.decode())


@pytest.mark.smart("H1", "L2")
def test_without_an_issuer(ehr: Ehr) -> None:
    refused(ehr, 400, launch="x")


@pytest.mark.smart("H2")
def test_without_a_launch_value(ehr: Ehr) -> None:
    refused(ehr, 400, iss=ehr.base)


@pytest.mark.smart("H3")
def test_an_unknown_issuer_is_a_page(ehr: Ehr) -> None:
    shown = refused(ehr, 403, iss="https://unknown.example.org/fhir", launch="x")
    assert "unknown.example.org" not in shown


def alone(ehr: Ehr) -> None:
    """As if no other test had left a clinic of its own behind: until the end of this test's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("RESET ROLE")
        cursor.execute("ALTER TABLE accounts_organization RENAME TO all_organizations")
        cursor.execute("CREATE VIEW accounts_organization AS SELECT * FROM all_organizations WHERE id = %s", [ehr.clinic.pk])
        cursor.execute(f"GRANT SELECT ON accounts_organization TO {walls.APP_ROLE}")
        cursor.execute(f"SET ROLE {walls.APP_ROLE}")


@pytest.mark.smart("H3")
@pytest.mark.parametrize("who", ["another path of a known host", "the only organization", "nobody's host"])
def test_an_unknown_issuer_is_in_the_audit_of_whom_it_concerns_and_floods_it_not(ehr: Ehr, who: str) -> None:
    """Nothing of what came stands there; five minutes later it is told again."""
    factories.organization()
    if who == "the only organization":
        alone(ehr)
    iss = f"{ehr.base}/secret-place" if who.startswith("another") else "https://unknown.example.org/secret-place"
    began = timezone.now()
    for minutes, rows in ((0, 1), (1, 1), (4, 1), (6, 2)):
        with time_machine.travel(began + timedelta(minutes=minutes), tick=False):
            refused(ehr, 403, iss=iss, launch="secret-value")
        with walls.organization(ehr.clinic.pk):
            found = list(AuditEvent.objects.filter(action="launch.refused"))
        assert len(found) == (0 if who == "nobody's host" else rows)
        assert not [row for row in found if "secret" in str(vars(row)) or row.patient_ref]
        assert {(row.outcome, row.reason) for row in found} <= {("refused", "L-UNKNOWN")}


@pytest.mark.smart("H3")
def test_a_connection_that_is_switched_off_is_a_page_and_an_audit_row(ehr: Ehr) -> None:
    ehr.row(enabled=False)
    refused(ehr, 403, iss=ehr.base, launch="x")
    with walls.organization(ehr.clinic.pk):
        assert AuditEvent.objects.filter(action="launch.refused").count() == 1


@pytest.mark.smart("H4", "L3")
def test_a_user_name_before_the_host(ehr: Ehr) -> None:
    refused(ehr, 400, iss=ehr.base.replace("://", "://ehr.example@"), launch="x")


@pytest.mark.smart("H5")
@pytest.mark.parametrize(
    "look_alike",
    rotating([
        "https://ehr.example.org.evil.test/fhir/R4", "https://ehr.example.or/fhir/R4", "https://ehr.example.org/fhir/R",
        "https://ehr.example.org/fhir/R44", "https://evil-ehr.example.org/fhir/R4", "https://xn--hr-nja.example.org/fhir/R4",
    ], keep=1),
)  # fmt: skip
def test_hosts_and_paths_that_only_look_alike(ehr: Ehr, look_alike: str) -> None:
    ehr.row(fhir_base="https://ehr.example.org/fhir/R4")
    refused(ehr, 403, iss=look_alike, launch="x")


@pytest.mark.smart("H5")
def test_a_host_in_letters_of_another_script(ehr: Ehr) -> None:
    ehr.row(fhir_base="https://ehr.example.org/fhir/R4")
    refused(ehr, 400, iss="https://\u0435hr.example.org/fhir/R4", launch="x")  # the first e is Cyrillic


@pytest.mark.smart("H6")
@pytest.mark.parametrize(
    "iss", rotating(["ftp://ehr.example.org/fhir", "javascript:alert(1)", "file:///etc/passwd", "data:,x"], keep=1)
)
def test_another_scheme(ehr: Ehr, iss: str) -> None:
    shown = refused(ehr, 400, iss=iss, launch="x")
    assert iss not in shown


@pytest.mark.smart("H6")
def test_plain_http_is_told_as_such(ehr: Ehr) -> None:
    assert "https" in refused(ehr, 400, iss="http://ehr.example.org/fhir", launch="x")


@pytest.mark.smart("H7")
@pytest.mark.parametrize(
    "host",
    rotating(
        [
            "10.0.0.1",
            "localhost",
            "169.254.169.254",
            "[::1]",
            "2130706433",
            "0x7f.1",
            "127.1",
            "ehr.localhost",
            "0177.0.0.1",
        ],
        keep=1,
    ),
)
def test_an_address_or_a_local_name_in_production(ehr: Ehr, host: str) -> None:
    with override_settings(ALLOW_LOOPBACK_PARTNERS=False):
        refused(ehr, 400, iss=f"https://{host}/fhir", launch="x")


@pytest.mark.smart("H8")
@pytest.mark.parametrize(
    "ending",
    rotating(
        [
            "?x=1",
            "#x",
            ";v=1",
            "/%2e%2e/x",
            "/../x",
            "\x00",
            "\r\nX-A: b",
            "/" + "a" * 2048,
            "/a b",
            "\\x",
            "//",
            "/./",
        ],
        keep=1,
    ),
)
def test_a_query_a_fragment_escapes_or_endless_length(ehr: Ehr, ending: str) -> None:
    refused(ehr, 400, iss=ehr.base + ending, launch="x")


@pytest.mark.smart("H9", "L3", "L4")
def test_other_spellings_of_the_same_issuer(ehr: Ehr) -> None:
    scheme, _, rest = ehr.base.partition("://")
    host, _, path = rest.partition("/")
    for spelled in (f"{ehr.base}/", f"{scheme.upper()}://{rest}", f"{scheme}://{host.upper()}/{path}"):
        answer = ehr.client.get("/ehr/launch", {"iss": spelled, "launch": "x"})
        assert answer.status_code == 302, words(answer)
        assert f"aud={ehr.base.replace(':', '%3A').replace('/', '%2F')}&" in answer["Location"] + "&"


@pytest.mark.smart("H9")
def test_the_default_port_is_the_same_issuer(ehr: Ehr) -> None:
    ehr.row(fhir_base="https://ehr.example.org/fhir/R4", enabled=False)
    refused(ehr, 403, iss="https://EHR.example.org:443/fhir/R4/", launch="x")
    with walls.organization(ehr.clinic.pk):
        assert AuditEvent.objects.get(action="launch.refused").reason != ""


@pytest.mark.smart("H10", "L2")
def test_two_issuers(ehr: Ehr) -> None:
    refused(ehr, 400, iss=[ehr.base, ehr.base], launch="x")


@pytest.mark.smart("H11", "L5")
@pytest.mark.parametrize(
    "value", rotating(["a b+c%d\"e<f>g'&h=i", "x" * 8000, "é世界", "e30." + "A" * 2500 + ".sig"], keep=1)
)
def test_a_launch_value_of_odd_characters_goes_on_unchanged(ehr: Ehr, value: str) -> None:
    mark = ehr.desk.call("GET", "conformance/mark")["mark"]
    answer = ehr.launch(launch=value)
    assert answer.status_code == 303, words(answer)
    checks = ehr.desk.call("GET", f"conformance?since={mark}&profile={ehr.profile['name']}")
    assert [check["held"] for check in checks if check["check"] == "authorize.launch"] == [True]


@pytest.mark.smart("H11")
def test_a_launch_value_is_bounded_and_never_shown(ehr: Ehr) -> None:
    refused(ehr, 400, iss=ehr.base, launch="y" * 8193)
    ehr.row(enabled=False)
    assert "<b>hi" not in ehr.client.get("/ehr/launch", {"iss": ehr.base, "launch": "<b>hi"}).content.decode()


@pytest.mark.smart("H12")
@pytest.mark.parametrize("method", rotating(["post", "head", "put"], keep=1))
def test_other_methods_make_no_attempt(ehr: Ehr, method: str) -> None:
    answer = getattr(ehr.client, method)("/ehr/launch", {"iss": ehr.base, "launch": "x"})
    assert answer.status_code == 405
    assert attempts(ehr) == 0


@pytest.mark.smart("H12")
@pytest.mark.parametrize("header", ["Sec-Purpose", "Purpose"])
def test_a_page_fetched_ahead_makes_no_attempt(ehr: Ehr, header: str) -> None:
    ehr.client.get("/ehr/launch", {"iss": ehr.base, "launch": "x"}, headers={header: "prefetch;prerender"})
    assert attempts(ehr) == 0


@pytest.mark.smart("H13")
def test_a_flood_of_launches_is_slowed_and_asks_the_ehr_once(ehr: Ehr) -> None:
    mark = ehr.desk.mark()
    with override_settings(LAUNCHES_A_MINUTE=20):
        flood = [
            Client(REMOTE_ADDR="203.0.113.7").get("/ehr/launch", {"iss": ehr.base, "launch": "x"}) for _ in range(80)
        ]
        other = Client(REMOTE_ADDR="203.0.113.8").get("/ehr/launch", {"iss": ehr.base, "launch": "x"})
    answers = [answer.status_code for answer in flood]
    assert other.status_code == 302
    assert set(answers) == {302, 429}
    assert answers[0] == 302
    assert answers[-1] == 429
    assert len(ehr.asked(mark, "smart-configuration")) == 1
