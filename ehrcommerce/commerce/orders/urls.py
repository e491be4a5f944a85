"""The payment processor's door."""

from django.urls import path

from ehrcommerce.commerce.orders import views

urlpatterns = [path("payment/<uuid:supplier_id>/", views.payment_callback, name="payment_callback")]
