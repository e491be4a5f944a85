"""Whom to call when something is stuck: who looks after the partner here, who is called there, and where it is written how.
Rooms above register who finds the partner behind an effect; this file knows none of them."""

from collections.abc import Callable
from dataclasses import dataclass

from ehrcommerce.outbox.models import Effect


@dataclass(frozen=True, slots=True)
class Contact:
    """`partner` as staff know it; each of the others may be empty."""

    partner: str
    owner: str = ""
    call: str = ""
    runbook: str = ""

    def __str__(self) -> str:
        told = (("Owner", self.owner), ("Call", self.call), ("Runbook", self.runbook))
        return " ".join(f"{what}: {value}." for what, value in told if value)


Finder = Callable[[Effect], Contact | None]
_finders: list[Finder] = []


def register(finder: Finder) -> None:
    _finders.append(finder)


def whom_to_call(effect: Effect) -> list[Contact]:
    """The partners behind an effect, e.g. the supplier, and the EHR where its answer is what is missing."""
    return [found for finder in _finders if (found := finder(effect)) is not None]
