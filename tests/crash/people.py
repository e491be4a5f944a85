"""People who do not give up: a page that breaks off is asked for again, a button that did nothing is pressed again, as
anybody would. They know nothing of processes."""

import http.client
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.crash.town import Town
from tests.journeys.cast import Ada, Cy, Desk, ticked
from tests.journeys.charts import new_chart
from tests.journeys.database import Database
from tests.journeys.steps import NAMES
from tests.journeys.visitor import Page

BROKEN = (OSError, http.client.HTTPException, AssertionError, StopIteration)
NUMBER = re.compile(r"\bLK-[0-9A-Z]{6}\b")
# The carrier is asked a few times a day.
ASK_NOW = (
    "UPDATE outbox_effect SET next_run_at = now() - interval '2 seconds' WHERE kind = 'fulfillment.track'"
    " AND subject = %s AND state = 'planned' AND next_run_at > now() RETURNING id"
)
HOUSE = {"device": "devices", "prescription": "pharmacy", "kit": "lab"}
# Whoever waits for a state waits for the machine as well: what comes at all comes sooner, and what does not has no limit
# that a busy machine could reach.
PATIENCE_S = 600.0


class GaveUp(AssertionError):
    """Somebody pressed and waited for minutes, and it never came."""


@dataclass
class Buyer:
    """One patient, one order, and how it is meant to end."""

    cy: Cy
    item: str
    ending: str
    number: str = ""
    order_id: int = 0
    public_id: str = ""
    parts: list[str] = field(default_factory=list)
    payments: list[str] = field(default_factory=list)
    trouble: str = ""
    failed: list[str] = field(default_factory=list)  # pages that the server could not give
    page: str = ""  # the payment page, of one who does not pay

    @property
    def subjects(self) -> list[str]:
        return [self.public_id, *self.parts, *self.payments]


def new_buyer(town: Town, desk: Desk, item: str, ending: str, *, plan: bool = False) -> Buyer:
    chart = new_chart(item, member="A1-COV" if plan else "")
    if ending == "refilled":  # the chart says how long it lasts
        order = next(each for each in chart.resources if each["resourceType"] == "MedicationRequest")
        order["dispenseRequest"]["expectedSupplyDuration"] = {"value": 90, "unit": "d"}
    desk.put(*chart.resources)
    cy = Cy(town, desk, born=chart.born, phone=chart.phone, email=chart.email)
    cy.chart = chart
    return Buyer(cy, item, ending)


