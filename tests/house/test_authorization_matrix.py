"""Every address is in the authorization matrix, and every cell of it is decided. The cells are asked in tests/access."""

from django.core.management import get_commands

from tests.access.cast import METHODS, OWNERS, PRINCIPALS
from tests.access.matrix import matrix
from tests.access.urls import addresses

# What the commands of ours do with organizations. A new one says here how it goes through the walls.
COMMANDS = {
    "ehr_connect": "enters the one it is told", "revoke_all": "enters the one it is told",
    "rotate_keys": "keys of the whole app", "sweeper": "enters one after the other",
    "verify_audit": "enters one after the other", "load_demo": "makes and enters its own",
    "after_restore": "enters one after the other", "write_docs": "asks no database",
    "rotate_encryption_keys": "enters one after the other", "retention": "enters one after the other",
    "patient_export": "enters the one it is told", "patient_erase": "enters the one it is told",
    "reconcile": "enters one after the other",
    "audit": "enters the one it is told, or one after the other", "export_consents": "enters the one it is told",
    "show_opened": "enters one after the other",
    "mllp": "enters that of the feed whose sender is proved", "hl7_files": "enters that of the feed whose folder it is",
}  # fmt: skip


def test_every_address_stands_in_the_matrix_and_the_matrix_names_no_other() -> None:
    """A new page: give its address a group in tests/access/matrix.txt, and the group its rules."""
    names = [address.name for address in addresses()]
    assert len(set(names)) == len(names)
    assert set(names) - set(matrix().groups) == set(), "addresses that nobody decided on"
    assert set(matrix().groups) - set(names) == set(), "lines about addresses that are not there"


def test_every_cell_is_decided_and_every_line_decides_something() -> None:
    cells = list(matrix().cells())
    assert len(PRINCIPALS) == 15
    assert len(cells) > 21_000
    assert {cell.method for cell in cells} == set(METHODS)
    assert {cell.owner for cell in cells} == {*OWNERS, "-"}
    idle = [rule.line for rule in matrix().rules if not matrix().used[rule.line]]
    assert idle == [], "lines that decide nothing"


def test_every_command_of_ours_says_how_it_goes_through_the_walls() -> None:
    ours = {name for name, app in get_commands().items() if str(app).startswith("ehrcommerce.")}
    assert ours - set(COMMANDS) == set(), "say in COMMANDS how it enters organizations"
