"""THE JOURNEYS: each is a function that walks some branches, named as they are walked. A new branch is a `with
drive.branch("...")` in one of them or a new function in JOURNEYS."""

from collections.abc import Callable
from urllib.parse import urljoin

from ehrcommerce.policy.refusals import REFUSALS
from ehrcommerce.workbench import rotation
from tests.journeys.cast import at, rows_of, wait_for
from tests.journeys.test_bad_days import callback
from tests.minimization import refusals
from tests.minimization.charts import OMIT, Plan
from tests.minimization.driving import Drive
from tests.minimization.office import clerks_at_the_console, staff_are_hired, staff_at_their_pages
from tests.minimization.slips import values_that_are_likely_a_slip

Journey = Callable[[Drive], None]
PEOPLE_A_RUN = 3
FOLLOW = ("/c/follow/", "/c/receipt/", "/c/receipt/?plain=1", "/c/shared/", "/c/cancel/", "/c/follow/?lang=es")
STATUSES = (400, 401, 403, 404, 422, 500, 503)
CROOKED = (
    ("strange_entry", "other_patient", "another patient in the answer"),
    ("strange_entry", "other_type", "a resource that was not asked for"),
    ("read_result", "other_patient", "another patient instead of the one asked for"),
    ("read_result", "other_id", "another id than the one asked for"),
    ("error_format", "html", "an EHR that answers errors in HTML"),
)


def three_kinds_with_the_plan(drive: Drive) -> None:
    """The main way, with every element of every resource and an extension in each of them."""
    ada, chart = (
        drive.ada(),
        drive.chart(Plan("A", dense=True, rules={"DeviceRequest": {"parameter.valueCodeableConcept.text": None}})),
    )
    with drive.branch("launch, first look"):
        page = drive.launch(ada, chart)
        assert len(rows_of(page)) == 3, page.text[:900]
    with drive.branch("the exact values"):
        sent = page.form("/send/").with_values({"order": list(rows_of(page))})
        address = urljoin(page.url, page.form("/send/").action).replace("/send/", "/values/")
        origin = {"Origin": drive.live.app_url, "Sec-Fetch-Site": "same-origin"}
        values = ada.visitor.post(address, sent, headers=origin)
        assert values.status == 200, (values.status, values.text[:300])
    with drive.branch("link sent"):
        made, offer = drive.send(ada, page)
        ada.visitor.get(made.url)
        ada.visitor.get(made.url.split("/sent/")[0] + "/style.css")
    cy = drive.cy(chart)
    with drive.branch("wrong birth date, once"):
        cy.say_who(cy.open(), born="1970-01-01")
    with drive.branch("identity proved"):
        page = at(cy.prove(), "/c/check/")
    with drive.branch("success: three kinds, plan asked, authorized"):
        cy.pay(cy.to_payment(page, plan=True))
        drive.until(offer, "authorized", money="authorized")
    with drive.branch("dispatched, accepted, captured"):
        drive.move(offer, "accepted")
        drive.until(offer, "captured", money="captured")
    with drive.branch("shipped"):
        drive.move(offer, "shipped")
        for path in FOLLOW:
            cy.visitor.get(cy.live.app_url + path)
    with drive.branch("delivered, chart told"):
        drive.move(offer, "delivered")
        drive.until(offer, "delivered", state=("delivered", "completed"))
        wait_for(
            lambda: "completed" in str(drive.desk.call("GET", f"/control/fhir?type=Task&patient={chart.patient}")),
            "the chart to be told",
            30,
        )
    with drive.branch("the link again, after it was paid"):
        assert drive.cy(chart).prove(cy.address()).path == "/c/follow/"
    with drive.branch("the clinician sees it delivered"):
        page = drive.launch(ada, chart)
        ada.visitor.get(next(cy.live.app_url + link for link in page.links if link.endswith("/links/")))


