"""The first page of the back office: what waits for somebody, most urgent first. Each app's admin.py says what it has
to say there; this file knows none of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ehrcommerce.accounts.models import User

SHOWN = 8


@dataclass(frozen=True, slots=True)
class Line:
    """`what` leads to `url`, `why` says what is the matter: codes, numbers, names of partners; nothing of a person."""

    what: str
    why: str
    url: str


@dataclass(frozen=True, slots=True)
class Panel:
    """`lines` is what is shown, `more` the address of the whole list. `urgent` where a person has to act."""

    title: str
    nothing: str
    lines: Sequence[Line]
    more: str
    urgent: bool = False

    @property
    def mark(self) -> str:
        """The heading's class: quiet where there is nothing."""
        return "ec-urgent" if self.urgent and self.lines else "ec-calm"


Maker = Callable[[], Panel]
_makers: list[tuple[int, frozenset[str], Maker]] = []


def panel(place: int, roles: frozenset[str]) -> Callable[[Maker], Maker]:
    """Put what this function returns on the first page of these roles. Called inside the walls of the user."""

    def keep(maker: Maker) -> Maker:
        _makers.append((place, roles, maker))
        return maker

    return keep


def panels_for(user: User) -> list[Panel]:
    return [maker() for place, roles, maker in sorted(_makers, key=lambda each: each[0]) if user.role in roles]
