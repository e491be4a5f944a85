"""How a try can end: a closed set, so that no handler invents a sixth way and no caller guesses from a boolean."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Done:
    """It happened. `facts` go to the handler's settle and are not stored by the outbox."""

    reference: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It surely did not happen; the world was not ready. `after_s` is the partner's own wish, if it had one."""

    code: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It did not and will not happen: the partner said no, or a rule of ours did."""

    code: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """It may have happened. The partner is asked before anything is sent again."""

    code: str


@dataclass(frozen=True, slots=True)
class NeedsHuman:
    """Only a person can settle this."""

    code: str


Outcome = Done | TryAgain | Refused | OutcomeUnknown | NeedsHuman


class Halt(Exception):
    """Raised by a handler before anything was sent: ends the try with this outcome."""

    def __init__(self, outcome: TryAgain | Refused | NeedsHuman) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome
