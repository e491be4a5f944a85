"""A browser without pictures: keeps cookies, follows redirects between the two sites, reads forms. Quick enough to walk
the whole journey dozens of times; the real browser walks it in test_browser.py."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit


@dataclass
class Form:
    """One form of a page: where it goes and what it would send, untouched."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[tuple[str, str]] = field(default_factory=list)  # check boxes and radios that are not ticked

    def value(self, name: str) -> str:
        return next((value for key, value in self.fields if key == name), "")

    def with_values(self, values: Mapping[str, str | list[str]]) -> list[tuple[str, str]]:
        kept = [(key, value) for key, value in self.fields if key not in values]
        for key, value in values.items():
            kept += [(key, each) for each in ([value] if isinstance(value, str) else value)]
        return kept


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.by_id: dict[str, Form] = {}
        self.words: list[str] = []
        self.links: list[str] = []
        self._form: Form | None = None
        self._select: tuple[Form | None, str, list[tuple[str, bool]]] | None = None
        self._area: tuple[Form | None, str, list[str]] | None = None
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag in ("script", "style", "title"):
            self._silent += tag != "title"
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
            if given.get("id"):
                self.by_id[given["id"]] = self._form
        form = self.by_id.get(given.get("form", "")) or self._form
        if tag == "input" and form and given.get("name"):
            self._input(form, given)
        if tag == "select" and given.get("name"):
            self._select = (form, given["name"], [])
        if tag == "option" and self._select:
            self._select[2].append((given.get("value", ""), "selected" in given))
        if tag == "textarea" and given.get("name"):
            self._area = (form, given["name"], [])

    @staticmethod
    def _input(form: Form, given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        if kind in ("checkbox", "radio") and "checked" not in given:
            form.boxes.append((given["name"], given.get("value", "on")))
        elif kind not in ("submit", "button", "image") and "disabled" not in given:
            form.fields.append((given["name"], given.get("value", "on" if kind in ("checkbox", "radio") else "")))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._silent -= 1
        if tag == "form":
            self._form = None
        if tag == "select" and self._select:
            form, name, options = self._select
            if form and options:
                form.fields.append((name, next((value for value, chosen in options if chosen), options[0][0])))
            self._select = None
        if tag == "textarea" and self._area:
            form, name, words = self._area
            if form:
                form.fields.append((name, "".join(words)))
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area:
            self._area[2].append(data)
        elif not self._silent and data.strip():
            self.words.append(data.strip())


@dataclass
class Page:
    """What came back, after redirects. `trail` holds every address that was asked."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: str
    trail: list[str]

    def __post_init__(self) -> None:
        self._reader = _Reader()
        self._reader.feed(self.body)

    @property
    def text(self) -> str:
        return " ".join(self._reader.words)

    @property
    def forms(self) -> list[Form]:
        return self._reader.forms

    @property
    def links(self) -> list[str]:
        return self._reader.links

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def form(self, part: str = "") -> Form:
        """The first POST form whose action contains `part`."""
        for form in self.forms:
            if form.method == "post" and part in (form.action or self.url):
                return form
        raise AssertionError(f"no form for {part!r} on {self.url} ({self.status}): {self.text[:600]}")


class Visitor:
    """One person's browser. Cookies by host, Secure or not: both sites are loopback."""

    def __init__(self) -> None:
        self.cookies: dict[str, dict[str, str]] = {}

    def get(self, url: str, *, follow: bool = True, headers: Mapping[str, str] | None = None) -> Page:
        return self._ask("GET", url, None, follow, headers)

    def post(
        self, url: str, fields: list[tuple[str, str]], *, follow: bool = True, headers: Mapping[str, str] | None = None
    ) -> Page:
        return self._ask("POST", url, urlencode(fields), follow, headers)

    def submit(
        self, page: Page, part: str = "", *, values: Mapping[str, str | list[str]] | None = None, follow: bool = True,
        **fields: str | list[str],
    ) -> Page:  # fmt: skip
        """Fill the form whose action contains `part` and send it, as a browser would."""
        form = page.form(part)
        url = urljoin(page.url, form.action) if form.action else page.url
        parts = urlsplit(page.url)
        headers = {"Origin": f"{parts.scheme}://{parts.netloc}", "Sec-Fetch-Site": "same-origin", "Referer": page.url}
        return self.post(url, form.with_values({**(values or {}), **fields}), follow=follow, headers=headers)

    def _ask(self, method: str, url: str, body: str | None, follow: bool, headers: Mapping[str, str] | None) -> Page:
        trail: list[str] = []
        for _ in range(12):
            trail.append(url)
            status, answer, text = self._one(method, url, body, headers or {})
            target = answer.get("location", "")
            if not (follow and status in (301, 302, 303, 307, 308) and target):
                return Page(url, status, answer, text, trail)
            url, method, body, headers = urljoin(url, target), "GET", None, {}
        raise AssertionError(f"redirects without end: {trail}")

    def _one(self, method: str, url: str, body: str | None, more: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
        parts = urlsplit(url)
        host = parts.hostname or ""
        headers = {"Host": parts.netloc, "Accept": "text/html", "User-Agent": "test visitor", **more}
        jar = self.cookies.setdefault(host, {})
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=30)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target or "/", body=body, headers=headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            self._keep(jar, line)
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, text

    @staticmethod
    def _keep(jar: dict[str, str], line: str) -> None:
        pair, *attributes = line.split(";")
        name, _, value = pair.strip().partition("=")
        gone = any(part.strip().lower() == "max-age=0" for part in attributes) or not value.strip('"')
        jar.pop(name, None) if gone else jar.update({name: value})


def query(url: str) -> dict[str, str]:
    """The parameters of a URL, one value each."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
