"""The authorization matrix, asked of the running code as the app's role: every principal, every address, every method,
whoever owns what is asked for. A run takes a share by its seed, the night takes all. [SEC-B5, SEC-B7, SEC-B11, SEC-B13]"""

import pytest

from ehrcommerce.workbench.rotation import is_whole, rotating
from tests.access.asking import answer, masked, wrong
from tests.access.cast import World, path_of, stay
from tests.access.matrix import matrix

pytestmark = pytest.mark.usefixtures("db")
SHARES, KEPT = 40, 8
EVERY = 12


def test_nobody_outside_gets_into_the_back_office_by_any_line() -> None:
    """Said once more in other words, since a wrong line would be tested as if it were right."""
    outside = {"anonymous", "link_unmatched", "link_matched", "link_other", "clinician_in", "clinician_out",
               "clinician_other", "super_without_otp", "supplier", "ehr_hook"}  # fmt: skip
    for cell in matrix().cells():
        if cell.address.name.startswith("admin") and cell.address.name not in ("admin:login", "admin:logout"):
            assert cell.principal not in outside or cell.verdict in ("login", "method"), cell
        if cell.owner in ("foreign", "none") and cell.verdict == "open":
            says_nothing = cell.address.name in (
                "checkout:link",
                "clinic:callback",
                "clinic:window",
                "hooks:cds_services",
                # Pages of a clinic about nobody: whoever looks for a clinic finds them.
                "checkout:about_terms", "checkout:about_privacy", "checkout:about_accessibility", "checkout:about_languages",
            )  # fmt: skip
            assert says_nothing or matrix().groups[cell.address.name] == "row", cell


@pytest.mark.parametrize("share", rotating(range(SHARES), keep=KEPT))
def test_each_cell_is_answered_as_the_matrix_says(world: World, share: int) -> None:
    """A share is every 40th cell; of it, a default run asks every 12th."""
    cells = list(matrix().cells())[share::SHARES]
    if not is_whole():
        cells = rotating(cells, keep=len(cells) // EVERY)
    assert cells
    stay(world)
    assert wrong(world, cells) == []


def test_what_belongs_to_another_clinic_answers_like_what_is_not_there(world: World) -> None:
    """The same status, headers and bytes, but for the name that was asked for."""
    asked = [cell for cell in matrix().cells() if cell.owner == "foreign" and cell.verdict != "open"]
    # The unguessable address of a subscription is no tenant's name: whoever knows it is told that it takes a secret.
    asked = [cell for cell in asked if cell.method in ("GET", "POST") and cell.address.name != "hooks:notification"]
    differ = []
    stay(world)
    for cell in rotating(asked, keep=60):
        pair = []
        for owner in ("foreign", "none"):
            twin = type(cell)(cell.address, cell.principal, owner, cell.method, cell.verdict)
            pair.append(masked(answer(world, twin), path_of(world, cell.address, cell.principal, owner)))
        if pair[0] != pair[1]:
            differ.append((str(cell), *pair))
    assert differ == []
