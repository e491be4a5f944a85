"""The EHR's look (`smart_style_url`) as a style sheet of our own: fetched without a token, at the registered origin, of a
small size; only colors and sizes of a known form get through, and every color is moved until text on it can be read
(WCAG 2.2, 1.4.3: 4.5 to 1). What a stranger writes never becomes CSS as it came."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ehrcommerce.ehr import discovery
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.ehr.oneflight import OneFlight
from ehrcommerce.wire.client import ask
from ehrcommerce.wire.errors import WireError
from ehrcommerce.wire.strict import one_object

MAX_BYTES, LIFE_S, AFTER_FAULT_S = 64 * 1024, 3600.0, 300.0
READABLE = 4.5
# A page stays light: the pale grounds of notices are drawn for that.
LIGHTEST_NEEDED = 0.8
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
PALES = tuple((int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)) for text in (
    "f0f0f0", "e7f2fb", "ecf3ec", "faf3d1", "f8eff1",
))  # fmt: skip
_COLOR = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_SIZE = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)(px|rem|em)")
_FONT = re.compile(r"[A-Za-z][A-Za-z0-9 -]{0,40}(, ?[A-Za-z][A-Za-z0-9 -]{0,40}){0,7}")
# Their names -> our custom properties. Colors in the foreground, each readable on every ground of a page.
INKS = {
    "color_text": "--ec-ink", "color_highlight": "--ec-primary", "color_error": "--ec-bad", "color_success": "--ec-good",
}  # fmt: skip
# In pixels, between which values.
SIZES = {"dim_border_radius": ("--ec-radius", 0.0, 16.0), "dim_font_size": ("--ec-size", 15.0, 22.0)}

Rgb = tuple[int, int, int]
_sheets: OneFlight[str] = OneFlight()


def sheet(connection: EhrConnection, url: str) -> str:
    """The style sheet of this address; empty where there is nothing usable. Kept for an hour."""
    if not url or not discovery.is_registered(connection, url):
        return ""
    return _sheets.get((connection.pk, url), lambda: _fetch(connection, url))


def forget() -> None:
    _sheets.clear()


def _fetch(connection: EhrConnection, url: str) -> tuple[str, float]:
    partner = replace(discovery.connection_partner(connection), max_bytes=MAX_BYTES)
    try:
        answer = ask(partner, "GET", url, headers={"Accept": "application/json"})
        said = one_object(answer.body) if answer.ok else {}
    except (WireError, ValueError):
        return "/* none */", AFTER_FAULT_S
    return css(said), LIFE_S


def css(said: Mapping[str, Any]) -> str:
    """One rule of custom properties, made from checked values only."""
    properties = {**_colors(said), **_sizes(said), **_font(said)}
    lines = "".join(f"  {name}: {value};\n" for name, value in sorted(properties.items()))
    return f":root {{\n{lines}}}\n"


def _colors(said: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    ground = _color(said.get("color_background"))
    if ground:
        ground = _lightened(ground)
        found["--ec-ground"] = _hex(ground)
    grounds = (ground or WHITE, WHITE, *PALES)
    for name, ours in INKS.items():
        color = _color(said.get(name))
        if color:
            found[ours] = _hex(_darkened(color, grounds))
    if "--ec-primary" in found:
        primary = _color(found["--ec-primary"]) or BLACK
        found["--ec-primary-dark"], found["--ec-primary-deep"] = (_hex(_mixed(primary, BLACK, by)) for by in (0.3, 0.5))
    return found


def _sizes(said: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name, (ours, low, high) in SIZES.items():
        value = said.get(name)
        match = _SIZE.fullmatch(value) if isinstance(value, str) else None
        if match:
            pixels = float(match[1]) * (1 if match[2] == "px" else 16)
            found[ours] = f"{min(max(pixels, low), high):g}px"
    return found


def _font(said: Mapping[str, Any]) -> dict[str, str]:
    value = said.get("font_family_body")
    plain = value.replace('"', "").replace("'", "") if isinstance(value, str) else ""
    return {"--ec-font": f"{plain}, sans-serif"} if _FONT.fullmatch(plain) else {}


# ----------------------------------------------------------------------------------------------------------- colors
def contrast(one: Rgb, other: Rgb) -> float:
    """WCAG's ratio, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: Rgb) -> float:
    """Relative luminance in sRGB, 0 to 1."""
    parts = [value / 255 for value in color]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _darkened(color: Rgb, grounds: tuple[Rgb, ...]) -> Rgb:
    """The first color on the way to black that can be read on every ground."""
    steps = (_mixed(color, BLACK, step / 20) for step in range(21))
    return next((each for each in steps if all(contrast(each, ground) >= READABLE for ground in grounds)), BLACK)


def _lightened(color: Rgb) -> Rgb:
    steps = (_mixed(color, WHITE, step / 20) for step in range(21))
    return next(each for each in steps if luminance(each) >= LIGHTEST_NEEDED)


def _mixed(color: Rgb, other: Rgb, by: float) -> Rgb:
    red, green, blue = (round(one + (two - one) * by) for one, two in zip(color, other, strict=True))
    return red, green, blue


def _color(value: Any) -> Rgb | None:
    if not isinstance(value, str) or not _COLOR.fullmatch(value):
        return None
    text = value[1:] if len(value) == 7 else "".join(letter * 2 for letter in value[1:])
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def _hex(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
