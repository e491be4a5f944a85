"""What the judge takes for a legal path, on rows that nobody had to wait for."""

from typing import Any, cast

import pytest

from tests.crash.acts import OfActs, is_active
from tests.crash.people import Buyer
from tests.journeys.cast import Cy


class Nothing:
    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return []


class Judge(OfActs):
    def __init__(self, *steps: tuple[str, str]) -> None:
        self.ours = cast("Any", Nothing())
        self.events = [{"id": number, "code": code, "state": state} for number, (code, state) in enumerate(steps)]

    def _rows(self, table: str, order: dict[str, Any]) -> list[dict[str, Any]]:
        return self.events

    def says(self) -> list[str]:
        buyer = Buyer(cast("Cy", None), "device", "delivered", public_id="one")
        return [invariant for invariant, _ in self._history(buyer, {"state": self.events[-1]["state"]})]


@pytest.mark.parametrize("state", ["shipped", "exception", "delivered", "returned"])
def test_what_is_sent_anew_takes_an_order_back(state: str) -> None:
    assert Judge(("x", state), ("replacement", "authorized"), ("dispatched", "dispatched")).says() == []


@pytest.mark.parametrize(
    ("before", "code", "after"),
    [
        ("shipped", "dispatched", "authorized"),
        ("cancelled", "replacement", "authorized"),
        ("delivered", "", "dispatched"),
    ],
)
def test_nothing_else_does_and_none_that_is_over(before: str, code: str, after: str) -> None:
    assert Judge(("x", before), (code, after)).says() == ["I8"]


@pytest.mark.parametrize(
    ("answer", "live"),
    [
        ({"resourceType": "DeviceRequest", "id": "a", "status": "active"}, True),
        ({"entry": [{"resource": {"id": "a", "status": "active"}}]}, True),
        ({"entry": [{"resource": {"id": "a", "status": "revoked"}}]}, False),
        ({"entry": [{"resource": {"id": "b", "status": "active"}}]}, False),
        ({}, False),
    ],
)
def test_a_reading_is_live_where_it_shows_the_order_active(answer: dict[str, Any], live: bool) -> None:
    assert is_active(answer, "a") is live