def by_reference_in_full(drive: Drive) -> None:
    """A medicine behind a reference, the second type of each x[x], no texts where a display must do; paid in full."""
    plan = Plan("B", variant=1, rules={
        "MedicationRequest": {"medicationCodeableConcept": OMIT, "medicationCodeableConcept.coding": OMIT,
                              "medicationReference.reference": "Medication/{self.medication}",
                              "dosageInstruction.route.text": OMIT, "dispenseRequest.quantity.unit": OMIT,
                              "dispenseRequest.quantity.code": "tablet",
                              "dispenseRequest.expectedSupplyDuration.unit": OMIT,
                              "dispenseRequest.expectedSupplyDuration.code": "d"},
        "Medication": {"code.text": OMIT, "form.text": OMIT},
        "DeviceRequest": {"codeCodeableConcept.text": OMIT, "parameter.valueCodeableConcept": OMIT,
                          "parameter.valueQuantity.value": None},
        "ServiceRequest": {"code.text": OMIT},
        "Practitioner": {"name.text": OMIT},
        "Patient": {"address.country": "US"},
    })  # fmt: skip
    ada, chart = drive.ada(), drive.chart(plan)
    with drive.branch("success: by reference, paid in full"):
        cy, offer, page = drive.ordered(ada, chart)
        page = cy.to_payment(page, plan=False)
    with drive.branch("card refused"):
        page = cy.pay(page, "refuse")
    with drive.branch("payment window closed"):
        page = cy.pay(cy.visitor.submit(page, "/c/pay/") if "/c/pay/" in page.path else page, "cancel")
        at(page, "/c/pay/")
    with drive.branch("paid at the second try"):
        cy.pay(cy.visitor.submit(page, "/c/pay/"))
        drive.until(offer, "authorized", money="authorized")
    with drive.branch("no answer of a plan is asked when paid in full"):
        asked = [
            entry
            for entry in drive.desk.journal("ehr")
            if "/Coverage" in entry["path"] and chart.patient in entry["query"]
        ]
        assert not asked
    with drive.branch("cancelled by the patient"):
        cy.visitor.submit(cy.visitor.get(cy.live.app_url + "/c/cancel/"), "/c/cancel/")
        drive.until(offer, "voided", money=("voided", "refunded"))
        cy.visitor.get(cy.live.app_url + "/c/follow/")


def refused_by_suppliers(drive: Drive) -> None:
    """One says no: the rest is captured. Then the patient takes a yes back."""
    ada, chart = drive.ada(), drive.chart(Plan("C", variant=2, rules={
        "MedicationRequest": {"medicationCodeableConcept": OMIT, "medicationCodeableConcept.coding": OMIT,
                              "medicationReference.reference": "Medication/{self.medication}",
                              "dosageInstruction.doseAndRate.doseQuantity.unit": OMIT},
        "DeviceRequest": {"parameter.valueQuantity.unit": OMIT, "parameter.valueQuantity.value": None},
        "Coverage": {"payor.display": OMIT, "payor.identifier": OMIT},
    }))  # fmt: skip
    cy, offer, page = drive.ordered(ada, chart)
    with drive.branch("plan asked, payer named by its own record"):
        cy.pay(cy.to_payment(page, plan=True))
        drive.until(offer, "authorized", money="authorized")
    with drive.branch("refused by one supplier, the rest captured"):
        drive.move(offer, "rejected", only="kit")
        drive.move(offer, "accepted", only="device")
        drive.move(offer, "accepted", only="prescription")
        drive.until(offer, "captured", money="captured")
    with drive.branch("consent taken back"):
        shared = cy.visitor.get(cy.live.app_url + "/c/shared/")
        cy.visitor.submit(shared, "/c/shared/back/")
        cy.visitor.get(cy.live.app_url + "/c/shared/")


