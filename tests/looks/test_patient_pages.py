"""The patient's pages before the eyes of a machine, in both languages: a few of them in each run, all of them at night. The
pages come from the test client, so that only the looking costs time; tests/browser walks the running system."""

import hashlib
import re

import pytest
from playwright.sync_api import Browser

from ehrcommerce.workbench.rotation import rotating
from tests.commerce.checkout.conftest import HTML, METER, METFORMIN, Cy, Shop
from tests.commerce.checkout.screens import SITE, phone
from tests.commerce.checkout.test_first_screen import walk
from tests.commerce.checkout.test_follow import move, paid
from tests.looks.inspector import AXE, HERE, PATIENT_PX, Inspector

STEPS = (
    "who", "who-wrong", "code", "code-wrong", "check", "check-wrong", "price-unreachable", "price-unknown", "price-wrong",
    "where", "where-wrong", "pay",
)  # fmt: skip
AFTER = (
    "follow", "cancel", "receipt", "receipt-plain", "shared", "data", "data-read", "data-erase", "follow-shipped",
    "follow-delivered", "completed", "unknown", "about-privacy", "about-languages",
)  # fmt: skip


def walk_on(cy: Cy, language: str) -> dict[str, HTML]:
    """After the payment, and beside the way."""
    tongue = f"?lang={language}"
    paid(cy)
    pages = {"follow": cy.get(f"/c/follow/{tongue}"), "receipt-plain": cy.get("/c/receipt/?plain=1")}
    pages |= {name: cy.get(f"/c/{name}/") for name in ("cancel", "receipt", "shared", "data")}
    pages |= {f"data-{name}": cy.get(f"/c/data/{name}/") for name in ("read", "erase")}
    for state in ("accepted", "shipped", "delivered"):
        move(cy, state)
        pages[f"follow-{state}"] = cy.get("/c/follow/")
    pages |= {
        f"about-{name}": cy.get(f"/about/{cy.shop.clinic.public_id}/{name}/{tongue}") for name in ("privacy", "languages")
    }
    pages |= {"completed": cy.get(cy.address + tongue), "unknown": cy.get(f"/l/{'A' * 26}/{tongue}")}
    return {name: page.content for name, page in pages.items()}


def look_at(names: list[str], pages: dict[str, HTML], browser: Browser, language: str) -> None:
    eyes = Inspector()
    with phone(browser, pages) as page:
        for name in names:
            page.goto(f"{SITE}/{name}/")
            eyes.look(f"{name} ({language})", page, speech=language)
    eyes.verdict()


@pytest.mark.parametrize("language", rotating(["en", "es"], keep=1))
def test_each_step_stands_every_check(browser: Browser, shop: Shop, language: str) -> None:
    cy = Cy(shop, shop.offer(("MET", METFORMIN), ("GLU", METER)))
    look_at(rotating(STEPS, keep=3), walk(cy, language), browser, language)


@pytest.mark.parametrize("language", rotating(["es", "en"], keep=1))
def test_each_page_after_the_payment_stands_every_check(browser: Browser, shop: Shop, language: str) -> None:
    cy = Cy(shop, shop.offer(("MET", METFORMIN), ("GLU", METER)))
    look_at(rotating(AFTER, keep=3), walk_on(cy, language), browser, language)


# ---------------------------------------------------------------------------------------------- the eyes are open
BAD = {
    "axe label": '<input class="ec-input" id="nobody">',
    "border below 3:1": '<label class="ec-label" for="a">A</label><input class="ec-input" id="a" data-pale>',
    "px too wide at 320": '<p data-wide>wide</p>',
    "below 44": '<button class="ec-button" data-low>Go</button>',
    "below 24": '<p><a href="#main" data-inline>Back</a></p>',
    "focus is hidden": '<button class="ec-button">Go</button><div data-cover></div>',
    "focus is not drawn": '<button class="ec-button" data-plain>Go</button>',
    "tabindex above 0": '<button class="ec-button" tabindex="3">Go</button>',
    "no border in forced colors": '<button class="ec-button" data-bare>Go</button>',
    "title does not begin": '<div class="ec-summary" tabindex="-1">Please fix this</div>',
    "leads nowhere": '<a class="ec-button" href="#gone">Go</a>',
    "lang is": "",
    "headings of the first level": "<h1>Two</h1>",
    "asks a third party": '<img alt="" src="http://localhost:9/dot.svg">',
}  # fmt: skip
RULES = (
    "[data-pale] { border-color: #ddd; } [data-wide] { width: 900px; } [data-low].ec-button { min-height: 0; height: 30px; }"
    " [data-inline] { display: inline-block; line-height: 1; } [data-cover] { position: fixed; inset: 0; background: #fff; }"
    " [data-plain].ec-button { outline: none !important; } [data-bare].ec-button { border: 0; }"
)


@pytest.mark.parametrize("fault", rotating(sorted(BAD), keep=4))
def test_each_fault_is_seen(browser: Browser, fault: str) -> None:
    """A page with one thing wrong: the check that is for it says so."""
    lang = "de" if fault == "lang is" else "en"
    html = (
        f'<!doctype html><html lang="{lang}" class="ec-patient"><head><meta charset="utf-8"><title>A page</title>'
        f'<link rel="stylesheet" href="/static/css/ehrc.css"><style>{RULES}</style></head>'
        f'<body><main id="main" class="ec-main ec-stack"><h1>One</h1>{BAD[fault]}</main></body></html>'
    )
    eyes = Inspector()
    with phone(browser, {"bad": html}) as page:
        page.goto(f"{SITE}/bad/")
        eyes.look("bad", page, speech="en", least=PATIENT_PX)
    assert any(fault in said for said in eyes.wrong), eyes.wrong


def test_a_page_without_fault_is_let_through(browser: Browser) -> None:
    html = (
        '<!doctype html><html lang="en" class="ec-patient"><head><meta charset="utf-8"><title>A page</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/static/css/ehrc.css"></head><body><main id="main" class="ec-main ec-stack"><h1>One</h1>'
        '<label class="ec-label" for="a">A</label><input class="ec-input" id="a"><button class="ec-button">Go</button>'
        "</main></body></html>"
    )
    eyes = Inspector()
    with phone(browser, {"good": html}) as page:
        page.goto(f"{SITE}/good/")
        eyes.look("good", page, speech="en")
    eyes.verdict()


def test_axe_is_the_file_that_its_page_names() -> None:
    said = (HERE / "vendor" / "README.md").read_text()
    assert re.search(r"SHA-256 \| `(\w+)`", said)[1] == hashlib.sha256(AXE.read_bytes()).hexdigest()  # type: ignore[index]
