"""Pages made from code say what the code says."""

from pathlib import Path

from ehrcommerce.workbench import conformance
from ehrcommerce.workbench.data_map import data_map, data_map_csv
from ehrcommerce.workbench.smart_lines import NOT_BUILT

ROOT = Path(__file__).resolve().parents[2]


def test_the_data_map_says_what_the_table_says() -> None:
    """Run `manage.py write_docs` after a change of the table."""
    assert (ROOT / "docs" / "data-map.md").read_text() == data_map()
    assert (ROOT / "docs" / "data-map.csv").read_text() == data_map_csv()


def test_every_smart_line_has_a_test_and_every_mark_a_line() -> None:
    found = conformance.proofs(ROOT / "tests")
    assert set(found) <= set(conformance.LINES)
    assert not NOT_BUILT.keys() & found.keys()
    assert [code for code in conformance.LINES if code not in found and code not in NOT_BUILT] == []


def test_the_conformance_page_says_what_the_tests_say() -> None:
    """Run `manage.py test --write-conformance` after marked tests came or went."""
    kept = (ROOT / "docs" / conformance.PAGE).read_text()
    assert kept == conformance.page(ROOT / "tests", conformance.last_run(kept))
