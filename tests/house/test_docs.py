"""Pages made from code say what the code says."""

from pathlib import Path

from ehrcommerce.workbench.data_map import data_map

ROOT = Path(__file__).resolve().parents[2]


def test_the_data_map_says_what_the_table_says() -> None:
    """Run `manage.py write_docs` after a change of the table."""
    assert (ROOT / "docs" / "data-map.md").read_text() == data_map()
