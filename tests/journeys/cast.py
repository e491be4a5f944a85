"""Ada the clinician, Cy the patient, and the control desk of the sandbox: the journey in verbs."""

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from ehrcommerce.workbench.live import Live
from tests.journeys.charts import Chart
from tests.journeys.visitor import Page, Visitor


class Desk:
    """The sandbox's control endpoints: what a test may move and see of the outside world."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Sandbox-Control": self.live.control_token, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.live.sandbox_url}{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read().decode()
        return json.loads(text) if text.strip().startswith(("{", "[")) else text

    def journal(self, partner: str = "", since: int = 0) -> list[dict[str, Any]]:
        """Every entry after `since`; the sandbox tells them in pages."""
        found: list[dict[str, Any]] = []
        while page := self.call("GET", f"/control/journal?partner={partner}&since_id={since}")["entries"]:
            found += page
            since = int(page[-1]["id"])
        return found

    def mark(self) -> int:
        """The newest journal entry: `journal(since=mark)` sees what came later."""
        return max((int(entry["id"]) for entry in self.journal()), default=0)

    def messages(self, to: str = "") -> list[dict[str, Any]]:
        found = self.call("GET", f"/control/messages?to={to.replace('+', '%2B')}")
        return list(found["messages"] if isinstance(found, dict) else found)

    def advance(self, **what: Any) -> Any:
        return self.call("POST", "/control/advance", what)

    def fault(self, **what: Any) -> None:
        self.call("POST", "/control/faults", what)

    def no_faults(self) -> None:
        self.call("DELETE", "/control/faults")

    def put(self, *resources: dict[str, Any]) -> None:
        self.call("POST", "/control/fhir", {"resources": list(resources)})

    def resource(self, reference: str) -> dict[str, Any]:
        kind, _, number = reference.partition("/")
        found = self.call("GET", f"/control/fhir?type={kind}&id={number}")
        resources = found["resources"] if isinstance(found, dict) else found
        return next(dict(each) for each in resources if each["id"] == number)


class Ada:
    """A clinician in the sandbox EHR."""

    def __init__(self, live: Live, desk: Desk) -> None:
        self.live, self.desk, self.visitor = live, desk, Visitor()

    def launch(self, patient: str, *orders: str) -> Page:
        """Press the app's button in the chart of `patient`; the first page of the app comes back."""
        told = self.desk.call("POST", "/control/launch", {"patient": patient, "user": "ada", "orders": list(orders)})
        cookie = told["cookie"]
        self.visitor.cookies.setdefault("localhost", {})[cookie["name"]] = cookie["value"]
        return self.visitor.get(told["url"])

    def send(self, page: Page, *orders: str, **values: str) -> Page:
        """Tick the rows whose name contains one of the words, and send."""
        form = page.form("/send/")
        keys = [key for key in rows_of(page) if any(word.lower() in rows_of(page)[key].lower() for word in orders)]
        assert keys, f"no selectable row for {orders} in: {page.text[:800]}"
        assert form.value("patient")
        return self.visitor.submit(page, "/send/", values={"order": keys, **values})


def rows_of(page: Page) -> dict[str, str]:
    """Order key -> words of its row, for the rows that can be ticked."""
    found: dict[str, str] = {}
    for row in re.findall(r"<tr.*?</tr>", page.body, re.S):
        key = re.search(r'name="order" value="([^"]+)"', row)
        if key:
            found[key[1]] = re.sub(r"<[^>]+>", " ", row)
    return found


class Cy:
    """The patient with a phone. Knows the birth date, reads messages, pays with the sandbox's test card."""

    def __init__(self, live: Live, desk: Desk, *, born: str, phone: str = "", email: str = "") -> None:
        self.live, self.desk, self.visitor = live, desk, Visitor()
        self.born, self.phone, self.email = born, phone, email
        self.chart: Chart = Chart("", born, phone, email, "")

    def address(self) -> str:
        """The newest link in a message to me."""
        link = re.compile(re.escape(self.live.app_url) + r"/l/[A-Z0-9]{26}/?")
        return str(wait_for(lambda: self._newest(link), "a message with a link"))

    def code(self) -> str:
        """The newest one-time code in a message to me."""
        return str(wait_for(lambda: self._newest(re.compile(r"\b\d{6}\b")), "a message with a code"))

    def _newest(self, pattern: re.Pattern[str]) -> str:
        messages = [message for to in (self.phone, self.email) if to for message in self.desk.messages(to)]
        for message in sorted(messages, key=lambda message: str(message.get("at", "")), reverse=True):
            found = pattern.search(message["text"])
            if found:
                return found[0]
        return ""

    def open(self, address: str = "") -> Page:
        return self.visitor.get(address or self.address())

    def say_who(self, page: Page, born: str = "") -> Page:
        year, month, day = (born or self.born).split("-")
        return self.visitor.submit(page, "/l/", values={"month": month, "day": day, "year": year})

    def prove(self, address: str = "") -> Page:
        """Open the link, give the birth date and the code: stands before the order."""
        before = set(self._codes())
        page = self.say_who(self.open(address))
        at(page, "/c/code/")
        code = wait_for(lambda: next((code for code in self._codes() if code not in before), ""), "a new code")
        return self.visitor.submit(page, "", values={"code": code})

    def _codes(self) -> list[str]:
        messages = [message for to in (self.phone, self.email) if to for message in self.desk.messages(to)]
        return [found[0] for message in messages if (found := re.search(r"\b\d{6}\b", message["text"]))]

    def to_payment(self, page: Page, *, plan: bool, ship: dict[str, str] | None = None) -> Page:
        """From the order to the hosted payment page, saying yes to what is asked."""
        page = self.to_pay(page, plan=plan, ship=ship)
        return self.visitor.submit(page, "/c/pay/")

    def to_pay(self, page: Page, *, plan: bool, ship: dict[str, str] | None = None) -> Page:
        """From the order to our own pay page."""
        at(page, "/c/check/")
        choice = {"pay_with": "plan", **ticked(page, "plan_ok")} if plan else {"pay_with": "full"}
        page = at(self.visitor.submit(page, "", values=choice), "/c/price/")
        page = at(self.visitor.submit(page, "/c/price/", values=ticked(page, "agree_")), "/c/where/")
        return at(self.visitor.submit(page, "/c/where/", values=ship or {"place": "file"}), "/c/pay/")

    def pay(self, page: Page, button: str = "pay") -> Page:
        """On the hosted page: press a button (pay, refuse, cancel), and come back."""
        assert "/pay/" in page.url, (page.url, page.text[:400])
        return self.visitor.post(page.url, [("choice", button)])


def ticked(page: Page, name: str) -> dict[str, str]:
    """Every empty box of the page whose name begins so, ticked: a yes for each recipient."""
    found = {box: value for form in page.forms for box, value in form.boxes if box.startswith(name)}
    assert found, f"no box {name!r} on {page.url}: {page.text[:600]}"
    return found


def at(page: Page, path: str) -> Page:
    """The page itself, if it is where it should be."""
    assert page.path == path, f"{page.path} instead of {path} ({page.status}): {page.text[:700]}"
    return page


def wait_for(
    look: Callable[[], Any], what: str, seconds: float = 60.0, *, story: Callable[[], str] = lambda: ""
) -> Any:
    """Look again and again until something is there; says what was awaited when it never came, and then `story`."""
    end = time.monotonic() + seconds
    pause = threading.Event().wait
    while time.monotonic() < end:
        try:
            found = look()
        except urllib.error.URLError:
            found = None
        if found:
            return found
        pause(0.1)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}\n{story()}".rstrip())
