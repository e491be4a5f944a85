"""Two patients in two tabs of one browser: in whatever order a clinician goes back and forth between them, each page
shows its own patient and each link goes to the patient of its tab. Over HTTP with one cookie jar, so that all 70 orders
of four steps in each tab can be walked, some of them in each run; two tabs in a real browser are in test_frames.py."""

import itertools
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urljoin

import pytest

from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.rotation import rotating
from tests.journeys.cast import Cy, Desk, rows_of
from tests.journeys.conftest import database, desk, patient
from tests.journeys.database import Database
from tests.journeys.visitor import Page, Visitor

__all__ = ["database", "desk", "patient"]

STEPS = ("launch", "orders", "values", "send")
# The four places of the first tab's steps among all eight: 70 ways.
WAYS = tuple(itertools.combinations(range(2 * len(STEPS)), len(STEPS)))
AT_ONCE = 4  # clinicians who walk at the same time, each with a browser of their own
OFFER = (
    "SELECT o.customer_key, array_agg(l.order_key::text) AS keys FROM offers_offer o"
    " JOIN offers_offerline l ON l.offer_id = o.id WHERE o.public_id = %s GROUP BY o.id"
)

AGO = "UPDATE offers_offer SET created_at = created_at - interval '2 minutes' WHERE public_id = %s RETURNING id"


@dataclass
class Tab:
    """One tab: the chart of one patient, opened by a launch of its own, beside another tab in the same browser."""

    live: Live
    desk: Desk
    browser: Visitor
    own: Cy
    other: Cy
    place: str = ""
    page: Page | None = None
    said: list[str] = field(default_factory=list)

    def launch(self) -> None:
        """Press the app's button; stop where the launch has its address."""
        told = self.desk.call("POST", "/control/launch", {"patient": self.own.chart.patient, "user": "ada"})
        self.browser.cookies.setdefault("localhost", {})[told["cookie"]["name"]] = told["cookie"]["value"]
        url = told["url"]
        while not self.place:
            answer = self.browser.get(url, follow=False)
            url = urljoin(url, answer.headers.get("location", ""))
            assert 300 <= answer.status < 400, (answer.status, answer.text[:300])
            self.place = url if re.search(r"/ehr/c/[\w-]{12}/$", url) else ""

    def orders(self) -> None:
        self.page = self.browser.get(self.place)
        self.look(self.page)

    def values(self) -> None:
        form = self.list.form("/send/")
        headers = {"Origin": self.live.app_url, "Sec-Fetch-Site": "same-origin", "Referer": self.place}
        fields = form.with_values({"order": list(rows_of(self.list))})
        self.look(self.browser.post(f"{self.place}values/", fields, headers=headers))

    def send(self) -> None:
        answer = self.browser.submit(self.list, "/send/", values={"order": list(rows_of(self.list))})
        assert "/sent/" in answer.path, (answer.status, answer.text[:400])
        self.look(answer)
        self.said.append(answer.path.rstrip("/").rpartition("/")[2])

    @property
    def list(self) -> Page:
        """The list of orders as this tab saw it, however long ago."""
        assert self.page is not None
        return self.page

    def look(self, page: Page) -> None:
        """Its own patient is on the page, and nothing of the other."""
        assert page.status == 200, (page.status, page.text[:400])
        assert self.own.chart.family.upper() in page.body.upper()
        assert self.other.chart.family.upper() not in page.body.upper()
        assert f"...{self.own.phone[-4:]}" in page.body
        assert f"...{self.other.phone[-4:]}" not in page.body

    def customer(self) -> str:
        return self.list.form("/send/").value("patient")


def two_tabs(live: Live, desk: Desk, one: Cy, two: Cy) -> tuple[Tab, Tab]:
    browser = Visitor()
    return Tab(live, desk, browser, one, two), Tab(live, desk, browser, two, one)


def walk(way: tuple[int, ...], tabs: tuple[Tab, Tab], database: Database) -> None:
    """One order of all eight steps; then what was sent is looked at from outside."""
    left = [iter(STEPS), iter(STEPS)]
    for place in range(2 * len(STEPS)):
        number = 0 if place in way else 1
        getattr(tabs[number], next(left[number]))()
    assert tabs[0].customer() != tabs[1].customer()
    assert tabs[0].place != tabs[1].place
    for tab in tabs:
        (offer,) = tab.said
        row = database.one(OFFER, offer)
        assert row["customer_key"] == tab.customer()
        assert set(row["keys"]) == set(rows_of(tab.list))
        # Four hands of one person in all 70 orders send more in a minute than a person may: these count as of before.
        database.rows(AGO, offer)


