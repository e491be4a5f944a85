"""`python3 manage.py screenshots`: all pictures of the docs, made again from the walks that the browser tests take. No
picture is made by hand, so none can show what the software does not do."""

import base64
import os

import pytest
from playwright.sync_api import Page

from ehrcommerce.workbench.environment import ROOT, say
from ehrcommerce.workbench.picture_list import SECTIONS
from ehrcommerce.workbench.pictures import shrink

PICTURES = ROOT / "docs" / "pictures"
# The walk of the test that proves the journey, the administration, and every page beside the way.
WALKS = (
    "tests/journeys/test_browser.py",
    "tests/admin/live/test_in_browser.py",
    "tests/admin/live/test_in_a_minute.py",
    "tests/admin/live/test_gallery_admin.py",
    "tests/browser/test_gallery_clinician.py",
    "tests/browser/test_gallery_patient.py",
)
# The strip of the README: file name and what it shows.
STRIP = (
    ("clinician-orders", "1. Two clicks in the chart"), ("phone-message", "2. A text, no name"),
    ("patient-who", "3. Is this you?"), ("patient-price", "4. Your price"),
    ("patient-pay", "5. Pay"), ("patient-follow-delivered", "6. Delivered"),
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Walk and take pictures, then make them small, and write the strip and the page that shows them all."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    os.environ["EHRC_PICTURES"] = str(PICTURES)
    code = int(pytest.main([*WALKS, "-q", "--nightly", *arguments]))
    if code == 0:
        keep = {name for _, pictures in SECTIONS for picture in pictures for name in picture.files} | {"journey.png"}
        for other in PICTURES.glob("*.png"):
            if other.name not in keep:
                other.unlink()
        finish()
        (ROOT / "docs" / "pictures.md").write_text(page())
        say(f"{len(list(PICTURES.glob('*.png')))} pictures in docs/pictures.")
    return code


def finish() -> None:
    """The strip, and every picture with a palette."""
    from playwright.sync_api import sync_playwright

    from ehrcommerce.workbench import browser

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(browser.find_or_fetch()), args=browser.flags())
        strip(chromium.new_page(viewport={"width": 1800, "height": 500}))
        empty = chromium.new_page()
        for path in sorted(PICTURES.glob("*.png")):
            shrink(empty, path)
        chromium.close()


def strip(sheet: Page) -> None:
    """The whole journey in one picture."""
    figures = "".join(
        f'<figure><img alt="" src="data:image/png;base64,{base64.b64encode((PICTURES / f"{name}.png").read_bytes()).decode()}">'
        f"<figcaption>{words}</figcaption></figure>"
        for name, words in STRIP
    )
    html = (
        "<style>body{margin:0;padding:16px;width:1760px;background:#f0f0f0;font:600 19px system-ui,sans-serif;display:flex;gap:16px}"
        "figure{margin:0}img{height:430px;border:1px solid #565c65;border-radius:6px;background:#fff}figcaption{margin-top:6px}</style>"
        f"{figures}"
    )
    sheet.set_content(html)
    width = int(sheet.evaluate("Math.ceil(document.body.scrollWidth)"))
    sheet.set_viewport_size({"width": width, "height": 500})
    sheet.screenshot(path=str(PICTURES / "journey.png"))


def page() -> str:
    """docs/pictures.md."""
    parts = [
        "# Pictures of every page\n\n"
        "Made by `python3 manage.py screenshots` from the demo data, on the walks that the browser tests take. Each page is"
        " shown at its own size, then at the other one (a phone, 390x844; a desk, 1024x600); patients' pages in English and"
        " in Spanish.\n"
    ]
    for title, pictures in SECTIONS:
        parts.append(f"\n## {title}\n")
        for picture in pictures:
            parts.append(f"\n**{picture.name}**: {picture.shows}\n\n")
            parts.append(" ".join(f"![{picture.shows}](pictures/{name})" for name in picture.files) + "\n")
    return "".join(parts)
