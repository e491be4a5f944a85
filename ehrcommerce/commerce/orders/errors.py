"""Why an order was not placed, paid or cancelled."""


class OrderProblem(Exception):
    """The order was not changed."""


class LinkOver(OrderProblem):
    """This link cannot be ordered with any more: it expired, was replaced, or was not verified. Ask the clinic for a
    new one."""


class QuoteChanged(OrderProblem):
    """These are not the prices of this offer. Show the prices again and let them be confirmed."""


class SoldOut(OrderProblem):
    """Somebody else bought the last one. Nothing was ordered; the clinic can choose something else."""


class NoFillLeft(OrderProblem):
    """This prescription was filled as often as its prescriber allowed. Nothing was ordered; the clinic can renew it."""


class NotSoldThere(OrderProblem):
    """The clinic has no rule for tax or shipping to that state. Choose another address, or call the clinic."""


class NothingToPay(OrderProblem):
    """This order waits for no payment."""


class TooLate(OrderProblem):
    """The order has left the supplier, or is over. Call the supplier about a return."""


class NothingToGiveBack(OrderProblem):
    """No money of this order lies with the processor. Look at its timeline."""


class RefundTooLarge(OrderProblem):
    """That is more than the patient paid and still owes. Give a smaller sum. Nothing was given back."""


class RefundSeenElsewhere(OrderProblem):
    """The money of this order moved since this page was shown. Look at the order again. Nothing was given back by this
    press."""
