"""Signing in to the administration in a browser: password and one-time code, and nothing that the policy stops.
[SEC-B11]"""

import base64
import time

import pytest
from django_otp.oath import TOTP
from playwright.sync_api import Page, expect

from ehrcommerce.workbench.live import Live


def code_of(secret: str) -> str:
    totp = TOTP(base64.b32decode(secret + "=" * (-len(secret) % 8)))
    totp.time = time.time()
    return f"{totp.token():06}"


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser refused to load or run."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
    return heard


def test_an_administrator_signs_in_and_nothing_breaks_the_policy(page: Page, live: Live, complaints: list[str]) -> None:
    page.goto(f"{live.app_url}/admin/")
    page.locator("input[name=username]").fill(live.admin["username"])
    page.locator("input[name=password]").fill(live.admin["password"])
    page.locator("input[name=otp_token]").fill(code_of(live.admin["secret"]))
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#site-name")).to_have_text("ehrcommerce")
    expect(page.locator("#user-tools")).to_be_visible()
    assert complaints == []
