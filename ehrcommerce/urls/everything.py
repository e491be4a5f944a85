"""All doors on one host: the demo and the tests. In production each host name has its own module (hosts.py)."""

from ehrcommerce.urls import admin, clinic, health, patient
from ehrcommerce.urls.errors import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

_health = health.urlpatterns
urlpatterns = [
    *clinic.urlpatterns,
    *[pattern for pattern in patient.urlpatterns if pattern not in _health],
    *[pattern for pattern in admin.urlpatterns if pattern not in _health],
]
