"""The clinic's host: launches, the clinician's pages, and what machines call (hooks, the key set)."""

from django.urls import include, path
from django.views.decorators.http import require_safe
from django.views.generic import TemplateView

from ehrcommerce.urls import hooks
from ehrcommerce.urls.errors import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

urlpatterns = [
    # Somebody who opens the address by hand learns that the app is opened from a chart.
    path("", require_safe(TemplateView.as_view(template_name="ehr/outside.html")), name="outside"),
    path("ehr/", include("ehrcommerce.ehr.urls")),
    *hooks.urlpatterns,
]
