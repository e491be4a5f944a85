"""What all our HTTP partners have in common: bearer key, JSON, idempotency key, and how an answer becomes an outcome.

| answer            | outcome                                                                        |
| 2xx               | the adapter reads it; unreadable: it may have happened, ask                     |
| 400, 404, 422     | Refused: the same bytes would be refused again                                  |
| 401, 403          | NeedsHuman("not_authorized"): no retry makes a key good                         |
| 409               | by its meaning, in the adapter                                                  |
| 429               | TryAgain, after the partner's Retry-After                                       |
| 5xx, 408          | OutcomeUnknown: ask before sending again; who says 503 may have stored it first  |
|                   | "kept_error" where they say (Idempotent-Replayed) that it is kept under our key |

A partner's free text is never repeated: it becomes one of our codes, or "refused"."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.suppliers import last_line
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.wire.client import Answer, Partner, ask
from ehrcommerce.wire.errors import BadAnswer, NotSent

KNOWN_ERRORS = frozenset(
    {
        "unknown_sku",
        "quantity",
        "address",
        "invalid",
        "unknown_key",
        "out_of_stock",
        "prescription_problem",
        "not_found",
        "too_late",
        "wrong_state",
        "amount_too_large",
        "payer_unreachable",
    }
)
TEXT_LENGTH = 128
Reader = Callable[[Mapping[str, Any]], Outcome]


def to_bytes(value: Mapping[str, Any]) -> bytes:
    """The exact bytes of a request: the same value gives the same bytes, today and at the tenth try."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class HttpPartner:
    """One partner, reached below its `base_url`. `sends`: which field of the table stands where in its bodies; nothing
    else goes out (suppliers/last_line.py)."""

    sends: ClassVar[Mapping[str, str]] = {}

    def __init__(self, supplier: Supplier, partner: Partner) -> None:
        self.supplier = supplier
        self.partner = partner

    def headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "Authorization": f"Bearer {self.supplier.api_key}"}

    def post(self, path: str, body: bytes, *, idempotency_key: str) -> Answer:
        """Raises FieldNotGranted where the body says more than this hop may know."""
        last_line.require(self.supplier, self.sends, body)
        headers = {**self.headers(), "Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        return ask(self.partner, "POST", path, headers=headers, body=body)

    def told_to_forget(self, path: str, references: Sequence[str], *, idempotency_key: str) -> Outcome:
        """What these were about was asked to be forgotten. A 409 says that a law makes them keep it: told all the same. A
        partner without this address is told by a person."""
        answer = self.post(path, to_bytes({"references": list(references)}), idempotency_key=idempotency_key)
        if answer.status in (404, 405, 501):
            return NeedsHuman("tell_by_hand")
        return self.outcome_of(answer, lambda _: Done(), conflict=lambda _: Done())

    def read(self, path: str, **params: str) -> dict[str, Any] | None:
        """GET; None for 404. A read has no effect, so whatever goes wrong with it may simply be tried again."""
        answer = ask(self.partner, "GET", path, headers=self.headers(), params=params)
        if answer.status == 404:
            return None
        if not answer.ok:
            raise NotSent(self.partner.name, f"HTTP {answer.status}")
        return self.object_of(answer)

    def object_of(self, answer: Answer) -> dict[str, Any]:
        """The JSON object of an answer. BadAnswer where it is something else."""
        value = answer.json()
        if not isinstance(value, dict):
            raise BadAnswer(self.partner.name, "the answer is not a JSON object")
        return value

    def outcome_of(self, answer: Answer, read: Reader, *, conflict: Reader | None = None) -> Outcome:
        """The table above. `conflict` says what a 409 means; without it a 409 is a refusal."""
        if answer.ok:
            return self._careful(read, answer)
        if answer.status == 409 and conflict is not None:
            return self._careful(conflict, answer)
        if answer.status in (400, 404, 409, 422):
            return Refused(self.code_of(answer))
        if answer.status in (401, 403):
            return NeedsHuman("not_authorized")
        if answer.status == 429:
            return TryAgain("partner_busy", after_s=answer.retry_after_s())
        if answer.status == 408 or answer.status >= 500:
            kept = answer.headers.get("idempotent-replayed") == "true"
            return OutcomeUnknown("kept_error" if kept else "partner_failed")
        return NeedsHuman("unexpected_answer")

    def _careful(self, read: Reader, answer: Answer) -> Outcome:
        """A success that cannot be read is no success and no failure either."""
        try:
            return read(self.object_of(answer))
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise BadAnswer(self.partner.name, "the answer is not in the agreed form") from problem

    def code_of(self, answer: Answer) -> str:
        """A code of ours for the partner's refusal."""
        try:
            code = self.object_of(answer).get("error")
        except BadAnswer:
            return "refused"
        return code if code in KNOWN_ERRORS else "refused"

    def unreadable(self, problem: Exception) -> BadAnswer:
        error = BadAnswer(self.partner.name, "the answer is not in the agreed form")
        error.__cause__ = problem
        return error


def text_of(value: Any) -> str:
    """A short text from a partner, or nothing. Without what no column and no page can hold: NUL, half characters."""
    return "".join(one for one in value[:TEXT_LENGTH] if one.isprintable()) if isinstance(value, str) else ""


def id_of(value: Any) -> str:
    """A partner's own id, whole: a shortened one would name something else. ValueError where it cannot be one."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not (0 < len(text) <= TEXT_LENGTH and text.isprintable()):
        raise ValueError("not an id")
    return text
