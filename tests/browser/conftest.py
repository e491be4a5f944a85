"""Browsers for the tests of frames: each with cookie rules of its own, and a third site that nobody registered."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, BrowserType, Page

from ehrcommerce.workbench import browser
from ehrcommerce.workbench.live import Live
from tests.journeys.conftest import ada, database, desk, patient

__all__ = ["ada", "database", "desk", "patient"]

CONTROL_COOKIE = "control"
Browse = Callable[..., BrowserContext]


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """/frame?src= frames an address; /control sets an unpartitioned third-party cookie, so that a test sees whether
    its browser takes those."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        if asked.path == "/control":
            self.send_header("Set-Cookie", f"{CONTROL_COOKIE}=1; Secure; SameSite=None")
        self.end_headers()
        source = parse_qs(asked.query).get("src", [""])[0].replace('"', "%22")
        inside = f'<iframe src="{source}" width="1000" height="500"></iframe>' if source else ""
        self.wfile.write(f"<title>elsewhere</title><h1>elsewhere</h1>{inside}".encode())

    def log_message(self, *words: object) -> None:
        """Quiet."""


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[int]:
    """The port of a site that is not the EHR. On localhost it is another origin than the sandbox, on 127.0.0.1 another
    one than the app."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def browse(
    browser_type: BrowserType, browser_type_launch_args: dict[str, Any], browser_path: Path, tmp_path: Path
) -> Iterator[Callable[..., BrowserContext]]:
    """browse(third_party=True, blocked=[(cookies of, below)]): a new browser with these cookie rules.

    The rules are Chromium's own settings, as a user or an administrator makes them. Pages may come back from memory
    (the back/forward cache), which Playwright switches off by default."""
    if not browser.has_settings(browser_path):
        pytest.fail(
            "A headless shell keeps no cookie settings: install a whole Chromium (apt-get install chromium), or name "
            "one in EHRC_CHROMIUM.",
            pytrace=False,
        )
    with ExitStack() as open_browsers:

        def browse(*, third_party: bool = False, blocked: tuple[tuple[str, str], ...] = ()) -> BrowserContext:
            home = tmp_path / f"browser-{len(list(tmp_path.iterdir()))}"
            (home / "Default").mkdir(parents=True)
            rules = {f"{of},{below}": {"setting": 2} for of, below in blocked}
            profile: dict[str, Any] = {"cookie_controls_mode": 0 if third_party else 1}
            if rules:
                profile["content_settings"] = {"exceptions": {"cookies": rules}}
            (home / "Default" / "Preferences").write_text(json.dumps({"profile": profile}))
            context = browser_type.launch_persistent_context(
                home, **browser_type_launch_args, ignore_default_args=["--disable-back-forward-cache"],
                viewport={"width": 1024, "height": 600}, locale="en-US",
            )  # fmt: skip
            open_browsers.callback(context.close)
            return context

        yield browse


def signed_in(context: BrowserContext, live: Live) -> Page:
    """Ada is signed in to the EHR and sees her patients."""
    page = context.new_page()
    page.goto(f"{live.sandbox_url}/ehr/login")
    page.get_by_role("button", name="Sign in").click()
    return page


def takes_third_party_cookies(context: BrowserContext, elsewhere: int) -> bool:
    """What this browser really does with a cookie of a site that another site frames."""
    page = context.new_page()
    page.goto(f"http://localhost:{elsewhere}/frame?src=http://127.0.0.1:{elsewhere}/control")
    kept = any(cookie["name"] == CONTROL_COOKIE for cookie in context.cookies())
    page.close()
    return kept