def until(
    look: Callable[[], object], what: str, seconds: float = PATIENCE_S, enough: threading.Event | None = None
) -> None:
    """`enough`: set where nobody needs to wait any more."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (enough is not None and enough.is_set()):
        try:
            if look():
                return
        except BROKEN:
            pass
        threading.Event().wait(0.25)
    raise GaveUp(f"never came: {what}")


def address_of(cy: Cy) -> str:
    return cy._newest(re.compile(re.escape(cy.live.app_url) + r"/l/[A-Z0-9]{26}/?"))


def send_link(town: Town, desk: Desk, buyer: Buyer) -> None:
    """The clinician: launches, ticks, sends; again until the patient has a link."""

    def once() -> bool:
        ada = Ada(town, desk)
        page = ada.send(ada.launch(buyer.cy.chart.patient), NAMES[buyer.item])
        if "/sent/" not in page.path:
            return False
        until(lambda: address_of(buyer.cy), "the link", 60)
        return True

    until(lambda: once() or address_of(buyer.cy), "a link for the patient")


def walk(buyer: Buyer, *, plan: bool = False, pays: bool = True) -> None:
    """The patient: from the link to an order that the pages call placed. Without `pays`: up to the payment page."""
    cy, end, page = buyer.cy, time.monotonic() + PATIENCE_S, None
    while time.monotonic() < end:
        try:
            page = page or _where_i_stand(cy)
            if page.path == "/c/follow/" and (found := NUMBER.search(page.text)):
                buyer.number = found[0]
                return
            if "/pay/hosted/" in page.path and not pays:
                buyer.page = page.path
                return
            page = _press(cy, page, plan)
            if page is not None and page.status >= 500:
                buyer.failed.append(f"{page.path}: {page.status}")
        except BROKEN as problem:
            if isinstance(problem, ConnectionError | http.client.HTTPException):
                buyer.failed.append(type(problem).__name__)
            buyer.trouble = f"{type(problem).__name__}: {str(problem)[:300]}"
            page = None
            threading.Event().wait(0.5)
    raise GaveUp(f"the order was never placed; the last trouble was {buyer.trouble}; {page and page.text[:300]}")


def _where_i_stand(cy: Cy) -> Page:
    page = cy.visitor.get(f"{cy.live.app_url}/c/follow/")
    if page.status == 200:
        return page
    page = cy.open(address_of(cy))
    assert page.status == 200, page.text[:300]
    return page


def _press(cy: Cy, page: Page, plan: bool) -> Page | None:
    """What the page asks for. None: look again where I stand."""
    visitor, path = cy.visitor, page.path
    if path.startswith("/l/"):
        return cy.say_who(page)
    if path == "/c/code/":
        return _type_code(cy, page)
    if path == "/c/check/":
        choice = {"pay_with": "plan", **ticked(page, "plan_ok")} if plan else {"pay_with": "full"}
        return visitor.submit(page, "", values=choice)
    if path == "/c/price/":
        return visitor.submit(page, "/c/price/", values=ticked(page, "agree_"))
    if path == "/c/where/":
        return visitor.submit(page, "/c/where/", values={"place": "file"})
    if path == "/c/pay/":
        return visitor.submit(page, "/c/pay/")
    if "/pay/hosted/" in path:
        return cy.pay(page)
    threading.Event().wait(0.4)
    return None


def _type_code(cy: Cy, page: Page) -> Page:
    """The newest code, each once: a wrong one costs a try."""
    tried = cy.visitor.cookies.setdefault("tried", {})
    for _ in range(20):
        codes = cy._codes()
        if codes and codes[0] not in tried:
            tried[codes[0]] = ""
            return cy.visitor.submit(page, "/c/code/", values={"code": codes[0]})
        threading.Event().wait(0.4)
    return cy.visitor.submit(page, "/c/code/again/")


def find_order(database: Database, buyer: Buyer) -> None:
    """What our books call it: learned after the fact, for comparing."""
    row = database.one("SELECT id, public_id FROM orders_order WHERE number = %s", buyer.number)
    buyer.order_id, buyer.public_id = row["id"], str(row["public_id"])
    until(lambda: _parts(database, buyer), "the parts of the order")


def _parts(database: Database, buyer: Buyer) -> bool:
    for name, sql in (("parts", "fulfillment_fulfillment"), ("payments", "orders_payment")):
        rows = database.rows(f"SELECT public_id FROM {sql} WHERE order_id = %s ORDER BY id", buyer.order_id)
        setattr(buyer, name, [str(row["public_id"]) for row in rows])
    return bool(buyer.parts)


def finish(town: Town, desk: Desk, database: Database, buyer: Buyer, *, enough: threading.Event | None = None) -> None:
    """What the supplier, or the patient who changes their mind, does; and then waiting until all is still."""
    ends = ENDS[buyer.ending]
    (reference,) = buyer.parts
    house = HOUSE[buyer.item]

    def state() -> tuple[str, str]:
        row = database.one("SELECT state, money FROM orders_order WHERE id = %s", buyer.order_id)
        return row["state"], row["money"]

    def has() -> bool:
        found = desk.call("GET", f"/control/orders?partner={house}&reference={reference}")["orders"]
        return bool(found)

    until(lambda: state()[1] == "authorized", "the authorization", enough=enough)
    if buyer.ending in ("stopped", "changed", "unconsented"):
        until(lambda: state() in ends, f"the order to be {ends}", enough=enough)
    else:
        until(has, "the order at its supplier", enough=enough)
        if buyer.ending in (*ARRIVES, "refunded"):
            desk.advance(partner=house, reference=reference, to="accepted")
            until(lambda: state()[1] == "captured", "the capture", enough=enough)
        if buyer.ending == "found":
            lose_and_find(desk, database, buyer)
        if buyer.ending in ARRIVES:
            desk.advance(partner=house, reference=reference, to="delivered")
        elif buyer.ending == "refused":
            desk.advance(partner=house, reference=reference, to="rejected", reason="out_of_stock")
        elif buyer.ending in ("cancelled", "refunded"):
            until(lambda: _cancel(buyer, state), "the cancel button", enough=enough)
        until(lambda: state() in ends, f"the order to be {ends}", enough=enough)
    until(lambda: not open_effects(database, buyer), "all to be still", enough=enough)


def lose_and_find(desk: Desk, database: Database, buyer: Buyer) -> None:
    """The carrier sees trouble, so that a person is asked; and then it arrives after all."""
    (reference,) = buyer.parts
    desk.advance(partner="devices", reference=reference, to="shipped")
    here = "SELECT 1 FROM orders_order WHERE id = %s AND state = 'shipped'"
    until(lambda: database.rows(here, buyer.order_id), "the parcel")
    desk.advance(partner="carrier", reference=reference, to="exception")
    waits = "SELECT 1 FROM outbox_effect WHERE kind = 'fulfillment.return' AND subject = %s AND state = 'needs_human'"
    until(
        lambda: [database.rows(ASK_NOW, reference), database.rows(waits, reference)][1],
        "somebody to be asked about the parcel",
    )
    desk.advance(partner="carrier", reference=reference, to="delivered")


ENDS = {
    "delivered": {("delivered", "captured"), ("completed", "captured")},
    # Its supply ends soon: the next fill is offered.
    "refilled": {("delivered", "captured"), ("completed", "captured")},
    # The carrier calls it lost, and then it arrives; and meanwhile the clinician orders more.
    "found": {("delivered", "captured"), ("completed", "captured")},
    # The EHR's notification says that the order was revoked, and the chart says that it was not.
    "misinformed": {("delivered", "captured"), ("completed", "captured")},
    "refused": {("refused", "voided")},
    "cancelled": {("cancelled", "voided")},
    "refunded": {("cancelled", "refunded")},
    "stopped": {("cancelled", "voided")},
    "changed": {("cancelled", "voided")},
    "unconsented": {("cancelled", "voided")},
    "unpaid": {("quoted", "none")},
    # Its supplier does nothing at all.
    "left": {("dispatched", "authorized"), ("refused", "voided")},
}


ARRIVES = ("delivered", "refilled", "found", "misinformed")
CANCELING = ("cancel_requested", "cancelled")


def _cancel(buyer: Buyer, state: Callable[[], tuple[str, str]]) -> bool:
    if state()[0] in CANCELING:
        return True  # the press was heard, and whoever heard it died before the answer: there is no button any more
    visitor = buyer.cy.visitor
    page = visitor.get(f"{buyer.cy.live.app_url}/c/cancel/")
    visitor.submit(page, "/c/cancel/")
    return state()[0] in CANCELING


def open_effects(database: Database, buyer: Buyer) -> list[dict[str, object]]:
    """What still moves of this order; a look that is planned for later is not counted."""
    return database.rows(
        "SELECT kind, state, code FROM outbox_effect WHERE state IN ('planned', 'sending', 'unknown')"
        " AND subject LIKE ANY(%s) AND (kind <> 'fulfillment.track' OR state <> 'planned')"
        " AND next_run_at < now() + interval '1 hour'",
        [f"%{subject}%" for subject in buyer.subjects],
    )