def stumbling_partners(drive: Drive) -> None:
    """Errors of partners in the middle: 500s, half an answer, HTML, a refusal."""
    ada = drive.ada()
    chart = drive.chart(
        Plan(
            "D", ("device",), variant=3,
            rules={"DeviceRequest": {"parameter.valueCodeableConcept.text": OMIT,
                                     "parameter.valueCodeableConcept.coding.display": None}},
        )
    )  # fmt: skip
    cy, offer, page = drive.ordered(ada, chart)
    with drive.branch("the payer is down, paid in full after all"):
        drive.desk.fault(partner="payer", path="/payer/.*", kind="status", status=503, times=3)
        choice = {
            "pay_with": "plan",
            **{name: value for form in page.forms for name, value in form.boxes if name == "plan_ok"},
        }
        page = cy.visitor.submit(page, "", values=choice)
        page = cy.visitor.get(cy.live.app_url + "/c/check/")
    with drive.branch("supplier answers 500, then half an answer, then takes it once"):
        drive.desk.fault(partner="devices", path="/devices/orders.*", method="POST", kind="status", status=500, times=1)
        drive.desk.fault(
            partner="devices", path="/devices/orders.*", method="POST", kind="truncate", times=1, after_accept=True
        )
        cy.pay(cy.to_payment(page, plan=False))
        drive.move(offer, "accepted")
        drive.until(offer, "captured", money="captured")
    with drive.branch("delivered after all"):
        drive.move(offer, "shipped")
        drive.move(offer, "delivered")
        drive.until(offer, "delivered", state=("delivered", "completed"))


def refunded(drive: Drive) -> None:
    """The patient changes their mind after the money was taken."""
    ada, chart = drive.ada(), drive.chart(Plan("J", ("device",), rules={"DeviceRequest": {"parameter": OMIT}}))
    cy, offer, page = drive.ordered(ada, chart)
    with drive.branch("captured, cancelled, refunded"):
        cy.pay(cy.to_payment(page, plan=False))
        drive.until(offer, "authorized", money="authorized")
        drive.move(offer, "accepted")
        drive.until(offer, "captured", money="captured")
        cy.visitor.submit(cy.visitor.get(cy.live.app_url + "/c/cancel/"), "/c/cancel/")
        drive.until(offer, "refunded", money="refunded")
        cy.visitor.get(cy.live.app_url + "/c/follow/")


def changed_in_the_chart(drive: Drive) -> None:
    """The freshness gate: what was stopped or changed after the link is not dispatched."""
    ada, chart = (
        drive.ada(),
        drive.chart(
            Plan(
                "E",
                ("device", "kit", "prescription"),
                rules={
                    "DeviceRequest": {"parameter": OMIT, "requester.reference": OMIT},
                    "ServiceRequest": {"requester.reference": OMIT},
                    "MedicationRequest": {"requester.reference": OMIT},
                },
            )
        ),
    )
    cy, offer, page = drive.ordered(ada, chart)
    page = cy.to_payment(page, plan=False)
    with drive.branch("freshness gate: stopped in the chart"):
        orders = [dict(one) for one in chart.resources if one["resourceType"].endswith("Request")]
        device = next(one for one in orders if one["resourceType"] == "DeviceRequest")
        drive.desk.put(*({**one, "status": "revoked"} for one in orders))
        cy.pay(page)
        drive.until(offer, "stopped", state=("cancelled", "refused"), money=("voided", "none"))
        cy.visitor.get(cy.live.app_url + "/c/follow/")
    page = drive.launch(ada, chart)
    with drive.branch("changed between list and send"):
        drive.desk.put({**device, "status": "active", "intent": "order"})
        page = drive.launch(ada, chart)
        drive.desk.put({**device, "codeCodeableConcept": {**device["codeCodeableConcept"], "text": "another device"}})
        keys = list(rows_of(page))
        answer = ada.visitor.submit(page, "/send/", values={"order": keys})
        assert answer.status == 409, (answer.status, answer.text[:300])


