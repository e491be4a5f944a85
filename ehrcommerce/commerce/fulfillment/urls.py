"""The suppliers' door."""

from django.urls import path

from ehrcommerce.commerce.fulfillment import views

urlpatterns = [path("supplier/<uuid:supplier_id>/", views.supplier_callback, name="supplier_callback")]
