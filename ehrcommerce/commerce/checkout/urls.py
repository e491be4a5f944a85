"""The patient's addresses. The one with the token is the only one that is ever sent; the others mean nothing without
the cookie, and none holds an id of a person, an order or an item."""

from django.urls import path

from ehrcommerce.commerce.checkout.views import about, follow, helper, identity, order, payment, refill, yourdata

app_name = "checkout"
urlpatterns = [
    path("about/<uuid:clinic_id>/terms/", about.terms, name="about_terms"),
    path("about/<uuid:clinic_id>/privacy/", about.privacy, name="about_privacy"),
    path("about/<uuid:clinic_id>/accessibility/", about.accessibility, name="about_accessibility"),
    path("about/<uuid:clinic_id>/languages/", about.languages, name="about_languages"),
    path("l/<str:token>/", identity.link, name="link"),
    path("c/code/", identity.enter_code, name="code"),
    path("c/code/again/", identity.again, name="again"),
    path("c/check/", order.check, name="check"),
    path("c/refill/", refill.refill, name="refill"),
    path("c/no/", order.say_no, name="no"),
    path("c/price/", order.price, name="price"),
    path("c/plan/", order.ask_again, name="ask_again"),
    path("c/where/", order.where, name="where"),
    path("c/pay/", payment.pay, name="pay"),
    path("c/new-price/", payment.accept_price, name="accept_price"),
    path("c/return/<uuid:payment_id>/", payment.back, name="return"),
    path("c/follow/", follow.follow, name="follow"),
    path("c/cancel/", follow.cancel, name="cancel"),
    path("c/send-again/", follow.send_again, name="send_again"),
    path("c/agree/", follow.agree, name="agree"),
    path("c/receipt/", follow.receipt, name="receipt"),
    path("c/receipt/paper/", follow.receipt_paper, name="receipt_paper"),
    path("c/shared/", follow.shared, name="shared"),
    path("c/shared/back/", follow.take_back, name="take_back"),
    path("c/helper/", helper.name_one, name="helper"),
    path("c/data/", yourdata.data, name="data"),
    path("c/data/prove/", yourdata.prove, name="data_prove"),
    path("c/data/read/", yourdata.read, name="data_read"),
    path("c/data/file/", yourdata.file, name="data_file"),
    path("c/data/paper/", yourdata.paper, name="data_paper"),
    path("c/data/standing/", yourdata.take_back_standing, name="data_standing"),
    path("c/data/erase/", yourdata.erase, name="data_erase"),
]