def links_that_end(drive: Drive) -> None:
    """Locked, expired, superseded, withdrawn, guessed, forged."""
    ada, chart = drive.ada(), drive.chart(Plan("F", ("kit",)))
    page = drive.launch(ada, chart)
    drive.send(ada, page)
    cy = drive.cy(chart)
    address = cy.address()
    with drive.branch("superseded by a newer link"):
        _, second = drive.send(ada, drive.launch(ada, chart))
        newer = wait_for(lambda: cy.address() != address and cy.address(), "the second link")
        assert "new" in cy.open(address).text.lower()
    with drive.branch("code asked again, order not reached without it"):
        page = at(cy.say_who(cy.open(newer)), "/c/code/")
        cy.visitor.submit(page, "again")
        for path in ("/c/check/", "/c/pay/", *FOLLOW):
            answer = cy.visitor.get(cy.live.app_url + path)
            assert chart.family not in answer.body
    with drive.branch("locked after five wrong birth dates"):
        other = drive.cy(chart)
        for _ in range(5):
            page = other.open(newer)
            if any("/l/" in (form.action or page.url) for form in page.forms):
                other.say_who(page, born="1970-01-01")
        assert drive.rows("SELECT l.state FROM offers_purchaselink l JOIN offers_offer f ON f.id = l.offer_id"
                          " WHERE f.public_id = %s", second)[0]["state"] == "locked"  # fmt: skip
        other.open(newer)
    with drive.branch("withdrawn by the clinic"):
        made, _ = drive.send(ada, drive.launch(ada, chart))
        ada.visitor.submit(made, "/revoke/")
        newest = wait_for(lambda: cy.address() not in (address, newer) and cy.address(), "the third link")
        drive.cy(chart).open(newest)
    with drive.branch("expired"):
        _, fourth = drive.send(ada, drive.launch(ada, chart))
        last = wait_for(lambda: cy.address() not in (address, newer, newest) and cy.address(), "the fourth link")
        drive.rows("UPDATE offers_purchaselink SET expires_at = now() - interval '1 minute' WHERE offer_id ="
                   " (SELECT id FROM offers_offer WHERE public_id = %s) RETURNING id", fourth)  # fmt: skip
        drive.cy(chart).open(last)
    with drive.branch("a link that nobody made"):
        assert cy.open(f"{cy.live.app_url}/l/{'A' * 26}/").status == 404


def printed_link(drive: Drive) -> None:
    """Somebody without phone and mail: the sheet."""
    ada, chart = (
        drive.ada(),
        drive.chart(Plan("G", ("kit",), reachable=False, rules={"Patient": {"name.family": OMIT, "name.given": OMIT}})),
    )
    with drive.branch("printed link and its sheet"):
        page = drive.launch(ada, chart)
        made, _ = drive.send(ada, page)
        (link,) = [link for link in made.links if link.endswith("/sheet/")]
        sheet = ada.visitor.get(drive.live.app_url + link)
        assert sheet.status == 200
        drive.basin.keep("printed sheet", sheet.body[sheet.body.index("ec-sheet") :], where="the sheet")


def orders_that_are_not_sold(drive: Drive) -> None:
    """Every refusal in one chart; the catalog's queue gets what has no product."""
    extra = (*refusals.ORDERS, *refusals.MEDICINES, *refusals.OTHERS)
    ada, chart = drive.ada(), drive.chart(Plan("R", ("device",), extra=extra))
    page = drive.launch(ada, chart)
    for one in refusals.ORDERS:
        with drive.branch(one.branch):
            assert not one.refusal or REFUSALS[one.refusal].sentence in page.text, page.text[:400]


def people_to_whom_nothing_is_sold(drive: Drive) -> None:
    """Every one of them is planted; who is launched goes round."""
    ada, people = drive.ada(), [(drive.chart(plan), branch, refusal) for plan, branch, refusal in refusals.charts()]
    for chart, branch, refusal in rotation.rotating(people, keep=PEOPLE_A_RUN):
        with drive.branch(f"person: {branch}"):
            page = drive.launch(ada, chart)
            assert REFUSALS[refusal].sentence in page.text, page.text[:400]


