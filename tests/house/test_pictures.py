"""The pictures of the docs: every page that we make has one, and the page that shows them says what is there. Run
`python3 manage.py screenshots` after a page came, went or changed."""

import re
from pathlib import Path

from ehrcommerce.workbench import screenshots
from ehrcommerce.workbench.picture_list import SECTIONS, WITHOUT

ROOT = Path(__file__).resolve().parents[2]
PICTURES = [picture for _, pictures in SECTIONS for picture in pictures]
MOST_BYTES = 12_000_000
STATE = re.compile(r'{% (?:el)?if state == "(\w+)"')


def pages() -> set[str]:
    """Templates that are whole pages; one that shows several states counts once for each."""
    found = set()
    for room in ("ehr", "checkout", "errors"):
        for path in (ROOT / "templates" / room).glob("[!_]*.html"):
            states = STATE.findall(path.read_text())
            name = f"{room}/{path.name}"
            # The last branch has no name there: the session is over.
            found |= {f"{name}:{state}" for state in [*states, "over"]} if states else {name}
    admin = ROOT / "templates" / "admin"
    return found | {f"admin/{path.relative_to(admin)}" for path in admin.rglob("[!_]*.html")}


def test_every_page_has_a_picture_or_a_reason() -> None:
    shown = {picture.template for picture in PICTURES if picture.template}
    assert pages() - shown - set(WITHOUT) == set()
    assert (shown | set(WITHOUT)) - pages() == set()
    assert shown & set(WITHOUT) == set()


def test_the_folder_holds_these_pictures_and_no_others() -> None:
    listed = {name for picture in PICTURES for name in picture.files} | {"journey.png"}
    assert {path.name for path in (ROOT / "docs" / "pictures").iterdir()} == listed


def test_the_page_of_the_pictures_is_the_one_that_the_list_makes() -> None:
    assert (ROOT / "docs" / "pictures.md").read_text() == screenshots.page()


def test_the_pictures_stay_small() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "docs" / "pictures").iterdir()) < MOST_BYTES