@pytest.mark.smart("H71")
def test_two_patients_in_two_tabs_never_mix(
    live: Live, desk: Desk, database: Database, patient: Callable[..., Cy]
) -> None:
    """Each step of each tab, in all 70 orders of the two by night, in seven of them by day."""
    assert len(set(WAYS)) == 70
    ways = rotating(WAYS, keep=7)
    pairs = [(patient("device"), patient("kit")) for _ in range(AT_ONCE)]

    def clinician(number: int) -> None:
        for way in ways[number::AT_ONCE]:
            try:
                walk(way, two_tabs(live, desk, *pairs[number]), database)
            except AssertionError as mixed:
                raise AssertionError(f"the first tab's steps at {way}: {mixed}") from mixed

    clinician_alone = two_tabs(live, desk, *pairs[0])[0]
    clinician_alone.launch()  # the sandbox makes its signing key at the first launch of all
    with ThreadPoolExecutor(AT_ONCE) as clinicians:
        for done in [clinicians.submit(clinician, number) for number in range(AT_ONCE)]:
            done.result()


@pytest.mark.smart("H71")
@pytest.mark.parametrize("step", ["send", "values"])
def test_a_form_of_one_patient_sent_to_the_other_s_launch_names_both_and_sends_nothing(
    live: Live, desk: Desk, database: Database, patient: Callable[..., Cy], step: str
) -> None:
    """A form that was filled in for one chart and comes to another is refused, whoever mixed them up."""
    mine, others = two_tabs(live, desk, patient("device"), patient("device"))
    for tab in (mine, others):
        tab.launch()
        tab.orders()
    before = database.one("SELECT count(*) AS n FROM offers_offer")
    form = mine.list.form("/send/")
    token = others.list.form("/send/").value("csrfmiddlewaretoken")
    fields = form.with_values({"csrfmiddlewaretoken": token, "order": list(rows_of(mine.list))})
    headers = {"Origin": live.app_url, "Sec-Fetch-Site": "same-origin", "Referer": others.place}
    answer = mine.browser.post(f"{others.place}{step}/", fields, headers=headers)
    assert answer.status == 409, answer.text[:300]
    assert mine.own.chart.family.upper() in answer.text.upper()
    assert others.own.chart.family.upper() in answer.text.upper()
    assert "Nothing was sent" in answer.text
    assert database.one("SELECT count(*) AS n FROM offers_offer") == before


@pytest.mark.smart("H71", "H72")
@pytest.mark.parametrize("step", ["send", "values"])
def test_a_tab_whose_launch_is_over_names_its_patient_and_the_one_who_is_open_now(
    live: Live, desk: Desk, database: Database, patient: Callable[..., Cy], step: str
) -> None:
    """The EHR went on to another chart; the old tab still shows the former one, and somebody presses its button."""
    stale, now = two_tabs(live, desk, patient("device"), patient("device"))
    for tab in (stale, now):
        tab.launch()
        tab.orders()
    key = stale.place.rstrip("/").rpartition("/")[2]
    database.rows("UPDATE ehr_ehrsession SET ended_at = now() WHERE launch_key = %s RETURNING id", key)
    before = database.one("SELECT count(*) AS n FROM offers_offer")
    form = stale.list.form("/send/")
    headers = {"Origin": live.app_url, "Sec-Fetch-Site": "same-origin", "Referer": stale.place}
    fields = form.with_values({"order": list(rows_of(stale.list))})
    answer = stale.browser.post(f"{stale.place}{step}/", fields, headers=headers)
    assert answer.status == 403, answer.text[:300]
    assert f"frame-ancestors {live.sandbox_url}" in answer.headers["content-security-policy"], "seen in the EHR's frame"
    assert stale.own.chart.family.upper() in answer.text.upper()
    assert now.own.chart.family.upper() in answer.text.upper()
    assert "Nothing was sent" in answer.text
    assert database.one("SELECT count(*) AS n FROM offers_offer") == before
    now.send()
