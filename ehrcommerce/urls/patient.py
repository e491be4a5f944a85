"""The patient's host: the page behind a link, and the checkout."""

from django.urls import include, path

from ehrcommerce.urls import health
from ehrcommerce.urls.errors import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

urlpatterns = [path("", include("ehrcommerce.commerce.checkout.urls")), *health.urlpatterns]
