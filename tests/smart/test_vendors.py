"""The EHRs by name: the values that our preset of a vendor fills in, against an EHR that answers as this vendor does. What
is typed by hand here is what an administrator types, too: client id, secret or key set, the two addresses."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr import checking, client_app, discovery, presets, references, sessions, smart
from ehrcommerce.ehr.access import backend_access
from ehrcommerce.ehr.chart import EhrChart
from ehrcommerce.ehr.connection_form import ConnectionForm
from ehrcommerce.ehr.errors import SessionOver
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.vault import walls
from ehrcommerce.workbench.rotation import rotating
from tests.smart.conftest import Ehr, Make, person, prescription, words

pytestmark = pytest.mark.django_db

VENDORS = (
    "epic",
    "oracle",
    "athenahealth",
    "eclinicalworks",
    "veradigm",
    "medplum",
    "smart_launcher",
    "inferno",
    "hapi",
)
OWN_ACCESS = [vendor for vendor in VENDORS if presets.preset(vendor).value("backend_services")]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
MEDICINES = {"259255": "atorvastatin 80 MG", "314076": "lisinopril 10 MG"}
# Said by a reference with a display alone; every other EHR also has prescriptions that carry their code.
ONLY_BY_REFERENCE = ("epic", "veradigm")
LATENCY_MS = 120
# On a machine that is busy elsewhere, requests of one wave may begin too late to be told from the next wave.
TRIES = 3
Entry = dict[str, Any]


def row_of(vendor: str) -> dict[str, Any]:
    """The columns as a new connection of this vendor starts."""
    made = EhrConnection(vendor=vendor)
    presets.fill(made)
    return {name: getattr(made, name) for name in presets.KNOBS}


def number_of(vendor: str) -> int:
    """Of the first of a hundred prescriptions that are this vendor's alone."""
    return 100 * (1 + VENDORS.index(vendor))


def patient_of(vendor: str) -> str:
    return f"patient-of-{vendor.replace('_', '-')}"


def chart(ehr: Ehr, vendor: str) -> set[str]:
    """Three prescriptions that name two medicines by reference, and one that carries its code; their names."""
    patient, place = patient_of(vendor), number_of(vendor)
    medications = [
        {
            "resourceType": "Medication", "id": f"{patient}-{code}",
            "code": {"coding": [{"system": RXNORM, "code": code, "display": name}], "text": name},
        }
        for code, name in MEDICINES.items()
    ]  # fmt: skip
    orders = []
    for number, medication in enumerate((*medications, medications[0])):
        order = prescription(
            place + number, patient, medicationReference={"reference": f"Medication/{medication['id']}"}
        )
        del order["medicationCodeableConcept"]
        orders.append(order)
    names = set(MEDICINES.values())
    if vendor not in ONLY_BY_REFERENCE:
        orders.append(prescription(place + 9, patient))
        names.add(f"metformin {place + 9}")
    ehr.desk.call("POST", "fhir", {"resources": [person(patient, "Vendorly"), *medications, *orders]})
    return names


def connected(make_ehr: Make, vendor: str, **by_hand: Any) -> Ehr:
    ehr = make_ehr(vendor=vendor, **{**row_of(vendor), **by_hand})
    ehr.row(vendor=vendor)
    return ehr


def made(make_ehr: Make, vendor: str, **by_hand: Any) -> tuple[Ehr, set[str]]:
    ehr = connected(make_ehr, vendor, **by_hand)
    return ehr, chart(ehr, vendor)


def entries(ehr: Ehr, since: int) -> list[Entry]:
    """What the app asked this EHR, in the order in which it was asked."""
    name = f"/profiles/{ehr.profile['name']}/"
    found = [one for one in ehr.desk.journal(since) if name in one["path"] and "/authorize" not in one["path"]]
    return sorted(found, key=lambda one: float(one["started"]))


def depth(asked: Sequence[Entry]) -> int:
    """The longest row of requests of which each began after the one before had ended."""
    deep: list[tuple[Entry, int]] = []
    for entry in asked:
        before = [level for earlier, level in deep if earlier["ended"] <= entry["started"]]
        deep.append((entry, 1 + max(before, default=0)))
    return max((level for _, level in deep), default=0)


