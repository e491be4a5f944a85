"""A whole journey on real processes, and then the books side by side: what the partners' journals hold, what the audit
says, and what a patient gets on paper. 0 missing, 0 extra."""

import csv
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pypdf
from fhirclient.models.auditevent import AuditEvent

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Ada, Cy, Desk, at, wait_for
from tests.journeys.clerk import two_agree
from tests.journeys.database import Database
from tests.journeys.steps import delivered, order_of, sent, state
from tests.journeys.story import story

Patient = Callable[..., Cy]
Books = set[tuple[str, str]]
CLINICAL = ("Patient", "MedicationRequest", "DeviceRequest", "ServiceRequest", "Coverage")
ACT_OF = {
    "fulfillment.sending": "supplier", "coverage.sent": "message", "link.sent": "message",
    "checkout.code_sent": "message", "patient.notified": "message", "payment.open.sending": "payment",
    "chart.reporting": "chart",
}  # fmt: skip


def of_partners(entries: list[dict[str, Any]]) -> Books:
    """Each request by which something of a person reached a partner, by the reference that it bore."""
    found: Books = set()
    for entry in entries:
        path, body = entry["path"].rstrip("/").rsplit("/", 1)[-1], entry["body"] or ""
        if entry["method"] not in ("POST", "PUT") or "/control/" in entry["path"]:
            continue
        if entry["partner"] in ("pharmacy", "devices", "lab") and path == "orders":
            found.add(("supplier", json.loads(body)["reference"]))
        elif entry["partner"] in ("payer", "messages") and path in ("eligibility", "messages"):
            found.add(("message", json.loads(body)["reference"]))
        elif path == "sessions":
            found.add(("payment", json.loads(body)["reference"]))
        elif entry["partner"] == "ehr" and '"Task"' in body:
            found.add(("chart", json.loads(body)["identifier"][0]["value"].partition(".")[0]))
    return found


def of_audit(rows: list[dict[str, Any]]) -> Books:
    """The same, from the audit: by the thing that went, or by the effect within which it went."""
    return {
        (kind, (row["cause"] if kind == "message" else row["entity"]).partition(":")[2])
        for row in rows
        if (kind := ACT_OF.get(row["action"]))
    }


def test_the_audit_the_journals_and_the_accounting_are_equal(
    live: Live, ada: Ada, patient: Patient, desk: Desk, database: Database, tmp_path: Path
) -> None:
    cy = patient("prescription", "device", "kit", member="A1-COV")
    mark, first = desk.mark(), database.one("SELECT COALESCE(max(id), 0) AS id FROM audit_auditevent")["id"]
    before = database.one("SELECT COALESCE(max(id), 0) AS id FROM outbox_effect")["id"]
    page = at(cy.prove(sent(ada, cy, "prescription", "device", "kit")), "/c/check/")
    cy.pay(cy.to_payment(page, plan=True))
    order = wait_for(lambda: order_of(database, cy), "the order")
    wait_for(lambda: state(database, order)["money"] == "authorized", "the authorization")
    delivered(desk, database, order)
    # Of this journey alone: what others of the same running system wait for may be minutes away.
    waiting = (
        "SELECT id FROM outbox_effect WHERE id > %s AND kind <> 'fulfillment.track'"
        " AND state IN ('planned', 'sending', 'unknown')"
    )
    wait_for(
        lambda: not database.rows(waiting, before), "everything to be said", story=partial(story, database, order, desk)
    )

    said = database.rows("SELECT * FROM audit_auditevent WHERE id > %s ORDER BY id", first)
    mine = {bytes(row["patient_ref"]) for row in said if row["action"] == "order.placed" and row["patient_ref"]}
    assert len(mine) == 1
    ours = [row for row in said if row["patient_ref"] and bytes(row["patient_ref"]) in mine]
    entries = desk.journal(since=mark)
    journals, audited = of_partners(entries), of_audit(ours)
    assert {kind for kind, _ in journals} == {"supplier", "message", "payment", "chart"}
    assert (journals - audited, audited - journals) == (set(), set())

    asked = {
        kind for entry in entries if entry["partner"] == "ehr" and entry["method"] == "GET"
        for kind in CLINICAL if f"/{kind}" in entry["path"].partition("?")[0]
    }  # fmt: skip
    reads = [row for row in ours if row["action"].endswith(".read") and row["outcome"] == "success"]
    named = {name.partition(".")[0] for row in reads for name in row["elements"].split(",")} & set(CLINICAL)
    assert asked == named == set(CLINICAL)

    everything = json.dumps(said, default=repr)
    for value in (cy.chart.family, cy.born, cy.phone, cy.chart.patient, "etformin", "861007"):
        assert value not in everything

    paper = list(
        csv.reader(io.StringIO(live.run("audit", "accounting", f"order:{order['public_id']}").lstrip("\ufeff")))
    )
    lines = [row for row in ours if row["action"] in ACT_OF]
    assert len(paper) - 1 == len({(row["action"], row["cause"]) for row in lines})
    live.run("audit", "accounting", f"order:{order['number']}", "--pdf", str(tmp_path / "a.pdf"))
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(tmp_path / "a.pdf").pages)
    assert text.count("Order sent to the supplier") == 3

    who = live.run("audit", "who", f"order:{order['public_id']}")
    for word in (
        "chart.read",
        "offer.made",
        "checkout.verified",
        "consent.given",
        "order.placed",
        "fulfillment.sending",
    ):
        assert word in who
    two_agree(live, database, "bulk_export")
    exported = live.run("audit", "export", "--from", "2020-01-01", "--to", "2100-01-01").splitlines()
    for line in exported[-200:]:
        AuditEvent(json.loads(line), strict=True)
    assert "rows, end" in live.run("audit", "verify")  # a break would have failed the command
