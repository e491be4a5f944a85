"""All addresses of the partners: their APIs, the payer's hosted page, the pages for people, and the control."""

from django.urls import URLPattern, path

from . import control, hosted, pages
from .api import api
from .models import PAYMENT, SUPPLIERS
from .views import carrier, messages, payer, payment, suppliers


def _supplier(partner: str) -> list[URLPattern]:
    """The same counter for each house."""
    return [
        path(f"{partner}/orders", api(partner, get=suppliers.find, post=suppliers.place)),
        path(f"{partner}/orders/<str:public_id>", api(partner, get=suppliers.read)),
        path(f"{partner}/orders/<str:public_id>/cancel", api(partner, post=suppliers.cancel)),
        path(f"{partner}/orders/<str:public_id>/answer", api(partner, post=suppliers.answer)),
        path(f"{partner}/orders/<str:public_id>/erasure", api(partner, post=suppliers.forget)),
    ]


urlpatterns = [
    *(pattern for partner in SUPPLIERS for pattern in _supplier(partner)),
    path("carrier/track/<str:number>", api("carrier", get=carrier.track)),
    path("payer/eligibility", api("payer", post=payer.eligibility)),
    path("payer/eligibility/erasure", api("payer", post=payer.forget)),
    path("messages", api("messages", get=messages.find, post=messages.send)),
    path("messages/erasure", api("messages", post=messages.forget)),
    path("pay/sessions", api(PAYMENT, get=payment.find, post=payment.start)),
    path("pay/sessions/<str:public_id>", api(PAYMENT, get=payment.read)),
    path("pay/sessions/<str:public_id>/capture", api(PAYMENT, post=payment.capture)),
    path("pay/sessions/<str:public_id>/void", api(PAYMENT, post=payment.void)),
    path("pay/sessions/<str:public_id>/refund", api(PAYMENT, post=payment.refund)),
    path("pay/sessions/<str:public_id>/expire", api(PAYMENT, post=payment.expire)),
    path("pay/hosted/<str:public_id>/", hosted.pay, name="pay"),
    path("phone/", pages.phone, name="phone"),
    path("phone/<str:number>/", pages.phone, name="phone-of"),
    path("mailbox/", pages.mailbox, name="mailbox"),
    path("mailbox/html/<str:public_id>/", pages.mail_html, name="mail-html"),
    path("mailbox/<str:address>/", pages.mailbox, name="mailbox-of"),
    path("partners/", pages.partners, name="partners"),
    path("partners/style.css", pages.style, name="partners-style"),
    path("partners/orders/<str:public_id>/", pages.order, name="partner-order"),
    path("partners/orders/<str:public_id>/move/", pages.move_order, name="partner-order-move"),
    path("partners/callbacks/", pages.callback_list, name="partner-callbacks"),
    path("partners/callbacks/<str:public_id>/replay/", pages.replay_callback, name="partner-callback-replay"),
    path("partners/journal/", pages.journal, name="partner-journal"),
    path("partners/journal/<int:entry_id>/", pages.journal_entry, name="partner-journal-entry"),
    path("control/advance", control.advance),
    path("control/orders", control.orders),
    path("control/messages", control.messages),
    path("control/callbacks", control.callback_urls),
    path("control/callback/replay", control.replay),
    path("control/step", control.step),
]
