"""One form of a day on every page of a clinician, and the clinic's own time."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from ehrcommerce.ehr.days import born_words, day_words, moment_words

LATE = datetime(2026, 11, 21, 6, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (date(1968, 3, 14), "14-Mar-1968"), ("1968-03-14", "14-Mar-1968"), ("2026-11-21T23:59:00Z", "21-Nov-2026"),
        ("1968-03", "Mar-1968"), ("1968", "1968"), ("", "Not known"), (None, "Not known"), ("1968-02-30", "Not known"),
        ("soon", "Not known"),
    ],
)  # fmt: skip
def test_a_day_is_told_as_precisely_as_it_is_known(said: date | str | None, words: str) -> None:
    assert day_words(said) == words


def test_a_moment_is_told_in_the_time_of_the_clinic() -> None:
    with timezone.override(ZoneInfo("America/Los_Angeles")):
        assert moment_words(LATE) == "20-Nov-2026 22:13"
        assert day_words(LATE) == "20-Nov-2026"
        assert moment_words(None) == "Not known"


@pytest.mark.parametrize(
    ("born", "words"), [("1968-11-21", "21-Nov-1968 (58y)"), ("1968-11-22", "22-Nov-1968 (57y)"), ("1968", "1968")]
)
def test_a_birth_date_carries_the_age(born: str, words: str) -> None:
    assert born_words(born, today=date(2026, 11, 21)) == words
