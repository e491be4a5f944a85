"""Batch and transaction Bundles: each entry takes the way of a single request; a transaction is all or nothing."""

from datetime import datetime
from typing import Any

from django.db import transaction

from ehrcommerce.sandbox.ehr import fhir_json
from ehrcommerce.sandbox.ehr.fhir_access import Access
from ehrcommerce.sandbox.ehr.fhir_errors import FhirRefusal, TooEarly
from ehrcommerce.sandbox.ehr.fhir_interactions import Ask, Reply, perform, refused
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.surroundings import here

MAX_ENTRIES = 200
CONDITIONS = {"ifMatch": "If-Match", "ifNoneExist": "If-None-Exist"}


def run(bundle: Json, access: Access, knobs: dict[str, Any], *, at: datetime) -> Reply:
    """The batch-response or transaction-response. Raises FhirRefusal."""
    kind = bundle.get("type")
    entries = bundle.get("entry") or []
    if bundle.get("resourceType") != "Bundle" or kind not in ("batch", "transaction") or not isinstance(entries, list):
        raise FhirRefusal("The body is a Bundle of type batch or transaction.")
    if len(entries) > MAX_ENTRIES:
        raise FhirRefusal(f"At most {MAX_ENTRIES} entries.")
    asks = [_ask(entry) for entry in entries]
    if kind == "transaction":
        with transaction.atomic():
            replies = [perform(ask, access, knobs, at=at) for ask in asks]
    else:
        replies = [_tried(ask, access, knobs, at=at, place=place) for place, ask in enumerate(asks)]
    return Reply(200, _response(kind, replies))


def _ask(entry: Any) -> Ask:
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise FhirRefusal("Each entry has a request with method and url.")
    url = request["url"].removeprefix(f"{here().fhir_base}/")
    path, _, query = url.partition("?")
    headers = {header: str(request[name]) for name, header in CONDITIONS.items() if name in request}
    body = entry.get("resource")
    return Ask(str(request.get("method", "")), path, query, headers, body if isinstance(body, dict) else None)


def _tried(ask: Ask, access: Access, knobs: dict[str, Any], *, at: datetime, place: int) -> Reply:
    try:
        if knobs["batch_entries"] == "busy" or (knobs["batch_entries"] == "every_second_busy" and place % 2):
            raise TooEarly("Too many requests: this entry was not looked at.")
        return perform(ask, access, knobs, at=at)
    except FhirRefusal as refusal:
        return refused(refusal)


def _response(kind: str, replies: list[Reply]) -> str:
    entries = ",".join(map(_entry, replies))
    return f'{{"resourceType":"Bundle","type":"{kind}-response","entry":[{entries}]}}'


def _entry(reply: Reply) -> str:
    response = {"status": str(reply.status)}
    if "ETag" in reply.headers:
        response["etag"] = reply.headers["ETag"]
    if "Location" in reply.headers:
        response["location"] = reply.headers["Location"]
    if reply.status >= 400:
        return f'{{"response":{fhir_json.write(response)[:-1]},"outcome":{reply.text}}}}}'
    resource = f'"resource":{reply.text},' if reply.text else ""
    return f'{{{resource}"response":{fhir_json.write(response)}}}'
