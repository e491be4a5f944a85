"""On a phone, in both languages and in every trouble: the main button is in the first screen, nothing is cut off,
targets can be hit, the focus is on what went wrong. Measured in a real browser."""

import pytest
from playwright.sync_api import Browser

from ehrcommerce.suppliers.ports import EligibilityAnswer
from tests.commerce.checkout.conftest import HTML, METER, METFORMIN, Cy, Shop
from tests.commerce.checkout.screens import PHONE, SITE, phone

MAIN = ".ec-main form .ec-button:not(.ec-button--second):not(.ec-button--plain):not(.ec-button--danger)"
# What a thumb must hit: 44 px; a link inside a sentence is exempt (WCAG 2.5.8), and so is what is not shown.
SMALL = """() => [...document.querySelectorAll('.ec-button, .ec-choice, .ec-input, .ec-select, summary, .ec-head a')]
    .filter(one => one.offsetParent && one.getBoundingClientRect().height < 43.5).map(one => one.outerHTML.slice(0, 90))"""
WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
NAMELESS = """() => [...document.querySelectorAll('input:not([type=hidden]), select')]
    .filter(one => !one.labels.length || !one.labels[0].textContent.trim()).map(one => one.outerHTML)"""
BROKEN = """() => [...document.querySelectorAll('[aria-describedby], a[href^="#"]')].flatMap(one => [
    ...(one.getAttribute('aria-describedby') || '').split(' ').filter(Boolean), ...(one.hash ? [one.hash.slice(1)] : [])])
    .filter(id => !document.getElementById(id))"""


def walk(cy: Cy, language: str) -> dict[str, HTML]:
    """The pages with a main button, and each with its errors."""
    tongue = f"?lang={language}"
    pages = {"who": cy.get(cy.address + tongue), "who-wrong": cy.answer(year="1969")}
    cy.answer()
    pages |= {"code": cy.get("/c/code/"), "code-wrong": cy.post("/c/code/", code="1")}
    cy.post("/c/code/", code=cy.shop.outside.code)
    pages |= {"check": cy.get("/c/check/"), "check-wrong": cy.post("/c/check/", pay_with="plan")}
    cy.shop.outside.payer.answer = EligibilityAnswer("unreachable", "")
    cy.use_plan()
    pages["price-unreachable"] = cy.get("/c/price/")
    cy.shop.outside.payer.answer = EligibilityAnswer("unknown", "2026-11-21")
    cy.post("/c/plan/")
    pages |= {"price-unknown": cy.get("/c/price/"), "price-wrong": cy.post("/c/price/", quote=cy.quote())}
    cy.post("/c/price/", **cy.boxes(), quote=cy.quote())
    pages |= {"where": cy.get("/c/where/"), "where-wrong": cy.post("/c/where/", place="other", state="XX")}
    cy.post("/c/where/", place="file")
    pages["pay"] = cy.get("/c/pay/")
    return {name: page.content for name, page in pages.items()}


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_step_fits_a_phone(browser: Browser, shop: Shop, language: str) -> None:
    cy = Cy(shop, shop.offer(("MET", METFORMIN), ("GLU", METER)))
    pages = walk(cy, language)
    found: list[str] = []
    with phone(browser, pages) as page:
        for name in pages:
            page.goto(f"{SITE}/{name}/")
            assert page.locator("html").get_attribute("lang") == language
            button = page.locator(MAIN).first.bounding_box()
            assert button is not None
            if button["y"] + button["height"] > PHONE["height"]:
                found.append(f"{name}: the main button ends at {button['y'] + button['height']:.0f} px")
            if name.endswith("-wrong") and not page.evaluate("document.activeElement.closest('.ec-summary') !== null"):
                found.append(f"{name}: the focus is not on the error summary")
            if name.split("-")[0] in ("check", "price"):
                no = page.locator("button[form=no]").bounding_box()
                if no is None or no["y"] + no["height"] > PHONE["height"]:
                    found.append(f"{name}: the no is not in the first screen")
            found += [f"{name}: {what} {bad}" for what, check in CHECKS if (bad := page.evaluate(check))]
        page.set_viewport_size({"width": 320, "height": 640})
        for name in pages:
            page.goto(f"{SITE}/{name}/")
            if page.evaluate(WIDE):
                found.append(f"{name}: scrolls sideways at 320 px")
    assert found == []


CHECKS = (("too small:", SMALL), ("scrolls sideways:", WIDE), ("no label:", NAMELESS), ("leads nowhere:", BROKEN))


def test_what_back_puts_into_the_boxes_is_counted(browser: Browser) -> None:
    """The browser restores ticks after the script ran: the words beside them must follow."""
    form = (
        '<!doctype html><script src="/static/js/ehrc.js" defer></script><form><input type="checkbox" name="order">'
        '<output data-count="order" data-zero="none" data-one="one" data-many="{n}"></output></form><a href="/next/">n</a>'
    )
    with phone(browser, {"form": form, "next": "<!doctype html>next"}) as page:
        page.goto(f"{SITE}/form/")
        page.get_by_role("checkbox").check()
        page.goto(f"{SITE}/next/")
        page.go_back()
        page.wait_for_load_state()
        assert page.get_by_role("checkbox").is_checked()
        assert page.locator("output").inner_text() == "one"
