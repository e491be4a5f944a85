"""The messengers' door."""

from django.urls import path

from ehrcommerce.suppliers import messages

urlpatterns = [path("message/<uuid:supplier_id>/", messages.message_callback, name="message_callback")]
