"""The EHR's look: what gets through becomes readable, the rest is dropped."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ehrcommerce.accounts.models import Organization
from ehrcommerce.ehr import styles
from tests.ehr.conftest import Browser, page
from tests.ehr.fake_ehr import FakeEhr, as_json

STYLE = "/style.json"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    styles.forget()
    yield
    styles.forget()


def properties(**said: Any) -> dict[str, str]:
    return dict(re.findall(r"  (--ec-[a-z-]+): ([^;]+);", styles.css(said)))


def rgb(text: str) -> styles.Rgb:
    found = styles._color(text)
    assert found
    return found


@pytest.mark.smart("X5")
@pytest.mark.parametrize("ground", ["#ffffff", "#edeae3", "#000000", "#00f", "#ff0000", "#808080"])
@pytest.mark.parametrize("ink", ["#ffffff", "#ffff00", "#303030", "#0f0", "#00aeef", "#808080"])
def test_text_can_be_read_on_every_ground_of_the_page(ground: str, ink: str) -> None:
    found = properties(color_background=ground, color_text=ink, color_highlight=ink, color_error=ink, color_success=ink)
    for name in ("--ec-ink", "--ec-primary", "--ec-bad", "--ec-good", "--ec-primary-dark", "--ec-primary-deep"):
        for other in (rgb(found["--ec-ground"]), styles.WHITE, *styles.PALES):
            assert styles.contrast(rgb(found[name]), other) >= 4.5
    assert styles.contrast(rgb("#565c65"), rgb(found["--ec-ground"])) >= 4.5


def test_a_readable_color_stays_as_it_is() -> None:
    assert properties(color_text="#303030", color_highlight="#005ea2") == {
        "--ec-ink": "#303030", "--ec-primary": "#005ea2", "--ec-primary-dark": "#004271", "--ec-primary-deep": "#002f51",
    }  # fmt: skip
    assert styles.contrast(styles.BLACK, styles.WHITE) == 21


@pytest.mark.smart("X5", "H45")
@pytest.mark.parametrize(
    "value",
    ["red", "expression(alert(1))", "url(https://evil.example)", "#12", "#1234567", "#00f; } body { display: none", "",
     "rgb(0,0,0)", None, 7, ["#000000"], {"a": 1}, "#000000\n", "var(--x)"],
)  # fmt: skip
def test_a_value_of_another_form_is_dropped(value: Any) -> None:
    names = ("color_background", "color_text", "color_highlight", "color_error", "color_success", "dim_border_radius",
             "dim_font_size", "font_family_body", "unknown")  # fmt: skip
    found = properties(**dict.fromkeys(names, value))
    assert set(found) <= ({"--ec-font"} if value == "red" else set())
    assert "evil" not in styles.css(dict.fromkeys(names, value))


@pytest.mark.smart("X5")
def test_sizes_and_fonts_stay_within_bounds() -> None:
    assert properties(dim_font_size="3px", dim_border_radius="900px") == {"--ec-size": "15px", "--ec-radius": "16px"}
    assert properties(dim_font_size="1.2rem", dim_border_radius="6px") == {"--ec-size": "19.2px", "--ec-radius": "6px"}
    assert properties(font_family_body="Georgia, 'Times New Roman'") == {
        "--ec-font": "Georgia, Times New Roman, sans-serif"
    }


def opened(browser: Browser, ehr: FakeEhr) -> str:
    ehr.token = {"smart_style_url": f"{ehr.url}{STYLE}"}
    return str(browser.open()["Location"])


@pytest.mark.smart("X5")
def test_the_page_gets_it_from_ourselves_and_the_ehr_gets_no_token(browser: Browser, ehr: FakeEhr) -> None:
    ehr.replies[STYLE] = as_json({"color_highlight": "#005ea2"})
    place = opened(browser, ehr)
    response = browser.client.get(f"{place}style.css")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/css; charset=utf-8"
    assert "--ec-primary: #005ea2;" in page(response)
    browser.client.get(f"{place}style.css")
    ((_, headers),) = [each for each in ehr.heard if each[0] == STYLE]
    assert "Authorization" not in headers
    assert f'href="{place}style.css"' in page(browser.client.get(f"{place}links/")) or ehr.paths()


@pytest.mark.smart("X5")
def test_only_the_browser_of_the_launch_gets_it(browser: Browser, ehr: FakeEhr) -> None:
    place = opened(browser, ehr)
    assert Browser(ehr, browser.connection).client.get(f"{place}style.css").status_code == 403


@pytest.mark.smart("X5", "H45")
@pytest.mark.parametrize(
    "reply",
    [(404, {}, b""), (500, {}, b""), (200, {}, b"<html>"), (200, {}, b'{"color_text":"' + b"x" * 70_000 + b'"}'),
     (302, {"Location": "https://evil.example/s"}, b""), (200, {}, b"[]"), (200, {"Content-Length": "900"}, b"{")],
)  # fmt: skip
def test_a_style_that_cannot_be_read_costs_nothing_but_itself(
    browser: Browser, ehr: FakeEhr, clinic: Organization, reply: Any
) -> None:
    ehr.replies[STYLE] = reply
    response = browser.client.get(f"{opened(browser, ehr)}style.css")
    assert response.status_code == 200
    assert "--ec" not in page(response)
    assert ehr.paths().count(STYLE) == 1


def test_the_rule_is_one_and_closed() -> None:
    text = styles.css(json.loads('{"color_text": "#303030"}'))
    assert text == ":root {\n  --ec-ink: #303030;\n}\n"
