"""Addresses below /ehr/. `launch` and `callback/<slug>/` are registered in the EHRs and never change."""

from django.urls import path

from ehrcommerce.ehr.views import clinician, launch

app_name = "clinic"
_KEY = "c/<str:launch_key>/"

urlpatterns = [
    path("launch", launch.launch, name="launch"),
    path("callback/<slug:slug>/", launch.callback, name="callback"),
    path(_KEY, clinician.orders, name="orders"),
    path(f"{_KEY}values/", clinician.values, name="values"),
    path(f"{_KEY}send/", clinician.send, name="send"),
    path(f"{_KEY}sent/<uuid:offer_id>/", clinician.sent, name="sent"),
    path(f"{_KEY}links/", clinician.links, name="links"),
    path(f"{_KEY}links/<uuid:link_id>/revoke/", clinician.revoke, name="revoke"),
    path(f"{_KEY}links/<uuid:link_id>/resend/", clinician.resend, name="resend"),
]
