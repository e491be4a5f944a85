"""Control of the journal and the faults."""

from django.urls import path

from ehrcommerce.sandbox.journal import views

urlpatterns = [
    path("healthz", views.healthz),
    path("control/journal", views.journal),
    path("control/faults", views.faults),
    path("control/reset", views.reset),
]
