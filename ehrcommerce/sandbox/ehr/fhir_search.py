"""Searches: from parameters to rows, then to a searchset Bundle with pages, included resources and cut elements.

Texts of untouched resources go into the Bundle as they are stored; only cut ones are written anew.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from urllib.parse import urlencode

from django.core import signing
from django.db.models import Q, QuerySet

from ehrcommerce.sandbox.ehr import fhir_elements, fhir_include, fhir_json, fhir_store
from ehrcommerce.sandbox.ehr.fhir_access import Access
from ehrcommerce.sandbox.ehr.fhir_errors import FhirRefusal
from ehrcommerce.sandbox.ehr.models import Resource, Subscriber
from ehrcommerce.sandbox.ehr.surroundings import here

Params = list[tuple[str, str]]
MAX_PAGE: Final = 500
PAGE_SALT: Final = "fhir-page"
PATIENT_PARAMS: Final = frozenset({"patient", "subject", "beneficiary"})
REFERENCE_PARAMS: Final = {"focus": "focus", "based-on": "basedOn", "requester": "requester", "encounter": "encounter"}
MOMENT = re.compile(r"(eq|ge|gt|le|lt)?(\d{4}(?:-\d\d(?:-\d\d(?:T.+)?)?)?)")


@dataclass
class Query:
    """A search as it was asked, sorted by what each parameter is for."""

    type: str
    rows: QuerySet[Resource]
    references: list[tuple[str, list[str]]] = field(default_factory=list)
    include: list[str] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    count: int = 0
    order: str = "id"

    @classmethod
    def read(cls, resource_type: str, params: Params, *, strict: bool = False) -> Self:
        """The meaning of the parameters. Unknown ones are ignored, unless the caller asked for strict handling."""
        query = cls(resource_type, Resource.objects.filter(type=resource_type, deleted=False))
        for name, value in params:
            query._take(name.partition(":")[0], value, strict=strict)
        return query

    def _take(self, name: str, value: str, *, strict: bool) -> None:
        if name in PATIENT_PARAMS:
            self.rows = self.rows.filter(patient__in=[_bare_id(part) for part in value.split(",")])
        elif name in REFERENCE_PARAMS:
            self.references.append((REFERENCE_PARAMS[name], [_relative(part) for part in value.split(",")]))
        elif name in COLUMN_PARAMS:
            self.rows = self.rows.filter(COLUMN_PARAMS[name](value))
        elif name == "url" and self.type == "Subscription":
            names = Subscriber.objects.filter(endpoint=value).values("name")
            self.rows = self.rows.filter(fhir_id__in=names)
        elif not self._shape(name, value) and strict:
            raise FhirRefusal(f"The search parameter {name} is not known for {self.type}.")

    def _shape(self, name: str, value: str) -> bool:
        match name:
            case "_include":
                self.include.append(value)
            case "_elements":
                self.elements += [part.strip() for part in value.split(",") if part.strip()]
            case "_count":
                self.count = _count(value)
            case "_sort":
                self.order = {"_lastUpdated": "last_updated", "-_lastUpdated": "-last_updated"}.get(value, "id")
            case _:
                return name in ("_summary", "_format", "_total", "_pretty")
        return True

    def matches(self) -> list[Resource]:
        """The rows that fit, in order."""
        rows: Iterable[Resource] = self.rows.order_by(self.order, "id")
        for element, wanted in self.references:
            rows = [row for row in rows if _names(fhir_store.content(row).get(element), wanted)]
        return list(rows)


def _bare_id(value: str) -> str:
    return value.rstrip("/").rpartition("/")[2]


def _relative(reference: str) -> str:
    return reference.removeprefix(f"{here().fhir_base}/")


def _names(element: Any, wanted: list[str]) -> bool:
    found = element if isinstance(element, list) else [element]
    references = {str(item.get("reference", "")) for item in found if isinstance(item, dict)}
    return not references.isdisjoint(wanted)


def _count(value: str) -> int:
    if not value.isdecimal():
        raise FhirRefusal("_count is a whole number.")
    return min(int(value), MAX_PAGE)


def _tokens(column: str) -> Callable[[str], Q]:
    return lambda value: Q(**{f"{column}__in": [part.rpartition("|")[2] for part in value.split(",")]})


def _identifier(value: str) -> Q:
    wish = Q()
    for part in value.split(","):
        wish |= Q(identifiers__contains=[part if "|" in part else f"*|{part}"])
    return wish


def _last_updated(value: str) -> Q:
    match = MOMENT.fullmatch(value.replace(" ", "+"))  # a plus that was not escaped arrives as a space
    if not match:
        raise FhirRefusal("_lastUpdated is a date or an instant, with eq, ge, gt, le or lt before it.")
    first, after = _span(match[2])
    match match[1] or "eq":
        case "ge":
            return Q(last_updated__gte=first)
        case "gt":
            return Q(last_updated__gte=after)
        case "le":
            return Q(last_updated__lt=after)
        case "lt":
            return Q(last_updated__lt=first)
    return Q(last_updated__gte=first, last_updated__lt=after)


def _span(text: str) -> tuple[datetime, datetime]:
    """The first moment that a partial date means, and the first one after it."""
    try:
        if len(text) == 4:
            return datetime(int(text), 1, 1, tzinfo=UTC), datetime(int(text) + 1, 1, 1, tzinfo=UTC)
        if len(text) == 7:
            first = datetime(int(text[:4]), int(text[5:]), 1, tzinfo=UTC)
            return first, (first + timedelta(days=32)).replace(day=1)
        moment = datetime.fromisoformat(text)
    except ValueError as mistake:
        raise FhirRefusal("_lastUpdated is not a date.") from mistake
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if len(text) == 10:
        return moment, moment + timedelta(days=1)
    return moment, moment + timedelta(milliseconds=1 if "." in text else 1000)


COLUMN_PARAMS: Final[dict[str, Callable[[str], Q]]] = {
    "_id": _tokens("fhir_id"),
    "status": _tokens("status"),
    "intent": _tokens("intent"),
    "identifier": _identifier,
    "_lastUpdated": _last_updated,
}


def search(resource_type: str, params: Params, access: Access, knobs: dict[str, Any], *, strict: bool = False) -> str:
    """The text of the searchset Bundle. Raises NotPermitted and FhirRefusal."""
    params, offset = continued(resource_type, params)
    heeded = [(name, value) for name, value in params if _is_heeded(resource_type, name, knobs)]
    query = Query.read(resource_type, heeded, strict=strict)
    if limit := access.limit(resource_type, "s"):
        query.rows = query.rows.filter(patient=limit)
    matches = query.matches()
    size = query.count or int(knobs["page_size"])
    page = matches[offset : offset + size]
    included = fhir_include.included(page, query.include, access) if knobs["include"] == "honor" else []
    cut = query.elements if knobs["elements"] != "ignore" else []
    bare = knobs["elements"] == "overtrim"
    entries = [_entry(row, "match", cut, bare=bare) for row in page] + [_entry(row, "include", []) for row in included]
    links = [("self", f"{here().fhir_base}/{resource_type}?{urlencode(params)}")]
    if offset + size < len(matches):
        links.append(("next", _next_link(resource_type, params, offset + size)))
    return _bundle(len(matches), links, entries)


def _is_heeded(resource_type: str, name: str, knobs: dict[str, Any]) -> bool:
    """Whether a parameter has any effect at this EHR; those about the answer have."""
    known = knobs["search_params"].get(resource_type)
    return known is None or name.startswith("_") or name.partition(":")[0] in known


def type_of_page(token: str) -> str:
    """The type of resources on a page that is named without it. Raises FhirRefusal."""
    try:
        return str(signing.loads(token, salt=PAGE_SALT)["type"])
    except signing.BadSignature as mistake:
        raise FhirRefusal("The page is not known. Search again.") from mistake


def page_token(resource_type: str, params: Params, offset: int, **more: str) -> str:
    """What a next link carries."""
    page = {"type": resource_type, "params": params, "offset": offset, **more}
    return signing.dumps(page, salt=PAGE_SALT, compress=True)


def continued(resource_type: str, params: Params) -> tuple[Params, int]:
    """The search that a page belongs to, and where the page begins. Raises FhirRefusal."""
    token = dict(params).get("_page")
    if token is None:
        return params, 0
    try:
        page = signing.loads(token, salt=PAGE_SALT)
    except signing.BadSignature as mistake:
        raise FhirRefusal("The page is not known. Search again.") from mistake
    if page["type"] != resource_type:
        raise FhirRefusal("The page belongs to another search.")
    return [(name, value) for name, value in page["params"]], page["offset"]


def _next_link(resource_type: str, params: Params, offset: int) -> str:
    return f"{here().fhir_base}/{resource_type}?{urlencode({'_page': page_token(resource_type, params, offset)})}"


def _entry(row: Resource, mode: str, elements: Sequence[str], *, bare: bool = False) -> str:
    text = fhir_elements.cut(row, elements, bare=bare) if elements else row.text
    url = fhir_json.write(f"{here().fhir_base}/{row.reference}")
    return f'{{"fullUrl":{url},"resource":{text},"search":{{"mode":"{mode}"}}}}'


def _bundle(total: int, links: list[tuple[str, str]], entries: list[str]) -> str:
    head = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": total,
        "link": [{"relation": relation, "url": url} for relation, url in links],
    }
    text = fhir_json.write(head)
    return f'{text[:-1]},"entry":[{",".join(entries)}]}}' if entries else text
