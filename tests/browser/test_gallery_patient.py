"""Every page that a patient can meet, reached on the running system and photographed for the docs, in English and in
Spanish. `python3 manage.py screenshots` keeps the pictures; a nightly run only proves that the pages are reached."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from ehrcommerce.workbench.live import Live
from tests.browser.gallery import Scene, born, folder, press
from tests.journeys.cast import Cy, Desk, ticked, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import delivered, order_of, paid, partner_of, references, sent, state

pytestmark = pytest.mark.nightly
NEWEST_LINK = "WHERE id = (SELECT max(id) FROM offers_purchaselink) RETURNING id"
WRONG = "1970-01-01"


@pytest.fixture(params=["en", "es"])
def scene(
    request: pytest.FixtureRequest, live: Live, desk: Desk, database: Database, browser: Browser,
    patient: Callable[..., Cy], tmp_path: Path,
) -> Iterator[Scene]:  # fmt: skip
    made = Scene(live, desk, database, browser, patient, folder(tmp_path), request.param)
    yield made
    for context in browser.contexts:
        context.close()
    made.eyes.verdict()


def test_who_and_code(scene: Scene) -> None:
    cy, page = scene.person(), scene.phone()
    page.goto(sent(scene.ada, cy, "device"))
    scene.take("patient-who", page)
    born(page, WRONG)
    expect(page.locator(".ec-summary")).to_be_visible()
    scene.take("patient-who-wrong", page)
    born(page, cy.born)
    page.wait_for_url("**/c/code/**")
    scene.take("patient-code", page)
    page.locator("[name=code]").fill("000000")
    press(page, "code")
    scene.take("patient-code-wrong", page)
    page.locator("form[action='/c/code/again/'] button").click()
    scene.take("patient-code-again", page)
    for _ in range(8):
        if page.locator("[name=code]").count():
            page.locator("[name=code]").fill("000000")
            press(page, "code")
    expect(page.locator("[name=code]")).to_have_count(0)
    scene.take("patient-link-codes", page)


def test_links_that_lead_no_further(scene: Scene) -> None:
    page = scene.phone()
    page.goto(f"{scene.app}/l/{'A' * 26}/")
    scene.take("patient-link-unknown", page)
    address = sent(scene.ada, scene.person(), "device")
    with scene.changed(
        f"UPDATE offers_purchaselink SET expires_at = now() - interval '1 minute' {NEWEST_LINK}",
        f"UPDATE offers_purchaselink SET expires_at = now() + interval '7 days' {NEWEST_LINK}",
    ):
        page.goto(address)
        scene.take("patient-link-expired", page)
        page.locator("main form button").click()
        expect(page.locator("main form")).to_have_count(0)
        scene.take("patient-link-asked", page)
    cy = scene.person()
    first = sent(scene.ada, cy, "device")
    scene.ada.send(scene.ada.launch(cy.chart.patient), "glucose")
    page.goto(first)
    expect(page.locator("[name=month]")).to_have_count(0)
    scene.take("patient-link-replaced", page)
    address = sent(scene.ada, scene.person(), "device")
    scene.database.rows(
        f"UPDATE offers_purchaselink SET state = 'superseded', end_reason = 'order_changed', ended_at = now() {NEWEST_LINK}"
    )
    page.goto(address)
    expect(page.locator("[name=month]")).to_have_count(0)
    scene.take("patient-link-updated", page)
    ada, cy = scene.ada, scene.person()
    answer = ada.send(ada.launch(cy.chart.patient), "glucose")
    address = cy.address()
    ada.visitor.submit(answer, "/revoke/")
    page.goto(address)
    scene.take("patient-link-revoked", page)
    cy = scene.person()
    address = sent(scene.ada, cy, "device")
    for _ in range(5):
        cy.say_who(cy.open(address), born=WRONG)
    page.goto(address)
    scene.take("patient-link-locked", page)
    page.goto(f"{scene.app}/c/check/")
    scene.take("patient-over", page)


def test_the_order_and_its_payment(scene: Scene) -> None:
    cy = scene.person("device", "kit", member="W100-1")
    step = cy.prove(sent(scene.ada, cy, "device", "kit"))
    page = scene.phone(cy)
    _check(scene, cy, page)
    step = cy.visitor.submit(step, "", values={"pay_with": "plan", **ticked(step, "plan_ok")})
    page.goto(f"{scene.app}/c/price/")
    scene.take("patient-price", page)
    press(page, "quote")
    scene.take("patient-price-missing", page)
    step = cy.visitor.submit(step, "/c/price/", values=ticked(step, "agree_"))
    page.goto(f"{scene.app}/c/where/")
    page.locator("[name=place][value=file]").check()
    scene.take("patient-where", page)
    page.locator("[name=place][value=other]").check()
    press(page, "place")
    scene.take("patient-where-missing", page)
    cy.visitor.submit(step, "/c/where/", values={"place": "file"})
    _pay(scene, cy, page)
    _follow(scene, cy, page)


def _check(scene: Scene, cy: Cy, page: Page) -> None:
    page.goto(f"{scene.app}/c/check/")
    scene.take("patient-check", page)
    press(page, "pay_with")
    scene.take("patient-check-missing", page)


def _pay(scene: Scene, cy: Cy, page: Page) -> None:
    page.goto(f"{scene.app}/c/pay/")
    scene.take("patient-pay", page)
    port = "WHERE port = 'payment' RETURNING id"
    with scene.changed(
        f"UPDATE suppliers_supplier SET active = false {port}", f"UPDATE suppliers_supplier SET active = true {port}"
    ):
        page.locator("form[action='/c/pay/'] button").click()
        scene.take("patient-pay-later", page)
    page.goto(f"{scene.app}/c/pay/")
    page.locator("form[action='/c/pay/'] button").click()
    page.wait_for_url("**/pay/hosted/**")
    page.locator("button[value=refuse]").click()
    page.locator("button[value=give_up]").click()
    page.wait_for_url(f"{scene.app}/c/**")
    scene.take("patient-pay-refused", page)
    page.locator("form[action='/c/pay/'] button").click()
    page.wait_for_url("**/pay/hosted/**")
    page.goto(f"{scene.app}/c/pay/")
    scene.take("patient-pay-open", page)
    page.locator("form[action='/c/pay/'] button").click()
    page.wait_for_url("**/pay/hosted/**")
    hosted = page.url
    order = order_of(scene.database, cy)
    payment = scene.database.rows(
        "SELECT public_id FROM orders_payment WHERE order_id = %s ORDER BY id DESC LIMIT 1", order["id"]
    )[0]
    scene.desk.fault(partner="payment", path="/pay/sessions/.*", method="GET", kind="status", status=503, times=99)
    page.goto(f"{scene.app}/c/return/{payment['public_id']}/")
    scene.take("patient-checking", page)
    scene.desk.no_faults()
    page.goto(hosted)
    page.locator("button[value=pay]").click()
    page.wait_for_url(f"{scene.app}/c/**")
    wait_for(lambda: state(scene.database, order)["money"] == "authorized", "the authorization")


def _follow(scene: Scene, cy: Cy, page: Page) -> None:
    order = order_of(scene.database, cy)
    page.goto(f"{scene.app}/c/follow/")
    scene.take("patient-follow-paid", page)
    for place in ("cancel", "receipt", "shared"):
        page.goto(f"{scene.app}/c/{place}/")
        scene.take(f"patient-{place}", page)
    page.goto(f"{scene.app}/c/receipt/?plain=1")
    scene.take("patient-receipt-plain", page)
    _all_to(scene, cy, "accepted")
    wait_for(lambda: state(scene.database, order)["money"] == "captured", "the capture")
    for status in ("shipped", "delivered"):
        _all_to(scene, cy, status)
        wait_for(partial(_is, scene, order, status), status)
        page.goto(f"{scene.app}/c/follow/")
        scene.take(f"patient-follow-{status}", page)
        if status == "shipped":
            page.goto(f"{scene.app}/c/cancel/")
            scene.take("patient-cancel-late", page)


def _is(scene: Scene, order: dict[str, Any], status: str) -> bool:
    return bool(state(scene.database, order)["state"] == status)


def _all_to(scene: Scene, cy: Cy, status: str) -> None:
    for reference in references(scene.database, order_of(scene.database, cy)):
        partner = wait_for(partial(partner_of, scene.desk, reference), "the supplier")
        scene.desk.advance(partner=partner, reference=reference, to=status)


def test_what_may_become_of_an_order(scene: Scene) -> None:
    cy = scene.person()
    paid(scene.ada, cy, scene.database, "device")
    page = scene.phone(cy)
    page.goto(f"{scene.app}/c/cancel/")
    page.locator("form .ec-button--danger").click()
    wait_for(lambda: state(scene.database, order_of(scene.database, cy))["state"] == "cancelled", "the cancelation")
    page.goto(f"{scene.app}/c/follow/")
    scene.take("patient-follow-canceled", page)
    cy = scene.person()
    scene.desk.fault(partner="devices", path="/devices/orders.*", method="POST", kind="status", status=422, times=1)
    order = paid(scene.ada, cy, scene.database, "device")
    wait_for(lambda: state(scene.database, order)["money"] == "voided", "the money to go back")
    page = scene.phone(cy)
    page.goto(f"{scene.app}/c/follow/")
    scene.take("patient-follow-refused", page)
    cy = scene.person()
    address = sent(scene.ada, cy, "device")
    cy.pay(cy.to_payment(cy.prove(address), plan=False))
    page = scene.phone(cy)
    page.goto(f"{scene.app}/c/shared/")
    press(page, "recipient")
    scene.take("patient-shared-taken-back", page)
    page = scene.phone()
    page.goto(address)
    scene.take("patient-link-completed", page)
    for _ in range(5):
        born(page, WRONG)
        if not page.locator("[name=month]").count():
            break
    scene.take("patient-link-tomorrow", page)


@pytest.mark.parametrize(("name", "member"), [("not-covered", "W1-NC"), ("unknown", "W1-UN"), ("unreachable", "W1-DN")])
def test_what_a_plan_may_say(scene: Scene, name: str, member: str) -> None:
    cy = scene.person(member=member)
    step = cy.prove(sent(scene.ada, cy, "device"))
    cy.visitor.submit(step, "", values={"pay_with": "plan", **ticked(step, "plan_ok")})
    page = scene.phone(cy)
    page.goto(f"{scene.app}/c/price/")
    scene.take(f"patient-price-{name}", page)


def test_a_price_that_changes_before_the_payment(scene: Scene) -> None:
    cy = scene.person()
    cy.to_pay(cy.prove(sent(scene.ada, cy, "device")), plan=False)
    page, newest = scene.phone(cy), "WHERE offer_id = (SELECT max(id) FROM offers_offer) RETURNING id"
    with scene.changed(
        f"UPDATE offers_offerline SET price_cents = price_cents + 500 {newest}",
        f"UPDATE offers_offerline SET price_cents = price_cents - 500 {newest}",
    ):
        page.goto(f"{scene.app}/c/pay/")
        expect(page.locator("form[action='/c/new-price/']")).to_be_visible()
        scene.take("patient-price-changed", page)


def test_no_supplier_and_no(scene: Scene) -> None:
    cy = scene.person()
    step = cy.prove(sent(scene.ada, cy, "device"))
    cy.visitor.submit(step, "", values={"pay_with": "full"})
    page, port = scene.phone(cy), "WHERE port = 'device' RETURNING id"
    with scene.changed(
        f"UPDATE suppliers_supplier SET active = false {port}", f"UPDATE suppliers_supplier SET active = true {port}"
    ):
        page.goto(f"{scene.app}/c/price/")
        scene.take("patient-link-no-supplier", page)
    page.goto(f"{scene.app}/c/check/")
    page.locator("button[form='no'], form[action='/c/no/'] button").click()
    scene.take("patient-said-no", page)


def test_a_helper(scene: Scene) -> None:
    with scene.changed(
        "UPDATE accounts_organization SET helpers = true RETURNING id",
        "UPDATE accounts_organization SET helpers = false RETURNING id",
    ):
        cy = scene.person()
        address = sent(scene.ada, cy, "device")
        page = scene.phone()
        page.goto(address)
        scene.take("patient-who-acts", page)
        page = scene.phone(cy)
        page.goto(address)
        page.locator("[name=acts][value=patient]").check()
        born(page, cy.born)
        page.wait_for_url("**/c/code/**")
        page.locator("[name=code]").fill(cy.code())
        press(page, "code")
        page.wait_for_url("**/c/check/**")
        page.goto(f"{scene.app}/c/helper/")
        expect(page.locator("[name=relation]").first).to_be_attached()
        scene.take("patient-helper", page)


def test_the_clinics_own_pages(scene: Scene) -> None:
    clinic = scene.database.rows("SELECT public_id FROM accounts_organization ORDER BY id LIMIT 1")[0]["public_id"]
    page = scene.phone()
    page.goto(f"{scene.app}/about/{clinic}/privacy/")
    scene.take("patient-about-privacy", page)
    page.get_by_role("contentinfo").get_by_role("link").last.click()
    page.wait_for_url("**/languages/**")
    scene.take("patient-about-languages", page)


def test_a_refill(scene: Scene) -> None:
    """The next fill: its day is brought forward once it is known, and the link comes by itself."""
    cy = scene.person("prescription")
    order = paid(scene.ada, cy, scene.database, "prescription")
    delivered(scene.desk, scene.database, order)
    which = "SELECT public_id FROM ehr_refill WHERE after_id IN (SELECT id FROM orders_orderline WHERE order_id = %s)"
    (known,) = wait_for(lambda: scene.database.rows(which, order["id"]), "the day of the next fill", 150)
    refill, before = str(known["public_id"]), cy.address()
    scene.database.rows("UPDATE ehr_refill SET due_at = now() WHERE public_id = %s RETURNING id", refill)
    brought_forward = (
        "UPDATE outbox_effect SET next_run_at = now() WHERE kind = 'ehr.refill' AND subject = %s RETURNING id"
    )
    scene.database.rows(brought_forward, refill)
    newest = wait_for(lambda: cy.address() != before and cy.address(), "the link to the refill")
    cy.prove(newest)
    page = scene.phone(cy)
    page.goto(f"{scene.app}/c/refill/")
    expect(page.locator("form [name=quote]")).to_be_attached()
    scene.take("patient-refill", page)


def test_your_data(scene: Scene) -> None:
    cy = scene.person()
    cy.prove(sent(scene.ada, cy, "device"))
    page = scene.phone(cy)
    with scene.changed(
        "UPDATE checkout_checkoutsession SET proved_at = now() - interval '11 minutes' RETURNING id",
        "UPDATE checkout_checkoutsession SET proved_at = now() RETURNING id",
    ):
        page.goto(f"{scene.app}/c/data/")
        scene.take("patient-data-prove", page)
    for name, path in (("data", "data/"), ("data-read", "data/read/"), ("data-erase", "data/erase/")):
        page.goto(f"{scene.app}/c/{path}")
        scene.take(f"patient-{name}", page)
    press(page, "guard")
    expect(page.locator("form[action='/c/data/erase/']")).to_have_count(0)
    scene.take("patient-data-erased", page)


def test_what_cannot_be_served(scene: Scene) -> None:
    address, page = sent(scene.ada, scene.person(), "device"), scene.phone()
    page.goto(f"{scene.app}/c/nothing-here/")
    scene.take("error-patient-not-found", page)
    page.goto(address)
    page.evaluate("document.querySelector('[name=guard]').remove()")
    born(page, WRONG)
    scene.take("error-patient-form", page)
    page.goto(address)
    page.evaluate("document.querySelector('form:has([name=month])').action = '/c/follow/'")
    born(page, WRONG)
    scene.take("error-patient-method", page)
    if scene.speech != "en":
        return  # the rest says both languages at once
    page.goto(address)
    many = "for (let i = 0; i < 1500; i++) { const f = document.createElement('input'); f.name = 'x' + i; form.append(f); }"
    page.evaluate(f"{{ const form = document.querySelector('form:has([name=month])'); {many} }}")
    born(page, WRONG)
    scene.take("error-patient-unreadable", page)
    _broken(scene, page, address)


def _broken(scene: Scene, page: Page, address: str) -> None:
    """A database without one of our functions, as after half an update; then one that lets nobody in."""
    name = scene.live.site.database
    _as_owner(scene, "ALTER FUNCTION ehrc_link_of_token RENAME TO ehrc_link_of_token_gone")
    for _ in range(30):
        scene.live.postgres.end_connections(name)  # an open one still knows the function by its number
        page.goto(address)
        if not page.locator("[name=month]").count():
            break
    _as_owner(scene, "ALTER FUNCTION ehrc_link_of_token_gone RENAME TO ehrc_link_of_token")
    expect(page.locator("[name=month]")).to_have_count(0)
    scene.take("error-patient-ours", page)
    server = scene.live.postgres.superuser_url
    with psycopg.connect(server, autocommit=True) as superuser:
        superuser.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        scene.live.postgres.end_connections(name)
        page.goto(address)
        superuser.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    scene.take("error-patient-away", page)


def _as_owner(scene: Scene, statement: str) -> None:
    with psycopg.connect(scene.live.owner_url, autocommit=True) as owner:
        owner.execute(statement.encode())
