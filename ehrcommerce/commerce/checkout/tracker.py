"""What a patient reads of an order: what happened, what is next, by when, and whether they must do something.

Every state of commerce.orders.states has its words here (a test counts them), so that no fault ends in silence."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ehrcommerce.commerce.catalog.templatetags.money import dollars
from ehrcommerce.commerce.fulfillment import asking, parcels, parts, replacing
from ehrcommerce.commerce.orders.events import Code
from ehrcommerce.commerce.orders.models import Order, OrderFee, OrderLine
from ehrcommerce.commerce.orders.money import due_cents
from ehrcommerce.commerce.orders.states import MoneyState, OrderState

_O, _M = OrderState, MoneyState
Text = str | Promise


@dataclass(frozen=True, slots=True)
class Words:
    """`days`: if nothing is heard for so long, the patient should call; 0: nothing more is to come."""

    title: Text
    happened: Text
    following: Text
    you: Text
    days: int = 0


_NOTHING = _("You do not need to do anything.")
_CALL = _("Please call us.")
WORDS: dict[str, Words] = {
    _O.QUOTED: Words(
        _("Not paid yet"), _("Your order waits for your payment."), _("After you pay, we start."), _("Please pay."), 1
    ),
    _O.AUTHORIZED: Words(
        _("We have your order"), _("We have your order."), _("Next, it is checked before it is packed."), _NOTHING, 1
    ),
    _O.GATED: Words(
        _("We have your order"),
        _("We asked your clinic once more. All is well."),
        _("Next, it goes out to be packed."),
        _NOTHING,
        1,
    ),
    _O.DISPATCHED: Words(
        _("Your order is being checked"),
        _("Your order went to those who fill it."),
        _("Next, they check it and pack it."),
        _NOTHING,
        2,
    ),
    _O.ACCEPTED: Words(
        _("Your order is being packed"), _("Your order was checked."), _("Next, it is packed and sent."), _NOTHING, 3
    ),
    _O.SHIPPED: Words(_("On its way"), _("Your parcel left."), _("Next, it comes to your door."), _NOTHING, 7),
    _O.DELIVERED: Words(
        _("Delivered"),
        _("Your parcel was delivered."),
        _("Nothing more is to come."),
        _("If it is not there, call us."),
    ),
    _O.COMPLETED: Words(_("Delivered"), _("Your order is complete."), _("Nothing more is to come."), _NOTHING),
    _O.CANCEL_REQUESTED: Words(
        _("We try to stop your order"),
        _("You asked us to cancel."),
        _("We will tell you if it was in time."),
        _NOTHING,
        2,
    ),
    _O.CANCELLED: Words(_("Canceled"), _("Your order was canceled."), _("Nothing more is to come."), _NOTHING),
    _O.REFUSED: Words(
        _("We cannot fill your order"),
        _("Your order could not be filled."),
        _("Your clinic can choose something else."),
        _("Please call your clinic."),
    ),
    _O.RETURNED: Words(
        _("Your parcel came back"),
        _("The parcel could not be delivered and came back."),
        _("We will look for a way to send it."),
        _CALL,
        3,
    ),
    _O.EXCEPTION: Words(
        _("We need your help"), _("Something is not right with your order."), _("A person looks at it."), _CALL, 1
    ),
    _O.UNKNOWN: Words(
        _("We are asking about your order"),
        _("We did not hear back yet."),
        _("We keep asking. A person looks at it."),
        _NOTHING,
        1,
    ),
}
MONEY: dict[str, Text] = {
    _M.NONE: _("You were not charged."),
    _M.AUTHORIZED: _("Your card is held for %(sum)s. It is charged when your order is accepted."),
    _M.CAPTURED: _("You paid %(sum)s."),
    _M.VOIDED: _("You were not charged. The hold on your card ends in a few days."),
    _M.REFUNDED: _("We sent your money back. It takes 5 to 10 days."),
    _M.DISPUTED: _("Your bank is looking at this payment."),
    _M.RECONCILE_NEEDED: _("Money may have moved. Do not pay again. We charge you one time at most."),
}
# What is still to come back of an order that is over.
_TO_COME: dict[str, Text] = {
    _M.AUTHORIZED: _("We are taking the hold off your card. It can take a few days. You will not be charged."),
    _M.CAPTURED: _("You will get all of your money back. It takes 5 to 10 days."),
}
# While it is being stopped, nobody may read that the card is about to be charged.
_STOPPING = _("Your card is held for %(sum)s. If we stop the order in time, the hold ends. Then you are not charged.")
_PART_BACK = _("You paid %(sum)s. We sent %(back)s back. It takes 5 to 10 days.")
_COMING = _("You paid %(sum)s. We are sending %(coming)s back. It takes 5 to 10 days.")
_BACK_LATE = _("Your money back takes longer than it should. A person works on it, and will call you.")
_FREE = _("You have nothing to pay.")
_CHECKING = Words(
    _("We are checking your payment"), _("We asked the payment page, and its answer is not clear."),
    _("A person looks at it."), _NOTHING, 1,
)  # fmt: skip
_ASKED = Words(
    _("The pharmacy has a question for your clinic"), _("The pharmacy asked your clinic about your order."),
    _("When your clinic answers, they go on."), _NOTHING, 3,
)  # fmt: skip
_RETURNED_PAID = Words(
    _("Your parcel came back"), _("The parcel came back to us."), _("Your money goes back to your card."), _NOTHING, 10,
)  # fmt: skip
_MAY_BE_ASKED = frozenset({_O.DISPATCHED, _O.ACCEPTED})
# Pages that stopped for good: the step that was not reached stands in red.
_ENDED = {_O.CANCELLED, _O.REFUSED, _O.RETURNED, _O.EXCEPTION}
# Label, and the state whose first moment stands beside it.
_STEPS: tuple[tuple[Text, str], ...] = (
    (_("Order placed"), _O.AUTHORIZED),
    (_("Checked"), _O.ACCEPTED),
    (_("Packed"), _O.SHIPPED),
    (_("On its way"), _O.SHIPPED),
    (_("Delivered"), _O.DELIVERED),
)
# How many steps are done once this state was reached; before, only the first.
_DONE = {_O.ACCEPTED: 2, _O.SHIPPED: 3, _O.DELIVERED: 5, _O.COMPLETED: 5}
CANCELLABLE = frozenset({_O.AUTHORIZED, _O.GATED, _O.DISPATCHED, _O.ACCEPTED})
GONE = frozenset({_O.SHIPPED, _O.DELIVERED, _O.COMPLETED, _O.RETURNED})
# Where there is nothing to cancel: how the order stands instead.
_INSTEAD: dict[str, Text] = {
    _O.CANCELLED: _("This order is canceled already."),
    _O.CANCEL_REQUESTED: _("We are trying to stop this order. We will tell you if it was in time."),
    _O.REFUSED: _("This order could not be filled. There is nothing to cancel."),
}
_LEFT = _("Your order left already. Call us. We cannot take back most opened medicine.")
_ASK = _("We cannot cancel this order here. Call us, and we will help.")
_ENDS: dict[str, Text] = {
    _O.CANCELLED: _("This order was canceled."), _O.REFUSED: _("This order was not filled."),
    _O.RETURNED: _("This parcel came back to us."),
}  # fmt: skip


def words_of(order: Order) -> Words:
    """The words of its state; a payment in doubt speaks before an order that waits for it, and a pharmacy that asks
    before one that is said to work."""
    if order.state in _MAY_BE_ASKED and asking.of(order).exists():
        return _ASKED
    if _pays_back(order):
        return _RETURNED_PAID
    in_doubt = order.state == _O.QUOTED and order.money == _M.RECONCILE_NEEDED
    return _CHECKING if in_doubt else WORDS[order.state]


def _pays_back(order: Order) -> bool:
    """Whether all of it came back, and by the clinic's rule is not kept."""
    decided = set(order.lines.values_list("accepted", flat=True)) if order.state == _O.RETURNED else set()
    return decided == {False}


