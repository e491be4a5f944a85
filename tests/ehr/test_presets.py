"""What is known of each vendor fills a new connection, each value with its reason, and what was changed shows."""

from pathlib import Path
from typing import Any

import pytest

from ehrcommerce.ehr import knob_rules, presets
from ehrcommerce.ehr.identity import allowed
from ehrcommerce.ehr.models import EhrConnection

VENDORS = [one for one in presets.PRESETS.values() if not one.refusal]
ASKED = ("epic", "oracle", "athenahealth", "eclinicalworks", "veradigm", "medplum", "smart_launcher", "hapi", "generic")


def row(vendor: str) -> EhrConnection:
    made = EhrConnection(vendor=vendor, fhir_base="https://ehr.example.org/fhir/R4")
    presets.fill(made)
    return made


def test_every_vendor_of_the_market_has_a_preset() -> None:
    assert set(ASKED) <= set(presets.PRESETS)


@pytest.mark.parametrize("preset", VENDORS, ids=lambda one: one.vendor)
def test_each_value_is_one_that_its_column_takes_and_has_a_reason(preset: presets.Preset) -> None:
    made = row(preset.vendor)
    made.clean_fields(exclude={"organization", "slug", "name", "client_id", "canonical_iss", "client_secret"})
    assert {knob.name for knob in preset.knobs} <= set(presets.KNOBS)
    assert all(len(knob.because) > 15 for knob in preset.knobs)
    assert len({knob.name for knob in preset.knobs}) == len(preset.knobs)
    assert allowed(made.id_token_algs)
    assert knob_rules.launch_scopes(made.launch_scopes) == made.launch_scopes
    assert knob_rules.search_parameters(made.search_parameters) == made.search_parameters
    assert knob_rules.medication_order(made.medication_order) == made.medication_order


@pytest.mark.parametrize(
    ("vendor", "name", "value"),
    [
        ("epic", "basic_encoding", "urlencoded"),
        ("epic", "honors_include", False),
        ("oracle", "fhir_user_policy", "profile_claim"),
        ("athenahealth", "search_parameters", {"MedicationRequest": "intent=order,plan"}),
        ("eclinicalworks", "assertion_alg", "RS384"),
        ("veradigm", "scope_dialect", "v1"),
        ("medplum", "honors_batch", True),
        ("smart_launcher", "client_auth", "none"),
        ("inferno", "nonce_policy", "if_returned"),
        ("generic", "scope_dialect", "v2"),
    ],
)
def test_a_vendor_s_own_way_is_in_its_row(vendor: str, name: str, value: object) -> None:
    assert getattr(row(vendor), name) == value


def test_a_connection_of_another_vendor_keeps_nothing_of_the_one_before() -> None:
    made = row("epic")
    made.vendor = "generic"
    presets.fill(made)
    assert list(presets.differences(made)) == []
    assert made.scope_dialect == "v2"


def test_a_row_never_shares_its_lists_with_a_preset_or_another_row() -> None:
    one, other = row("generic"), row("generic")
    one.search_parameters["MedicationRequest"] = "status="
    assert other.search_parameters == {}


def test_what_was_changed_by_hand_shows_with_the_reason_of_the_preset() -> None:
    made = row("veradigm")
    made.scope_dialect, made.read_s = "v2", 20
    found = {one.name: (one.here, one.there, one.because) for one in presets.differences(made)}
    assert found["scope_dialect"] == ("v2", "v1", "it knows v1 scopes only and refuses a mix with v2")
    assert found["read_s"] == (20, 10, "the usual value")
    assert len(found) == 2


def test_medent_is_named_with_the_reason_why_it_cannot_be_connected() -> None:
    assert "no patient" in presets.preset("medent").refusal.lower()


@pytest.mark.parametrize(
    ("base", "software", "vendor"),
    [
        ("https://epic.clinic.example/interconnect-prd-oauth/api/FHIR/R4", "", "epic"),
        ("https://fhir.epic.com/anything", "", "epic"),
        ("https://fhir-ehr.cerner.com/r4/ec2458f2-1e24-41c8-b71b-0e701af7583d", "", "oracle"),
        ("https://api.platform.athenahealth.com/fhir/r4", "", "athenahealth"),
        ("https://fhir4.eclinicalworks.com/fhir/r4/JAFJCD", "", "eclinicalworks"),
        ("https://tw171.open.allscripts.com/fhirroute/open/10028551", "", "veradigm"),
        ("https://api.medplum.com/fhir/R4", "", "medplum"),
        ("https://launch.smarthealthit.org/v/r4/sim/WzMsIiJd/fhir", "", "smart_launcher"),
        ("https://fhir.clinic.example/baseR4", "HAPI FHIR Server", "hapi"),
        ("https://api.medent.com/fhir", "", "medent"),
        ("https://ehr.clinic.example/fhir", "Something else", ""),
        ("https://notepic.com.evil.example/fhir", "", ""),
        ("https://fhir.epic.com.evil.example/fhir", "", ""),
    ],
)
def test_whose_ehr_it_is_can_be_told_from_its_address_or_its_name(base: str, software: str, vendor: str) -> None:
    assert presets.guess(base, software) == vendor


def test_an_unknown_vendor_gets_the_values_of_the_specification() -> None:
    assert presets.preset("never heard of it").vendor == "generic"


PAGE = Path(__file__).resolve().parents[2] / "docs" / "connect-an-ehr.md"


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(f"`{kind}?{query}`" for kind, query in value.items()) if isinstance(value, dict) else f"`{value}`"


def test_the_page_tells_every_value_of_every_vendor_with_its_reason() -> None:
    lines = {
        f"| {one.title} | `{knob.name}` | {shown(knob.value)} | {knob.because} |"
        for one in VENDORS if one.vendor != "sandbox" for knob in one.knobs
    }  # fmt: skip
    table = {line for line in PAGE.read_text().splitlines() if line.count(" | `") >= 1 and "` | " in line[:60]}
    assert lines <= set(PAGE.read_text().splitlines())
    assert {line for line in table if line.split(" | ")[1].strip("`") in presets.KNOBS} == lines
