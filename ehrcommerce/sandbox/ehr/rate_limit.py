"""The knob `rate_limit`: so many requests in so many seconds, and the status with which the next one is refused."""

from django.http import HttpResponse

from ehrcommerce.sandbox.ehr import counting
from ehrcommerce.sandbox.ehr.manners import fhir_error
from ehrcommerce.sandbox.ehr.surroundings import here


def reached(endpoint: str) -> HttpResponse | None:
    """The refusal, once the limit of this launch (or of the profile) is reached."""
    limit = here().knobs["rate_limit"]
    if not limit or endpoint not in limit.get("endpoints", ["token", "fhir"]):
        return None
    key = f"{here().counter}|rate|{endpoint}"
    if counting.within(key, seconds=float(limit.get("seconds", 60))) <= int(limit["requests"]):
        return None
    status = int(limit.get("status", 429))
    headers = {"Retry-After": str(limit["retry_after"])} if "retry_after" in limit else {}
    if endpoint == "fhir":
        return fhir_error(status, "Too many requests.", code="throttled", headers=headers)
    return HttpResponse("Too many requests.", status=status, content_type="text/plain", headers=headers)
