"""A partner that says "later": how long a page waits, how often it asks, and what it never asks twice. [REL-F11]"""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ehrcommerce.wire import deadline, fhir, pace
from ehrcommerce.wire.client import Answer, Partner, ask
from ehrcommerce.wire.errors import Busy
from ehrcommerce.wire.fhir import FhirRefused
from ehrcommerce.wire.pace import Pace, TooSoon
from ehrcommerce.wire.patience import BUDGET_S, FIRST_PAUSE_S, TRIES, Patience
from tests.disclosure.fake_ehr import FakeEhr, Reply, reply

PATIENT = reply({"resourceType": "Patient", "id": "cy"})


@pytest.fixture
def partner(ehr: FakeEhr) -> Partner:
    return Partner(name=f"ehr {ehr.base}", base_url=ehr.base, read_s=2.0)


def read(partner: Partner, patience: Patience | None = None) -> str:
    found = fhir.get(partner, partner.base_url, "Patient/cy", bearer="t", patience=patience or Patience())
    return str(found["id"])


@pytest.mark.smart("H70")
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}, {"x-ms-retry-after-ms": "80"}])
def test_an_ehr_that_is_busy_for_a_moment_is_asked_again(
    ehr: FakeEhr, partner: Partner, status: int, headers: dict[str, str]
) -> None:
    ehr.answer("GET Patient/cy", Reply(status, b"Slow down", headers), PATIENT)
    assert read(partner) == "cy"
    assert len(ehr.asked) == 2


@pytest.mark.smart("H70")
def test_after_three_tries_it_is_said(ehr: FakeEhr, partner: Partner) -> None:
    ehr.answer("GET Patient/cy", Reply(429, b"", {"Retry-After": "0"}))
    with pytest.raises(FhirRefused) as caught:
        read(partner)
    assert (caught.value.status, caught.value.wait_s, len(ehr.asked)) == (429, 0, TRIES)


@pytest.mark.smart("H70")
@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "86400"}, 900),
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30),
        ({"Retry-After": "1", "x-ms-retry-after-ms": "4001"}, 5),
    ],
)
def test_a_long_wait_is_told_and_not_waited(
    ehr: FakeEhr, partner: Partner, headers: dict[str, str], wait_s: int
) -> None:
    ehr.answer("GET Patient/cy", Reply(429, b"", headers))
    began = time.monotonic()
    with pytest.raises(FhirRefused) as caught:
        read(partner)
    assert caught.value.wait_s == wait_s
    assert len(ehr.asked) == 1
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502, 504])
def test_no_other_answer_is_asked_for_again(ehr: FakeEhr, partner: Partner, status: int) -> None:
    ehr.answer("GET Patient/cy", Reply(status, b"", {"Retry-After": "0"}))
    with pytest.raises(FhirRefused):
        read(partner)
    assert len(ehr.asked) == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_nothing_is_ever_written_twice(ehr: FakeEhr, partner: Partner, method: str) -> None:
    ehr.answer(f"{method} Task", Reply(429, b"", {"Retry-After": "0"}))
    answer = ask(partner, method, f"{ehr.base}/Task", body=b"{}", headers=fhir.headers("t"))
    assert (answer.status, len(ehr.asked)) == (429, 1)


def test_several_pauses_of_one_page_stay_within_its_budget() -> None:
    pauses: list[float] = []
    patience = Patience(sleep=pauses.append)
    assert patience.pause(0.5, tries=1)
    assert 0.5 <= pauses[0] <= 0.5 + FIRST_PAUSE_S, "never sooner than asked, and not all at the same moment"
    assert not patience.pause(BUDGET_S, tries=1)
    assert not patience.pause(0.0, tries=TRIES)
    assert len(pauses) == 1


def test_the_budget_runs_from_the_first_pause_on() -> None:
    patience = Patience(budget_s=0.45)
    assert patience.pause(0.1, tries=1)
    time.sleep(0.3)
    assert not patience.pause(0.1, tries=1), "a slow answer between two pauses counts as well"


def asked_s(**headers: str) -> int | None:
    return Answer("x", 429, {name.replace("_", "-"): value for name, value in headers.items()}, b"").retry_after_s()


def test_a_date_without_the_partner_s_clock_is_counted_from_ours() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=100)
    found = asked_s(retry_after=format_datetime(soon, usegmt=True))
    assert found is not None
    assert 97 <= found <= 100


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 900),
        ({"retry_after": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        ({"retry_after": "1.5"}, None),
        ({"retry_after": "٣"}, None),
        ({"retry_after": ""}, None),
        ({"x_ms_retry_after_ms": "-5"}, None),
        ({"x_ms_retry_after_ms": "soon", "retry_after": "7"}, 7),
    ],
)
def test_odd_waits(headers: dict[str, str], wait_s: int | None) -> None:
    assert asked_s(**headers) == wait_s


# -- our own limit -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("per_minute", [1, 5, 50, 250])
def test_no_minute_holds_more_requests_than_the_row_allows(per_minute: int) -> None:
    bucket, now, sent = Pace(per_minute), 1000.0, list[float]()
    for _ in range(4000):
        with suppress(TooSoon):
            sent.append(now + bucket.take(now))
        now += 0.05
    busiest = max(sum(begin <= one < begin + 60 for one in sent) for begin in sent)
    assert busiest <= per_minute
    assert len(sent) >= per_minute, "and it is no standstill"


def test_past_the_limit_a_request_is_not_sent_and_named_busy(ehr: FakeEhr) -> None:
    partner = Partner(name=f"slow {ehr.base}", base_url=ehr.base, rate_per_minute=8)
    ehr.answer("GET Patient/cy", PATIENT)
    assert [read(partner) for _ in range(2)] == ["cy", "cy"]
    with pytest.raises(Busy) as caught:
        read(partner)
    assert caught.value.wait_s > pace.LONGEST_WAIT_S
    assert len(ehr.asked) == 2


def test_a_short_wait_is_waited(ehr: FakeEhr) -> None:
    partner = Partner(name=f"quick {ehr.base}", base_url=ehr.base, rate_per_minute=160)
    ehr.answer("GET Patient/cy", PATIENT)
    began = time.monotonic()
    assert [read(partner) for _ in range(41)] == ["cy"] * 41
    assert len(ehr.asked) == 41
    assert time.monotonic() - began >= 0.4


def test_the_limit_is_shared_by_all_that_ask_the_same_partner(ehr: FakeEhr) -> None:
    first = Partner(name=f"one {ehr.base}", base_url=ehr.base, rate_per_minute=4)
    ehr.answer("GET Patient/cy", PATIENT)
    read(first)
    with pytest.raises(Busy):
        read(Partner(name=first.name, base_url=ehr.base, rate_per_minute=4, read_s=3.0))


def test_a_page_with_less_time_waits_less(ehr: FakeEhr) -> None:
    partner = Partner(name=f"hurried {ehr.base}", base_url=ehr.base, rate_per_minute=56)
    ehr.answer("GET Patient/cy", PATIENT)
    for _ in range(14):
        read(partner)
    with deadline.within(0.6), pytest.raises(Busy):
        read(partner)
    assert not Patience(sleep=lambda _: None).pause(BUDGET_S, tries=1)
    with deadline.within(0.5):
        assert not Patience(sleep=lambda _: None).pause(0.6, tries=1)
    assert len(ehr.asked) == 14


def test_without_a_limit_nothing_waits(ehr: FakeEhr, partner: Partner) -> None:
    ehr.answer("GET Patient/cy", PATIENT)
    assert len([read(partner) for _ in range(60)]) == 60
