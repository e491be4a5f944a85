"""What the EHR tells by itself of changes in the chart: to whom, in which bytes, and in all the ways in which it goes wrong."""

import hashlib
import hmac
import http.server
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.sandbox.ehr.conftest import CY, prescription
from tests.sandbox.ehr.smart_client import SmartClient
from tests.sandbox.ehr.test_pages import DI, clinician, page, submit

__all__ = ["clinician"]

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport"
SECRET = "the ear's secret"


@dataclass
class Came:
    """One request at the ear."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def parameters(self) -> dict[str, Any]:
        """The first entry, by name."""
        first = json.loads(self.body)["entry"][0]["resource"]["parameter"]
        return {
            one["name"]: one.get("part") or next(value for name, value in one.items() if name != "name")
            for one in first
        }

    @property
    def event(self) -> dict[str, Any]:
        parts = self.parameters["notification-event"]
        return {one["name"]: next(value for name, value in one.items() if name != "name") for one in parts}


@dataclass
class Ear:
    """Somebody who listens."""

    url: str = ""
    status: int = 200
    came: list[Came] = field(default_factory=list)

    def events(self) -> list[Came]:
        return [one for one in self.came if b"event-notification" in one.body]


def until(found: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first answer that is something."""
    end = time.monotonic() + seconds
    while not (answer := found()) and time.monotonic() < end:
        time.sleep(0.05)
    assert answer
    return answer


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.came.append(Came(self.command, self.path, dict(self.headers), body))
            self.send_response(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PUT = _take

        def log_message(self, *words: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/{secrets.token_hex(6)}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def wanted(ehr: SmartClient, ear: Ear, *, content: str = "id-only", topic: str = "", **more: Any) -> dict[str, Any]:
    """A Subscription of the R5 backport."""
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "orders",
        "criteria": topic or f"{ehr.url}/topics/orders",
        "channel": {
            "type": "rest-hook",
            "endpoint": ear.url,
            "payload": "application/fhir+json",
            "header": [f"X-Proof: {SECRET}"],
            "_payload": {"extension": [{"url": f"{BACKPORT}-payload-content", "valueCode": content}]},
            **more,
        },
    }


@pytest.fixture
def told(ehr: SmartClient, ear: Ear) -> Iterator[Callable[..., SmartClient]]:
    """Makes an EHR with these knobs that tells the ear; `name` of the subscription stands in `profile_name`."""
    made: list[tuple[SmartClient, str]] = []

    def make(resource: dict[str, Any] | None = None, **knobs: Any) -> SmartClient:
        own = ehr.at(**knobs)
        own.register(scope="system/Subscription.crus system/MedicationRequest.rs")
        own.open_system("system/Subscription.crus")
        answer = own.send("POST", "Subscription", resource or wanted(ehr, ear))
        assert answer.status_code == 201, answer.text
        made.append((own, answer.json()["id"]))
        own.subscription = answer.json()["id"]  # type: ignore[attr-defined]
        until(lambda: held(own)["status"] == "active")
        return own

    yield make
    for own, name in made:
        own.control("subscriptions", {"name": name}, method="DELETE")
    ehr.register()


def held(own: SmartClient) -> dict[str, Any]:
    found: dict[str, Any] = own.get(f"Subscription/{own.subscription}").json()  # type: ignore[attr-defined]
    return found


def change(ehr: SmartClient, number: int = 1, **changes: Any) -> None:
    ehr.control("fhir", {"resources": [prescription(number, **changes)]})


def test_hands_are_shaken_before_anything_is_told(ehr: SmartClient, ear: Ear, told: Callable[..., SmartClient]) -> None:
    own = told()
    (handshake,) = ear.came
    assert (handshake.parameters["type"], handshake.parameters["status"]) == ("handshake", "requested")
    assert handshake.headers["X-Proof"] == SECRET
    name = own.subscription  # type: ignore[attr-defined]
    assert handshake.parameters["subscription"] == {"reference": f"{own.fhir}/Subscription/{name}"}


def test_who_does_not_shake_hands_is_told_nothing(ehr: SmartClient, ear: Ear) -> None:
    ear.status = 500
    own = ehr.at()
    own.register(scope="system/Subscription.crus")
    own.open_system("system/Subscription.crus")
    name = own.send("POST", "Subscription", wanted(ehr, ear)).json()["id"]
    until(lambda: ear.came)
    change(ehr)
    messages = ehr.control(f"notices?subscription={name}", method="GET")["messages"]
    ehr.control("subscriptions", {"name": name}, method="DELETE")
    ehr.register()
    assert [one["kind"] for one in messages] == ["handshake"]
    assert ear.events() == []


def test_a_signature_in_the_pages_is_told_by_its_id(
    ehr: SmartClient, clinician: SmartClient, ear: Ear, told: Callable[..., SmartClient]
) -> None:
    own = told()
    for action in ("sign", "hold", "resume", "stop"):
        shown = page(clinician, f"/ehr/chart/{DI}/")
        submit(clinician, shown, f"/ehr/chart/{DI}/MedicationRequest/{DI}-rx-2/act", action=action)
    until(lambda: len(ear.events()) == 4)
    found = sorted(ear.events(), key=lambda one: int(one.event["event-number"]))
    assert [one.event["event-number"] for one in found] == ["1", "2", "3", "4"]
    assert {one.event["focus"]["reference"] for one in found} == {f"{own.fhir}/MedicationRequest/{DI}-rx-2"}
    assert all(b"Testamine" not in one.body for one in found)


@pytest.mark.parametrize(
    ("content", "inside"), [("empty", (False, False)), ("id-only", (True, False)), ("full-resource", (True, True))]
)
def test_as_much_comes_along_as_was_asked_for(
    ehr: SmartClient, ear: Ear, told: Callable[..., SmartClient], content: str, inside: tuple[bool, bool]
) -> None:
    told(wanted(ehr, ear, content=content))
    change(ehr)
    (event,) = until(ear.events)
    assert (b"rx-1" in event.body, b"Testamine" in event.body) == inside


def test_a_heartbeat_comes_by_itself(ehr: SmartClient, ear: Ear, told: Callable[..., SmartClient]) -> None:
    told(wanted(ehr, ear, extension=[{"url": f"{BACKPORT}-heartbeat-period", "valueUnsignedInt": 1}]))
    beat = until(lambda: [one for one in ear.came if one.parameters["type"] == "heartbeat"])[0]
    assert beat.parameters["events-since-subscription-start"] == "0"


def test_topics_that_are_not_offered_are_refused(ehr: SmartClient, ear: Ear) -> None:
    ehr.register(scope="system/Subscription.crus")
    ehr.open_system("system/Subscription.crus")
    for resource in (
        wanted(ehr, ear, topic="http://elsewhere.example/topic"),
        {**wanted(ehr, ear), "channel": {"type": "email", "endpoint": "mailto:a@b.example"}},
    ):
        assert ehr.send("POST", "Subscription", resource).status_code == 422
    ehr.register()


# ------------------------------------------------------------------------------------------------------ what goes wrong
def test_what_was_lost_can_be_asked_for(ehr: SmartClient, ear: Ear, told: Callable[..., SmartClient]) -> None:
    own = told(events_lost=2)
    for _ in range(3):
        change(ehr)
    until(lambda: len(ear.events()) == 2)
    name = own.subscription  # type: ignore[attr-defined]
    missed = own.get(f"Subscription/{name}/$events?eventsSinceNumber=2&eventsUntilNumber=2").json()
    found = Came("GET", "", {}, json.dumps(missed).encode())
    assert (found.parameters["type"], found.event["event-number"]) == ("query-event", "2")
    status = own.get(f"Subscription/{name}/$status").json()
    assert status["type"] == "searchset"
    asked = Came("GET", "", {}, json.dumps(status).encode()).parameters
    assert (asked["type"], asked["status"], asked["events-since-subscription-start"]) == ("query-status", "active", "3")


def test_an_ehr_may_offer_neither_operation(ehr: SmartClient, ear: Ear, told: Callable[..., SmartClient]) -> None:
    own = told(events_operation="refuse", status_operation="refuse")
    name = own.subscription  # type: ignore[attr-defined]
    for operation in ("$events", "$status"):
        assert own.get(f"Subscription/{name}/{operation}").status_code == 405


def test_it_comes_twice_and_too_late_and_after_the_next(
    ehr: SmartClient, ear: Ear, told: Callable[..., SmartClient]
) -> None:
    told(events_copies=2, events_order="swapped", events_late_s=0.2)
    change(ehr)
    change(ehr)
    until(lambda: len(ear.events()) == 4)
    assert [one.event["event-number"] for one in ear.events()] == ["2", "2", "1", "1"]


@pytest.mark.parametrize(("knobs", "what"), [
    ({"events_proof": "wrong"}, "proof"), ({"events_proof": "absent"}, "proof"),
    ({"events_focus": "foreign"}, "focus"), ({"events_subscription": "other"}, "subscription"),
    ({"events_count_from": 2**63}, "number"),
])  # fmt: skip
def test_a_forged_one_is_wrong_in_one_thing(
    ehr: SmartClient, ear: Ear, told: Callable[..., SmartClient], knobs: dict[str, Any], what: str
) -> None:
    own = told(**knobs)
    change(ehr)
    (event,) = until(ear.events)
    name = own.subscription  # type: ignore[attr-defined]
    wrong = {
        "proof": event.headers.get("X-Proof") != SECRET,
        "focus": not event.event["focus"]["reference"].startswith(own.fhir),
        "subscription": not event.parameters["subscription"]["reference"].endswith(name),
        "number": event.event["event-number"] == str(2**63 + 1),
    }
    assert [name for name, is_wrong in wrong.items() if is_wrong] == [what]


def test_who_does_not_answer_is_told_nothing_more_until_asked_again(
    ehr: SmartClient, ear: Ear, told: Callable[..., SmartClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six tries take half a minute, so the state is set as they would leave it; the numbers show what was missed."""
    own = told()
    name = own.subscription  # type: ignore[attr-defined]
    own.control("subscriptions", {"name": name, "state": "error"}, method="PATCH")
    change(ehr)
    assert held(own)["status"] == "error"
    again = {**held(own), "status": "requested"}
    assert own.send("PUT", f"Subscription/{name}", again).status_code == 200
    until(lambda: held(own)["status"] == "active")
    change(ehr)
    (event,) = until(ear.events)
    assert event.event["event-number"] == "2"


# --------------------------------------------------------------------------------------------- plain R4, and the vendors
def test_plain_r4_posts_nothing_or_puts_the_resource(
    ehr: SmartClient, ear: Ear, told: Callable[..., SmartClient]
) -> None:
    channel = {"type": "rest-hook", "endpoint": ear.url, "header": [f"X-Proof: {SECRET}"]}
    bare = {**wanted(ehr, ear), "criteria": "MedicationRequest?status=active", "channel": channel}
    told(bare)
    told({**bare, "channel": {**channel, "payload": "application/fhir+json"}})
    change(ehr, status="draft")
    change(ehr)
    until(lambda: len(ear.came) >= 2)
    posted, put = sorted(ear.came, key=lambda one: one.method)
    assert (posted.method, posted.body, posted.headers["X-Proof"]) == ("POST", b"", SECRET)
    assert (put.method, put.path.rpartition("/MedicationRequest/")[2]) == ("PUT", f"{CY}-rx-1")
    assert json.loads(put.body)["status"] == "active"


def signed_by(ehr: SmartClient, ear: Ear, scheme: str, **values: Any) -> str:
    name = secrets.token_hex(8)
    ehr.control("subscriptions", {"name": name, "scheme": scheme, "endpoint": ear.url, "secret": SECRET, **values})
    return name


@pytest.mark.parametrize(("scheme", "header"), [
    ("medplum", "X-Signature"), ("athenahealth", "X-Hub-Signature"), ("vendor_webhook", "X-Signature"),
])  # fmt: skip
def test_vendors_sign_the_bytes(ehr: SmartClient, ear: Ear, scheme: str, header: str) -> None:
    name = signed_by(ehr, ear, scheme)
    change(ehr)
    (came,) = until(lambda: list(ear.came))
    ehr.control("subscriptions", {"name": name}, method="DELETE")
    signed = came.body
    if scheme == "vendor_webhook":
        signed = f"{came.headers['X-Event-Id']}.{came.headers['X-Timestamp']}.".encode() + came.body
    mac = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert came.headers[header].rpartition("=")[2] == mac
    assert f"{CY}-rx-1".encode() in came.body


def test_medplum_deletes_with_an_empty_object_and_an_unsigned_header(ehr: SmartClient, ear: Ear) -> None:
    change(ehr, 77)
    name = signed_by(ehr, ear, "medplum")
    ehr.control("fhir", {"delete": [f"MedicationRequest/{CY}-rx-77"]})
    (came,) = until(lambda: list(ear.came))
    ehr.control("subscriptions", {"name": name}, method="DELETE")
    assert (came.body, came.headers["X-Medplum-Deleted-Resource"]) == (b"{}", f"MedicationRequest/{CY}-rx-77")


def test_what_was_told_can_be_told_again(ehr: SmartClient, ear: Ear, told: Callable[..., SmartClient]) -> None:
    own = told()
    change(ehr)
    until(ear.events)
    name = own.subscription  # type: ignore[attr-defined]
    assert ehr.control("notices", {"subscription": name})["again"] == 1
    until(lambda: len(ear.events()) == 2)
    assert len({one.event["event-number"] for one in ear.events()}) == 1


def test_only_whoever_steers_the_sandbox_may_see_what_was_told(ehr: SmartClient) -> None:
    assert requests.get(f"{ehr.url}/control/notices?subscription=x", timeout=10).status_code == 404
