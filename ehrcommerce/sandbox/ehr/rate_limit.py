"""The knob `rate_limit`: so many requests in so many seconds, and the status with which the next one is refused. Either
one limit for the endpoints that it names, counted for each launch, or `{"token": {...}, "fhir": {...}}`, each counted for
the whole EHR."""

from typing import Any

from django.http import HttpResponse

from ehrcommerce.sandbox.ehr import counting
from ehrcommerce.sandbox.ehr.manners import fhir_error
from ehrcommerce.sandbox.ehr.surroundings import here


def reached(endpoint: str) -> HttpResponse | None:
    """The refusal, once the limit of this launch (or of the profile) is reached."""
    limit, counter = _limit(endpoint)
    if not limit:
        return None
    key = f"{counter}|rate|{endpoint}"
    if counting.within(key, seconds=float(limit.get("seconds", 60))) <= int(limit["requests"]):
        return None
    status = int(limit.get("status", 429))
    headers = {"Retry-After": str(limit["retry_after"])} if "retry_after" in limit else {}
    if endpoint == "fhir":
        return fhir_error(status, "Too many requests.", code="throttled", headers=headers)
    return HttpResponse("Too many requests.", status=status, content_type="text/plain", headers=headers)


def _limit(endpoint: str) -> tuple[dict[str, Any], str]:
    found: dict[str, Any] = here().knobs["rate_limit"]
    if "requests" not in found:
        return found.get(endpoint, {}), f"{here().profile}|all"
    return found if endpoint in found.get("endpoints", ["token", "fhir"]) else {}, here().counter
