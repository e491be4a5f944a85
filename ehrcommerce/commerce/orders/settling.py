"""A person has compared an order's money with the processor's and says: the books are right. Believed only where the
processor, asked at that moment, says the same."""

from datetime import datetime

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.orders import errors, reconciling, services
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.commerce.orders.states import MoneyState
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import SupplierProblem

STANDS = {
    "authorized": MoneyState.AUTHORIZED, "captured": MoneyState.CAPTURED, "refunded": MoneyState.REFUNDED,
    "voided": MoneyState.VOIDED,
}  # fmt: skip
REASONS = {
    "compared": "I compared it with the processor's page",
    "processor_fixed": "The processor corrected it",
    "refunded_there": "We gave money back at the processor on purpose",
}


def books_agree(*, order: Order, reason: str, by: Actor, at: datetime) -> Order:
    """Acts on the money that waited for this go on. Call outside any transaction: the processor is asked. Raises
    BooksDiffer, states.IllegalMove where nothing was in doubt; KeyError for another reason."""
    REASONS[reason]
    payment = Payment.objects.filter(order=order).select_related("supplier").latest("pk")
    payment = services.look_at_payment(payment=payment, at=at)
    try:
        status = chosen.paid(payment.supplier, str(payment.public_id), theirs=payment.processor_reference)
    except SupplierProblem as problem:
        raise errors.BooksDiffer from problem
    if reconciling.differs(payment, status):
        raise errors.BooksDiffer
    found = STANDS.get(payment.state, MoneyState.NONE)
    return services.reconciled(order=order, found=found, reason=reason, by=by, at=at)
