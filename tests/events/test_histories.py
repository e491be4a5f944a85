"""Orders that are made, changed, held, stopped and merged while we are told of it badly: the end is that of what was read,
in the order of its versions; and one look at everything makes up for all that was lost. [REL-P9, P10, P12, P14]

500 histories in each run, 10,000 in the night; faults that are put into the program are found by a few dozen."""

import re
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from ehrcommerce.commerce.offers import links
from ehrcommerce.commerce.offers.models import LinkState, OfferLine, PurchaseLink
from ehrcommerce.ehr import drain, inbox, polling, schemes, versions
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.ehr.models import Notification, Scheme
from ehrcommerce.workbench.rotation import rotating, seed
from tests.events.conftest import Ward, id_only
from tests.events.histories import play

AT_ONCE = 250


@pytest.mark.parametrize("part", range(2))
def test_histories_end_as_what_was_read_says_and_a_sweep_finds_the_rest(ward: Ward, part: int) -> None:
    made = play(ward, count=AT_ONCE, seed=seed() * 100 + part)
    ends = {history.end for history in made.all.values()}
    assert len(ends) >= 5, "a run in which little happens proves little"
    assert sum(history.in_order() for history in made.all.values()) > 10


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(40))
def test_ten_thousand_histories(ward: Ward, part: int) -> None:
    play(ward, count=AT_ONCE, seed=seed() * 100 + 50 + part)


def test_where_nothing_is_ever_told_one_look_finds_it_all(ward: Ward) -> None:
    """P14: each webhook is lost."""
    made = play(ward, count=60, seed=seed(), loss=100)
    assert made.told == set()


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(20))
def test_where_nothing_is_ever_told_one_look_finds_it_all_at_full_size(ward: Ward, part: int) -> None:
    play(ward, count=AT_ONCE, seed=seed() + 7 * part, loss=100)


# -- repeats and floods ------------------------------------------------------------------------------------------------
def repeats(ward: Ward, *, events: int, most: int) -> None:
    """Each event comes once to `most` times, in any order: one row, and of one order one reading."""
    link, random = ward.link(), Random(seed())
    deliveries = [number for number in range(1, events + 1) for _ in range(random.randint(1, most))]
    random.shuffle(deliveries)
    for number in deliveries:
        told = id_only(
            "DeviceRequest/dev-1", number=number, at=f"2026-11-02T15:{number // 60 % 60:02}:{number % 60:02}Z"
        )
        assert ward.post(told) == 200
    assert Notification.objects.filter(subscription=ward.subscription).count() == events
    ward.settle()
    assert ward.reads().count("GET DeviceRequest/dev-1") == 1
    link.refresh_from_db()
    assert link.state == LinkState.VERIFIED


def test_an_event_that_comes_often_is_one_event(ward: Ward) -> None:
    repeats(ward, events=25, most=8)


@pytest.mark.nightly
def test_a_thousand_events_that_come_up_to_a_hundred_times(ward: Ward) -> None:
    repeats(ward, events=1000, most=100)


def flood(ward: Ward, *, ids: int) -> None:
    """Authentic notifications about things that nobody here knows."""
    row = ward.subscribe(Scheme.WEBHOOK)
    for start in range(0, ids, 1000):
        told = [{"focus": f"DeviceRequest/fake-{number}"} for number in range(start, min(ids, start + 1000))]
        assert ward.webhook({"events": told}, row=row, event=f"flood-{start}") == 200
    while ward.drain() != "done":
        continue
    assert ward.reads() == []
    assert set(ward.states()) == {"unknown"}
    assert len(ward.states()) == ids


def test_a_flood_of_ids_costs_no_reading(ward: Ward) -> None:
    flood(ward, ids=2000)


@pytest.mark.nightly
def test_a_flood_of_a_hundred_thousand_ids_costs_no_reading(ward: Ward) -> None:
    flood(ward, ids=100_000)


# -- faults that are put into the program ------------------------------------------------------------------------------
def act_on_content(patch: pytest.MonkeyPatch) -> None:
    """A link ends because a notification says that its order was revoked."""
    take = inbox.take

    def acting(row: Any, heard: Any, at: Any) -> None:
        take(row, heard, at)
        for hint in heard.hints if row.scheme == Scheme.BACKPORT else ():
            key = chart_key(row.connection.public_id, hint.resource_type, hint.resource_id)
            for line in OfferLine.objects.filter(order_key=key).select_related("offer"):
                link = PurchaseLink.objects.get(offer=line.offer)
                links.end(link=link, state=LinkState.REVOKED, reason="not_active", by=drain.BY, at=at)

    patch.setattr(inbox, "take", acting)


def no_dedupe(patch: pytest.MonkeyPatch) -> None:
    """Each delivery is an event of its own."""
    made, count = inbox._row, iter(range(10**9))

    def unique(*words: Any) -> Notification:
        row = made(*words)
        row.dedupe_sha256 = next(count).to_bytes(32, "big")
        return row

    patch.setattr(inbox, "_row", unique)


def accept_older(patch: pytest.MonkeyPatch) -> None:
    """Whatever the EHR answers counts."""
    patch.setattr(versions, "is_stale", lambda row, state: False)


def forget_what_was_named(patch: pytest.MonkeyPatch) -> None:
    """The version that an event names is not remembered."""
    patch.setattr(versions, "name", lambda row, version, at: None)


def accept_nothing(patch: pytest.MonkeyPatch) -> None:
    """A version is taken for older than it is: nothing is ever accepted."""
    patch.setattr(versions, "is_stale", lambda row, state: row is not None and bool(row.version))


def any_host(patch: pytest.MonkeyPatch) -> None:
    """The end of an address is taken for ours, whoever's it is."""
    heard = schemes._heard

    def cut(row: Any, events: Any) -> Any:
        return heard(
            row, [{**one, "focus": "/".join(one["focus"].split("/")[-2:])} if "focus" in one else one for one in events]
        )

    patch.setattr(schemes, "_heard", cut)


def any_sender(patch: pytest.MonkeyPatch) -> None:
    """Nobody is asked for a proof."""
    patch.setattr(schemes, "require_theirs", lambda *words: None)


def answered_and_lost(patch: pytest.MonkeyPatch) -> None:
    """What came is answered and not written down."""
    patch.setattr(inbox, "write", lambda *words, **more: None)


def sweep_finds_nothing(patch: pytest.MonkeyPatch) -> None:
    """A look at everything looks at nothing."""
    patch.setattr(polling, "sweep", lambda connection, at: 0)


def patients_are_not_heard(patch: pytest.MonkeyPatch) -> None:
    """A merge is an event about nobody."""
    patch.setattr(schemes, "_LOCAL", re.compile(r"(DeviceRequest)/([A-Za-z0-9\-.]{1,64})(?:/_history/(.*))?"))


FAULTS: list[Callable[[pytest.MonkeyPatch], None]] = [
    act_on_content, no_dedupe, accept_older, forget_what_was_named, accept_nothing, any_host, any_sender,
    answered_and_lost, sweep_finds_nothing, patients_are_not_heard,
]  # fmt: skip


@pytest.mark.parametrize("fault", rotating(FAULTS, keep=5), ids=lambda fault: fault.__name__)
def test_a_fault_in_the_program_is_found(ward: Ward, monkeypatch: pytest.MonkeyPatch, fault: Any) -> None:
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        play(ward, count=40, seed=7, lag=60)


def test_without_a_fault_the_same_few_are_well(ward: Ward) -> None:
    made = play(ward, count=40, seed=7, lag=60)
    assert sum(history.stale for history in made.all.values()) > 4, "a copy that never lags proves nothing"
