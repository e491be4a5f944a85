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


class NotReplaceable(OrderProblem):
    """Nothing of this has left, or it is sent anew already. Look at the order again."""


class NotPaidFor(OrderProblem):
    """What it cost is not paid, or was given back: nothing is sent for it. The clinic sends a new link."""


class ProofMissing(OrderProblem):
    """The pharmacy must still hold the prescription. Ask it, then tick that it does. Nothing was sent."""


class AddressGone(OrderProblem):
    """The address was erased, since the order was over. The clinic sends a new link."""


class SupplierGone(OrderProblem):
    """The supplier is not used any more, has no agreement, or is not licensed there. Give the money back, or let the clinic
    send a new link."""


class TooLateToChange(OrderProblem):
    """A part of it lies with a supplier, or may: nothing was changed. Cancel it there, or call the supplier."""


class AddressIncomplete(OrderProblem):
    """The address needs a name, a street, a city, a state of two capital letters and a ZIP code. Nothing was changed."""


class PriceWouldChange(OrderProblem):
    """Tax or shipping differ there, and the patient agreed to another sum. Cancel it; the clinic sends a new link."""


class BooksDiffer(OrderProblem):
    """The processor still says something else than our books. Correct it there or here, then press again."""


class NothingToGiveBack(OrderProblem):
    """No money of this order lies with the processor. Look at its timeline."""


class RefundTooLarge(OrderProblem):
    """That is more than the patient paid and still owes. Give a smaller sum. Nothing was given back."""


class RefundSeenElsewhere(OrderProblem):
    """The money of this order moved since this page was shown. Look at the order again. Nothing was given back by this
    press."""
