"""The further EHRs of this sandbox: each a name, a vendor whose manners it has, and knobs of its own.

The manners of a vendor are a file of data in `vendors/`; each vendor is also served under its own name.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from ehrcommerce.sandbox.ehr import knobs
from ehrcommerce.sandbox.ehr.models import Profile

FOLDER: Final = Path(__file__).resolve().parent / "vendors"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_\-]{0,59}")


class NoProfile(LookupError):
    """There is no profile of this name. Make it by POST /control/profiles."""


@cache
def vendors() -> dict[str, dict[str, Any]]:
    """Name -> {"about", "knobs"} of each file."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
    for vendor in found.values():
        knobs.checked(vendor["knobs"])
    return found


def knobs_of(name: str) -> dict[str, Any]:
    """The knobs of a profile, its vendor's below its own. Raises NoProfile."""
    row = Profile.objects.filter(name=name).first()
    if row is None:
        if name not in vendors():
            raise NoProfile(name)
        return dict(vendors()[name]["knobs"])
    own: dict[str, Any] = row.knobs
    return {**(vendors()[row.vendor]["knobs"] if row.vendor else {}), **own}


def make(*, name: str, vendor: str = "", wishes: dict[str, Any] | None = None) -> Profile:
    """A profile of this name in place of the one before. Raises ValueError."""
    if not NAME.fullmatch(name):
        raise ValueError("a profile's name is made of small letters, digits, - and _")
    if vendor and vendor not in vendors():
        raise ValueError(f"vendor is one of {', '.join(vendors())}")
    made, _ = Profile.objects.update_or_create(
        name=name, defaults={"vendor": vendor, "knobs": knobs.checked(wishes or {})}
    )
    return made


def turn(*, name: str, wishes: dict[str, Any]) -> Profile:
    """Turn some knobs more. Raises ValueError."""
    row = Profile.objects.filter(name=name).first()
    if row is None:
        raise ValueError("there is no profile of this name; POST makes one")
    row.knobs = {**row.knobs, **knobs.checked(wishes)}
    row.save()
    return row
