"""A pharmacy that speaks FHIR: the exact Task, doses character for character, and what its answers mean, against a server
on loopback that keeps Tasks as FHIR does (conditional create, search by identifier, JSON Patch)."""

import json
import random
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import pytest
from fhirclient.models.task import Task

from ehrcommerce.outbox.outcomes import Done, NeedsHuman, OutcomeUnknown, Refused
from ehrcommerce.policy.packets import DispatchFacts, ShipTo
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.last_line import FieldNotGranted
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import SupplyLine, SupplyRequest
from ehrcommerce.wire.errors import BadAnswer, Unanswered

HOME = ShipTo("Cy Rivera", "12 Álamo St", "Olympia", "WA", "98501")
FACTS: dict[str, Any] = {
    "name": "metformin 500 mg", "directions": "Take 1 tablet", "route": "oral", "dose": "0.50 g", "timing": "2 times a day",
    "quantity": "60", "quantity_unit": "tablet", "repeats": "2", "days_supply": "30", "orderer_name": "Ada Park",
    "orderer_npi": "1234567893", "routing_proof": "e_prescription",
    "codings": ({"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "861007", "display": ""},),
}  # fmt: skip


class Pharmacy:
    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.bodies: list[bytes] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.fault = ""
        pharmacy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                pharmacy.bodies.append(body)
                pharmacy.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
                pharmacy.answer(self, body)

            do_POST = do_PATCH = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}/fhir"
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        fault, self.fault = self.fault, ""
        if fault.isdigit():
            return self.reply(handler, int(fault), {"resourceType": "OperationOutcome", "issue": []})
        status, found = self.work(handler, body)
        if fault == "drop":
            handler.close_connection = True
            handler.connection.close()
            return None
        if fault == "html":
            return self.reply(handler, 200, None)
        return self.reply(handler, status, found)

    def reply(self, handler: BaseHTTPRequestHandler, status: int, found: Any) -> None:
        content = b"<html>fine</html>" if found is None else json.dumps(found).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def work(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(handler.path)
        name = parts.path.rpartition("/")[2]
        if handler.command == "GET":
            wanted = parse_qs(parts.query)["identifier"][0]
            return 200, {"resourceType": "Bundle", "type": "searchset",
                         "entry": [{"resource": one} for one in self.of(wanted)]}  # fmt: skip
        if handler.command == "PATCH":
            if self.tasks[name]["status"] == "completed":
                return 409, {"resourceType": "OperationOutcome", "issue": []}
            return self.patched(self.tasks[name], json.loads(body))
        there = self.of(unquote(handler.headers["If-None-Exist"].partition("=")[2]))
        if there:
            return (200, there[0]) if len(there) == 1 else (412, {})
        made = {**json.loads(body), "id": f"T-{len(self.tasks) + 1}"}
        self.tasks[made["id"]] = made
        return 201, made

    def patched(self, task: dict[str, Any], patch: list[dict[str, Any]]) -> tuple[int, Any]:
        """The three operations that we use, as RFC 6902 has them: all or none."""
        for one in patch:
            if one["op"] == "test" and task["status"] != one["value"]:
                return 422, {"resourceType": "OperationOutcome", "issue": []}
            if one["op"] == "add":
                assert one["path"] == "/input/-"
                task.setdefault("input", []).append(one["value"])
            if one["op"] == "replace":
                task["status"] = one["value"]
        return 200, task

    def of(self, token: str) -> list[dict[str, Any]]:
        value = token.partition("|")[2]
        return [one for one in self.tasks.values() if one["identifier"][0]["value"] == value]


@pytest.fixture
def pharmacy() -> Iterator[Pharmacy]:
    made = Pharmacy()
    yield made
    made.httpd.shutdown()
    made.httpd.server_close()


def adapter(pharmacy: Pharmacy | None, **changes: Any) -> Any:
    url = pharmacy.url if pharmacy else "https://pharmacy.example.org/fhir"
    return chosen.adapter_of(
        Supplier(**{"adapter": "pharmacy_fhir", "port": "pharmacy", "base_url": url, "api_key": "k3y", **changes})
    )


def request(*skus: str, reference: str = "", person: bool = True, **facts: Any) -> SupplyRequest:
    lines = tuple(SupplyLine(sku, sku, 1, "", {**FACTS, **facts}) for sku in skus or ("RX-1",))
    who = DispatchFacts("Cy Rivera", "1980-02-29") if person else None
    return SupplyRequest(reference or str(uuid4()), HOME, lines, who)


def place(made: Any, wanted: SupplyRequest) -> Any:
    return made.place(made.render(wanted), idempotency_key="k")


def test_the_exact_task() -> None:
    assert adapter(None).render(request(reference="R-1")).decode() == (
        '{"resourceType":"Task","contained":[{"resourceType":"MedicationRequest","id":"line1",'
        '"identifier":[{"system":"urn:ehrcommerce:sku","value":"RX-1"}],"status":"active","intent":"order",'
        '"medicationCodeableConcept":{"coding":[{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"861007"}],'
        '"text":"metformin 500 mg"},"subject":{"reference":"#patient"},'
        '"requester":{"display":"Ada Park","identifier":{"system":"http://hl7.org/fhir/sid/us-npi","value":"1234567893"}},'
        '"dosageInstruction":[{"text":"Take 1 tablet","timing":{"code":{"text":"2 times a day"}},"route":{"text":"oral"},'
        '"doseAndRate":[{"doseQuantity":{"value":0.50,"unit":"g"}}]}],'
        '"dispenseRequest":{"initialFill":{"quantity":{"value":1}},"numberOfRepeatsAllowed":2,'
        '"quantity":{"value":60,"unit":"tablet"},"expectedSupplyDuration":{"value":30,"unit":"d"}}},'
        '{"resourceType":"Patient","id":"patient","name":[{"text":"Cy Rivera"}],"birthDate":"1980-02-29",'
        '"address":[{"text":"Cy Rivera","line":["12 Álamo St"],"city":"Olympia","state":"WA","postalCode":"98501",'
        '"country":"US"}]}],"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:R-1"}],'
        '"status":"requested","intent":"order",'
        '"code":{"coding":[{"system":"http://hl7.org/fhir/CodeSystem/task-code","code":"fulfill"}]},'
        '"for":{"reference":"#patient"},"input":[{"type":{"text":"routing-proof"},"valueString":"e_prescription"}]}'
    )


def test_every_dose_keeps_its_characters(pharmacy: Pharmacy) -> None:  # REL-P18
    drawn = random.Random(18)
    doses = ["0.10", "0.010", "1E-7", "1.000000000000000055", "0." + "3" * 29, "10", "1.0", "100"]
    doses += [str(Decimal(drawn.randrange(1, 10**12)).scaleb(-drawn.randrange(0, 12))) for _ in range(200)]
    for dose in doses:
        body = adapter(None).render(request(dose=f"{dose} mg", quantity=dose)).decode()
        assert f'"doseQuantity":{{"value":{dose},"unit":"mg"}}' in body
        assert f'"quantity":{{"value":{dose},"unit":"tablet"}}' in body
    assert isinstance(place(adapter(pharmacy), request(dose="1.000000000000000055 mg")), Done)
    assert b'"value":1.000000000000000055' in pharmacy.bodies[0]


@pytest.mark.parametrize("dose", ["1 to 2 tablet", "as directed", "007 mg", "1,5 mg", "-", "\u0661 mg"])
def test_a_dose_that_is_no_single_number_stays_text(dose: str) -> None:
    body = json.loads(adapter(None).render(request(dose=dose)))
    assert body["contained"][0]["dosageInstruction"][0]["doseAndRate"] == [{"type": {"text": dose}}]


def test_it_is_a_task_to_others_as_well() -> None:
    body = json.loads(adapter(None).render(request("RX-1", "RX-2", dose="1 to 2 tablet")))
    assert [one.id for one in Task(body).contained] == ["line1", "line2", "patient"]


def test_without_a_need_no_birth_date_goes_out() -> None:
    assert b"birthDate" not in adapter(None).render(request(person=False))


def test_what_the_table_does_not_grant_is_stopped_at_the_last_line(
    pharmacy: Pharmacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ehrcommerce.suppliers.last_line.audit.record", lambda **_: None)
    made = adapter(pharmacy)
    good = json.loads(made.render(request()))
    for where, what in (("note", [{"text": "for her depression"}]), ("status", "Cy Rivera"), ("id", "diagnosis")):
        bad = json.loads(json.dumps(good))
        bad["contained"][0][where] = what
        with pytest.raises(FieldNotGranted):
            made.place(json.dumps(bad).encode(), idempotency_key="k")
    assert pharmacy.seen == []


def test_placed_once_found_followed_and_called_back(pharmacy: Pharmacy) -> None:
    made, wanted = adapter(pharmacy), request("RX-1", "RX-2")
    first = place(made, wanted)
    assert place(made, wanted) == first
    assert len(pharmacy.tasks) == 1
    task = pharmacy.tasks[first.reference]
    assert made.read_callback(task) == wanted.reference
    assert made.read_callback({"reference": "R-9"}) == "R-9"
    task |= {"status": "in-progress", "output": [{"type": {"text": "line-rejected"}, "valueString": "RX-2"}]}
    found = made.find(wanted.reference)
    assert (found.state, found.accepted) == ("accepted", {"RX-1": True, "RX-2": False})
    told = {"carrier": "Post", "tracking-number": "T-1"}
    output = [{"type": {"text": name}, "valueString": value} for name, value in told.items()]
    task |= {"status": "completed", "output": output}
    found = made.find(wanted.reference)
    assert (found.state, found.carrier, found.tracking_number) == ("shipped", "Post", "T-1")
    assert made.cancel(first.reference, idempotency_key="c") == Refused("too_late")
    assert made.find(str(uuid4())) is None


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"status": "received"}, "dispatched"),
        ({"status": "rejected", "statusReason": {"coding": [{"code": "out_of_stock"}]}}, "refused"),
        ({"status": "failed"}, "exception"),
        ({"status": "completed", "businessStatus": {"text": "delivered"}}, "delivered"),
        ({"status": "requested", "businessStatus": {"text": "delivered"}}, "dispatched"),
        ({"status": "completed", "businessStatus": {"text": "zzz"}}, "shipped"),
        ({"status": "entered-in-error"}, "unknown"),
        ({"status": "zzz"}, "unknown"),
    ],
)
def test_their_words_become_ours(pharmacy: Pharmacy, changes: dict[str, Any], state: str) -> None:  # REL-F18
    made, wanted = adapter(pharmacy), request()
    pharmacy.tasks[place(made, wanted).reference] |= changes
    assert made.find(wanted.reference).state == state


