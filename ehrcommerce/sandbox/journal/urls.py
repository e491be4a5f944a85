"""Control of the journal and the faults."""

from django.urls import path

from ehrcommerce.sandbox.journal import views

urlpatterns = [
    path("healthz", views.healthz),
    path("control/journal", views.journal),
    path("control/conformance", views.conformance),
    path("control/conformance/mark", views.conformance_mark),
    path("control/strangers", views.strangers),
    path("control/faults", views.faults),
    path("control/reset", views.reset),
]
