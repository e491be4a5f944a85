"""A token that is over before its time: renewed once for all that was asked at the same moment, and each question that
it stopped goes on. An EHR that wants to be left alone is left alone."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import ChartBusy, ChartForbidden, ChartUnreadable, NotRenewed, in_words
from ehrcommerce.wire import deadline, pace
from tests.disclosure.charts import device, kit, prescription
from tests.disclosure.conftest import AT, Open
from tests.disclosure.fake_ehr import Asked, FakeEhr, Reply
from tests.disclosure.reading import names, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_the_ehr")]
SEARCHES = ("MedicationRequest", "DeviceRequest", "ServiceRequest")


class Tokens:
    """An EHR that takes the newest token only, and the hand that fetches it."""

    def __init__(self, ehr: FakeEhr) -> None:
        self.good, self.asked_for, self.threads = "fresh", list[str](), list[str]()
        self.own_reply, self.spare, self.counted = ehr.own_reply, 0, ""
        ehr.own_reply = self.reply  # type: ignore[method-assign]

    def reply(self, asked: Asked) -> Reply:
        fits = asked.headers["Authorization"] == f"Bearer {self.good}"
        fits = fits or not asked.path.startswith(self.counted)
        self.spare -= not fits
        return self.own_reply(asked) if fits or self.spare >= 0 else Reply(401, b"over")

    def renew(self, old: str) -> str:
        self.asked_for.append(old)
        self.threads.append(threading.current_thread().name)
        return "fresh"


@pytest.fixture
def tokens(ehr: FakeEhr) -> Tokens:
    return Tokens(ehr)


@pytest.mark.smart("F3", "H70")
def test_one_renewal_serves_the_whole_wave(ehr: FakeEhr, tokens: Tokens, opened: Open, by: Actor) -> None:
    ehr.put(prescription(), device(), kit())
    found = page(opened(renew=tokens.renew), by)
    assert len(found.orders) == 3
    assert found.unread == ()
    assert tokens.asked_for == ["a-token"]
    assert tokens.threads == [threading.current_thread().name], (
        "fetching a token is no work for a thread that only reads"
    )
    assert len(ehr.asked) == 8, "each question twice, no more"
    assert AuditEvent.objects.get().outcome == "success"


@pytest.mark.smart("F3", "H70")
def test_only_what_was_stopped_is_asked_again(ehr: FakeEhr, tokens: Tokens, opened: Open, by: Actor) -> None:
    ehr.page_size, tokens.spare, tokens.counted = 1, 2, "MedicationRequest"
    ehr.put(*(prescription(id=f"rx-{number}") for number in range(4)))
    found = page(opened(renew=tokens.renew), by)
    assert len(found.orders) == 4
    assert tokens.asked_for == ["a-token"]
    assert len(ehr.asked) == 4 + 3 + 1, "the list goes on at the page where the token ended"


@pytest.mark.smart("F3", "H70")
def test_the_references_of_the_next_round_use_the_fresh_token(
    ehr: FakeEhr, tokens: Tokens, opened: Open, by: Actor
) -> None:
    ehr.put({"resourceType": "Medication", "id": "m1", "code": {"text": "Metformin"}})
    ehr.put(prescription(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1"}))
    access = opened(renew=tokens.renew, honors_include=False)
    assert names(page(access, by)) == [("Metformin", "")]
    (last,) = [one for one in ehr.asked if one.path == "Medication/m1"]
    assert last.headers["Authorization"] == "Bearer fresh"
    assert (access.token, access.bearer) == ("fresh", "a-token")


@pytest.mark.smart("F3", "H70")
def test_a_fresh_token_that_is_refused_too_ends_the_reading(
    ehr: FakeEhr, tokens: Tokens, opened: Open, by: Actor
) -> None:
    tokens.good = "another"
    with pytest.raises(ChartForbidden):
        page(opened(renew=tokens.renew), by)
    assert tokens.asked_for == ["a-token"], "once, not for ever"
    assert len(ehr.asked) == 8
    assert AuditEvent.objects.get().reason == "http_401"


def no_token(_: str) -> str:
    raise NotRenewed


@pytest.mark.smart("F3", "H70")
@pytest.mark.parametrize("renew", [None, no_token])
def test_without_a_fresh_token_the_reading_ends(
    ehr: FakeEhr, opened: Open, by: Actor, renew: Callable[[str], str] | None
) -> None:
    ehr.answer("GET Patient/cy", Reply(401))
    with pytest.raises(ChartForbidden):
        page(opened(renew=renew), by)
    assert len(ehr.asked) == 4
    assert AuditEvent.objects.get().reason == "http_401"


@pytest.mark.smart("F3")
def test_a_fresh_reading_of_an_order_renews_too(ehr: FakeEhr, tokens: Tokens, opened: Open, by: Actor) -> None:
    ehr.put(prescription())
    found = door.disclose_orders(opened(renew=tokens.renew), {"a": ("MedicationRequest", "rx-1")}, by=by, at=AT)
    assert found["a"] is not None
    assert tokens.asked_for == ["a-token"]


@pytest.mark.smart("F3")
def test_a_right_that_is_missing_is_no_reason_to_renew(ehr: FakeEhr, opened: Open, by: Actor) -> None:
    asked: list[str] = []

    def renew(old: str) -> str:
        asked.append(old)
        return "x"

    ehr.put(prescription())
    ehr.answer("GET DeviceRequest", Reply(403, b"insufficient_scope"))
    found = page(opened(renew=renew), by)
    assert names(found) == [("Metformin 500 mg", "")]
    assert found.unread == ("DeviceRequest: not permitted",)
    assert asked == []


@pytest.mark.smart("F3")
def test_fewer_results_than_expected_are_normal(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.answer("GET MedicationRequest", Reply(200, b'{"resourceType":"Bundle","total":7}'))
    assert page(access, by).unread == ()


# -- later ---------------------------------------------------------------------------------------------------------
LATER = {"Retry-After": "Wed, 21 Oct 2026 07:33:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}


@pytest.mark.smart("H70")
@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (429, {}, "busy, try again in a moment"),
        (429, {"Retry-After": "86400"}, "busy, try again in 15 minutes or later"),
        (429, LATER, "busy, try again in 5 minutes or later"),
        (429, {"x-ms-retry-after-ms": "30000"}, "busy, try again in 30 seconds"),
        (503, {"Retry-After": "120"}, "busy, try again in 2 minutes or later"),
        (503, {}, "did not answer"),
    ],
)
def test_a_kind_of_order_that_is_asked_too_often_says_when(
    ehr: FakeEhr, access: FhirAccess, by: Actor, status: int, headers: dict[str, str], said: str
) -> None:
    ehr.put(prescription())
    ehr.answer("GET DeviceRequest", Reply(status, b"", headers))
    found = page(access, by)
    assert names(found) == [("Metformin 500 mg", "")]
    assert found.unread == (f"DeviceRequest: {said}",)


@pytest.mark.smart("H70")
def test_a_page_waits_a_moment_and_no_longer(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.put(prescription(requester={"reference": "Practitioner/p1"}))
    for path in (*SEARCHES[1:], "Practitioner/p1"):
        ehr.answer(f"GET {path}", Reply(429, b"", {"Retry-After": "1"}))
    began = time.monotonic()
    found = page(access, by)
    assert time.monotonic() - began < 3.5
    assert found.unread == (
        "DeviceRequest: busy, try again in a moment", "ServiceRequest: busy, try again in a moment", "1 references: not read",
    )  # fmt: skip
    assert ehr.paths().count("DeviceRequest") <= 3


@pytest.mark.smart("H70")
def test_a_patient_who_is_asked_for_too_often_ends_the_reading_with_a_time(
    ehr: FakeEhr, access: FhirAccess, by: Actor
) -> None:
    ehr.answer("GET Patient/cy", Reply(429, b"", LATER))
    with pytest.raises(ChartBusy) as caught:
        page(access, by)
    assert (caught.value.wait_s, caught.value.when) == (300, "in 5 minutes or later")
    assert isinstance(caught.value, ChartUnreadable), "whoever does not know better tries again later"
    assert AuditEvent.objects.get().reason == "http_429"


def test_our_own_limit_is_shown_as_busy(ehr: FakeEhr, opened: Open, by: Actor) -> None:
    slow = replace(opened().partner, name=f"slow {ehr.base}", rate_per_minute=4)
    pace.keep(slow.name, slow.rate_per_minute)
    with pytest.raises(ChartBusy) as caught:
        page(opened(partner=slow), by)
    assert caught.value.wait_s > 1
    assert ehr.asked == []
    assert AuditEvent.objects.get().reason == "Busy"


def test_the_time_of_a_page_reaches_its_threads(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.pause_s = 0.6
    began = time.monotonic()
    with deadline.within(0.3), pytest.raises(ChartUnreadable):
        page(access, by)
    assert time.monotonic() - began < 0.55


@pytest.mark.parametrize(
    ("wait_s", "words"),
    [(0, "in a moment"), (6, "in 6 seconds"), (91, "in 2 minutes or later"), (900, "in 15 minutes or later")],
)
def test_when_is_never_too_soon(wait_s: int, words: str) -> None:
    assert in_words(wait_s) == words
