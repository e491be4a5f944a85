"""Every page that a clinician can meet, framed by the EHR, reached on the running system and photographed for the docs.
`python3 manage.py screenshots` keeps the pictures; a nightly run only proves that the pages are reached."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from ehrcommerce.workbench.live import Live
from tests.browser.conftest import Browse, signed_in
from tests.browser.gallery import Scene, folder
from tests.journeys.cast import Cy, Desk, wait_for
from tests.journeys.clerk import Clerk
from tests.journeys.database import Database
from tests.journeys.steps import paid, partner_of, references

pytestmark = pytest.mark.nightly
PLACE = re.compile(r"/ehr/c/([\w-]{12})/")


@pytest.fixture
def scene(
    live: Live, desk: Desk, database: Database, browser: Browser, patient: Callable[..., Cy], tmp_path: Path
) -> Iterator[Scene]:
    made = Scene(live, desk, database, browser, patient, folder(tmp_path))
    yield made
    for context in browser.contexts:
        context.close()
    made.eyes.verdict()


def press(scene: Scene, page: Page, cy: Cy) -> FrameLocator:
    """The app's button in this patient's chart."""
    page.goto(f"{scene.live.sandbox_url}/ehr/chart/{cy.chart.patient}/")
    page.get_by_role("button", name="ehrcommerce", exact=True).click()
    app = page.frame_locator("iframe")
    expect(app.locator("h1").first).to_be_visible()
    return app


def tick_and_send(app: FrameLocator) -> None:
    box = app.get_by_role("checkbox").first
    if not box.is_checked():
        box.check()
    app.get_by_role("button", name=re.compile("Send link")).click()


def key_of(page: Page) -> str:
    """The launch in the frame."""
    return next(found[1] for frame in page.frames if (found := PLACE.search(frame.url)))


def test_charts_that_ask_for_something_else(scene: Scene) -> None:
    page, cy = scene.frame(), scene.person("device")
    app = press(scene, page, cy)
    app.get_by_role("link", name="Links", exact=True).click()
    expect(app.get_by_role("heading", name="This patient's links")).to_be_visible()
    scene.take("clinician-links-none", page)
    scene.desk.call("POST", "/control/fhir", {"delete": [cy.chart.orders["device"]]})
    press(scene, page, cy)
    scene.take("clinician-no-orders", page)
    cy = scene.person("device", "kit")
    app = press(scene, page, cy)
    for box in app.get_by_role("checkbox").all():
        box.uncheck()
    app.get_by_role("button", name=re.compile("^Send link")).click()
    expect(app.get_by_text("Choose at least one order").first).to_be_visible()
    scene.take("clinician-nothing-chosen", page)
    cy = scene.person("device")
    scene.desk.put({name: value for name, value in cy.chart.resources[0].items() if name != "telecom"})
    press(scene, page, cy)
    scene.take("clinician-no-contact", page)
    scene.desk.fault(partner="ehr", path="/fhir/R4/ServiceRequest.*", kind="status", status=403, times=9)
    press(scene, page, scene.person("device"))
    scene.take("clinician-one-kind-unread", page)


def test_sent_printed_and_taken_back(scene: Scene) -> None:
    page = scene.frame()
    app = press(scene, page, scene.person("device"))
    tick_and_send(app)
    app.get_by_role("link", name="Print the sheet").click()
    expect(app.get_by_role("heading", name="Sheet to print")).to_be_visible()
    scene.take("clinician-sheet", page)
    app = press(scene, page, scene.person("device"))
    tick_and_send(app)
    app.get_by_role("button", name="Undo").click()
    expect(app.locator("h1").first).to_contain_text(re.compile("link", re.I))
    scene.take("clinician-taken-back", page)


def test_a_pharmacist_asks(scene: Scene) -> None:
    page, cy = scene.frame(), scene.person("prescription")
    order = paid(scene.ada, cy, scene.database, "prescription")
    (reference,) = references(scene.database, order)
    partner = wait_for(lambda: partner_of(scene.desk, reference), "the pharmacy")
    scene.desk.advance(
        partner=partner, reference=reference, to="accepted", question="dose", question_text="Is 500 mg right?"
    )

    def asked() -> bool:
        app = press(scene, page, cy)
        app.get_by_role("link", name="Links", exact=True).click()
        expect(app.get_by_role("heading", name="This patient's links")).to_be_visible()
        return app.get_by_text("has a question").count() > 0

    wait_for(asked, "the question")
    app = page.frame_locator("iframe")
    app.locator("a[href*='/questions/']").first.click()
    expect(app.get_by_text("Is the dose right?").first).to_be_visible()
    scene.take("clinician-question", page)


def test_what_changed_between_list_and_send(scene: Scene) -> None:
    page, cy = scene.frame(), scene.person("prescription")
    app = press(scene, page, cy)
    order = next(dict(each) for each in cy.chart.resources if each["resourceType"] == "MedicationRequest")
    scene.desk.put({**order, "dosageInstruction": [{"text": "Take 2 tablets twice a day"}]})
    tick_and_send(app)
    expect(app.get_by_role("heading", name="The chart changed")).to_be_visible()
    scene.take("clinician-order-changed", page)


def test_two_charts_and_a_launch_that_is_over(scene: Scene) -> None:
    one = scene.frame()
    two = one.context.new_page()
    over = "UPDATE ehr_ehrsession SET ended_at = now() WHERE launch_key = %s RETURNING id"
    press(scene, one, scene.person("device"))
    app = press(scene, two, scene.person("device"))
    scene.database.rows(over, key_of(two))
    tick_and_send(app)
    expect(app.get_by_text("Nothing was sent").first).to_be_visible()
    scene.take("clinician-session-over-stale", two)
    app, other = press(scene, one, scene.person("device")), press(scene, two, scene.person("device"))
    mine = [other.locator(f"#send [name={name}]").input_value() for name in ("patient", "shown")]
    app.locator("#send").evaluate("(form, [key, name]) => { form.patient.value = key; form.shown.value = name; }", mine)
    tick_and_send(app)
    expect(app.get_by_role("heading", name="This page is for another patient")).to_be_visible()
    scene.take("clinician-other-patient", one)
    app = press(scene, one, scene.person("device"))
    scene.database.rows(over, key_of(one))
    app.get_by_role("link", name="Orders", exact=True).click()
    expect(app.get_by_role("heading", name="This launch is over")).to_be_visible()
    scene.take("clinician-session-over", one)
    app = press(scene, one, scene.person("device"))
    app.locator("form[action$='/leave/'] button").click()
    expect(app.get_by_role("heading", name="You are signed out")).to_be_visible()
    scene.take("clinician-launch-left", one)


@pytest.mark.parametrize(
    ("name", "status", "heading"),
    [("unreadable", 500, "The chart did not answer"), ("forbidden", 403, "The EHR did not let us read this chart")],
)
def test_an_ehr_that_does_not_answer(scene: Scene, name: str, status: int, heading: str) -> None:
    scene.desk.fault(partner="ehr", path="/fhir/R4/Patient.*", kind="status", status=status, times=9)
    page = scene.frame()
    app = press(scene, page, scene.person("device"))
    expect(app.get_by_role("heading", name=heading)).to_be_visible()
    scene.take(f"clinician-chart-{name}", page)


def test_an_ehr_that_answers_with_another_patient(scene: Scene) -> None:
    scene.desk.call("POST", "/control/knobs", {"strange_entry": "other_patient"})
    page = scene.frame()
    app = press(scene, page, scene.person("device"))
    expect(app.get_by_role("heading", name="Stopped: a record of another patient")).to_be_visible()
    scene.take("clinician-wrong-patient", page)


def test_launches_that_do_not_begin(scene: Scene, browse: Browse) -> None:
    page = scene.frame()
    page.goto(f"{scene.app}/ehr/launch?iss=https%3A%2F%2Funknown.example%2Ffhir&launch=x")
    scene.take("clinician-unknown-issuer", page)
    base = f"{scene.live.sandbox_url}/fhir/R4"
    page.goto(f"{scene.app}/ehr/launch?iss={base}&launch={'x' * 3000}")
    expect(page.get_by_role("heading", name="Continue to the EHR")).to_be_visible()
    scene.take("clinician-launch-continue", page)
    page.goto(scene.app)
    scene.take("clinician-outside", page)
    page.goto(f"{scene.app}/ehr/nothing-here/")
    scene.take("clinician-not-found", page)
    ehr = signed_in(browse(blocked=((scene.app, scene.live.sandbox_url),)), scene.live)
    app = press(scene, ehr, scene.person("device"))
    expect(app.get_by_role("link", name="Open in a new window")).to_be_visible()
    scene.take("clinician-cookies-blocked", ehr)


def test_a_page_that_a_role_may_not_see(scene: Scene) -> None:
    """Nobody may add to the audit log by hand."""
    clerk = Clerk(scene.live, scene.database)
    context = scene.on({"width": 1280, "height": 720})
    url = scene.app.replace("http:", "https:")
    jar = clerk.visitor.cookies["127.0.0.1"]
    context.add_cookies([{"name": name, "value": value, "url": url} for name, value in jar.items()])
    page = context.new_page()
    answer = page.goto(f"{scene.app}/admin/audit/auditevent/add/")
    assert answer is not None
    assert answer.status == 403
    scene.take("admin-forbidden", page)
