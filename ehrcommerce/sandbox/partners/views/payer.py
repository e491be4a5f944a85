"""The payer answers what a plan covers. The end of the member id chooses the answer: each can be met on purpose."""

import re
from typing import Any

from ehrcommerce.sandbox.partners import checks
from ehrcommerce.sandbox.partners.api import Answer, Call, Refused

NPI = re.compile(r"\d{10}")
SERVICE_TYPES = re.compile(r"88|12|30")
LEAST_CENTS = 400
HIGHEST_PRICE_CENTS = 100_000_000

# End of the member id -> (status of the plan, reject code). The codes are those of X12 271, segment AAA.
PLAN_ANSWERS = {
    "-IN": ("inactive", ""),
    "-75": ("not_found", "75"),
    "-72": ("not_found", "72"),
    "-71": ("not_found", "71"),
    "-42": ("payer_unreachable", "42"),
}
UNREACHABLE, NOT_COVERED, UNKNOWN = "-DN", "-NC", "-UN"


def eligibility(call: Call) -> Answer:
    """One question about one member and up to fifty items."""
    checks.only_keys(call.body, {"reference", "member_id", "plan", "payer_id", "patient", "provider_npi", "items"})
    reference = checks.matching(call.body, "reference", checks.REFERENCE)
    member = checks.text(call.body, "member_id", longest=80)
    checks.text(call.body, "payer_id", longest=80)
    checks.matching(call.body, "provider_npi", NPI)
    checks.optional_object(call.body, "plan")
    checks.optional_object(call.body, "patient")
    items = [_checked(item) for item in checks.objects(call.body, "items", most=50)]
    if member.endswith(UNREACHABLE):
        raise Refused(503, "payer_unreachable", aaa="42")
    status, aaa = PLAN_ANSWERS.get(member[-3:], ("active", ""))
    told = [_told(item, member=member, status=status) for item in items]
    body = {"reference": reference, "status": status, "aaa": aaa, "items": told, "as_of": call.at.isoformat()}
    return Answer(body=body)


def forget(call: Call) -> Answer:
    """Whom some questions were about asked to be forgotten. A plan keeps what it was asked about its own members."""
    checks.references(call.body)
    raise Refused(409, "kept_by_law")


def _checked(item: dict[str, Any]) -> dict[str, Any]:
    checks.only_keys(item, {"line", "system", "code", "price_cents", "service_type"})
    for name in ("line", "system", "code"):
        checks.text(item, name, longest=200)
    checks.matching(item, "service_type", SERVICE_TYPES)
    checks.whole_number(item, "price_cents", least=0, most=HIGHEST_PRICE_CENTS)
    return item


def _told(item: dict[str, Any], *, member: str, status: str) -> dict[str, Any]:
    if status == "inactive" or (status == "active" and member.endswith(NOT_COVERED)):
        return {"line": item["line"], "covered": False, "patient_pays_cents": None}
    if status != "active" or member.endswith(UNKNOWN):
        return {"line": item["line"], "covered": None, "patient_pays_cents": None}
    return {"line": item["line"], "covered": True, "patient_pays_cents": patient_pays_cents(item["price_cents"])}


def patient_pays_cents(price_cents: int) -> int:
    """A quarter, rounded up to the cent; at least four dollars; never more than the price."""
    return min(price_cents, max(LEAST_CENTS, -(-price_cents // 4)))
