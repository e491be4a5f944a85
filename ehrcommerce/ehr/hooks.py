"""Addresses below /hooks/ that EHRs call."""

from django.urls import path

from ehrcommerce.ehr.views.notifications import notification, put_below

urlpatterns = [
    path("ehr/<uuid:hook_id>/", notification, name="notification"),
    path("ehr/<uuid:hook_id>/<str:resource_type>/<str:resource_id>", put_below, name="notification-put"),
]
