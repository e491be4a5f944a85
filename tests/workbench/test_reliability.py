"""What `manage.py prove_reliability` prints, and the list of promises that it stands on."""

from pathlib import Path

import pytest

from ehrcommerce.workbench import promises, reliability, rotation

TOLD = [
    {
        "what": "kills",
        "orders": 5,
        "lost": 0,
        "doubled": 0,
        "ledger_difference_cents": 0,
        "kills": 28,
        "recovery_s": 9.4,
    },
    {"what": "faults", "orders": 4, "lost": 1, "doubled": 2, "ledger_difference_cents": 3, "faults": 11},
    {"what": "bugs", "seeded": 5, "caught": 4, "missed": ["no_repull"]},
]


def test_the_table_adds_up_and_says_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(rotation.SEED, "7")
    said = reliability.table(TOLD, seconds=61, verdict="FAILED")
    assert "orders 9, kills 28, faults 11: lost 1, doubled 2, ledger difference 3 cents, longest recovery 9.4 s" in said
    assert "4 of 5 caught" in said
    assert "a whole order without Redis" in said
    assert "not run" in said
    assert "FAILED in 61 s" in said


def test_where_an_invariant_breaks_the_command_ends_with_one_and_names_journals_and_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pytest, "main", lambda words: 1)
    for name in (reliability.WHERE, reliability.SHARD, rotation.SEED):
        monkeypatch.setenv(name, "7")  # put back afterwards
    assert reliability.main(["--seed", "7"]) == 1
    said = capsys.readouterr().out
    assert "Again: python3 manage.py prove_reliability --seed 7" in said
    assert "prove-reliability-" in said


def test_a_mark_belongs_to_its_test_or_to_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        '"""Words. [REL-P4, F37-F38]"""\n\n\n# REL-F17\ndef test_a() -> None:\n    pass\n\n\n\n'
        'def test_b() -> None:\n    """(REL-P8)"""\n'
    )
    assert promises.marked(tmp_path) == {
        "P4": ["test_x.py"], "F37": ["test_x.py"], "F38": ["test_x.py"], "F17": ["test_x.py::test_a"], "P8": ["test_x.py::test_b"],
    }  # fmt: skip


def test_a_shard_of_a_night_finds_what_it_did_before_it_was_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(reliability, "ROOT", tmp_path)
    monkeypatch.setattr(pytest, "main", lambda words: 0)
    for name in (reliability.WHERE, reliability.SHARD, rotation.SEED):
        monkeypatch.setenv(name, "7")  # put back afterwards
    words = ["--nightly", "--seed", "7", "--shard", "2/4"]
    assert reliability.main(words) == 0
    kept = tmp_path / ".prove" / "night-7-2of4" / "told.jsonl"
    kept.write_text('{"what": "kills", "orders": 5, "kills": 28, "round": "kills 0"}\n')
    assert reliability.main(words) == 0
    said = "".join(capsys.readouterr())
    assert "goes on after 1 lines of an earlier run" in said
    assert "orders 5, kills 28" in said
    assert "prove_reliability --nightly --seed 7 --shard 2/4" in said
