"""Shows pages of the test client to a real Chromium at the size of a phone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from playwright.sync_api import Browser, Page, Route

PHONE = {"width": 390, "height": 844}
SITE = "http://127.0.0.1:9"
STATIC = Path(settings.BASE_DIR) / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@contextmanager
def phone(browser: Browser, pages: dict[str, Any], size: dict[str, int] | None = None) -> Iterator[Page]:
    """A browser in which `SITE/<name>/` is that answer, and the static files are those of the disk."""

    def serve(route: Route) -> None:
        path = urlsplit(route.request.url).path
        file = STATIC / path.removeprefix("/static/")
        if path.startswith("/static/") and file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=KINDS[file.suffix])
        elif path.strip("/") in pages:
            route.fulfill(body=pages[path.strip("/")], content_type="text/html; charset=utf-8")
        else:
            route.fulfill(status=404, body="")

    page = browser.new_page(viewport=size or PHONE)  # type: ignore[arg-type]
    page.route("**/*", serve)
    yield page
    page.close()
