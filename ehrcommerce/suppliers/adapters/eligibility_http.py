"""A clearinghouse that answers what a plan covers: one question, at most one member, the least data that gets an
answer.

An amount that the plan does not name stays unknown; it never becomes zero."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ehrcommerce.outbox.handlers import NATIVE_KEY
from ehrcommerce.outbox.outcomes import Done, Outcome
from ehrcommerce.policy.packets import CoverageFacts, DispatchFacts
from ehrcommerce.suppliers import last_line
from ehrcommerce.suppliers.adapters._http_partner import HttpPartner, text_of, to_bytes
from ehrcommerce.suppliers.ports import EligibilityAnswer, EligibilityRequest

# Their word for the plan -> (state of our answer, reason). "active" is decided by the items.
PLAN_STATE = {
    "inactive": ("not_covered", "inactive"),
    "not_found": ("unknown", "not_found"),
    "payer_unreachable": ("unreachable", "payer_unreachable"),
}
# X12 271, segment AAA: who can put it right.
AAA_REASON = {"42": "payer_unreachable", "71": "birth_date_mismatch", "72": "member_id", "75": "not_found"}
_PLAN = {"group": "group", "plan": "plan", "rx_bin": "rxbin", "rx_pcn": "rxpcn", "rx_group": "rxgroup"}


class Adapter(HttpPartner):
    capability = NATIVE_KEY
    sends: ClassVar[Mapping[str, str]] = {
        "references": "EligibilityRequest.reference",
        "reference": "EligibilityRequest.reference", "provider_npi": "EligibilityRequest.provider_npi",
        "member_id": "CoverageFacts.member_id", "payer_id": "CoverageFacts.payer_id",
        **last_line.of(CoverageFacts, below="plan.", names={theirs: ours for ours, theirs in _PLAN.items()}),
        **last_line.of(DispatchFacts, below="patient."), "items.line": "EligibilityLine.line_id",
        **{f"items.{name}": f"EligibilityLine.{name}" for name in ("system", "code", "price_cents", "service_type")},
    }  # fmt: skip

    def render(self, request: EligibilityRequest) -> bytes:
        plan = {theirs: value for ours, theirs in _PLAN.items() if (value := getattr(request.plan, ours))}
        person = {"name": request.person.name, "birth_date": request.person.birth_date} if request.person else None
        return to_bytes(
            {
                "reference": request.reference, "member_id": request.plan.member_id, "payer_id": request.plan.payer_id,
                "provider_npi": request.provider_npi, **({"plan": plan} if plan else {}),
                **({"patient": person} if person else {}),
                "items": [
                    {"line": line.line_id, "system": line.system, "code": line.code, "price_cents": line.price_cents,
                     "service_type": line.service_type}
                    for line in request.lines
                ],
            }
        )  # fmt: skip

    def check(self, body: bytes, *, idempotency_key: str) -> Outcome:
        """A payer that cannot be reached is an answer, not a reason to make the patient wait."""
        answer = self.post("eligibility", body, idempotency_key=idempotency_key)
        if answer.status == 503 and self.code_of(answer) == "payer_unreachable":
            return Done(facts={"answer": EligibilityAnswer("unreachable", "", {}, "payer_unreachable")})
        return self.outcome_of(answer, self._read)

    def forget(self, references: Sequence[str], *, idempotency_key: str) -> Outcome:
        return self.told_to_forget("eligibility/erasure", references, idempotency_key=idempotency_key)

    def _read(self, found: Mapping[str, Any]) -> Outcome:
        status, as_of = str(found["status"]), text_of(found.get("as_of"))
        if status != "active":
            state, reason = PLAN_STATE.get(status, ("unknown", "other"))
            return Done(
                facts={"answer": EligibilityAnswer(state, as_of, {}, AAA_REASON.get(text_of(found.get("aaa")), reason))}
            )
        pays: dict[str, int | None] = {}
        for item in found["items"]:
            if item["covered"] is not False:
                pays[text_of(item["line"])] = _cents(item) if item["covered"] is True else None
        state = "covered" if any(value is not None for value in pays.values()) else "unknown" if pays else "not_covered"
        return Done(facts={"answer": EligibilityAnswer(state, as_of, pays)})


def _cents(item: Mapping[str, Any]) -> int | None:
    value = item.get("patient_pays_cents")
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
