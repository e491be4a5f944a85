"""Three host names, three sets of pages: a patient's link opens nothing of the clinic, and the admin is not there at
all on the other two. Where no host names are configured (the demo), one host serves everything."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase


class HostMiddleware:
    """Chooses the URL configuration by host name. CommonMiddleware and ALLOWED_HOSTS refuse all other names."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        rooms = (("patient", settings.PATIENT_HOST), ("clinic", settings.CLINIC_HOST), ("admin", settings.ADMIN_HOST))
        self.rooms = {host.lower(): f"ehrcommerce.urls.{room}" for room, host in rooms if host}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if self.rooms:
            host = request.get_host().rpartition(":")[0] or request.get_host()
            request.urlconf = self.rooms.get(host.lower(), "ehrcommerce.urls.health")
        return self.get_response(request)