# ------------------------------------------------------------------------------------------------------------- a launch
@pytest.mark.parametrize(
    "vendor",
    rotating(
        [
            pytest.param("epic", marks=pytest.mark.smart("V1")),
            pytest.param("oracle", marks=pytest.mark.smart("V2")),
            pytest.param("athenahealth", marks=pytest.mark.smart("V3")),
            pytest.param("eclinicalworks", marks=pytest.mark.smart("V4")),
            pytest.param("veradigm", marks=pytest.mark.smart("V5")),
            pytest.param("medplum", marks=pytest.mark.smart("V6")),
            pytest.param("smart_launcher", marks=pytest.mark.smart("V7")),
            pytest.param("inferno", marks=pytest.mark.smart("V8")),
            pytest.param("hapi", marks=pytest.mark.smart("V9")),
        ],
        keep=3,
    ),
)
def test_the_preset_launches_lists_every_prescription_and_lasts(make_ehr: Make, vendor: str) -> None:
    ehr, names = made(make_ehr, vendor)
    with walls.organization(ehr.clinic.pk):
        report = checking.examine(ehr.connection, at=timezone.now(), agreed=True)
    assert [(one.code, one.sentence) for one in report.findings if one.severity == "error"] == []
    shown = ehr.page(patient=patient_of(vendor))
    assert "Vendorly" in shown
    assert {name for name in names if name in shown} == names
    assert shown.count("atorvastatin 80 MG") >= 2
    # Nothing that this vendor is known not to have is asked for, and so nothing is said to be missing.
    assert "not offered by this EHR" not in shown
    assert "may be incomplete" not in shown
    session = ehr.session()
    assert session is not None
    # The launcher gives refresh tokens by offline_access alone, which no feature here needs (A8): its launch ends in time.
    assert bool(session.refresh_token) is (vendor != "smart_launcher")
    with walls.organization(ehr.clinic.pk):
        before, session.token_expires_at = session.access_token, timezone.now()
        session.save()
        if not session.refresh_token:
            with pytest.raises(SessionOver):
                sessions.bearer(session, at=timezone.now())
            return
        assert sessions.bearer(session, at=timezone.now()) != before
    assert "Vendorly" in ehr.page(f"/ehr/c/{session.launch_key}/")


@pytest.mark.parametrize("vendor", rotating(VENDORS, keep=3))
def test_a_launch_with_warm_caches_is_two_round_trips_and_a_third_for_references(make_ehr: Make, vendor: str) -> None:
    """Token, then one wave; where medications do not come along, each distinct reference is read once, in one more."""
    ehr, names = made(make_ehr, vendor)
    ehr.page(patient=patient_of(vendor))
    ehr.open(patient=patient_of(vendor))  # the first launch of all records addresses, and they are looked at once more
    waves = 2 if ehr.connection.honors_include else 3
    for _ in range(TRIES):
        mark = ehr.desk.mark()
        shown = ehr.page(patient=patient_of(vendor), knobs={"latency_ms": LATENCY_MS})
        asked = entries(ehr, mark)
        paths = [entry["path"] for entry in asked]
        assert {name for name in names if name in shown} == names
        assert paths[0].endswith("/auth/token"), paths
        assert not any("/.well-known/" in path or "/jwks" in path or "/metadata" in path for path in paths), paths
        read = [path for path in paths if "/Medication/" in path or "/Practitioner/" in path]
        assert len(read) == len(set(read)) <= (0 if ehr.connection.honors_include else len(MEDICINES) + 1), paths
        assert len(paths) <= 6 + len(read), paths
        if depth(asked) <= waves:
            break
    assert depth(asked) <= waves, paths


@pytest.mark.parametrize("vendor", ["epic", "inferno"])
def test_a_secret_of_any_characters_is_written_as_this_vendor_reads_it(make_ehr: Make, vendor: str) -> None:
    values = {"client_auth": "client_secret_basic", "client_secret": "s+cr/e t%2F=&:~é", "backend_services": False}
    ehr, _ = made(make_ehr, vendor, **values)
    assert "Vendorly" in ehr.page(patient=patient_of(vendor))


@pytest.mark.smart("V2", "H49")
def test_oracle_s_second_identity_provider_signs_in_once_it_is_listed(make_ehr: Make) -> None:
    ehr, _ = made(make_ehr, "oracle")
    patient, first = patient_of("oracle"), str(ehr.profile["issuer"])
    (other,) = ehr.profile["knobs"]["more_issuers"]
    ehr.open(patient=patient)
    with walls.organization(ehr.clinic.pk):
        ehr.connection.refresh_from_db()
    assert ehr.connection.oidc_issuer == first
    answer = ehr.launch(patient=patient, knobs={"issuer": other})
    assert answer.status_code == 502, words(answer)
    ehr.row(more_issuers=first.partition("/oidc/")[0] + other)
    ehr.open(patient=patient, knobs={"issuer": other})


# -------------------------------------------------------------------------------------------------- what one vendor wants
@pytest.mark.smart("V3", "L4")
def test_athenahealth_wants_the_audience_with_or_without_fhir_as_its_site_has_it(make_ehr: Make) -> None:
    ehr, _ = made(make_ehr, "athenahealth")
    patient = patient_of("athenahealth")
    ehr.turn(aud_check="without_fhir")
    answer = ehr.launch(patient=patient)
    assert (answer.status_code, "C-SETUP" in words(answer)) == (502, True), words(answer)
    ehr.row(aud_override=ehr.base.removesuffix("/fhir"))
    assert "Vendorly" in ehr.page(patient=patient)


