"""`load --fhir-data`: any folder of FHIR JSON becomes charts that can be opened, in a schema of the test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[3]
REALDATA = Path(os.environ.get("EHRC_REALDATA") or ROOT.parent / "shared" / "realdata")
SCHEMA = "load_test"
Rows = dict[str, dict[str, Any]]


class Sandbox(Protocol):
    """What the fixture `sandbox` tells about the running site."""

    sandbox_database_url: str


class Loader:
    """The commands of the sandbox on a schema that goes away."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url

    def run(self, *words: str) -> str:
        """A command; what it said."""
        command = [sys.executable, "-m", "ehrcommerce.sandbox", *words]
        environment = {**os.environ, "SANDBOX_DATABASE_URL": f"{self.database_url}?schema={SCHEMA}"}
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self) -> Rows:
        """Every resource by its reference."""
        with psycopg.connect(self.database_url) as connection:
            found = connection.execute(f"SELECT type, fhir_id, text FROM {SCHEMA}.ehr_resource").fetchall()
        return {f"{kind}/{fhir_id}": json.loads(text) for kind, fhir_id, text in found}


@pytest.fixture
def loader(sandbox: Sandbox) -> Iterator[Loader]:
    """A migrated, empty schema."""
    loader = Loader(sandbox.sandbox_database_url)
    with psycopg.connect(loader.database_url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        loader.run("migrate")
        yield loader
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str, Any], None]:
    """Writes one file below the folder that is loaded."""

    def write(name: str, content: Any) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))

    return write


def request(**changes: Any) -> dict[str, Any]:
    """An order of somebody."""
    order = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
    return {**order, "medicationCodeableConcept": {"text": "x"}, **changes}


def test_references_are_turned_towards_what_is_loaded(
    loader: Loader, folder: Callable[[str, Any], None], tmp_path: Path
) -> None:
    person = {"resourceType": "Patient", "name": [{"text": "By address"}]}
    order = request(id="by-urn", subject={"reference": "urn:uuid:0001"})
    entries = [{"fullUrl": "urn:uuid:0001", "resource": person}, {"resource": order}]
    folder("a/bundle.json", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    far = request(id="by-url", subject={"reference": "https://ehr.example/r4/Patient/p1/_history/3"})
    folder("b/order.json", far)
    folder("b/patient.json", {"resourceType": "Patient", "id": "p1", "name": [{"text": "B"}]})
    folder("c/patient.json", {"resourceType": "Patient", "id": "p1", "name": [{"text": "C"}]})
    folder("c/order.json", request(id="in-c", subject={"reference": "Patient/p1"}))
    folder("notes.json", [1, 2])
    folder("broken.json", "{")

    said = loader.run("load", "--fhir-data", str(tmp_path))
    rows = loader.rows()

    def name_of(order_id: str) -> Any:
        return rows[rows[f"MedicationRequest/{order_id}"]["subject"]["reference"]]["name"][0]["text"]

    assert [name_of(order_id) for order_id in ("by-urn", "by-url", "in-c")] == ["By address", "B", "C"]
    assert {"Patient/p1", "Patient/p1-2"} <= rows.keys()
    assert "skipped notes.json: not FHIR" in said
    assert "skipped broken.json: not JSON" in said


def test_missing_partners_are_invented_and_said(
    loader: Loader, folder: Callable[[str, Any], None], tmp_path: Path
) -> None:
    named = {"reference": "Medication/m9", "display": "Drug by display"}
    order = request(id="orphan", subject={"reference": "Patient/p9"}, medicationReference=named)
    folder("orphan.json", order)
    folder("nobody.json", request(id="nobody"))
    inside = {"resourceType": "Patient", "id": "pat", "birthDate": "1980-01-01"}
    folder("inside.json", request(id="inside", contained=[inside], subject={"reference": "#pat"}))

    said = loader.run("load", "--fhir-data", str(tmp_path))
    rows = loader.rows()

    assert rows["Patient/p9"]["name"][0]["text"].startswith("Test ")
    assert rows["Medication/m9"]["code"] == {"text": "Drug by display"}
    assert rows["MedicationRequest/nobody"]["subject"]["reference"] in rows
    twin = rows[rows["MedicationRequest/inside"]["subject"]["reference"]]
    assert twin["birthDate"] == "1980-01-01"
    assert rows["MedicationRequest/inside"]["contained"] == [inside]
    assert "invented Patient/p9" in said
    assert "invented Medication/m9" in said


def test_a_second_load_changes_nothing(loader: Loader, folder: Callable[[str, Any], None], tmp_path: Path) -> None:
    folder("one.json", request(subject={"reference": "Patient/p9"}))
    loader.run("load", "--fhir-data", str(tmp_path))
    before = loader.rows()

    said = loader.run("load", "--fhir-data", str(tmp_path))

    assert loader.rows() == before
    totals = [line.split() for line in said.splitlines() if line.startswith(("Patient", "MedicationRequest"))]
    assert all(line[1:3] == ["0", "0"] for line in totals)


def test_real_resources_of_many_producers_all_find_a_patient(loader: Loader) -> None:
    if not REALDATA.is_dir():
        pytest.skip(f"NOT TESTED WITH REAL DATA: {REALDATA} is not there; EHRC_REALDATA names another folder")

    loader.run("load", "--fhir-data", str(REALDATA))
    rows = loader.rows()

    orders = [row for name, row in rows.items() if name.startswith(("MedicationReq", "DeviceReq", "ServiceReq"))]
    assert len(orders) > 100
    assert all(row["subject"]["reference"] in rows for row in orders)
