"""Spoiled answers: one way to make any endpoint answer as broken, hostile or odd servers do.

A knob such as `token_answer` holds a manner, an object with a manner and its options, or a list of such objects of
which the first that applies is used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Self

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ehrcommerce.sandbox.ehr import counting
from ehrcommerce.sandbox.ehr.manners import MANNERS, Order, status_answer
from ehrcommerce.sandbox.ehr.surroundings import here

Make = Callable[[], HttpResponseBase]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One manner, when it applies, and its options."""

    manner: str
    times: int | None = None
    after: int = 0
    grants: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    interactions: list[str] = field(default_factory=list)
    commit: bool = False
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    content_type: str = ""
    location: str = ""
    seconds: float | None = None
    bytes: int = 100 * 1024 * 1024
    key: str = ""
    depth: int = 2000
    error: str = "invalid_request"
    error_description: str = ""

    @classmethod
    def read(cls, value: object) -> Self:
        """From a manner or an object. Raises ValueError."""
        options = {"manner": value} if isinstance(value, str) else value
        if not isinstance(options, dict) or not isinstance(options.get("manner"), str):
            raise ValueError("an answer is a manner, or an object with a manner")
        if strange := set(options) - {option.name for option in fields(cls)}:
            raise ValueError(f"unknown options: {', '.join(sorted(strange))}")
        manner = options["manner"]
        if manner not in MANNERS and not _is_status(manner):
            raise ValueError(f"a manner is a status or one of {', '.join(MANNERS)}")
        return cls(**options)

    def fits(self, traits: "Traits") -> bool:
        """Whether this request is meant."""
        wanted = ((self.grants, traits.grant), (self.types, traits.type), (self.interactions, traits.interaction))
        return all(not names or name in names for names, name in wanted)


@dataclass(frozen=True)
class Traits:
    """What an answer may depend on."""

    grant: str = ""
    type: str = ""
    interaction: str = ""


def _is_status(manner: str) -> bool:
    return len(manner) == 3 and manner.isdecimal() and "200" <= manner <= "599"


def wishes(value: Any) -> list[Wish]:
    """The wishes in a value of an answer knob. Raises ValueError."""
    if value == "":
        return []
    return [Wish.read(item) for item in (value if isinstance(value, list) else [value])]


def given(knob: str, request: HttpRequest, make: Make, traits: Traits | None = None) -> HttpResponseBase:
    """The answer of an endpoint after its knob; `make` gives the usual one."""
    traits = traits or Traits()
    for number, wish in _fitting(knob, traits):
        before = counting.next_use(f"{here().counter}|{knob}|{number}")
        if before >= wish.after and (wish.times is None or before < wish.after + wish.times):
            return _spoiled(wish, request, make)
    return make()


def _fitting(knob: str, traits: Traits) -> Iterator[tuple[int, Wish]]:
    for number, wish in enumerate(wishes(here().filled(here().knobs[knob]))):
        if wish.fits(traits):
            yield number, wish


def _spoiled(wish: Wish, request: HttpRequest, make: Make) -> HttpResponseBase:
    done = make() if wish.commit else None
    order = Order(request, wish, lambda: done if done is not None else make())
    manner = MANNERS.get(wish.manner)
    response = manner(order) if manner else status_answer(order)
    for name, value in wish.headers.items():
        response.headers[name] = value
    return response