@pytest.mark.smart("V3")
def test_athenahealth_counts_token_requests_of_all_launches_and_one_too_many_is_said(make_ehr: Make) -> None:
    ehr, _ = made(make_ehr, "athenahealth")
    assert ehr.profile["knobs"]["rate_limit"]["token"]["requests"] == 50
    ehr.turn(rate_limit={"token": {"requests": 2, "seconds": 60, "status": 429, "retry_after": 30}})
    patient = patient_of("athenahealth")
    assert [ehr.launch(patient=patient).status_code for _ in range(2)] == [303, 303]
    answer = ehr.launch(patient=patient)
    assert (answer.status_code, "C-BUSY" in words(answer)) == (502, True), words(answer)


@pytest.mark.smart("V3")
def test_athenahealth_knows_order_and_plan_and_is_asked_for_nothing_else(make_ehr: Make) -> None:
    """Without the preset's parameter the same EHR refuses the search: the profile enforces it."""
    ehr, names = made(make_ehr, "athenahealth")
    patient = patient_of("athenahealth")
    assert all(name in ehr.page(patient=patient) for name in names)
    ehr.row(search_parameters={"MedicationRequest": "intent=order,proposal"})
    shown = ehr.page(patient=patient)
    assert not [name for name in names if name in shown]


@pytest.mark.smart("V4", "K6")
def test_eclinicalworks_own_access_lives_five_minutes(make_ehr: Make) -> None:
    ehr, _ = made(make_ehr, "eclinicalworks", client_auth="private_key_jwt")
    with walls.organization(ehr.clinic.pk):
        answer = smart.client_credentials(
            client_app.of(ehr.connection), partner=discovery.connection_partner(ehr.connection),
            scope="system/Patient.read", token_endpoint=discovery.configuration(ehr.connection).token_endpoint,
        )  # fmt: skip
    assert answer.expires_in_s == 300


# ------------------------------------------------------------------------------------------------- without a clinician
@pytest.mark.parametrize("vendor", rotating(OWN_ACCESS, keep=2))
def test_the_app_s_own_access_reads_an_order_as_commerce_asks_for_it(make_ehr: Make, vendor: str) -> None:
    ehr, names = made(make_ehr, vendor)
    order_id = f"smart-rx-{number_of(vendor)}"
    with walls.organization(ehr.clinic.pk):
        mine = backend_access(ehr.connection, patient_id=patient_of(vendor), scopes=("system/Patient.r",))
        key = mine.key_of("MedicationRequest", order_id)
        mine.seen[key] = ("MedicationRequest", order_id, "1")
        references.remember(
            organization_id=ehr.clinic.pk, connection=ehr.connection, access=mine, keys=[key], at=timezone.now()
        )
    found = EhrChart().current(organization_id=ehr.clinic.pk, keys=[key], by="system:test")[key]
    assert found is not None
    assert found.item.name in names
    assert found.state.refusal == ""


# --------------------------------------------------------------------------------------------------------------- medent
@pytest.mark.smart("V10", "T7")
def test_an_ehr_that_names_no_patient_is_refused_by_that_name(make_ehr: Make) -> None:
    """Whatever the row says: a launch without a patient opens no chart, and the operator reads why."""
    ehr = make_ehr(vendor="medent", client_auth="none")
    answer = ehr.launch()
    assert answer.status_code == 400, words(answer)
    assert "this EHR names the patient only in `fhirUser` (as MEDENT does)" in words(answer)
    assert ehr.session() is None
    with walls.organization(ehr.clinic.pk):
        assert "T-USER" in set(AuditEvent.objects.values_list("reason", flat=True))


@pytest.mark.smart("V10")
def test_whoever_would_connect_it_is_told_why_it_cannot_be(make_ehr: Make) -> None:
    ehr = connected(make_ehr, "medent")
    with pytest.raises(CommandError, match=r"whose chart is open, so this EHR cannot be connected. Ask the vendor"):
        call_command("ehr_connect", ehr.base, vendor="medent", organization=str(ehr.clinic.pk))
    with walls.organization(ehr.clinic.pk):
        report = checking.examine(ehr.connection, at=timezone.now(), agreed=True)
        (finding,) = [one for one in report.findings if one.code == "P-VENDOR"]
        form = ConnectionForm({"vendor": "medent"}, instance=ehr.connection)
        assert "names no patient" in str(form.errors["vendor"])
    assert finding.severity == "error"
    assert "names no patient" in finding.remedy + finding.sentence