def test_an_order_is_cancelled(pharmacy: Pharmacy) -> None:
    made, wanted = adapter(pharmacy), request()
    first = place(made, wanted)
    assert made.cancel(first.reference, idempotency_key="c") == Done(first.reference)
    assert made.find(wanted.reference).state == "cancelled"


def asks(pharmacy: Pharmacy, code: str, words: str = "") -> None:
    """The pharmacist puts the Task on hold and says why."""
    said = [{"type": {"text": "question"}, "valueString": words}] if words else []
    pharmacy.tasks["T-1"] |= {"status": "on-hold", "statusReason": {"coding": [{"code": code}]}, "output": said}


@pytest.mark.parametrize(("code", "question"), [("dose", "dose"), ("substitution", "substitution"), ("allergy", "other")])
def test_a_pharmacist_asks_and_gets_the_answer_once(pharmacy: Pharmacy, code: str, question: str) -> None:
    made, wanted = adapter(pharmacy), request()
    first = place(made, wanted)
    asks(pharmacy, code, "Is it 0.50 g? \n" + "x" * 300)
    found = made.find(wanted.reference)
    assert (found.state, found.question, len(found.question_text), found.reason) == ("dispatched", question, 200, "")
    told = made.answer(first.reference, "as_written", "Yes, 0.50 g", idempotency_key="a")
    assert told == Done(first.reference)
    inputs = {one["type"]["text"]: one["valueString"] for one in pharmacy.tasks["T-1"]["input"]}
    assert (inputs["prescriber-answer"], inputs["prescriber-words"]) == ("as_written", "Yes, 0.50 g")
    assert made.find(wanted.reference).question == ""
    assert made.answer(first.reference, "as_written", "", idempotency_key="a") == Refused("no_question")


