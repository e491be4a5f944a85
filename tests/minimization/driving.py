"""Drives journeys through a running system and notes each branch that really went as it must. A branch that did not is a
failure of the proof: a path that nobody walked proves nothing."""

import json
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Ada, Cy, Desk, at, rows_of, wait_for
from tests.journeys.visitor import Page
from tests.minimization import charts, collecting, visitors
from tests.minimization.accounts import Account
from tests.minimization.charts import Chart, Plan
from tests.minimization.sentinels import Ledger, Mark
from tests.minimization.sinks import STAFF, Basin

PARTNER_OF_KIND = {"prescription": "pharmacy", "device": "devices", "kit": "lab"}
AT_ONCE = 6  # most of a journey is waiting for partners


@dataclass
class Drive:
    """One run. `branches` went well, `failed` did not."""

    live: Live
    desk: Desk
    ledger: Ledger
    basin: Basin = field(default_factory=Basin)
    branches: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _: None
    roles: tuple[str, ...] = STAFF
    staff: dict[str, Account] = field(default_factory=dict)
    console: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    # ------------------------------------------------------------------------------------------------------ the frame
    @contextmanager
    def branch(self, *names: str) -> Iterator[None]:
        """What happens inside is this branch; an error inside is its failure, and the end of its journey."""
        begun = time.monotonic()
        try:
            yield
        except Stopped:
            raise
        except Exception as problem:
            with self._lock:
                self.failed[" + ".join(names)] = f"{type(problem).__name__}: {problem}"[:1500]
            raise Stopped from problem
        with self._lock:
            for name in names:
                self.branches[name] = time.monotonic() - begun

    def run(self, *journeys: Callable[["Drive"], None]) -> None:
        """Several at once; a journey ends at its first branch that fails, the others go on."""

        def one(journey: Callable[[Drive], None]) -> None:
            begun = time.monotonic()
            try:
                journey(self)
            except Stopped:
                pass
            except Exception:
                with self._lock:
                    self.failed[f"journey {journey.__name__}"] = traceback.format_exc()[-1500:]
            self.say(f"{journey.__name__}: {time.monotonic() - begun:.1f} s")

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="journey") as pool:
            list(pool.map(one, journeys))

    # ------------------------------------------------------------------------------------------------------- people
    def chart(self, plan: Plan) -> Chart:
        """Make it and plant it, over HTTP."""
        with self._lock:
            made = charts.chart(self.ledger, plan)
        self.desk.put(*made.resources)
        return made

    def say_of(self, chart: str) -> Callable[[str], str]:
        """Sentinels for what is no element of a resource: headers, error bodies, pages."""

        def say(what: str) -> str:
            mark = Mark("(answer of the EHR)", what, chart, "text")
            with self._lock:
                self.ledger.planted.add((mark.resource, what))
                return self.ledger.text(mark)

        return say

    json = staticmethod(json.dumps)

    def ada(self) -> Ada:
        return visitors.ada(self.live, self.desk, self.basin)

    def cy(self, chart: Chart) -> Cy:
        return visitors.cy(self.live, self.desk, self.basin, chart)

    # -------------------------------------------------------------------------------------------------------- steps
    def launch(self, ada: Ada, chart: Chart, **knobs: Any) -> Page:
        """Into the chart; `knobs` spoil the EHR for this launch alone."""
        wish = {"patient": chart.patient, "user": "ada", "orders": [], "knobs": knobs}
        told = self.desk.call("POST", "/control/launch", wish)
        ada.visitor.cookies.setdefault("localhost", {})[told["cookie"]["name"]] = told["cookie"]["value"]
        return ada.visitor.get(told["url"])

    def send(self, ada: Ada, page: Page, **values: str) -> tuple[Page, str]:
        """Tick everything that can be ticked and send: the page that says so, and the offer's id."""
        keys = list(rows_of(page))
        assert keys, f"nothing can be sent from {page.url}: {page.text[:700]}"
        made = ada.visitor.submit(page, "/send/", values={"order": keys, **values})
        found = re.search(r"/sent/([0-9a-f-]{36})/", made.path)
        assert found, f"not sent ({made.status}): {made.text[:700]}"
        return made, found[1]

    def ordered(self, ada: Ada, chart: Chart) -> tuple[Cy, str, Page]:
        """A link sent and opened by its person, who stands before the order."""
        _, offer = self.send(ada, self.launch(ada, chart))
        cy = self.cy(chart)
        return cy, offer, at(cy.prove(), "/c/check/")

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return collecting.rows(self.live.owner_url, sql, *values)

    def order(self, offer: str) -> dict[str, Any]:
        found = self.rows(
            "SELECT o.* FROM orders_order o JOIN offers_offer f ON f.id = o.offer_id WHERE f.public_id = %s", offer
        )
        return found[0] if found else {}

    def until(self, offer: str, what: str, **wanted: str | tuple[str, ...]) -> dict[str, Any]:
        """Wait until the order of this offer stands so."""

        def look() -> dict[str, Any]:
            order = self.order(offer)
            fits = order and all(
                order[key] in ((value,) if isinstance(value, str) else value) for key, value in wanted.items()
            )
            return order if fits else {}

        def told() -> str:
            order = self.order(offer) or {}
            stands = {key: order.get(key) for key in ("state", "money", "placed_at", "changed_at")}
            return "\n".join([str(stands), *(self.story(str(part["public_id"])) for part in self.parts(offer))])

        found: dict[str, Any] = wait_for(look, f"{what} {wanted}", 30, story=told)
        return found

    def parts(self, offer: str) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT p.public_id, p.kind, p.state FROM fulfillment_fulfillment p JOIN orders_order o ON o.id = p.order_id"
            " JOIN offers_offer f ON f.id = o.offer_id WHERE f.public_id = %s ORDER BY p.id", offer,
        )  # fmt: skip

    def move(self, offer: str, to: str, *, only: str = "") -> None:
        """Let the suppliers of an order work. Its parts are there once the payment's word has come."""

        def wanted() -> list[dict[str, Any]]:
            return [part for part in self.parts(offer) if only in ("", part["kind"])]

        for part in wait_for(wanted, f"the parts of the order {only}", 30, story=lambda: str(self.order(offer))):
            partner, reference = PARTNER_OF_KIND[part["kind"]], str(part["public_id"])
            told = partial(self.story, reference)
            wait_for(partial(self._has, partner, reference), f"{partner} to have the order", 30, story=told)
            self.desk.advance(partner=partner, reference=reference, to=to)

    def story(self, subject: str) -> str:
        """Why something stands still: the effects of its row, and the callbacks about it."""
        effects = self.rows(
            "SELECT kind, state, code, tries, created_at::text, changed_at::text, next_run_at::text FROM outbox_effect"
            " WHERE subject = %s ORDER BY id", subject,
        )  # fmt: skip
        events = self.desk.call("GET", f"/control/callbacks?reference={subject}")["events"]
        return "\n".join(" ".join(str(value) for value in row.values()) for row in [*effects, *events])

    def _has(self, partner: str, reference: str) -> bool:
        return bool(self.desk.call("GET", f"/control/orders?partner={partner}&reference={reference}")["orders"])


class Stopped(Exception):
    """A branch failed, and its journey ends here."""
