"""Nobody lets more out of the chart by the way: a wider table fails here until it is agreed to in a second place."""

from pathlib import Path

import pytest

from ehrcommerce.policy import lock

LOCK = Path(lock.__file__).with_name("table.lock")
HOW = """
The table (ehrcommerce/policy) is not what was agreed to. {wider}{narrower}
Is it meant? Then
  1. say in the row's reason why the purchase cannot do without it (45 CFR 164.502(b)),
  2. run `python3 manage.py write_docs --widen`, which writes table.lock and docs/data-map.*,
  3. let the privacy officer see the lines that the commit shows.
Is it not? Then take it out of the table again."""


def told(locked: str, now: str) -> str:
    wider, narrower = lock.changes(locked, now)
    more = "MORE may leave, be kept or be seen than before:\n  " + "\n  ".join(wider) if wider else "Nothing is wider."
    less = "\nLess than before:\n  " + "\n  ".join(narrower) if narrower else ""
    return HOW.format(wider=more, narrower=less)


def test_the_table_is_what_was_agreed_to() -> None:
    locked = LOCK.read_text()
    assert locked == lock.text(), told(locked, lock.text())


ROW = "prescription | MedicationRequest.status | OrderState.status | pharmacy | encrypted, order ended, 30 | patient"


@pytest.mark.parametrize(
    ("now", "wider"),
    [
        (f"{ROW}\nprescription | MedicationRequest.note.text | X.y |  | not kept, at once, 0 | ", "is a row"),
        (ROW.replace("pharmacy", "payer, pharmacy"), "goes to payer"),
        (ROW.replace("patient", "patient, support"), "is seen by support"),
        (ROW.replace(", 30", ", 60"), "is kept encrypted, 60 days after order ended"),
        (ROW.replace("order ended", "delivered"), "is kept encrypted, 30 days after delivered"),
    ],
)
def test_each_way_to_let_more_out_is_named(now: str, wider: str) -> None:
    assert [one for one in lock.changes(ROW, now)[0] if wider in one]
    assert wider in told(ROW, now)


@pytest.mark.parametrize(
    "now", ["", ROW.replace("pharmacy", ""), ROW.replace("patient", ""), ROW.replace(", 30", ", 7")]
)
def test_less_is_told_too_and_is_not_more(now: str) -> None:
    wider, narrower = lock.changes(ROW, now)
    assert (wider, bool(narrower)) == ([], True)
    assert "Less than before" in told(ROW, now)
