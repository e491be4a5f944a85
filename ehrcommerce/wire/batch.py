"""Several readings in one request, for EHRs whose row says that they take a batch. Each entry is answered for itself:
one may be there, one gone, one not permitted, and one too early."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ehrcommerce.wire import fhir
from ehrcommerce.wire.client import Partner, ask
from ehrcommerce.wire.errors import BadAnswer

_STATUS = re.compile(r"\s*(\d{3})\b", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """One entry's answer: its own status, and the resource where there is one."""

    status: int
    resource: Mapping[str, Any]


def read(
    partner: Partner, base: str, wanted: Sequence[tuple[str, fhir.Params]], *, bearer: str
) -> tuple[list[Part], float | None]:
    """One answer for each path of `wanted`, in its order, and how long the EHR asked to wait. It is a POST, so it is
    not sent a second time. Raises FhirRefused where the whole was refused, and wire.errors."""
    body = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": _url(base, path, params)}} for path, params in wanted],
    }
    headers = {**fhir.headers(bearer), "Content-Type": fhir.ACCEPT}
    answer = ask(partner, "POST", base, headers=headers, body=json.dumps(body).encode())
    bundle = fhir.resource_of(answer)
    rows = bundle.get("entry")
    if bundle.get("resourceType") != "Bundle" or not isinstance(rows, list) or len(rows) != len(wanted):
        raise BadAnswer(partner.name, "the answer to a batch does not fit the questions")
    return [_part(row) for row in rows], answer.asked_to_wait_s()


def _url(base: str, path: str, params: fhir.Params) -> str:
    fhir.join(base, path)  # raises where the path leads out
    return f"{path}?{urlencode(params)}" if params else path


def _part(row: Any) -> Part:
    """An entry without a status that can be read answers nothing: 0."""
    entry = row if isinstance(row, dict) else {}
    response, resource = entry.get("response"), entry.get("resource")
    said = _STATUS.match(str(response.get("status", ""))) if isinstance(response, dict) else None
    return Part(int(said[1]) if said else 0, resource if isinstance(resource, dict) else {})
