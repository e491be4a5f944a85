"""What other FHIR servers do to their answers, from harmless habits to attacks: entries, links, and whole resources.

With all knobs at their usual positions an answer passes as it is, number for number.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from ehrcommerce.sandbox.ehr import fhir_json, fhir_search, fhir_store, knobs, medication_shapes
from ehrcommerce.sandbox.ehr.fhir_interactions import Ask, Reply
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.models import Resource
from ehrcommerce.sandbox.ehr.surroundings import here
from ehrcommerce.sandbox.journal.strangers import stranger_origin

Values = Mapping[str, Any]

BUNDLE: Final = (
    "outcome_entry",
    "next_link",
    "next_origin",
    "strange_entry",
    "duplicate_entries",
    "total",
    "entry",
    "medication",
)
READ: Final = ("read_result", "medication")
WRITE: Final = ("write_result", "write_location")
ALWAYS_MORE: Final = frozenset({"foreign", "protocol_relative", "userinfo", "self", "loop", "endless", "outside"})
OUTCOMES: Final = {
    "4101": "Resource request returns no results.",
    "4119": "This response includes information available to the authorized user at the time of the request.",
}


def turned(ask: Ask, reply: Reply, values: Values) -> Reply:
    """The answer after the knobs."""
    if ask.method in ("POST", "PUT") and not ask.path.endswith("_search"):
        return _write(reply, values) if _is_turned(WRITE, values) else reply
    is_search = reply.text.startswith('{"resourceType":"Bundle"')
    if not reply.text or not _is_turned(BUNDLE if is_search else READ, values):
        return reply
    document = fhir_json.parse_object(reply.text)
    changed = _bundle(ask, document, values) if is_search else _read(document, values)
    return Reply(reply.status, fhir_json.write(changed), reply.headers)


def _is_turned(names: tuple[str, ...], values: Values) -> bool:
    return any(values[name] != knobs.USUAL[name] for name in names)


def _read(resource: Json, values: Values) -> Json:
    match values["read_result"]:
        case "other_id":
            return {**resource, "id": "somebody-else"}
        case "other_type":
            return {**resource, "resourceType": "Observation" if resource["resourceType"] != "Observation" else "Task"}
        case "other_patient":
            return _of_another(resource)
    shaped: Json = medication_shapes.shaped(resource, str(values["medication"]))
    return shaped


def _of_another(resource: Json) -> Json:
    """The same resource in the name of another patient."""
    element = fhir_store.PATIENT_ELEMENT.get(str(resource["resourceType"]))
    return {**resource, element: {"reference": "Patient/another-patient"}} if element else resource


def _bundle(ask: Ask, bundle: Json, values: Values) -> Json:
    shape = str(values["medication"])
    entries = [
        {**entry, "resource": medication_shapes.shaped(entry["resource"], shape)} for entry in bundle.get("entry", [])
    ]
    if values["duplicate_entries"]:
        entries += entries[:]
    entries += [*_strange_entries(entries, ask, values), *_outcome_entries(values)]
    changed = {**bundle, "entry": entries, "link": _links(ask, bundle, values)}
    if values["total"] == "wrong":
        changed["total"] = int(bundle["total"]) + 7
    gone = {name for name in ("total", "entry") if values[name] == "absent"}
    return {name: value for name, value in changed.items() if name not in gone and (name != "entry" or value)}


def _strange_entries(entries: list[Json], ask: Ask, values: Values) -> list[Any]:
    kind = ask.path.split("/")[0]
    match values["strange_entry"]:
        case "other_patient":
            first: Json = entries[0]["resource"] if entries else {"resourceType": kind, "status": "active"}
            odd = _of_another({**first, "id": "entry-of-another-patient"})
        case "other_type":
            odd = {"resourceType": "Observation", "id": "unasked", "status": "final"}
        case "null":
            return [None]
        case "string":
            return ["entry"]
        case _:
            return []
    url = f"{here().fhir_base}/{odd['resourceType']}/{odd['id']}"
    return [{"fullUrl": url, "resource": odd, "search": {"mode": "match"}}]


def _outcome_entries(values: Values) -> list[Json]:
    code = str(values["outcome_entry"])
    if not code:
        return []
    text = OUTCOMES.get(code, "Something to know about this search.")
    coding = {"system": "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369", "code": code, "display": text}
    issue = {
        "severity": "warning",
        "code": "suppressed",
        "details": {"coding": [coding], "text": text},
        "diagnostics": text,
    }
    return [{"resource": {"resourceType": "OperationOutcome", "issue": [issue]}, "search": {"mode": "outcome"}}]


def _links(ask: Ask, bundle: Json, values: Values) -> list[Json]:
    links: list[Json] = bundle["link"]
    form = str(values["next_link"])
    plain = {str(link["relation"]): str(link["url"]) for link in links}
    if values["next_origin"] and "next" in plain:
        return [_moved(link, str(values["next_origin"])) for link in links]
    if form == "normal" or ("next" not in plain and form not in ALWAYS_MORE):
        return links
    kind = ask.path.split("/")[0]
    usual = plain.get("next", f"{here().fhir_base}/{kind}?{urlencode({'_page': 'more'})}")
    others = [link for link in links if link["relation"] != "next"]
    return [*others, {"relation": "next", "url": _next(form, kind, usual, ask)}]


def _moved(link: Json, origin: str) -> Json:
    """A server that does not know by which address it was asked."""
    parts = urlsplit(str(link["url"]))
    return {**link, "url": f"{origin}{parts.path}?{parts.query}"} if link["relation"] == "next" else link


def _next(form: str, kind: str, usual: str, ask: Ask) -> str:
    parts = urlsplit(usual)
    place = f"{parts.path}?{parts.query}"
    match form:
        case "self":
            return f"{here().fhir_base}/{kind}?{ask.query}"
        case "loop" | "endless":
            more = {"turn": secrets.token_hex(4)} if form == "endless" else {}
            params, _ = fhir_search.continued(kind, ask.params)
            return f"{here().fhir_base}/{kind}?{urlencode({'_page': fhir_search.page_token(kind, params, 0, **more)})}"
        case "getpages":
            return f"{here().fhir_base}?{urlencode({'_getpages': dict(parse_qsl(parts.query))['_page']})}"
    forms = {
        "foreign": f"{stranger_origin()}{place}",
        "protocol_relative": f"//{urlsplit(stranger_origin()).netloc}{place}",
        "scheme": f"{'https' if parts.scheme == 'http' else 'http'}://{parts.netloc}{place}",
        "userinfo": f"{parts.scheme}://{parts.netloc}@{urlsplit(stranger_origin()).netloc}{place}",
        "relative": f"{kind}?{parts.query}",
        "root_relative": place,
        "internal_host": f"http://fhir-internal:8080{place}",
        "port_twice": f"{parts.scheme}://{parts.netloc}:{parts.port or 443}{place}",
        "outside": f"{parts.scheme}://{parts.netloc}/elsewhere{place}",
    }
    return forms[form]


def _write(reply: Reply, values: Values) -> Reply:
    headers, text, status = dict(reply.headers), reply.text, reply.status
    if values["write_location"] == "absent":
        headers.pop("Location", None)
    if values["write_location"] == "foreign" and "Location" in headers:
        headers["Location"] = f"{stranger_origin()}{urlsplit(headers['Location']).path}"
    if values["write_result"] == "empty":
        text = ""
    if values["write_result"] == "other_id":
        status, text = 200, _under_other_id(reply)
        headers["Location"] = headers.get("Location", "").replace(_id_of(reply), OTHER_ID)
    return Reply(status, text, headers)


OTHER_ID: Final = "somebody-elses-resource"


def _id_of(reply: Reply) -> str:
    return reply.headers["Location"].partition("/_history/")[0].rpartition("/")[2]


def _under_other_id(reply: Reply) -> str:
    row = Resource.objects.filter(fhir_id=_id_of(reply)).first()
    text = reply.text or (row.text if row else "{}")
    return fhir_json.write({**fhir_json.parse_object(text), "id": OTHER_ID})
