"""Insurance plans of the demo patients. The end of a member id tells the sandbox payer what to answer: -NC not
covered, -UN unknown, -DN payer cannot be reached; anything else is covered."""

from datetime import date

from . import patients as who
from .shapes import CHART_ONLY, TERMINOLOGY, Resource, concept, days_ago, narrative, ref

CASCADE = ref("Organization/cascade-health-plan", "Cascade Health Plan")
EVERGREEN = ref("Organization/evergreen-mutual", "Evergreen Mutual")
# A payor that is only a name: there is nobody to send an eligibility question to.
NAMELESS = {"display": "Rainier Employees Trust"}


def resources(today: date) -> list[Resource]:
    return [
        _coverage("marisol-cascade", who.MARISOL, "CHP-4471-0142", CASCADE, today),
        _coverage("harold-evergreen", who.HAROLD, "EVG-8830-0152", EVERGREEN, today),
        _coverage("lucia-cascade", who.LUCIA, "CHP-2209-0164", CASCADE, today, holder="spouse"),
        _coverage("joanna-evergreen", who.JOANNA, "EVG-1177-0119", EVERGREEN, today),
        _coverage("joanna-cascade-second", who.JOANNA, "CHP-1177-0119", CASCADE, today, order=2),
        _coverage("edgar-nameless", who.EDGAR, "RET-0001-0029", NAMELESS, today),
        _coverage("noah-cascade", who.NOAH, "CHP-5512-0145", CASCADE, today, holder="child"),
        _coverage("priya-cascade", who.PRIYA, "CHP-6671-0171-NC", CASCADE, today),
        _coverage("tobias-evergreen", who.TOBIAS, "EVG-3345-0182-UN", EVERGREEN, today),
        _coverage("grace-cascade", who.GRACE, "CHP-9920-0193-DN", CASCADE, today),
        _coverage("hector-evergreen-expired", who.HECTOR, "EVG-7012-0126", EVERGREEN, today, ended_days_ago=45),
    ]


def _coverage(
    key: str,
    patient: str,
    member: str,
    payor: Resource,
    today: date,
    *,
    holder: str = "self",
    order: int = 1,
    ended_days_ago: int | None = None,
) -> Resource:
    # A plan that ended keeps `status` active, as it does in most charts: only the period tells.
    end = days_ago(today, ended_days_ago) if ended_days_ago else days_ago(today, -320)
    coverage: Resource = {
        "resourceType": "Coverage",
        "id": key,
        "text": narrative(f"Plan {member}"),
        "status": "active",
        "type": concept(f"{TERMINOLOGY}/v3-ActCode", "EHCPOL", "extended healthcare"),
        "subscriberId": member,
        "beneficiary": ref(f"Patient/{patient}"),
        "relationship": concept(f"{TERMINOLOGY}/subscriber-relationship", holder, holder.capitalize()),
        "period": {"start": days_ago(today, 700), "end": end},
        "payor": [payor],
        "class": [_plan_class(code, name, value) for code, name, value in _CLASSES],
        "order": order,
        "costToBeneficiary": [{"type": {"text": f"{CHART_ONLY} cost"}, "valueMoney": {"value": 20, "currency": "USD"}}],
    }
    if holder == "self":
        coverage["subscriber"] = ref(f"Patient/{patient}")
    return coverage


_CLASSES = (
    ("group", "Group", "GRP-2210"),
    ("plan", "Plan", "PPO-SILVER"),
    ("rxbin", "RX BIN", "990011"),
    ("rxpcn", "RX PCN", "DEMOPCN"),
    ("rxgroup", "RX Group", "DEMORX"),
)


def _plan_class(code: str, name: str, value: str) -> Resource:
    return {"type": concept(f"{TERMINOLOGY}/coverage-class", code, name), "value": value}
