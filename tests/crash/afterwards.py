"""What happens beside and after a purchase: a message that bounces, a parcel that seems lost, a new order in the chart that a
rule answers by itself, the next fill of a medicine."""

import hashlib
import hmac
import json
import secrets
import time
import urllib.request
from typing import Any

from ehrcommerce.suppliers.models import Port
from ehrcommerce.workbench.management.commands.load_demo import supplier_id
from tests.crash.inside.arming import HOOK, HOOK_HEADER, HOOK_SECRET
from tests.crash.people import Buyer, until
from tests.crash.town import Town
from tests.journeys.cast import Desk
from tests.journeys.charts import new_chart
from tests.journeys.database import Database

OPEN = ("planned", "sending", "unknown")
LINK = (
    "SELECT e.public_id FROM outbox_effect e JOIN offers_purchaselink l ON e.subject = l.public_id::text"
    " JOIN orders_order o ON o.offer_id = l.offer_id WHERE o.id = %s AND e.kind = 'offers.link'"
)
MONTHS_LATER = (
    "UPDATE outbox_effect SET next_run_at = now() - interval '2 seconds' WHERE kind = 'ehr.refill' AND state = 'planned'"
    " AND next_run_at > now() AND subject IN (SELECT r.public_id::text FROM ehr_refill r JOIN orders_orderline l"
    " ON r.after_id = l.id WHERE l.order_id = %s) RETURNING id"
)
NEWS = (
    "SELECT public_id FROM outbox_effect WHERE kind = 'fulfillment.notify' AND state = 'done' AND subject LIKE ANY(%s)"
    " ORDER BY id DESC"
)
ACT = (
    "SELECT e.state FROM outbox_effect e JOIN ehr_automaticact a ON e.subject = a.public_id::text JOIN offers_offer f"
    " ON f.customer_key = a.customer_key JOIN orders_order o ON o.offer_id = f.id WHERE o.id = %s"
)
REFILL = (
    "SELECT e.state, r.state AS refill FROM outbox_effect e JOIN ehr_refill r ON e.subject = r.public_id::text"
    " JOIN orders_orderline l ON r.after_id = l.id WHERE l.order_id = %s"
)


def go_on(town: Town, desk: Desk, database: Database, buyer: Buyer) -> None:
    """All of it that this buyer meets, to its end."""
    if buyer.ending == "found":
        order_more(town, desk, buyer)
        until(lambda: _ended(database.rows(ACT, buyer.order_id)), "the rule's answer to the new order")
    if buyer.ending == "refilled":
        bounce_news(town, database, buyer)
        until(
            lambda: [database.rows(MONTHS_LATER, buyer.order_id), _ended(database.rows(REFILL, buyer.order_id))][1],
            "the next fill",
        )


def _ended(rows: list[dict[str, Any]]) -> bool:
    return bool(rows) and all(row["state"] not in OPEN for row in rows)


def bounce(town: Town, database: Database, buyer: Buyer) -> None:
    """The messenger says, late, that the link's message was not delivered."""
    (row, *_) = database.rows(LINK, buyer.order_id)
    messenger_says(town, "bounced", str(row["public_id"]))


def bounce_news(town: Town, database: Database, buyer: Buyer) -> None:
    """A message about the order bounces, so that a person is asked; and then it arrives after all."""
    mine = [f"%{subject}%" for subject in buyer.subjects]
    until(lambda: database.rows(NEWS, mine), "a message about the order")
    reference = str(database.rows(NEWS, mine)[0]["public_id"])
    messenger_says(town, "bounced", reference)
    waits = "SELECT 1 FROM outbox_effect WHERE kind = 'fulfillment.untold' AND subject = %s AND state = %s"
    until(lambda: database.rows(waits, buyer.public_id, "needs_human"), "somebody to be asked to call the patient")
    messenger_says(town, "delivered", reference)
    until(lambda: database.rows(waits, buyer.public_id, "done"), "nobody to be asked any more")


def messenger_says(town: Town, status: str, reference: str) -> None:
    body = json.dumps({"status": status, "reference": reference}).encode()
    event, at = f"evt-{secrets.token_hex(8)}", str(int(time.time()))
    key = town.site.secrets["SANDBOX_CALLBACK_SECRET"].encode()
    signed = hmac.new(key, f"{event}.{at}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "X-Event-Id": event,
        "X-Timestamp": at,
        "X-Signature": f"v1={signed}",
        "Content-Type": "application/json",
    }
    url = f"{town.app_url}/hooks/message/{supplier_id(Port.MESSAGING)}/"
    until(lambda: _asked(urllib.request.Request(url, data=body, headers=headers)), "the bounce to be taken")


def tell(town: Town, resource: dict[str, Any]) -> None:
    """The EHR tells of a resource, in words that need not be the chart's."""
    url = f"{town.app_url}/hooks/ehr/{HOOK}/{resource['resourceType']}/{resource['id']}"
    headers = {"Content-Type": "application/fhir+json", HOOK_HEADER: HOOK_SECRET}
    body = json.dumps(resource).encode()
    request = urllib.request.Request(url, data=body, headers=headers, method="PUT")
    until(lambda: _asked(request), "the notification to be taken")


def _asked(request: urllib.request.Request) -> bool:
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bool(answer.status == 200)


def order_more(town: Town, desk: Desk, buyer: Buyer) -> None:
    """The clinician orders a kit for somebody who is known here, and the EHR says so."""
    (kit,) = [each for each in new_chart("kit").resources if each["resourceType"] == "ServiceRequest"]
    kit["subject"] = {"reference": f"Patient/{buyer.cy.chart.patient}"}
    desk.put(kit)
    tell(town, kit)
