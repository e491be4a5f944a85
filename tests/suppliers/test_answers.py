"""What each answer of a partner means: the table at the top of _http_partner.py, line by line."""

import json
from typing import Any

import pytest

from ehrcommerce.outbox.outcomes import Done, NeedsHuman, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.adapters import _http_partner, kit_http
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import EligibilityAnswer
from ehrcommerce.wire.client import Answer
from ehrcommerce.wire.errors import BadAnswer, NotSent, Unanswered

ORDER: dict[str, Any] = {"id": "S-1", "reference": "R-1", "status": "received", "lines": [], "tracking": None}
SESSION: dict[str, Any] = {
    "id": "P-1",
    "reference": "R-1",
    "status": "open",
    "amount_cents": 5,
    "currency": "USD",
    "url": "https://partner.example.org/x",
}


class Wire:
    """Stands for wire.client.ask: answers in turn, and remembers what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[tuple[str, str, dict[str, str]]]()

    def __call__(
        self, partner: Any, method: str, url: str, *, headers: Any = None, params: Any = None, body: Any = None
    ) -> Answer:
        self.asked.append((method, url, dict(headers or {})))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, value, *more = answer
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        return Answer("p", status, more[0] if more else {}, content)


def adapter(name: str, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> tuple[Any, Wire]:
    wire = Wire(*answers)
    monkeypatch.setattr(_http_partner, "ask", wire)
    supplier = Supplier(adapter=name, port="pharmacy", base_url="https://partner.example.org", api_key="k3y")
    return chosen.adapter_of(supplier), wire


def place(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> Any:
    made, _ = adapter("pharmacy_http", monkeypatch, *answers)
    return made.place(b'{"reference":"R-1"}', idempotency_key="key")


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (400, {"error": "invalid"}, Refused("invalid")),
        (422, {"error": "unknown_sku", "detail": "Cy Rivera has no such thing"}, Refused("unknown_sku")),
        (422, {"error": "Cy Rivera, born 1980"}, Refused("refused")),
        (422, b"<html>", Refused("refused")),
        (404, {}, Refused("refused")),
        (401, {}, NeedsHuman("not_authorized")),
        (403, {}, NeedsHuman("not_authorized")),
        (500, {}, OutcomeUnknown("partner_failed")),
        (502, {}, OutcomeUnknown("partner_failed")),
        (408, {}, OutcomeUnknown("partner_failed")),
        (302, b"", NeedsHuman("unexpected_answer")),
        (429, {}, TryAgain("partner_busy")),
        (503, {}, OutcomeUnknown("partner_failed")),  # a busy partner may have stored it all the same
    ],
)
def test_an_answer_becomes_an_outcome(monkeypatch: pytest.MonkeyPatch, status: int, body: Any, outcome: object) -> None:
    assert place(monkeypatch, (status, body)) == outcome


def test_retry_after_is_honored_and_capped(monkeypatch: pytest.MonkeyPatch) -> None:  # REL-F11, REL-F31
    for text, seconds in (("7", 7), ("86400", 900), ("10000000000000", 900), ("-1", None), ("soon", None)):
        assert place(monkeypatch, (429, {}, {"retry-after": text})) == TryAgain("partner_busy", after_s=seconds)


@pytest.mark.parametrize(
    "body", [b"<html>fine</html>", b'{"id": "S-1", "refer', [], {}, {"id": "S-1", "reference": "R-1"}]
)
def test_a_success_that_cannot_be_read_is_not_a_success(monkeypatch: pytest.MonkeyPatch, body: Any) -> None:  # REL-F6
    with pytest.raises(BadAnswer):
        place(monkeypatch, (201, body))


def test_wire_errors_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (NotSent("p"), Unanswered("p")):
        with pytest.raises(type(error)):
            place(monkeypatch, error)


def test_the_key_and_the_bearer_travel_in_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    made, wire = adapter("pharmacy_http", monkeypatch, (201, ORDER))
    made.place(b'{"reference":"R-1"}', idempotency_key="key")
    method, url, headers = wire.asked[0]
    assert (method, url) == ("POST", "orders")
    assert (headers["Idempotency-Key"], headers["Authorization"]) == ("key", "Bearer k3y")


def test_what_is_there_already_is_adopted(monkeypatch: pytest.MonkeyPatch) -> None:  # REL-F8
    outcome = place(monkeypatch, (409, {"error": "duplicate_reference"}), (200, {"orders": [ORDER]}))
    assert isinstance(outcome, Done)
    assert outcome.reference == "S-1"


def test_a_key_that_was_used_for_something_else_is_a_persons_work(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = place(monkeypatch, (409, {"error": "idempotency_key_reused"}), (200, {"orders": []}))
    assert outcome == NeedsHuman("key_reused")


WANTED = b'{"reference":"R-1","lines":[{"sku":"A","quantity":1}]}'


def test_another_order_under_our_reference_is_not_adopted(monkeypatch: pytest.MonkeyPatch) -> None:  # REL-F8
    for lines, same in (([{"sku": "A", "quantity": 1}], True), ([{"sku": "A", "quantity": 2}], False),
                        ([{"sku": "B", "quantity": 1}], False), ([], True)):  # fmt: skip
        theirs = {**ORDER, "lines": lines}
        made, _ = adapter("pharmacy_http", monkeypatch, (409, {"error": "duplicate"}), (200, {"orders": [theirs]}))
        outcome = made.place(WANTED, idempotency_key="key")
        assert isinstance(outcome, Done) if same else outcome == NeedsHuman("conflict")


def test_a_key_that_was_reused_is_not_adopted_by_its_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = adapter("pharmacy_http", monkeypatch, (409, {"error": "idempotency_key_reused"}))
    assert made.place(WANTED, idempotency_key="key") == NeedsHuman("key_reused")


def test_a_conflict_that_cannot_be_looked_into_is_not_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = adapter("pharmacy_http", monkeypatch, (409, {"error": "duplicate"}), (500, {}))
    assert made.place(WANTED, idempotency_key="key") == OutcomeUnknown("conflict")


@pytest.mark.parametrize("bad", ["", "x" * 129, "a\x00b", "\ud800", None, True, ["S-1"], {"id": 1}])
def test_an_id_that_no_column_can_hold_is_not_read(monkeypatch: pytest.MonkeyPatch, bad: object) -> None:
    with pytest.raises(BadAnswer):
        place(monkeypatch, (201, {**ORDER, "id": bad}))
    made, _ = adapter("pharmacy_http", monkeypatch, (200, {"orders": [{**ORDER, "id": bad}]}))
    with pytest.raises(BadAnswer):
        made.find("R-1")


def test_texts_of_partners_are_short_and_without_what_cannot_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = {"carrier": "Po\x00st" + "x" * 500, "number": "T\x00-1\ud800"}
    made, _ = adapter("pharmacy_http", monkeypatch, (200, {"orders": [{**ORDER, "id": 7, "tracking": tracking}]}))
    status = made.find("R-1")
    assert (status.supplier_reference, status.carrier[:4], status.tracking_number) == ("7", "Post", "T-1")
    assert len(status.carrier) == 60


def test_reading_asks_again_instead_of_guessing(monkeypatch: pytest.MonkeyPatch) -> None:
    for status in (401, 429, 500):
        made, _ = adapter("pharmacy_http", monkeypatch, (status, {}))
        with pytest.raises(NotSent):
            made.find("R-1")
    made, _ = adapter(
        "pharmacy_http", monkeypatch, (404, {}), (200, {"orders": []}), (200, {"orders": [{"reference": "R-2"}]})
    )
    assert [made.find("R-1") for _ in range(3)] == [None, None, None]
    made, _ = adapter("pharmacy_http", monkeypatch, (200, {"orders": [{"reference": "R-1"}]}))
    with pytest.raises(BadAnswer):
        made.find("R-1")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("received", "dispatched"),
        ("packed", "accepted"),
        ("rejected", "refused"),
        ("kit_registered", "unknown"),
        ("zzz", "unknown"),
    ],
)
def test_their_words_become_ours(monkeypatch: pytest.MonkeyPatch, status: str, state: str) -> None:  # REL-F18
    made, _ = adapter("pharmacy_http", monkeypatch, (200, {"orders": [{**ORDER, "status": status}]}))
    assert made.find("R-1").state == state


def test_a_laboratory_has_more_words() -> None:
    assert kit_http.KIT_STATUS_OF["kit_registered"] == "delivered"
    assert kit_http.KIT_STATUS_OF["resulted"] == "completed"


def test_a_reason_in_free_words_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [{**ORDER, "status": "rejected", "reason": reason} for reason in ("out_of_stock", "Cy called us")]
    made, _ = adapter("pharmacy_http", monkeypatch, *((200, {"orders": [order]}) for order in told))
    assert [made.find("R-1").reason for _ in told] == ["out_of_stock", "other"]


def test_a_sku_that_stands_twice_is_taken_only_if_both_are(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        {"sku": "A", "accepted": True},
        {"sku": "A", "accepted": False},
        {"sku": "B", "accepted": True},
        {"sku": "C"},
    ]
    made, _ = adapter(
        "pharmacy_http", monkeypatch, (200, {"orders": [{**ORDER, "status": "accepted", "lines": lines}]})
    )
    assert made.find("R-1").accepted == {"A": False, "B": True}


def test_a_payment_page_elsewhere_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    for url, kept in (
        ("https://partner.example.org/x", True),
        ("https://evil.example.org/x", False),
        ("javascript:1", False),
    ):
        made, _ = adapter("payment_hosted", monkeypatch, (201, {**SESSION, "url": url}))
        outcome = made.open(b"{}", idempotency_key="k")
        assert bool(outcome.facts["status"].url) is kept


@pytest.mark.parametrize("amount", ["5", 5.0, True, -5, None])
def test_money_that_is_not_a_whole_number_of_cents_is_not_read(monkeypatch: pytest.MonkeyPatch, amount: object) -> None:
    made, _ = adapter("payment_hosted", monkeypatch, (201, {**SESSION, "amount_cents": amount}))
    with pytest.raises(BadAnswer):
        made.open(b"{}", idempotency_key="k")


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (503, {"error": "payer_unreachable"}, EligibilityAnswer("unreachable", "", {}, "payer_unreachable")),
        (200, {"status": "inactive", "items": []}, EligibilityAnswer("not_covered", "", {}, "inactive")),
        (200, {"status": "not_found", "aaa": "75", "items": []}, EligibilityAnswer("unknown", "", {}, "not_found")),
        (
            200,
            {"status": "not_found", "aaa": "71", "items": []},
            EligibilityAnswer("unknown", "", {}, "birth_date_mismatch"),
        ),
        (200, {"status": "surprise", "items": []}, EligibilityAnswer("unknown", "", {}, "other")),
    ],
)
def test_a_plan_that_gives_no_answer_says_why(
    monkeypatch: pytest.MonkeyPatch, status: int, body: Any, answer: EligibilityAnswer
) -> None:
    made, _ = adapter("eligibility_http", monkeypatch, (status, body))
    assert made.check(b"{}", idempotency_key="k") == Done(facts={"answer": answer})


def test_what_the_plan_does_not_name_is_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [
        {"line": "a", "covered": True, "patient_pays_cents": 400},
        {"line": "b", "covered": True, "patient_pays_cents": None},
        {"line": "c", "covered": None},
        {"line": "d", "covered": False},
        {"line": "e", "covered": True, "patient_pays_cents": 1.5},
    ]
    made, _ = adapter("eligibility_http", monkeypatch, (200, {"status": "active", "items": items, "as_of": "now"}))
    answer = made.check(b"{}", idempotency_key="k").facts["answer"]
    assert (answer.state, answer.pays) == ("covered", {"a": 400, "b": None, "c": None, "e": None})


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Done(reference="S 1")),
        (409, Done(reference="S 1")),
        (404, NeedsHuman("tell_by_hand")),
        (405, NeedsHuman("tell_by_hand")),
        (500, OutcomeUnknown("partner_failed")),
        (401, NeedsHuman("not_authorized")),
    ],
)
def test_a_supplier_is_told_to_forget_or_a_person_tells_it(
    monkeypatch: pytest.MonkeyPatch, status: int, outcome: Any
) -> None:
    made, wire = adapter("kit_http", monkeypatch, (status, {}))
    assert made.forget("S 1", idempotency_key="key") == outcome
    assert wire.asked[0][1].endswith("orders/S%201/erasure")


@pytest.mark.parametrize(
    ("name", "port", "path"),
    [("messaging_http", "messaging", "/erasure"), ("eligibility_http", "eligibility", "eligibility/erasure")],
)
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Done()),
        (409, Done()),
        (404, NeedsHuman("tell_by_hand")),
        (501, NeedsHuman("tell_by_hand")),
        (500, OutcomeUnknown("partner_failed")),
        (401, NeedsHuman("not_authorized")),
    ],
)
def test_a_messenger_or_plan_is_told_to_forget_or_a_person_tells_it(
    monkeypatch: pytest.MonkeyPatch, name: str, port: str, path: str, status: int, outcome: Any
) -> None:
    made, wire = adapter(name, monkeypatch, (status, {}))
    made.supplier.port = port  # the last line asks the table what this hop may have
    assert made.forget(["r1", "r2"], idempotency_key="key") == outcome
    assert wire.asked[0][1].endswith(path)
