"""`python3 manage.py screenshots`: all pictures of the docs, made again from the walk that the browser test takes. No
picture is made by hand, so none can show what the software does not do."""

import base64
import os
from pathlib import Path

import pytest

from ehrcommerce.workbench.environment import ROOT, say

PICTURES = ROOT / "docs" / "pictures"
# The strip of the README: file name and what it shows.
STRIP = (
    ("clinician-orders", "1. Two clicks in the chart"), ("phone-message", "2. A text, no name"),
    ("patient-who", "3. Is this you?"), ("patient-price", "4. Your price"),
    ("patient-pay", "5. Pay"), ("patient-follow-delivered", "6. Delivered"),
)  # fmt: skip
PAGES = (
    ("The sandbox EHR", ("ehr-sign-in", "ehr-patients", "ehr-chart", "ehr-chart-told")),
    ("Clinician, 1024x600, framed by the EHR", ("clinician-orders", "clinician-values", "clinician-sent", "clinician-delivered", "clinician-links")),
    (
        "Patient, 390x844",
        (
            "phone-message", "patient-who", "patient-who-wrong", "patient-code", "patient-check", "patient-price",
            "patient-where", "patient-pay", "payment-page", "patient-follow-paid", "patient-follow-shipped",
            "patient-follow-delivered", "patient-receipt", "patient-shared", "patient-follow-es", "patient-link-unknown",
        ),
    ),
    (
        "Administrator, 1280x720",
        (
            "admin-index", "admin-order", "admin-order-cancel", "admin-orders-order", "admin-outbox-effect",
            "admin-catalog-unmappedcode", "admin-catalog-product", "admin-ehr-ehrconnection-one", "admin-audit-auditevent",
            "admin-accounts-user", "admin-offers-offer",
        ),
    ),
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Walk and take pictures, then write the strip and the page that shows them all."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    os.environ["EHRC_PICTURES"] = str(PICTURES)
    code = int(pytest.main(["tests/journeys/test_browser.py", "tests/admin/live/test_in_browser.py", "-q", *arguments]))
    if code == 0:
        keep = {f"{name}.png" for _, names in PAGES for name in names} | {"journey.png"}
        for other in PICTURES.glob("*.png"):
            if other.name not in keep:
                other.unlink()
        strip(PICTURES / "journey.png")
        (ROOT / "docs" / "pictures.md").write_text(page())
        say(f"{len(list(PICTURES.glob('*.png')))} pictures in docs/pictures.")
    return code


def strip(target: Path) -> None:
    """The whole journey in one picture."""
    from playwright.sync_api import sync_playwright

    from ehrcommerce.workbench import browser

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
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(browser.find_or_fetch()), args=browser.flags())
        sheet = chromium.new_page(viewport={"width": 1800, "height": 500})
        sheet.set_content(html)
        width = int(sheet.evaluate("Math.ceil(document.body.scrollWidth)"))
        sheet.set_viewport_size({"width": width, "height": 500})
        sheet.screenshot(path=str(target))
        chromium.close()


def page() -> str:
    """docs/pictures.md."""
    parts = [
        "# Pictures of every page\n\nMade by `python3 manage.py screenshots` from the demo data, on the walk that the browser test takes.\n"
    ]
    for title, names in PAGES:
        parts.append(f"\n## {title}\n\n")
        parts += [
            f"![{name.replace('-', ' ')}](pictures/{name}.png)\n"
            for name in names
            if (PICTURES / f"{name}.png").exists()
        ]
    return "".join(parts)
