"""Addresses below /hooks/ that EHRs call."""

from django.urls import path

from ehrcommerce.ehr.views.notifications import notification

urlpatterns = [path("ehr/<uuid:hook_id>/", notification, name="notification")]
