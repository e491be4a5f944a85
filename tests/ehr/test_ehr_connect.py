"""The command that connects an EHR: it looks, says, and writes only what is right."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr import checking
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.vault import walls
from tests import factories
from tests.ehr.fake_ehr import FakeEhr, as_json
from tests.ehr.statements import statement

METADATA = "/fhir/R4/metadata"


@pytest.fixture
def good(clinic: Organization, ehr: FakeEhr) -> FakeEhr:
    ehr.replies[METADATA] = as_json(statement(software={"name": "HAPI FHIR Server", "version": "8"}))
    return ehr


def connect(clinic: Organization, *words: str) -> str:
    said = StringIO()
    call_command("ehr_connect", *words, f"--organization={clinic.public_id}", stdout=said)
    walls.enter(clinic.pk)
    return said.getvalue()


def fails(clinic: Organization, *words: str) -> str:
    said = StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("ehr_connect", *words, f"--organization={clinic.public_id}", stdout=said)
    walls.enter(clinic.pk)
    return f"{said.getvalue()}\n{raised.value}"


def test_an_address_is_enough(clinic: Organization, good: FakeEhr) -> None:
    said = connect(clinic, good.base)
    row = EhrConnection.objects.get()
    assert (row.vendor, row.fhir_base, row.honors_batch, row.enabled) == ("hapi", good.base, True, False)
    assert row.organization_id == clinic.pk
    assert row.check_findings
    assert row.capability_snapshot["software"] == "HAPI FHIR Server"
    for words in (
        "Vendor: HAPI FHIR server (guessed",
        "honors_batch = True: it answers a batch",
        f"/ehr/callback/{row.slug}/",
        "/.well-known/jwks.json",
        "patient/MedicationRequest.rs",
        "system/Patient.r",
        "The connection was written.",
        "record the agreement",
        "--client-id",
    ):
        assert words in said
    assert AuditEvent.objects.filter(action="ehrconnection.added", entity=f"connection:{row.public_id}").exists()


def test_a_second_run_fills_in_what_came_later_and_keeps_the_rest(clinic: Organization, good: FakeEhr) -> None:
    connect(clinic, good.base, "--name=Hill EHR", "--slug=hill", "--vendor=epic")
    EhrConnection.objects.update(read_s=25)
    said = connect(clinic, f"{good.base}/", "--client-id=abc")
    row = EhrConnection.objects.get()
    assert (row.slug, row.name, row.vendor, row.client_id, row.read_s) == ("hill", "Hill EHR", "epic", "abc", 25)
    assert row.enabled
    assert "Vendor:" not in said
    assert "No" not in {one["severity"] for one in row.check_findings}


def test_what_an_administrator_changed_meanwhile_stays(
    clinic: Organization, good: FakeEhr, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The EHR is asked for seconds. Whoever works on the row in that time loses nothing: only what was told or found is
    written."""
    connect(clinic, good.base, "--name=Hill EHR", "--client-id=abc", "--frame=https://one.example")
    examine = checking.examine

    def slowly(*args: Any, **more: Any) -> checking.Report:
        report = examine(*args, **more)
        other = EhrConnection.objects.get()
        other.client_secret = "new"
        other.save(update_fields=["client_secret"])
        EhrConnection.objects.update(
            enabled=False, read_s=25, name="Hill", oidc_issuer="https://sso.example",
            frame_origins="https://one.example\nhttps://two.example", client_id="of the administrator",
        )  # fmt: skip
        return report

    monkeypatch.setattr(checking, "examine", slowly)
    connect(clinic, good.base, "--client-id=def", "--frame=https://three.example")
    row = EhrConnection.objects.get()
    assert (row.enabled, row.client_secret, row.read_s, row.name) == (False, "new", 25, "Hill")
    assert row.oidc_issuer == "https://sso.example"
    assert row.frame_origins.split() == ["https://one.example", "https://two.example", "https://three.example"]
    assert row.client_id == "def", "what was told on purpose is written"
    assert row.last_checked_at