@dataclass(frozen=True, slots=True)
class Step:
    look: str
    label: Text
    at: datetime | None = None
    more: Text = ""


def reached(order: Order) -> dict[str, datetime]:
    """When each state was first reached."""
    first: dict[str, datetime] = {}
    for event in order.events.order_by("at", "pk"):
        if event.code == Code.REPLACEMENT:
            first.clear()  # what is sent anew goes the way once more
        first.setdefault(event.state, event.at)
    return first


def steps_of(order: Order) -> list[Step]:
    """The tracker: done, now, next; or where it stopped."""
    seen = {_O.AUTHORIZED.value: order.placed_at} | reached(order)
    done = max((_DONE.get(OrderState(state), 1) for state in (*seen, order.state)), default=1)
    steps = [Step("done", label, seen.get(state)) for label, state in _STEPS[:done]]
    if order.state in _ENDED:
        return [*steps, Step("bad", WORDS[order.state].title, seen.get(order.state))]
    ahead = [Step("next", label) for label, _state in _STEPS[done:]]
    return [*steps, *[Step("now", step.label) for step in ahead[:1]], *ahead[1:]]


def call_after(order: Order) -> datetime | None:
    """If nothing was heard until then, the patient should call. None where nothing more is to come."""
    days = words_of(order).days
    return order.changed_at + timedelta(days=days) if days else None


def is_late(order: Order, at: datetime) -> bool:
    day = call_after(order)
    return day is not None and at > day


