"""The design system keeps its promises: small, alone, and with enough contrast to be seen."""

import gzip
import re
from pathlib import Path

import pytest
from django.conf import settings

STATIC = Path(settings.BASE_DIR) / "static"
CSS = (STATIC / "css/ehrc.css").read_text()
JS = (STATIC / "js/ehrc.js").read_text()
TOKENS = dict(re.findall(r"(--ec-[\w-]+): (#[0-9a-f]{6});", CSS))


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(TOKENS[one]), luminance(TOKENS[other])), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("words", "ground"),
    [
        ("--ec-ink", "--ec-ground"), ("--ec-quiet", "--ec-ground"), ("--ec-quiet", "--ec-shade"),
        ("--ec-quiet", "--ec-primary-pale"), ("--ec-primary", "--ec-ground"), ("--ec-primary", "--ec-primary-pale"),
        ("--ec-on-primary", "--ec-primary"), ("--ec-on-primary", "--ec-primary-dark"), ("--ec-good", "--ec-ground"),
        ("--ec-good", "--ec-good-pale"), ("--ec-warn", "--ec-ground"), ("--ec-warn", "--ec-warn-pale"),
        ("--ec-bad", "--ec-ground"), ("--ec-bad", "--ec-bad-pale"),
    ],
)  # fmt: skip
def test_words_can_be_read(words: str, ground: str) -> None:  # WCAG 1.4.3
    assert contrast(words, ground) >= 4.5


@pytest.mark.parametrize("line", ["--ec-border", "--ec-focus", "--ec-primary", "--ec-bad"])
def test_boxes_and_the_focus_can_be_seen(line: str) -> None:  # WCAG 1.4.11
    assert contrast(line, "--ec-ground") >= 3


def test_a_page_before_the_payment_weighs_less_than_twenty_kilobytes() -> None:
    assert len(gzip.compress(CSS.encode())) <= 12_000
    assert len(JS.encode()) <= 3_000


def test_nothing_is_fetched_from_elsewhere() -> None:
    assert not re.search(r"https?:|@import|@font-face", CSS)
    assert not re.search(r"https?:|eval\(|innerHTML\s*=[^=]", JS)


def test_the_rules_for_focus_targets_colors_and_print_are_there() -> None:
    for rule in ("outline: 4px solid", "--ec-target: 44px", "--ec-box: 24px", "forced-colors: active", "@media print"):
        assert rule in CSS


def test_every_class_in_the_patient_pages_has_a_rule() -> None:
    templates = Path(settings.BASE_DIR) / "templates"
    pages = "".join(
        path.read_text() for part in ("checkout", "components") for path in (templates / part).glob("*.html")
    )
    used = set(re.findall(r"\bec-[a-z][\w-]*", pages))
    ruled = set(re.findall(r"\.(ec-[\w-]+)", CSS))
    patterns = {"ec-button--", "ec-notice--", "ec-tag--"}  # completed by a template's argument
    assert used - ruled - patterns - {"ec-clinic", "ec-field", "ec-item__price", "ec-spin"} == set()