def test_on_hold_without_a_reason_asks_nothing(pharmacy: Pharmacy) -> None:
    made, wanted = adapter(pharmacy), request()
    place(made, wanted)
    pharmacy.tasks["T-1"]["status"] = "on-hold"
    found = made.find(wanted.reference)
    assert (found.state, found.question, found.question_text) == ("dispatched", "", "")


def test_another_order_under_our_reference_is_not_adopted(pharmacy: Pharmacy) -> None:  # REL-F8
    made, wanted = adapter(pharmacy), request("RX-1")
    place(made, wanted)
    assert place(made, request("RX-2", reference=wanted.reference)) == NeedsHuman("conflict")
    pharmacy.tasks["T-2"] = {**pharmacy.tasks["T-1"], "id": "T-2"}
    assert place(made, wanted) == NeedsHuman("conflict")
    assert made.find(wanted.reference).copies == 2


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("422", Refused("refused")), ("403", NeedsHuman("not_authorized")), ("503", OutcomeUnknown("partner_failed")),
     ("drop", Unanswered), ("html", BadAnswer)],
)  # fmt: skip
def test_answers_become_outcomes(pharmacy: Pharmacy, fault: str, outcome: Any) -> None:
    made, wanted = adapter(pharmacy), request()
    pharmacy.fault = fault
    if isinstance(outcome, type):
        with pytest.raises(outcome):
            place(made, wanted)
        assert isinstance(place(made, wanted), Done)
        assert len(pharmacy.tasks) == 1
    else:
        assert place(made, wanted) == outcome
