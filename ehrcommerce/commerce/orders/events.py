"""What can happen to an order, in codes: the patient's status page, the clinic's timeline and the messages hang on
these. No free text of a partner ever stands beside them."""

from datetime import datetime

from django.db import models

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.orders.models import Order, OrderEvent


class Code(models.TextChoices):
    PLACED = "placed"
    PAYMENT_OPENED = "payment_opened"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_AUTHORIZED = "payment_authorized"
    PAYMENT_CAPTURED = "payment_captured"
    PAYMENT_VOIDED = "payment_voided"
    PAYMENT_REFUNDED = "payment_refunded"
    PAYMENT_MISMATCH = "payment_mismatch"
    HOLD_ENDED = "hold_ended"
    PAYMENT_DISPUTED = "payment_disputed"
    DISPUTE_ENDED = "dispute_ended"
    REFUND_LATE = "refund_late"
    REFUND_WANTED = "refund_wanted"
    RECONCILED = "reconciled"
    CHECKED = "checked"
    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    PARTLY_ACCEPTED = "partly_accepted"
    BACKORDERED = "backordered"
    REFUSED = "refused"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    RETURNED = "returned"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"
    CANCEL_TOO_LATE = "cancel_too_late"
    ORDER_STOPPED = "order_stopped"
    QUESTION = "question"
    QUESTION_ANSWERED = "question_answered"
    REPLACEMENT = "replacement"
    REPLACEMENT_ASKED = "replacement_asked"
    PARCEL_BACK = "parcel_back"
    ADDRESS_CHANGED = "address_changed"
    REASSIGNED = "reassigned"
    CONSENT_ASKED = "consent_asked"
    AFTER_STOP = "after_stop"
    EXCEPTION = "exception"
    UNKNOWN_STATUS = "unknown_status"


def note(order: Order, code: str, *, by: Actor, at: datetime, detail: str = "") -> OrderEvent:
    """Append one event, with the order's state and money as they are now."""
    return OrderEvent.objects.create(
        organization_id=order.organization_id, order=order, at=at, code=code, detail=detail[:80], actor=str(by),
        state=order.state, money=order.money,
    )  # fmt: skip