def money_words(order: Order) -> str:
    """One sentence on the money, with the sum that was taken and kept; nothing due is said as such."""
    if order.total_cents == 0 and order.money in (_M.NONE, _M.AUTHORIZED):
        return str(_FREE)
    captured, back = _moved(order)
    if order.state in (_O.CANCELLED, _O.REFUSED) and order.money in _TO_COME and not back:
        return str(_TO_COME[order.money])
    if order.money not in (_M.CAPTURED, _M.REFUNDED):
        stopping = order.state == _O.CANCEL_REQUESTED and order.money == _M.AUTHORIZED
        return str(_STOPPING if stopping else MONEY[order.money]) % {"sum": dollars(order.total_cents)}
    if order.events.filter(code=Code.REFUND_LATE).exists() and order.money == _M.CAPTURED and not back:
        return str(_BACK_LATE)
    coming = captured - back - due_cents(order)
    if order.money == _M.CAPTURED and coming > 0 and (order.given_back_cents or _pays_back(order)):
        return str(_COMING) % {"sum": dollars(captured - back), "coming": dollars(coming)}
    words = _PART_BACK if 0 < back < captured else MONEY[order.money]
    return str(words) % {"sum": dollars(captured - back), "back": dollars(back)}


def instead(order: Order) -> Text:
    """What the cancel page says where there is nothing to cancel."""
    return _INSTEAD.get(order.state, _LEFT if order.state in GONE else _ASK)


def ended(order: Order) -> Text:
    """How the order ended, for its receipt; "" where it goes on or was delivered."""
    return _ENDS.get(order.state, "")


@dataclass(frozen=True, slots=True)
class Moved:
    """One line of the receipt about money that moved, or did not. `sum` marks the last one."""

    label: Text
    amount: str
    is_sum: bool = False


def moved(order: Order) -> list[Moved]:
    """What was held, taken and given back: the part of the receipt that an insurer or a tax office looks at."""
    captured, back = _moved(order)
    if order.money == _M.RECONCILE_NEEDED:
        return [Moved(_("Paid"), str(_("Not known yet")), is_sum=True)]
    if back:
        return [
            Moved(_("You paid"), dollars(captured)),
            Moved(_("Sent back to you"), f"\N{MINUS SIGN}{dollars(back)}"),
            Moved(_("In the end"), dollars(captured - back), is_sum=True),
        ]
    if order.money == _M.AUTHORIZED and order.total_cents:
        return [
            Moved(_("Held on your card"), dollars(order.total_cents)),
            Moved(_("Paid so far"), dollars(0), is_sum=True),
        ]
    return [Moved(_("You paid"), dollars(captured), is_sum=True)]


def _moved(order: Order) -> tuple[int, int]:
    """What was captured and what went back, over all payments of the order."""
    sums = order.payments.aggregate(captured=Sum("captured_cents"), back=Sum("refunded_cents"))
    return sums["captured"] or 0, sums["back"] or 0


@dataclass(frozen=True, slots=True)
class Sums:
    """The three numbers of the lines that stand: a line that nobody fills is not paid for."""

    full_cents: int
    plan_cents: int
    patient_cents: int
    shipping_cents: int = 0
    tax_cents: int = 0

    @property
    def total_cents(self) -> int:
        return self.patient_cents + self.shipping_cents + self.tax_cents


def sums_of(lines: Iterable[OrderLine], fees: Iterable[OrderFee] = ()) -> Sums:
    standing = [line for line in lines if line.accepted is not False]
    kinds = {line.offer_line.kind for line in standing}
    owed = [fee for fee in fees if (fee.kind in kinds or fee.kept) and not fee.waived]
    return Sums(
        sum(line.full_cents for line in standing), sum(line.plan_cents for line in standing),
        sum(line.patient_cents for line in standing), sum(fee.cents for fee in owed),
        sum(line.tax_cents for line in standing) + sum(fee.tax_cents for fee in owed),
    )  # fmt: skip


def replacement(order: Order) -> dict[str, bool]:
    """Whether something is sent anew, whether the patient may ask for it, and whether they did."""
    rows = order.fulfillments.filter(replaces__isnull=False).exclude(state__in=parts.OVER)
    lost = replacing.lost_parts(order) if order.state == _O.EXCEPTION else []
    asked = order.events.filter(code=Code.REPLACEMENT_ASKED).exists()
    return {"sent_again": rows.exists(), "may_ask": bool(lost) and not asked, "asked_again": bool(lost) and asked}


def parcels_of(order: Order) -> tuple[int, int]:
    """How many parcels have arrived, of how many that come; (0, 0) where there is one at most."""
    rows = order.fulfillments.values_list("shipments__state", flat=True)
    have, of = parcels.arrived([state for state in rows if state])
    return (have, of) if of > 1 else (0, 0)
