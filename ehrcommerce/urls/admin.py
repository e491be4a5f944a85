"""The administrators' host."""

from django.conf import settings
from django.urls import path
from django.views.generic import RedirectView

from ehrcommerce.accounts.otp import site as admin_site
from ehrcommerce.urls import health
from ehrcommerce.urls.errors import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

# The admin's own pages name no icon, so browsers ask for the customary one.
_icon = RedirectView.as_view(url=f"/{settings.STATIC_URL.strip('/')}/img/favicon.svg", permanent=True)

urlpatterns = [path("admin/", admin_site.urls), path("favicon.ico", _icon), *health.urlpatterns]
