"""Browsers that keep every byte of every answer of ours: body, headers, cookies, address."""

import http.client
import io
from collections.abc import Mapping
from urllib.parse import urlsplit

from pypdf import PdfReader

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Ada, Cy, Desk
from tests.journeys.visitor import Visitor
from tests.minimization.charts import Chart
from tests.minimization.sinks import Basin

BEFORE = ("/l/", "/c/code/")
# A form that was filled in wrongly and an order that changed meanwhile come back as pages of the same person.
PAGES = (200, 409, 422)


class Watched(Visitor):
    """`pages` names the sink of this person's pages; for a patient the address decides."""

    def __init__(self, basin: Basin, live: Live, pages: str = "") -> None:
        super().__init__()
        self.basin, self.ours, self.pages = basin, urlsplit(live.app_url).netloc, pages

    def _one(self, method: str, url: str, body: str | None, more: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
        parts = urlsplit(url)
        if parts.netloc != self.ours:
            return super()._one(method, url, body, more)
        jar = self.cookies.setdefault(parts.hostname or "", {})
        headers = {"Host": parts.netloc, "Accept": "text/html", "User-Agent": "test visitor", **more}
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=60)
        try:
            connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        cookies = answer.headers.get_all("Set-Cookie") or []
        for line in cookies:
            self._keep(jar, line)
        self._collect(url, answer, content, cookies)
        found = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, found, content.decode("utf-8", "replace")

    def _collect(self, url: str, answer: http.client.HTTPResponse, content: bytes, cookies: list[str]) -> None:
        keep, parts, kind = self.basin.keep, urlsplit(url), answer.headers.get("Content-Type", "")
        keep("addresses", f"{url} -> {answer.headers.get('Location', '')} {answer.headers.get('Refresh', '')}")
        keep("response headers", "\n".join(f"{name}: {value}" for name, value in answer.headers.items()))
        for line in cookies:
            keep("cookies", line)
        if "text/html" not in kind:
            keep("downloads", content + _text_of(content), where=parts.path)
        elif answer.status in PAGES:
            keep(self._place(parts.path), content, where=parts.path)
        else:
            keep("error pages", content, where=parts.path)

    def _place(self, path: str) -> str:
        if self.pages:
            return self.pages
        return "pages before identity" if path.startswith(BEFORE) else "pages of the verified patient"


def _text_of(content: bytes) -> bytes:
    """The words of a PDF, which its streams may break up."""
    if not content.startswith(b"%PDF"):
        return b""
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).encode()


def ada(live: Live, desk: Desk, basin: Basin) -> Ada:
    """The clinician, watched."""
    made = Ada(live, desk)
    made.visitor = Watched(basin, live, "pages of the clinician")
    return made


def cy(live: Live, desk: Desk, basin: Basin, chart: Chart) -> Cy:
    """The person of one chart, watched."""
    made = Cy(live, desk, born=chart.born, phone=chart.phone, email=chart.email)
    made.visitor = Watched(basin, live)
    return made
