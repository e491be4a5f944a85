"""How a chart is named in the sandbox EHR's own pages, whatever stands in it."""

from typing import Any

import pytest

from ehrcommerce.sandbox.ehr.reading_words import person


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ([{"family": "Rivera", "given": ["Cy"]}], "Rivera, Cy"), ([{"family": {"a": 1}, "given": ["Cy"]}], "Cy"),
        ([{"family": ["x"]}], "(no name)"), ([{"text": "Cy Rivera"}], "Cy Rivera"), ([], "(no name)"), ("x", "(no name)"),
    ],
)  # fmt: skip
def test_a_crooked_name_is_shown_as_far_as_it_can_be_read(name: Any, shown: str) -> None:
    assert person({"name": name}) == shown
