"""Stripe by its own client: exact bytes, what each answer means, no act twice, and webhooks. Against a fake in the
documented shapes; test_stripe_peer.py asks another make of the API."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import stripe

from ehrcommerce.outbox.outcomes import Done, NeedsHuman, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.callbacks import CallbackRefused
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import PaymentRequest
from ehrcommerce.wire.errors import BadAnswer, NotSent, Unanswered
from tests.suppliers.fake_stripe import Fake, running

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running() as server:
        yield server


def adapter(fake: Fake, **changes: Any) -> Any:
    values = {"base_url": fake.url, "api_key": "sk_test_1", "callback_secret": "whsec_new", **changes}
    return chosen.adapter_of(Supplier(adapter="payment_stripe", port="payment", **values))


def request(reference: str = "") -> PaymentRequest:
    back = "https://shop.example.org/c/"
    return PaymentRequest(reference or str(uuid4()), 1480, "USD", back, back, expires_at=int(AT.timestamp()))


def opened(made: Any, reference: str = "") -> Any:
    return made.open(made.render(request(reference)), idempotency_key=str(uuid4()))


def authorized(made: Any, fake: Fake) -> Any:
    outcome = opened(made)
    fake.pay(outcome.reference)
    return outcome


def test_stripe_learns_a_reference_a_sum_and_two_addresses(fake: Fake) -> None:  # SEC-B8
    made = adapter(fake)
    made.open(made.render(request("R-1")), idempotency_key="key-1")
    _, path, headers, body = fake.seen[0]
    assert path == "/v1/checkout/sessions"
    assert body.decode() == (
        "mode=payment&client_reference_id=R-1&metadata[reference]=R-1&payment_method_types[0]=card"
        "&line_items[0][quantity]=1&line_items[0][price_data][currency]=usd"
        "&line_items[0][price_data][unit_amount]=1480&line_items[0][price_data][product_data][name]=Order"
        "&payment_intent_data[capture_method]=manual&payment_intent_data[metadata][reference]=R-1"
        "&success_url=https%3A%2F%2Fshop.example.org%2Fc%2F&cancel_url=https%3A%2F%2Fshop.example.org%2Fc%2F"
        "&expires_at=1795867200"
    )
    assert (headers["idempotency-key"], headers["authorization"]) == ("key-1", "Bearer sk_test_1")
    told = set(headers) - {"host", "accept-encoding", "connection", "content-length", "user-agent", "accept"}
    assert told == {"idempotency-key", "authorization", "content-type", "stripe-version"}


def test_authorize_capture_a_part_and_give_some_back(fake: Fake) -> None:
    made = adapter(fake)
    session = opened(made)
    assert (session.facts["status"].state, session.facts["status"].amount_cents) == ("open", 1480)
    assert made.capture(session.reference, 1000, idempotency_key="c") == Refused("wrong_state")
    fake.pay(session.reference)
    held = made.find(session.facts["status"].reference)
    assert (held.state, held.hold_ends_at) == ("authorized", datetime.fromtimestamp(1_800_000_000, UTC))
    taken = made.capture(session.reference, 1000, idempotency_key="c").facts["status"]
    assert (taken.state, taken.captured_cents, taken.refunded_cents) == ("captured", 1000, 0)
    assert fake.writes("/capture") == [("c", b"amount_to_capture=1000")]
    some = made.refund(session.reference, 400, idempotency_key="r").facts["status"]
    assert (some.state, some.refunded_cents) == ("captured", 400)
    assert made.refund(session.reference, 700, idempotency_key="r2") == Refused("amount_too_large")
    rest = made.refund(session.reference, 600, idempotency_key="r3").facts["status"]
    assert (rest.state, rest.refunded_cents) == ("refunded", 1000)
    assert made.void(session.reference, idempotency_key="v") == Refused("wrong_state")


def test_a_hold_is_given_back_and_an_unpaid_page_is_closed(fake: Fake) -> None:
    made = adapter(fake)
    paid, unpaid = authorized(made, fake), opened(made)
    assert made.void(paid.reference, idempotency_key="v").facts["status"].state == "voided"
    assert made.void(paid.reference, idempotency_key="v2").facts["status"].state == "voided"
    assert len(fake.writes("/cancel")) == 1, "what stands where we want it is adopted"
    assert made.void(unpaid.reference, idempotency_key="e").facts["status"].state == "expired"


def test_a_hold_that_lapsed_by_itself_is_expired(fake: Fake) -> None:  # REL-F22
    made = adapter(fake)
    session = authorized(made, fake)
    intent = fake.sessions[session.reference]["payment_intent"]
    for why in ("expired", "automatic"):
        fake.intents[intent] |= {"status": "canceled", "cancellation_reason": why}
        assert made.find(session.facts["status"].reference).state == "expired"


@pytest.mark.parametrize(("their", "ours"), [("processing", "open"), ("requires_action", "open"), ("zzz", "unknown")])
def test_words_of_theirs(fake: Fake, their: str, ours: str) -> None:  # REL-F18
    made = adapter(fake)
    session = opened(made)
    fake.pay(session.reference, their)
    assert made.find(session.facts["status"].reference).state == ours


@pytest.mark.parametrize("fault", ["drop", "html", "truncate"])
def test_an_answer_that_is_lost_or_no_answer_is_a_doubt_and_then_found(fake: Fake, fault: str) -> None:  # REL-F5, F6
    made, reference = adapter(fake), str(uuid4())
    for _ in range(5):
        opened(made)  # of other patients: our own is not on the first page
    fake.faults.append((fault, "/sessions"))
    with pytest.raises(Unanswered):
        opened(made, reference)
    assert made.find(reference).state == "open"
    assert made.find(str(uuid4())) is None


def test_a_lost_answer_to_a_capture_is_looked_up_and_taken_once(fake: Fake) -> None:  # REL-F19
    made = adapter(fake)
    session = authorized(made, fake)
    fake.faults.append(("drop", "/capture"))
    with pytest.raises(Unanswered):
        made.capture(session.reference, 1480, idempotency_key="c")
    assert made.find(session.facts["status"].reference).state == "captured"
    assert isinstance(made.capture(session.reference, 1480, idempotency_key="another"), Done)
    assert len(fake.writes("/capture")) == 1


def test_a_kept_failure_is_looked_up_before_a_new_key_is_used(fake: Fake) -> None:  # REL-F20, P25
    made, session = adapter(fake), None
    session = authorized(made, fake)
    fake.faults.append(("500", "/capture"))
    assert made.capture(session.reference, 1480, idempotency_key="c") == OutcomeUnknown("partner_failed")
    assert made.find(session.facts["status"].reference).state == "authorized"
    done = made.capture(session.reference, 1480, idempotency_key="c")
    assert done.facts["status"].state == "captured"
    assert [key for key, _ in fake.writes("/capture")] == ["c", "c", "c-2"]


def test_a_kept_failure_that_did_happen_is_adopted(fake: Fake) -> None:  # REL-F20
    made, reference = adapter(fake), str(uuid4())
    body = made.render(request(reference))
    fake.faults.append(("500 after", "/sessions"))
    assert made.open(body, idempotency_key="o") == OutcomeUnknown("partner_failed")
    again = made.open(body, idempotency_key="o")
    assert isinstance(again, Done)
    assert len(fake.sessions) == 1


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("429", TryAgain("partner_busy", after_s=900)), ("busy", OutcomeUnknown("under_way"))],
)
def test_answers_become_outcomes(fake: Fake, fault: str, outcome: object) -> None:  # REL-F11, F31
    made = adapter(fake)
    fake.faults.append((fault, "/sessions"))
    assert opened(made) == outcome


def test_a_key_that_carried_something_else_is_a_persons_work(fake: Fake) -> None:
    made = adapter(fake)
    made.open(made.render(request()), idempotency_key="k")
    assert made.open(made.render(request()), idempotency_key="k") == NeedsHuman("key_reused")


def test_a_key_of_ours_that_is_not_good_is_a_persons_work(fake: Fake) -> None:  # REL-F10
    assert opened(adapter(fake, api_key="wrong")) == NeedsHuman("not_authorized")
    with pytest.raises(NotSent):
        adapter(fake, api_key="wrong").find(str(uuid4()))


def test_a_payment_that_is_not_there_is_refused(fake: Fake) -> None:
    made = adapter(fake)
    for outcome in (
        made.capture("cs_none", 1, idempotency_key="a"), made.void("cs_none", idempotency_key="b"),
        made.refund("cs_none", 1, idempotency_key="c"),
    ):  # fmt: skip
        assert outcome == Refused("not_found")


def test_a_known_payment_is_asked_for_by_its_own_id(fake: Fake) -> None:
    made = adapter(fake)
    session = opened(made)
    made.known = {session.facts["status"].reference: session.reference}
    fake.seen.clear()
    assert made.find(session.facts["status"].reference).state == "open"
    assert [path for _, path, _, _ in fake.seen] == [
        f"/v1/checkout/sessions/{session.reference}?expand%5B0%5D=payment_intent.latest_charge"
    ]


def test_the_page_is_theirs_and_no_other(fake: Fake) -> None:
    assert adapter(fake, base_url="https://api.stripe.com").page_origin == "https://checkout.stripe.com"
    own = adapter(fake, base_url="https://api.stripe.com", page_origin="https://pay.clinic.example/")
    assert own.page_origin == "https://pay.clinic.example"
    assert opened(adapter(fake, page_origin="https://pay.clinic.example")).facts["status"].url == ""


@pytest.mark.parametrize("amount", ["5", 5.0, True, -5, None])
def test_money_that_is_not_a_whole_number_of_cents_is_not_read(fake: Fake, amount: object) -> None:
    made = adapter(fake)
    session = opened(made)
    fake.sessions[session.reference]["amount_total"] = amount
    with pytest.raises(BadAnswer):
        made.find(session.facts["status"].reference)


def test_their_list_holds_what_moved_and_nothing_of_others(fake: Fake) -> None:  # REL-P25
    made = adapter(fake)
    now = datetime.now(UTC)
    old, new = authorized(made, fake), opened(made)
    fake.sessions[old.reference]["created"] -= 864_000
    fake.events.clear()
    made.capture(old.reference, 1480, idempotency_key="c")
    fake.sessions["cs_other"] = {**fake.sessions[new.reference], "id": "cs_other", "client_reference_id": None}
    found = made.listed(now - timedelta(minutes=5), now + timedelta(minutes=5))
    assert {one.processor_reference: one.state for one in found} == {old.reference: "captured", new.reference: "open"}
    assert made.listed(now - timedelta(days=3), now - timedelta(days=2)) == []


# -- webhooks -----------------------------------------------------------------------------------------------------------
def event(kind: str = "checkout.session.completed", **thing: Any) -> bytes:
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"object": thing}}).encode()


def signed(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """By their client, which is another make than what reads it."""
    stamp = int(at.timestamp())
    text = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, stamp)
    return {"Stripe-Signature": text}


def test_both_secrets_are_good_while_one_takes_over(fake: Fake) -> None:  # REL-F35
    made = adapter(fake, previous_callback_secret="whsec_old")
    body = event(object="checkout.session", client_reference_id="R-1")
    for secret in ("whsec_new", "whsec_old"):
        callback = made.verify_callback(body, signed(body, secret, AT), AT)
        assert (callback.event_id, made.read_callback(callback.body)) == ("evt_1", "R-1")


@pytest.mark.parametrize("minutes", [6, -6, 60 * 24 * 8])
def test_an_old_or_early_webhook_is_refused(fake: Fake, minutes: int) -> None:  # REL-P28
    body = event()
    with pytest.raises(CallbackRefused):
        adapter(fake).verify_callback(body, signed(body, "whsec_new", AT - timedelta(minutes=minutes)), AT)


@pytest.mark.parametrize(
    "text", ["", "t=1", "v1=00", "t=x,v1=00", "t=1,t=2,v1=0", "t=\u0663,v1=0", "t=9999999999999,v1=0"]
)
def test_a_forged_webhook_is_refused(fake: Fake, text: str) -> None:  # REL-P14
    with pytest.raises(CallbackRefused):
        adapter(fake).verify_callback(event(), {"Stripe-Signature": text}, AT)
    with pytest.raises(CallbackRefused):
        adapter(fake).verify_callback(event() + b" ", signed(event(), "whsec_new", AT), AT)
    with pytest.raises(CallbackRefused):
        adapter(fake, callback_secret="").verify_callback(event(), signed(event(), "x", AT), AT)


@pytest.mark.parametrize(
    ("thing", "reference"),
    [
        ({"object": "checkout.session", "client_reference_id": "R-1"}, "R-1"),
        ({"object": "payment_intent", "id": "pi_1", "metadata": {"reference": "R-2"}}, "R-2"),
        ({"object": "charge", "metadata": {"reference": "R-3"}}, "R-3"),
        ({"object": "charge", "metadata": {}}, ""),
        ({"object": "payout"}, ""),
        ({}, ""),
    ],
)
def test_whom_a_webhook_is_about(fake: Fake, thing: dict[str, Any], reference: str) -> None:
    assert adapter(fake).read_callback(json.loads(event(**thing))) == reference


def test_a_dispute_is_led_back_to_its_payment(fake: Fake) -> None:  # REL-F24
    made = adapter(fake)
    session = authorized(made, fake)
    intent = fake.sessions[session.reference]["payment_intent"]
    body = event("charge.dispute.created", object="dispute", id="dp_1", payment_intent=intent)
    callback = made.complete_callback(made.verify_callback(body, signed(body, "whsec_new", AT), AT))
    assert made.read_callback(callback.body) == session.facts["status"].reference
    fake.intents[intent]["latest_charge"]["disputed"] = True
    assert made.find(session.facts["status"].reference).disputed
    gone = made.verify_callback(event(object="dispute", payment_intent="pi_none"),
                                signed(event(object="dispute", payment_intent="pi_none"), "whsec_new", AT), AT)  # fmt: skip
    assert made.read_callback(made.complete_callback(gone).body) == ""
