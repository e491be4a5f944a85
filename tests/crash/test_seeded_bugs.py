"""The harness can fail: mistakes as people make them, each put into the running processes for one patient's order, and
each is found by the judge, under the invariant that it breaks."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from ehrcommerce.workbench.rotation import rotating
from tests.crash.afterwards import tell as tell_of
from tests.crash.oracle import Oracle
from tests.crash.people import Buyer, GaveUp, find_order, finish, new_buyer, send_link, walk
from tests.crash.registry import BUGS, Bug
from tests.crash.told import done_before, in_shard, tell
from tests.crash.town import Town
from tests.journeys.cast import Desk
from tests.journeys.database import Database

# A mistake leaves most orders unfinished: the judge is asked again and again until each was seen twice, and at most for so
# long. Twice, since what is only under way may look like a mistake for a moment.
ENOUGH_S = 300.0
SUSPECTS_A_ROUND = 8


def test_each_seeded_bug_is_caught(town: Town, desk: Desk, database: Database) -> None:
    names = rotating(BUGS, keep=5)
    missed: dict[str, str] = {}
    for start in range(0, len(names), SUSPECTS_A_ROUND):
        if f"bugs {start}" in done_before() or not in_shard(start // SUSPECTS_A_ROUND):
            continue
        suspects = names[start : start + SUSPECTS_A_ROUND]
        mine = _round(town, desk, database, suspects)
        done = {} if mine else {"round": f"bugs {start}"}
        tell("bugs", seeded=len(suspects), caught=len(suspects) - len(mine), missed=sorted(mine), **done)
        missed |= mine
    assert not missed


def test_there_are_enough_of_them_and_every_invariant_has_one() -> None:
    assert len(BUGS) >= 25
    assert {bug.invariant for bug in BUGS.values()} >= {f"I{number}" for number in range(1, 13)}


def _round(town: Town, desk: Desk, database: Database, names: list[str]) -> dict[str, str]:
    """One patient for each bug, all at once; what was not caught, and what the judge said instead."""
    town.calm()
    since, town_bugs = time.time(), {name: BUGS[name] for name in names}
    buyers = {name: new_buyer(town, desk, bug.item, bug.ending) for name, bug in town_bugs.items()}
    enough = {name: threading.Event() for name in names}
    with ThreadPoolExecutor(len(buyers)) as pool:
        list(pool.map(lambda buyer: send_link(town, desk, buyer), buyers.values()))
        town.pause()  # nothing begins before the mistakes are in place
        try:
            list(pool.map(lambda name: _prepare(database, buyers[name], BUGS[name]), names))
            town.bugs(_meant(buyers))
            for buyer in buyers.values():
                _arrange(town, desk, database, buyer)
        finally:
            town.resume()
        ends = [pool.submit(_end, town, desk, database, buyers[name], enough[name]) for name in names]
        try:
            said = _watch(town, buyers, since, enough, ends)
        finally:
            for event in enough.values():
                event.set()
    town.bugs({})
    return said


def _watch(
    town: Town, buyers: Mapping[str, Buyer], since: float, enough: Mapping[str, threading.Event],
    ends: list[Future[None]],
) -> dict[str, str]:  # fmt: skip
    """Until every mistake was seen, or there is nothing more to wait for: then what was said of those that were not."""
    seen = dict.fromkeys(buyers, 0)
    end = time.monotonic() + ENOUGH_S
    while True:
        # The last look is one that began when all was still.
        over = all(one.done() for one in ends) or time.monotonic() > end
        verdict = Oracle(town, buyers.values(), since=since).verdict()
        for name, buyer in buyers.items():
            seen[name] = seen[name] + 1 if BUGS[name].invariant in verdict.of(buyer.number) else 0
            if seen[name] >= 2:
                enough[name].set()
        missed = [name for name in buyers if not enough[name].is_set() and not (over and seen[name])]
        if not missed or over:
            return {
                name: f"wanted {BUGS[name].invariant} of {buyers[name].number}, got {[str(one) for one in verdict.breaks]}"
                for name in missed
            }
        time.sleep(0.5)


def _prepare(database: Database, buyer: Buyer, bug: Bug) -> None:
    walk(buyer, pays=bug.ending != "unpaid")
    if bug.ending == "unpaid":
        _not_paid(database, buyer)
    else:
        find_order(database, buyer)


def _not_paid(database: Database, buyer: Buyer) -> None:
    """Stands on the payment page: the books know the payment by the page's address."""
    row = database.one(
        "SELECT o.id, o.number, o.public_id, p.public_id AS payment FROM orders_order o"
        " JOIN orders_payment p ON p.order_id = o.id WHERE p.page_url LIKE %s",
        f"%{buyer.page}",
    )
    buyer.number, buyer.order_id, buyer.public_id = row["number"], row["id"], str(row["public_id"])
    buyer.payments = [str(row["payment"])]


def _meant(buyers: dict[str, Buyer]) -> dict[str, list[str]]:
    on = {name: buyer.subjects for name, buyer in buyers.items()}
    for fault in ("lost", "late"):
        on[fault] = [one for name, buyer in buyers.items() if BUGS[name].fault == fault for one in buyer.parts]
    return on


def _arrange(town: Town, desk: Desk, database: Database, buyer: Buyer) -> None:
    """What happens in the world before the hands begin."""
    if buyer.ending == "stopped":
        order = next(dict(each) for each in buyer.cy.chart.resources if each["resourceType"] == "DeviceRequest")
        desk.put({**order, "status": "revoked"})
    if buyer.ending == "changed":
        order = next(dict(each) for each in buyer.cy.chart.resources if each["resourceType"] == "MedicationRequest")
        (said,) = order["dosageInstruction"]
        desk.put({**order, "dosageInstruction": [{**said, "text": "Take 2 tablets by mouth with breakfast"}]})
    if buyer.ending == "misinformed":
        _misinform(town, buyer)
    if buyer.ending == "unconsented":
        database.rows(
            "UPDATE disclosure_consent SET withdrawn_at = now() WHERE subject = (SELECT f.public_id::text FROM"
            " offers_offer f JOIN orders_order o ON o.offer_id = f.id WHERE o.id = %s) RETURNING id",
            buyer.order_id,
        )


def _misinform(town: Town, buyer: Buyer) -> None:
    """The EHR tells of the order in words that are not the chart's."""
    order = next(each for each in buyer.cy.chart.resources if each["resourceType"] == "DeviceRequest")
    tell_of(town, {**order, "status": "revoked"})


def _end(town: Town, desk: Desk, database: Database, buyer: Buyer, enough: threading.Event) -> None:
    try:
        if buyer.ending == "unpaid":
            buyer.cy.visitor.get(f"{town.app_url}/c/return/{buyer.payments[0]}/")
        else:
            finish(town, desk, database, buyer, enough=enough)
    except GaveUp:
        return  # a mistake may well stop the order; the judge says whether it was seen