def test_a_dry_run_writes_nothing(clinic: Organization, good: FakeEhr) -> None:
    assert "Nothing was written." in connect(clinic, good.base, "--dry-run")
    assert not EhrConnection.objects.exists()


@pytest.mark.parametrize("tail", ["/metadata", "/.well-known/smart-configuration", "/"])
def test_an_address_below_the_base_is_cut_to_the_base(clinic: Organization, good: FakeEhr, tail: str) -> None:
    connect(clinic, f"{good.base}{tail}")
    assert EhrConnection.objects.get().canonical_iss == good.base


def test_an_old_version_is_refused_in_plain_words_and_not_written(clinic: Organization, good: FakeEhr) -> None:
    good.replies[METADATA] = as_json(statement(fhirVersion="1.0.2"))
    said = fails(clinic, good.base)
    assert "names FHIR 1.0.2, and the app reads FHIR R4 (4.0.1) alone" in said
    assert "Nothing was written." in said
    assert not EhrConnection.objects.exists()


def test_what_is_wrong_is_written_only_when_told_so(clinic: Organization, good: FakeEhr) -> None:
    good.document = {"code_challenge_methods_supported": ["plain"]}
    assert "S256" in fails(clinic, good.base)
    assert not EhrConnection.objects.exists()
    assert "The connection was written." in fails(clinic, good.base, "--save")
    assert EhrConnection.objects.exists()


def test_an_origin_is_added_on_purpose_only(clinic: Organization, good: FakeEhr) -> None:
    other = f"http://localhost:{good.url.rpartition(':')[2]}"
    good.document = {"token_endpoint": f"{other}/token"}
    assert f"--origin {other}" in fails(clinic, good.base)
    connect(clinic, good.base, f"--origin={other}")
    assert EhrConnection.objects.get().extra_origins == other


def test_a_vendor_that_cannot_be_connected_is_named_with_the_reason(clinic: Organization, good: FakeEhr) -> None:
    good.replies[METADATA] = as_json(statement(software={"name": "MEDENT"}))
    assert "names no patient" in fails(clinic, good.base)
    assert not EhrConnection.objects.exists()


@pytest.mark.parametrize("bad", ["ftp://x/fhir", "https://a@b.example/fhir", "https://x.example/fhir?a=1", "fhir"])
def test_what_is_no_base_is_said_so(clinic: Organization, bad: str) -> None:
    assert "cannot be a FHIR base" in fails(clinic, bad)


def test_an_ehr_that_is_down_is_said_so(clinic: Organization) -> None:
    assert "could not be reached" in fails(clinic, "http://127.0.0.1:9/fhir/R4")


def test_an_ehr_of_somebody_else_is_not_taken(clinic: Organization, good: FakeEhr) -> None:
    factories.ehr_connection(factories.organization(), fhir_base=good.base)
    walls.enter(clinic.pk)
    assert "registered already" in fails(clinic, good.base)


def test_a_short_name_that_is_taken_is_said_so(clinic: Organization, good: FakeEhr) -> None:
    taken = factories.ehr_connection(clinic)
    assert "is taken" in fails(clinic, good.base, f"--slug={taken.slug}")


def test_a_public_client_gets_no_access_of_its_own(clinic: Organization, good: FakeEhr) -> None:
    connect(clinic, good.base, "--client-auth=none", "--client-id=abc", f"--frame={good.url}/")
    row = EhrConnection.objects.get()
    assert (row.client_auth, row.backend_services, row.frame_origins) == ("none", False, good.url)


def test_several_organizations_must_be_told_apart(clinic: Organization, good: FakeEhr) -> None:
    factories.organization()
    said: Any = StringIO()
    with pytest.raises(CommandError, match="Say whose EHR it is"):
        call_command("ehr_connect", good.base, stdout=said)
