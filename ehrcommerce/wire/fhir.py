"""Manners of FHIR REST without clinical meaning: reading JSON safely, headers, pages, error codes.

Numbers become text with their own characters (FHIR R4, "decimal": precision is significant); a float would turn
0.50 into 0.5 and 1.10 into 1.1."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from ehrcommerce.wire.client import Answer, Partner, ask, origin
from ehrcommerce.wire.errors import BadAnswer
from ehrcommerce.wire.strict import TextNumbers, one_object

ACCEPT = "application/fhir+json"
MAX_PAGES = 20


class FhirRefused(Exception):
    """The EHR answered that it will not. `status` is its HTTP status; nothing of its text is repeated."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


def read_json(body: bytes, partner: str = "the EHR") -> dict[str, Any]:
    """One JSON object, numbers as text. Duplicate names, NaN, deep nesting and anything else raise BadAnswer."""
    try:
        return one_object(body, TextNumbers)
    except ValueError as problem:
        raise BadAnswer(partner, "the answer is not one sound JSON object") from problem


def get(
    partner: Partner, base: str, path: str, *, bearer: str, params: list[tuple[str, str]] | None = None
) -> dict[str, Any]:
    """GET `base`/`path`. Returns the resource or Bundle; raises FhirRefused for 4xx/5xx and wire.errors."""
    return _object(ask(partner, "GET", join(base, path), params=params, headers=headers(bearer)))


def headers(bearer: str) -> dict[str, str]:
    return {"Accept": ACCEPT, "Authorization": f"Bearer {bearer}"}


def _object(answer: Answer) -> dict[str, Any]:
    if not answer.ok:
        raise FhirRefused(answer.status)
    found = read_json(answer.body, answer.partner)
    if found.get("resourceType") == "OperationOutcome":
        raise FhirRefused(answer.status)
    return found


def join(base: str, path: str) -> str:
    """`path` below `base` and nowhere else: no dots, no second slash, no scheme can lead out of it."""
    if not path or path.startswith("/") or ".." in path or "\\" in path or "%" in path or "://" in path:
        raise BadAnswer("the EHR", "a reference leads out of the EHR")
    return f"{base.rstrip('/')}/{path}"


def entries(
    partner: Partner, base: str, path: str, *, bearer: str, params: list[tuple[str, str]], incomplete: list[str]
) -> Iterator[Mapping[str, Any]]:
    """Every resource of a search, page after page. A next link that leaves this base, repeats itself, or a
    twenty-first page ends the search and puts the path into `incomplete`; the token never follows such a link."""
    bundle, seen = get(partner, base, path, bearer=bearer, params=params), set[str]()
    while True:
        if bundle.get("resourceType") != "Bundle":
            raise BadAnswer(partner.name, "the answer to a search is not a Bundle")
        for entry in _objects(bundle.get("entry")):
            resource, search = entry.get("resource"), entry.get("search")
            mode = search.get("mode") if isinstance(search, dict) else None
            if isinstance(resource, dict) and mode != "outcome" and resource.get("resourceType") != "OperationOutcome":
                yield resource
        following = next_link(bundle, base)
        if following is None:
            return
        if following == "" or following in seen or len(seen) >= MAX_PAGES - 1:
            incomplete.append(path)
            return
        seen.add(following)
        bundle = _object(ask(partner, "GET", following, headers=headers(bearer)))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def next_link(bundle: Mapping[str, Any], base: str) -> str | None:
    """The next page's URL; None where there is none; "" where it must not be followed."""
    links = [link for link in _objects(bundle.get("link")) if link.get("relation") == "next"]
    if not links:
        return None
    try:
        url = urljoin(base.rstrip("/") + "/", str(links[0].get("url", "")))
        parts, home = urlsplit(url), urlsplit(base)
    except ValueError:
        return ""
    if parts.scheme == "http" and origin(base).startswith("https://") and parts.hostname == home.hostname:
        url = "https://" + url.removeprefix("http://")
    root = home.path.rstrip("/")
    inside = origin(url) == origin(base) and (parts.path == root or parts.path.startswith(f"{root}/"))
    return url if inside and ".." not in url and "%2e" not in url.lower() else ""
