"""Processes are killed, the broker stops, the database restarts: nothing is lost, nothing is doubled. [REL-P4, F4, F37, F39]"""

import signal
from collections.abc import Callable

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Ada, Cy, Desk, at, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import at_partner, delivered, order_of, references, sent, state

Patient = Callable[..., Cy]


def test_a_worker_killed_during_dispatch_loses_and_doubles_nothing(
    ada: Ada, patient: Patient, database: Database, desk: Desk, live: Live
) -> None:
    cy = patient("device")
    page = cy.to_payment(at(cy.prove(sent(ada, cy, "device")), "/c/check/"), plan=False)
    live.signal("sweeper", signal.SIGSTOP)
    desk.fault(
        partner="devices", path="/devices/orders.*", method="POST", kind="delay", delay_s=4, times=1, after_accept=True
    )
    cy.pay(page)
    order = order_of(database, cy)
    (reference,) = wait_for(lambda: references(database, order), "the fulfillment")
    wait_for(lambda: at_partner(desk, "devices", reference), "the supplier to have the order")
    live.kill("worker")
    sending = database.one(
        "SELECT state FROM outbox_effect WHERE kind = 'fulfillment.dispatch' AND subject = %s", reference
    )
    assert sending == {"state": "sending"}
    # Nobody waits a minute for the lease in a test: it is over, as it would be then.
    database.rows("UPDATE outbox_effect SET lease_until = now() WHERE subject = %s RETURNING id", reference)
    live.signal("sweeper", signal.SIGCONT)
    delivered(desk, database, order)
    assert len(at_partner(desk, "devices", reference)) == 1
    live.start("worker")


def test_with_redis_stopped_from_checkout_on_the_order_still_ships(
    ada: Ada, patient: Patient, database: Database, desk: Desk, live: Live
) -> None:
    cy = patient("device")
    address = sent(ada, cy, "device")
    live.redis_stop()
    page = cy.to_payment(at(cy.prove(address), "/c/check/"), plan=False)
    cy.pay(page)
    order = order_of(database, cy)
    wait_for(lambda: state(database, order)["money"] == "authorized", "the authorization")
    delivered(desk, database, order)
    live.redis_start()


def test_a_database_restart_in_the_middle_loses_nothing(
    ada: Ada, patient: Patient, database: Database, desk: Desk, live: Live
) -> None:
    cy = patient("device")
    page = cy.to_payment(at(cy.prove(sent(ada, cy, "device")), "/c/check/"), plan=False)
    live.postgres_restart()
    page = cy.pay(page)
    order = wait_for(lambda: order_of(database, cy), "the order")
    wait_for(lambda: state(database, order)["money"] == "authorized", "the authorization", 40)
    delivered(desk, database, order)
