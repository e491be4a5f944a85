"""All addresses of the sandbox site: control, the EHR, the partners."""

from django.urls import include, path

urlpatterns = [
    path("", include("ehrcommerce.sandbox.journal.urls")),
    path("", include("ehrcommerce.sandbox.ehr.urls")),
    path("", include("ehrcommerce.sandbox.partners.urls")),
]