def an_ehr_that_fails(drive: Drive) -> None:
    """Error bodies and headers full of the chart."""
    ada, chart = drive.ada(), drive.chart(Plan("H", ("device",), member=""))
    say = drive.say_of("H")
    for status in rotation.rotating(STATUSES, keep=3):
        with drive.branch(f"the EHR answers {status} with words of the chart"):
            outcome = {"resourceType": "OperationOutcome", "text": {"status": "generated", "div": f"<div>{say('narrative')}</div>"},
                       "issue": [{"severity": "error", "code": "exception", "diagnostics": say("diagnostics"),
                                  "details": {"text": say("details"), "coding": [{"code": say("code"), "display": say("display")}]},
                                  "expression": [say("expression")], "location": [say("location")]}]}  # fmt: skip
            headers = {
                name: say(f"header {name}")
                for name in ("X-Note", "Warning", "X-Request-Id", "ETag", "Location", "WWW-Authenticate")
            }
            page = drive.launch(ada, chart, fhir_answer={"manner": str(status), "body": drive.json(outcome), "headers": headers,
                                                         "content_type": "application/fhir+json"})  # fmt: skip
            assert page.status in (200, 403, 502, 503), (page.status, page.text[:300])
    for knob, value, branch in rotation.rotating(CROOKED, keep=2):
        with drive.branch(branch):
            drive.launch(ada, chart, **{knob: value})
    with drive.branch("HTML and half an answer"):
        drive.launch(ada, chart, fhir_answer={"manner": "html", "body": f"<html>{say('html')}</html>"})
        drive.launch(
            ada, chart, fhir_answer={"manner": "raw", "body": '{"resourceType": "Patient", "note": "' + say("half")}
        )
    with drive.branch("headers of good answers"):
        headers = {f"X-{name}": say(f"header X-{name}") for name in ("Patient", "Note", "Etag-Of")}
        drive.launch(ada, chart, fhir_answer={"manner": "usual", "headers": headers})


def forged_callbacks(drive: Drive) -> None:
    """Words of a chart in a callback that is forged, and in one that is signed: neither is kept."""
    say = drive.say_of("K")
    secret = drive.live.site.secrets["SANDBOX_CALLBACK_SECRET"]
    for row in drive.rows(
        "SELECT public_id, port FROM suppliers_supplier WHERE port IN ('payment', 'pharmacy', 'device', 'kit')"
    ):
        kind = "payment" if row["port"] == "payment" else "supplier"
        url = f"{drive.live.app_url}/hooks/{kind}/{row['public_id']}/"
        for signed, status in ((False, 401), (True, 200)):
            with drive.branch(f"{'signed' if signed else 'forged'} callback of {row['port']} with words of a chart"):
                body = {name: say(f"callback {name}") for name in ("type", "reference", "status", "note")}
                body |= {"id": f"evt_{row['port']}_{signed}_{drive.ledger.seed}", "patient": say("callback patient")}
                answered = callback(url, drive.json(body).encode(), secret=secret if signed else "wrong")
                assert answered == status, answered
                drive.basin.keep("answers to callbacks", str(answered), where=url)


def a_sale_that_leaks(drive: Drive) -> None:
    """The main way once more, for a system with leaks made on purpose."""
    ada, chart = drive.ada(), drive.chart(Plan("L"))
    with drive.branch("a sale"):
        page = drive.launch(ada, chart)
        ada.visitor.get(page.url.split("?")[0].rstrip("/") + "/style.css")
        made, offer = drive.send(ada, page)
        ada.visitor.get(made.url)
        cy = drive.cy(chart)
        page = at(cy.prove(), "/c/check/")
        cy.visitor.get(f"{cy.live.app_url}/l/{'A' * 26}/")
        cy.pay(cy.to_payment(page, plan=True))
        drive.until(offer, "authorized", money="authorized")
        drive.move(offer, "accepted")
        cy.visitor.get(f"{cy.live.app_url}/c/follow/")
        drive.launch(ada, chart)


# After the others: the EHR's faults open the breaker of its connection, and the staff looks at what came of it all.
LATER: tuple[Journey, ...] = (staff_at_their_pages, an_ehr_that_fails)
LAST: tuple[Journey, ...] = (clerks_at_the_console,)
# What waits longest for others begins first.
JOURNEYS: tuple[Journey, ...] = (
    three_kinds_with_the_plan, stumbling_partners, refused_by_suppliers, by_reference_in_full, refunded,
    changed_in_the_chart, orders_that_are_not_sold, links_that_end, people_to_whom_nothing_is_sold, printed_link,
    staff_are_hired, forged_callbacks, values_that_are_likely_a_slip,
)  # fmt: skip
