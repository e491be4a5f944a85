"""The pages on which an EHR is connected, in a browser at 1280x720: the short name fills itself, what differs is folded
until somebody opens it, nothing is wider than the screen, and nothing breaks the content security policy."""

import secrets

from playwright.sync_api import Page, expect

from ehrcommerce.workbench.live import Live
from tests.admin.live.conftest import Cleo
from tests.admin.live.test_in_browser import picture, window
from tests.journeys.cast import Desk

__all__ = ["window"]


def fits(window: Page) -> bool:
    wide = window.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return bool(wide <= 0)


def test_an_ehr_is_added_tested_and_looked_through(window: Page, live: Live, cleo: Cleo, desk: Desk) -> None:
    complaints: list[str] = []
    window.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    window.on("pageerror", lambda error: complaints.append(str(error)))
    mark = secrets.token_hex(3)
    base = desk.call("POST", "/control/profiles", {"name": f"look-{mark}", "vendor": "epic"})["fhir_base"]
    window.goto(f"{live.app_url}/admin/ehr/ehrconnection/add/")
    picture(window, "connect-1-add")
    window.locator("#id_name").press_sequentially(f"Hill Clinic {mark}")
    expect(window.locator("#id_slug")).to_have_value(f"hill-clinic-{mark}")
    window.get_by_label("Vendor").select_option("epic")
    window.get_by_label("FHIR address").fill(base)
    window.get_by_role("button", name="Save", exact=True).click()
    expect(window.get_by_role("heading", name="For the EHR's administrator")).to_be_visible()
    expect(window.get_by_role("heading", name="No agreement is in force")).to_be_in_viewport()
    assert fits(window)
    picture(window, "connect-2-hand-over")
    window.get_by_role("button", name="Test connection").click()
    expect(window.get_by_text("Sign-ins are issued by")).to_be_visible()
    assert fits(window)
    whole(window, "connect-3-tested")
    window.get_by_role("link", name="Change the connection").click()
    expect(window.get_by_role("button", name="Test connection")).to_be_in_viewport()
    expect(window.locator("#id_nonce_policy")).not_to_be_visible()
    whole(window, "connect-4-change")
    for folded in window.locator("fieldset.collapse summary").all():
        folded.click()
    expect(window.locator("#id_nonce_policy")).to_be_visible()
    assert fits(window)
    whole(window, "connect-5-opened")
    window.get_by_label("Its signatures").fill("none")
    window.get_by_role("button", name="Save", exact=True).click()
    expect(window.get_by_text("Others are never accepted")).to_be_visible()
    picture(window, "connect-6-refused")
    window.goto(f"{live.app_url}/admin/ehr/ehrconnection/")
    assert fits(window)
    picture(window, "connect-7-list")
    assert complaints == []


def whole(window: Page, name: str) -> None:
    """The page below the fold too: a tall window for a moment."""
    window.set_viewport_size({"width": 1280, "height": 2400})
    picture(window, name)
    window.set_viewport_size({"width": 1280, "height": 720})
