"""Manners of FHIR REST without clinical meaning: reading JSON safely, headers, pages, error codes.

Numbers become text with their own characters (FHIR R4, "decimal": precision is significant); a float would turn
0.50 into 0.5 and 1.10 into 1.1."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from ehrcommerce.wire.client import Answer, Partner, ask, origin
from ehrcommerce.wire.errors import BadAnswer
from ehrcommerce.wire.patience import Patience
from ehrcommerce.wire.strict import TextNumbers, one_object

ACCEPT = "application/fhir+json"
MAX_PAGES = 20
MAX_SEARCH_BYTES = 16 * 1024 * 1024
LATER = (429, 503)  # busy: the only answers after which a reading is tried again
_LEADS_OUT = re.compile(r"\.\.|\\|%2e|%2f|%5c", re.IGNORECASE)
Params = list[tuple[str, str]]


class FhirRefused(Exception):
    """The EHR answered that it will not. `status` is its HTTP status, `wait_s` how long it wants to be left alone;
    nothing of its text is repeated."""

    def __init__(self, status: int, wait_s: int | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.wait_s = status, wait_s


def read_json(body: bytes, partner: str = "the EHR") -> dict[str, Any]:
    """One JSON object, numbers as text. Duplicate names, NaN, deep nesting and anything else raise BadAnswer."""
    try:
        return one_object(body, TextNumbers)
    except ValueError as problem:
        raise BadAnswer(partner, "the answer is not one sound JSON object") from problem


def get(
    partner: Partner,
    base: str,
    path: str,
    *,
    bearer: str,
    params: Params | None = None,
    patience: Patience | None = None,
) -> dict[str, Any]:
    """GET `base`/`path`. Returns the resource or Bundle; raises FhirRefused for 4xx/5xx and wire.errors."""
    return resource_of(_asked(partner, join(base, path), bearer=bearer, params=params, patience=patience))


def _asked(
    partner: Partner, url: str, *, bearer: str, params: Params | None = None, patience: Patience | None = None
) -> Answer:
    """One reading. An EHR that is busy is asked again while the page's patience lasts; nothing but a GET ever is."""
    tries = 1
    while True:
        answer = ask(partner, "GET", url, params=params, headers=headers(bearer))
        if answer.status not in LATER or patience is None:
            return answer
        if not patience.pause(answer.asked_to_wait_s(), tries=tries):
            return answer
        tries += 1


def headers(bearer: str) -> dict[str, str]:
    return {"Accept": ACCEPT, "Authorization": f"Bearer {bearer}"}


def resource_of(answer: Answer) -> dict[str, Any]:
    """The resource of an answer. Raises FhirRefused and BadAnswer; an error's body may be anything and is not read."""
    if not answer.ok:
        raise FhirRefused(answer.status, answer.retry_after_s())
    found = read_json(answer.body, answer.partner)
    if found.get("resourceType") == "OperationOutcome":
        raise FhirRefused(answer.status)
    return found


def join(base: str, path: str) -> str:
    """`path` below `base` and nowhere else: no dots, no second slash, no scheme can lead out of it."""
    if not path or path.startswith("/") or ".." in path or "\\" in path or "%" in path or "://" in path:
        raise BadAnswer("the EHR", "a reference leads out of the EHR")
    return f"{base.rstrip('/')}/{path}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource of a search: what was looked for, or what came along with it."""

    resource: Mapping[str, Any]
    is_match: bool


class Search:
    """One search, page after page. A next link that leaves this base or repeats itself, a twenty-first page or more
    bytes than any chart has end it as not `complete`; the token never follows such a link.

    What came is kept in `found`: where a token ends in the middle, run() with a fresh one goes on at that page."""

    def __init__(
        self, partner: Partner, base: str, path: str, params: Params, *, patience: Patience | None = None
    ) -> None:
        self.found: list[Entry] = []
        self.complete = True
        self._partner, self._base, self._patience = partner, base, patience
        self._next: str | None = join(base, path)
        self._params: Params | None = params
        self._seen: set[str] = set()
        self._bytes = 0

    def run(self, bearer: str) -> None:
        """Read to the end. Raises FhirRefused and wire.errors."""
        while self._next is not None:
            answer = _asked(self._partner, self._next, bearer=bearer, params=self._params, patience=self._patience)
            bundle = resource_of(answer)
            if bundle.get("resourceType") != "Bundle":
                raise BadAnswer(self._partner.name, "the answer to a search is not a Bundle")
            self._bytes += len(answer.body)
            self.found += entries_of(bundle)
            self._turn(next_link(bundle, self._base))

    def _turn(self, following: str | None) -> None:
        """To the next page, or to the end."""
        too_many = len(self._seen) >= MAX_PAGES - 1 or self._bytes > MAX_SEARCH_BYTES
        if following is not None and (following == "" or following in self._seen or too_many):
            self.complete, following = False, None
        self._next, self._params = following, None
        self._seen.add(following or "")


def entries_of(bundle: Mapping[str, Any]) -> list[Entry]:
    """The resources of one page by their mode. What the EHR has to say about the search is none."""
    found = []
    for entry in _objects(bundle.get("entry")):
        resource, search = entry.get("resource"), entry.get("search")
        mode = str(search.get("mode", "")).casefold() if isinstance(search, dict) else ""
        if isinstance(resource, dict) and mode != "outcome" and resource.get("resourceType") != "OperationOutcome":
            found.append(Entry(resource, is_match=mode != "include"))
    return found


def _objects(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def next_link(bundle: Mapping[str, Any], base: str) -> str | None:
    """The next page's URL; None where there is none; "" where it must not be followed."""
    links = [link for link in _objects(bundle.get("link")) if link.get("relation") == "next"]
    if not links:
        return None
    said = links[0].get("url")
    if not isinstance(said, str) or not said.strip():
        return ""
    try:
        url = urljoin(f"{base.rstrip('/')}/", said.strip())
        parts, home = urlsplit(url), urlsplit(base)
        behind_proxy = parts.scheme == "http" and home.scheme == "https" and parts.hostname == home.hostname
        if behind_proxy and parts.port in (None, 80, home.port) and "@" not in parts.netloc:
            # A server behind a proxy does not know that it is asked over TLS.
            parts = parts._replace(scheme="https", netloc=home.netloc)
    except ValueError:
        return ""
    url, root = urlunsplit(parts), home.path.rstrip("/")
    inside = origin(url) == origin(base) and (parts.path == root or parts.path.startswith(f"{root}/"))
    # The query is the EHR's own business; only the path could lead elsewhere.
    return url if inside and not _LEADS_OUT.search(parts.path) else ""
