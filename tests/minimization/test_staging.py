"""The steps for a staging system that somebody else drives: charts to load, and a search that tells a leak, a clean place and
a search of nothing apart."""

import argparse
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.minimization import staging
from tests.minimization.charts import Json


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("charts")
    assert staging.main(argparse.Namespace(charts=made), 11) == 0
    return made


@pytest.fixture(scope="module")
def prescription(place: Path) -> Json:
    entries = json.loads((place / "chart-A.json").read_text())["entry"]
    return next(dict(one["resource"]) for one in entries if one["resource"]["resourceType"] == "MedicationRequest")


def search(place: Path, **contents: str) -> int:
    files = []
    for sink, content in contents.items():
        path = place / f"{sink}.txt"
        path.write_text(content)
        files.append(f"{sink.replace('_', ' ')}={path}")
    options: dict[str, Any] = {"charts": None, "search": place / "ledger.json", "database_url": "", "redis_url": ""}
    return staging.main(argparse.Namespace(**options, files=files), 0)


def test_what_the_table_gives_to_the_pharmacy_is_no_leak_there(place: Path, prescription: Json) -> None:
    assert search(place, pharmacy=prescription["dosageInstruction"][0]["text"]) == 0


def test_what_stays_in_the_chart_is_a_leak_with_its_path_sink_and_form(
    place: Path, prescription: Json, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = base64.b64encode(prescription["note"][0]["text"].encode()).decode()
    assert search(place, pharmacy=prescription["dosageInstruction"][0]["text"], carrier=hidden) == 1
    assert "LEAK: MedicationRequest.note.text (chart A) in carrier as base64" in capsys.readouterr().out


def test_what_the_pharmacy_may_have_is_a_leak_at_the_laboratory(place: Path, prescription: Json) -> None:
    said = prescription["dosageInstruction"][0]["text"]
    assert search(place, pharmacy=said, laboratory=said) == 1


def test_a_search_that_finds_nothing_at_all_is_no_proof(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert search(place, pharmacy="nothing of ours") == 1
    assert "NOT PROVED" in capsys.readouterr().out


def test_a_sink_that_nobody_knows_is_refused(place: Path) -> None:
    assert search(place, farmacy="x") == 2
