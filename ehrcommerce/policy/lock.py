"""The table as it was last agreed to (table.lock): whoever lets more out than before must say so in a second place.

`manage.py write_docs` never touches the lock; `manage.py write_docs --widen` writes it, and the commit shows each line."""

from collections.abc import Iterable, Mapping

from ehrcommerce.policy import derive
from ehrcommerce.policy.table import Crossing

HEAD = (
    "# purpose | element | field | recipients | kept as, starting with, days | seen by",
    "# Written by `manage.py write_docs --widen`, on purpose. See CONTRIBUTING.md, and docs/data-map.md for the why.",
)
Grants = Mapping[tuple[str, str, str], "tuple[frozenset[str], tuple[str, str, int], frozenset[str]]"]


def line(row: Crossing) -> str:
    """One row of the table, without its reason: a better sentence widens nothing."""
    source = f"{row.resource}.{row.element}" if row.resource else "our own"
    kept = f"{row.kept.form}, {row.kept.after}, {row.kept.days}"
    return " | ".join((row.purpose, source, row.field, ", ".join(row.recipients), kept, ", ".join(row.sees)))


def text() -> str:
    """What table.lock holds when it is up to date."""
    return "\n".join((*HEAD, *(line(row) for row in derive.EVERYTHING))) + "\n"


def changes(locked: str, now: str) -> tuple[list[str], list[str]]:
    """What is wider than the lock and what is narrower, each as a sentence."""
    before, after = _grants(locked.splitlines()), _grants(now.splitlines())
    return _gained(before, after), _gained(after, before)


def _grants(lines: Iterable[str]) -> Grants:
    found = {}
    for one in lines:
        if one and not one.startswith("#"):
            purpose, source, field, recipients, kept, sees = (part.strip() for part in one.split("|"))
            form, event, days = kept.split(", ")
            value = (_names(recipients), (form, event, int(days)), _names(sees))
            # The same element may decide and be kept: one line for each fate.
            found[(purpose, source, f"{field} ({form})")] = value
    return found


def _names(words: str) -> frozenset[str]:
    return frozenset(filter(None, words.split(", ")))


def _gained(less: Grants, more: Grants) -> list[str]:
    said = []
    for key, (recipients, kept, sees) in more.items():
        what = f"{key[0]}: {key[1]} as {key[2]}"
        if key not in less:
            said.append(f"{what}: is a row")
            continue
        had, was_kept, saw = less[key]
        said += [f"{what}: goes to {one}" for one in sorted(recipients - had)]
        said += [f"{what}: is seen by {one}" for one in sorted(sees - saw)]
        if kept != was_kept and (kept[2] > was_kept[2] or kept[:2] != was_kept[:2]):
            said.append(f"{what}: is kept {kept[0]}, {kept[2]} days after {kept[1]}")
    return said
