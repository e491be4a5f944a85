"""What a look at an EHR found: one sentence, and what a person does about it. Nothing here is of a patient, and nothing
is repeated from what an EHR wrote but names of types, algorithms and addresses, cut to a length."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

OK, WARNING, ERROR = "ok", "warning", "error"
_ORDER = {ERROR: 0, WARNING: 1, OK: 2}
LONGEST_NAME = 120


@dataclass(frozen=True)
class Finding:
    """`step` is what was looked at, `code` what one reads out on the phone. `origin` is an address that an administrator
    may register on purpose; `knob` and `value`, a setting of the connection that would put it right."""

    step: str
    severity: str
    code: str
    sentence: str
    remedy: str = ""
    origin: str = ""
    knob: str = ""
    value: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


_NOTHING = Finding("", OK, "", "")


def good(step: str, code: str, sentence: str) -> Finding:
    return Finding(step, OK, code, sentence)


def warning(step: str, code: str, sentence: str, remedy: str = "", *, knob: str = "", value: str = "") -> Finding:
    return Finding(step, WARNING, code, sentence, remedy, knob=knob, value=value)


def error(
    step: str, code: str, sentence: str, remedy: str, *, origin: str = "", knob: str = "", value: str = ""
) -> Finding:
    return Finding(step, ERROR, code, sentence, remedy, origin, knob, value)


def from_json(kept: Any) -> list[Finding]:
    """What a row holds of its last test; what cannot be read is left out."""
    rows = [row for row in kept if isinstance(row, Mapping)] if isinstance(kept, list) else []
    names = ("step", "severity", "code", "sentence", "remedy", "origin", "knob", "value")
    return [Finding(**{name: str(row.get(name, "")) for name in names}) for row in rows]


def place(finding: Finding) -> int:
    """For a list in which what is wrong stands first."""
    return _ORDER.get(finding.severity, 0)


def worst(findings: Iterable[Finding]) -> str:
    return min(findings, key=place, default=_NOTHING).severity


def name(value: Any) -> str:
    """A name from outside, as it may stand in a sentence: printable, short, or `(unreadable)`."""
    text = value.strip() if isinstance(value, str) else ""
    return text if re.fullmatch(rf"[\w .,:;()/+@*?=&~%#-]{{1,{LONGEST_NAME}}}", text) else "(unreadable)"
