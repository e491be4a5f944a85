"""docs/connect-an-ehr.md is worked through by people who have nothing else: what it calls a page, a field or a button is
called so there, and every code that a refused launch can show is explained."""

import re
from pathlib import Path

from ehrcommerce.ehr import errors
from ehrcommerce.ehr.connection_form import LABELS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "connect-an-ehr.md").read_text()
# Written by Django from a model's name or column, not by us.
MADE = {"Add EHR connection", "Active", "Users", "Name", "Vendor", "Enabled", "Administrator", "Integration", "Home"}


def codes_of(family: type[errors.EhrError]) -> set[str]:
    return {family.code}.union(*(codes_of(each) for each in family.__subclasses__()))


def test_the_table_explains_every_code_that_a_launch_can_show_and_no_other() -> None:
    table = PAGE.partition("| code | usual cause |")[2]
    told = [code for row in re.findall(r"^\| ([A-Z][-A-Z, ]+) \|", table, re.M) for code in row.split(", ")]
    assert len(told) == len(set(told))
    shown = codes_of(errors.LaunchRefused) | {errors.SessionOver.code}
    assert set(told) == shown - {errors.LaunchRefused.code}


def words_of_the_pages() -> str:
    """Templates of the back office and the code behind its pages, without markup and in one case."""
    files = [*(ROOT / "templates").rglob("*.html")]
    files += [file for app in ("ehr", "accounts") for file in (ROOT / "ehrcommerce" / app).rglob("*.py")]
    text = " ".join(re.sub(r"\{%.*?%\}", "", file.read_text()) for file in files)
    return text.casefold()


def test_what_the_page_calls_by_name_is_called_so_in_the_back_office() -> None:
    named = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", PAGE)) - MADE
    assert {"Staff may start without the EHR", "Proposed changes", "Approve: it takes effect now"} <= named
    assert named & set(LABELS.values())
    known = words_of_the_pages()
    assert sorted(one for one in named if one.casefold() not in known) == []


def test_no_step_hides_the_second_person() -> None:
    """Both ways through the page tick Enabled, and both say at once who lets it take effect."""
    for part in (PAGE.partition("## The six steps")[2], PAGE.partition("## Try it in the demo")[2]):
        steps = part.partition("## ")[0]
        assert (
            steps.index("ick *Enabled*") < steps.index("Waits for a second person") < steps.index("Approve: it takes")
        )
        assert steps.index("Approve: it takes") < steps.index(
            "*Test connection*" if "`admin2`" in steps else "**Test con"
        )
