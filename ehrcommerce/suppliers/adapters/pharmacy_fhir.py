"""A pharmacy that speaks FHIR R4: one Task for each order, with the prescriptions and the patient inside it.
`base_url` is its FHIR base. The resources are built as fhirclient's models, which check them; the numbers in them are
written with the characters that stood in the chart, which those models cannot do.

| Task.status                      | state of ours                                               |
| requested, received, on-hold     | dispatched                                                  |
| accepted, ready, in-progress     | accepted                                                    |
| completed                        | shipped                                                     |
| rejected                         | refused                                                     |
| cancelled                        | cancelled                                                   |
| failed                           | exception                                                   |
| anything else                    | unknown                                                     |
| businessStatus packed, shipped, delivered, returned | goes before the status where that is accepted or completed |

| answer                           | outcome                                                     |
| 201                              | Done                                                        |
| 200 (If-None-Exist found one)    | Done, if it is for the same things; else NeedsHuman         |
| 412 (it found several)           | NeedsHuman("conflict")                                      |
| 409 to a cancel, 412, 422        | Refused("too_late")                                         |
| others                           | as for every partner (_http_partner.py)                     |

Task.output tells more: `tracking-number`, `carrier`, and `line-rejected` with the product number of a line.

A pharmacist's question: status on-hold with a statusReason whose code is one of ports.QUESTIONS (any other is `other`),
and their words in the output `question`. The prescriber's answer is a JSON Patch that a Task which does not wait any more
refuses: it tests the status, adds the inputs `prescriber-answer` and `prescriber-words`, and sets it to received. An on-hold
without a reason asks nothing: it waits."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

from ehrcommerce.outbox.handlers import LOOKUP
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome, OutcomeUnknown, Refused
from ehrcommerce.suppliers import last_line
from ehrcommerce.suppliers.adapters import _fhir_order
from ehrcommerce.suppliers.adapters._http_partner import HttpPartner, id_of, text_of
from ehrcommerce.suppliers.ports import QUESTION_CHARS, QUESTIONS, SupplyRequest, SupplyStatus
from ehrcommerce.wire.client import Answer, ask

FHIR = "application/fhir+json"
STATUS_OF = {
    "requested": "dispatched", "received": "dispatched", "on-hold": "dispatched", "accepted": "accepted",
    "ready": "accepted", "in-progress": "accepted", "completed": "shipped", "rejected": "refused",
    "cancelled": "cancelled", "failed": "exception",
}  # fmt: skip
BUSINESS = {"packed": "accepted", "shipped": "shipped", "delivered": "delivered", "returned": "returned"}
ASKED, ANSWERED, WORDS = "question", "prescriber-answer", "prescriber-words"
REASONS = {"out_of_stock", "prescription_problem", "address"}


class Adapter(HttpPartner):
    capability = LOOKUP
    sends: ClassVar[Mapping[str, str]] = {
        **_fhir_order.SENDS, "answer": "Fulfiller.answer", "text": "Fulfiller.answer",
    }  # fmt: skip

    def render(self, request: SupplyRequest) -> bytes:
        return _fhir_order.written(request)

    def place(self, body: bytes, *, idempotency_key: str) -> Outcome:
        said = _fhir_order.said(body)
        last_line.require(self.supplier, self.sends, said)
        reference = _fhir_order.reference_in(said)
        headers = {
            **self.headers(), "Content-Type": FHIR, "Prefer": "return=representation",
            "If-None-Exist": f"identifier={quote(_fhir_order.token(reference), safe='')}",
            "Idempotency-Key": idempotency_key,
        }  # fmt: skip
        answer = ask(self.partner, "POST", "Task", headers=headers, body=body)
        if answer.status == 412:
            return NeedsHuman("conflict")
        skus = _fhir_order.skus_in(said)
        return self.outcome_of(answer, lambda found: self._placed(found, reference, skus, new=answer.status == 201))

    def _placed(self, found: Mapping[str, Any], reference: str, skus: list[str], *, new: bool) -> Outcome:
        """What they had already is ours only if it is for the same things."""
        if not new and sorted(_fhir_order.skus_in(found)) != sorted(skus):
            return NeedsHuman("conflict")
        status = self.status_of(found)
        if status.reference != reference:
            raise ValueError("another order")
        return Done(reference=status.supplier_reference, facts={"status": status})

    def headers(self) -> dict[str, str]:
        return {**super().headers(), "Accept": FHIR}

    def find(self, reference: str) -> SupplyStatus | None:
        found = self.read("Task", identifier=_fhir_order.token(reference))
        try:
            tasks = [entry["resource"] for entry in (found or {}).get("entry") or ()]
            mine = [self.status_of(task) for task in tasks if _fhir_order.own_reference(task) == reference]
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise self.unreadable(problem) from problem
        living = [status for status in mine if status.state not in ("refused", "cancelled")]
        return replace(mine[0], copies=max(len(living), 1)) if mine else None

    def cancel(self, supplier_reference: str, *, idempotency_key: str) -> Outcome:
        patch = [{"op": "replace", "path": "/status", "value": "cancelled"}]
        headers = {**self.headers(), "Content-Type": "application/json-patch+json", "Idempotency-Key": idempotency_key}
        path = f"Task/{quote(supplier_reference, safe='')}"
        answer: Answer = ask(self.partner, "PATCH", path, headers=headers, body=json.dumps(patch).encode())
        if answer.status in (409, 412, 422):
            return Refused("too_late")
        return self.outcome_of(answer, lambda found: self._cancelled(found, supplier_reference))

    def _cancelled(self, found: Mapping[str, Any], supplier_reference: str) -> Outcome:
        """A success that shows another status is none: they go on."""
        return Done(reference=supplier_reference) if found["status"] == "cancelled" else Refused("too_late")

    def answer(self, supplier_reference: str, answer: str, text: str, *, idempotency_key: str) -> Outcome:
        """Whoever does not wait any more has its answer, or took one by phone: "no_question"."""
        last_line.require(self.supplier, self.sends, {"answer": answer, "text": text})
        told = [(ANSWERED, answer), *([(WORDS, text)] if text else [])]
        patch = [
            {"op": "test", "path": "/status", "value": "on-hold"},
            *({"op": "add", "path": "/input/-", "value": {"type": {"text": what}, "valueString": said}}
              for what, said in told),
            {"op": "replace", "path": "/status", "value": "received"},
        ]  # fmt: skip
        headers = {**self.headers(), "Content-Type": "application/json-patch+json", "Idempotency-Key": idempotency_key}
        path, body = f"Task/{quote(supplier_reference, safe='')}", json.dumps(patch, ensure_ascii=False).encode()
        sent: Answer = ask(self.partner, "PATCH", path, headers=headers, body=body)
        if sent.status in (409, 412, 422):
            return Refused("no_question")
        return self.outcome_of(sent, lambda found: self._answered(found, supplier_reference))

    def _answered(self, found: Mapping[str, Any], supplier_reference: str) -> Outcome:
        """A success after which they still wait is none that we know."""
        waits = found["status"] == "on-hold"
        return OutcomeUnknown("not_taken") if waits else Done(reference=supplier_reference)

    def read_callback(self, body: Mapping[str, Any]) -> str:
        """A Task, or the common form with our reference."""
        if body.get("resourceType") != "Task":
            return text_of(body.get("reference"))
        try:
            return _fhir_order.own_reference(body)
        except (KeyError, TypeError, AttributeError):
            return ""

    def status_of(self, task: Mapping[str, Any]) -> SupplyStatus:
        """KeyError, TypeError, ValueError or AttributeError where it is not in the agreed form."""
        if task["resourceType"] != "Task":
            raise ValueError("not a Task")
        state = STATUS_OF.get(str(task["status"]), "unknown")
        business = _code(task.get("businessStatus"))
        if state in ("accepted", "shipped") and business:
            state = BUSINESS.get(business, state)
        told = _outputs(task)
        rejected = told.get("line-rejected", [])
        decided = state in ("accepted", "shipped", "delivered", "returned")
        reason = _code(task.get("statusReason"))
        asks = reason if task["status"] == "on-hold" else ""
        return SupplyStatus(
            reference=_fhir_order.own_reference(task), supplier_reference=id_of(task["id"]), state=state,
            reason="" if asks else reason if reason in REASONS else "other" if reason else "",
            carrier=(told.get("carrier") or [""])[-1][:60], tracking_number=(told.get("tracking-number") or [""])[-1],
            accepted={sku: sku not in rejected for sku in _fhir_order.skus_in(task)} if decided else {},
            question=asks if asks in QUESTIONS else "other" if asks else "",
            question_text=_words(task) if asks else "",
        )  # fmt: skip


def _words(task: Mapping[str, Any]) -> str:
    """The pharmacist's own words, of a length that a page holds."""
    said = [one.get("valueString") for one in task.get("output") or () if _code(one.get("type")) == ASKED]
    text = said[-1][:QUESTION_CHARS] if said and isinstance(said[-1], str) else ""
    return "".join(one if one.isprintable() else " " for one in text).strip()


def _code(concept: Any) -> str:
    """The first code of a CodeableConcept, or its text."""
    if not isinstance(concept, Mapping):
        return ""
    codes = [text_of(one.get("code")) for one in concept.get("coding") or ()]
    return next((code for code in codes if code), text_of(concept.get("text")))


def _outputs(task: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in task.get("output") or ():
        found.setdefault(_code(one.get("type")), []).append(text_of(one.get("valueString")))
    return found
