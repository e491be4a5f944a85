"""What POST /control/reset erases here. The switchboard stays: where callbacks go is configuration, not history."""

from django.db import transaction

from .models import CallbackEvent, FirstAnswer, Message, Parcel, PaySession, SupplierOrder


@transaction.atomic
def forget_partners() -> None:
    """Forget all orders, parcels, payments, callbacks and remembered answers (but those about messages)."""
    CallbackEvent.objects.all().delete()
    Parcel.objects.all().delete()
    SupplierOrder.objects.all().delete()
    PaySession.objects.all().delete()
    FirstAnswer.objects.exclude(partner="messages").delete()


@transaction.atomic
def forget_messages() -> None:
    """Empty the phone and the mailbox."""
    Message.objects.all().delete()
    FirstAnswer.objects.filter(partner="messages").delete()
