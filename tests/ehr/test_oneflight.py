"""What is kept in a process has an end and a size."""

import threading
import time
from functools import partial

import pytest

from ehrcommerce.ehr import oneflight
from ehrcommerce.ehr.errors import EhrUnreachable
from ehrcommerce.ehr.oneflight import OneFlight


def lasting(number: int) -> tuple[int, float]:
    return number, 60.0 + number


def test_what_is_over_goes_when_something_new_comes() -> None:
    kept: OneFlight[str] = OneFlight()
    for number in range(50):
        kept.get(("old", number), lambda: ("value", 0.0))
    kept.get("new", lambda: ("value", 60.0))
    assert list(kept._kept) == ["new"]
    assert list(kept._flights) == ["new"]


def test_more_than_so_many_are_not_kept_and_the_soonest_to_end_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oneflight, "MOST", 10)
    kept: OneFlight[int] = OneFlight()
    kept.get("long", lambda: (0, 6000.0))
    for number in range(40):
        kept.get(number, partial(lasting, number))
    assert len(kept._kept) == len(kept._flights) == 10
    assert kept.peek("long") == 0
    assert kept.peek(39) == 39
    assert kept.peek(0) is None


def test_fetches_that_fail_leave_nothing_behind() -> None:
    kept: OneFlight[str] = OneFlight()

    def fails() -> tuple[str, float]:
        raise EhrUnreachable

    for number in range(20):
        with pytest.raises(EhrUnreachable):
            kept.get(number, fails)
    kept.get("new", lambda: ("value", 60.0))
    assert list(kept._flights) == ["new"]


def test_a_flight_under_way_is_not_swept_away() -> None:
    kept: OneFlight[str] = OneFlight()
    begun, go_on, fetched = threading.Event(), threading.Event(), []

    def slow() -> tuple[str, float]:
        fetched.append("slow")
        begun.set()
        go_on.wait(5)
        return "value", 60.0

    def also() -> None:
        kept.get("slow", slow)

    threads = [threading.Thread(target=also) for _ in range(2)]
    threads[0].start()
    begun.wait(5)
    kept.get("other", lambda: ("value", 60.0))
    threads[1].start()
    time.sleep(0.05)
    go_on.set()
    for thread in threads:
        thread.join()
    assert fetched == ["slow"]
