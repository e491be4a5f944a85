"""Launching the app from a chart: the launch value, and the address that carries it to the app."""

from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings

from ehrcommerce.sandbox.ehr.models import Client, EhrUser, Launch
from ehrcommerce.sandbox.ehr.seeding import DEMO_CLIENT


def begin(
    *, user: EhrUser, patient: str, orders: list[str], at: datetime, client_id: str = DEMO_CLIENT
) -> tuple[Launch, str]:
    """A launch and its address. Client.DoesNotExist when the app was never registered."""
    launch = Launch.begin(user=user, patient=patient, orders=orders, at=at)
    return launch, address(launch, client_id=client_id)


def address(launch: Launch, *, client_id: str = DEMO_CLIENT) -> str:
    """The app's launch address for a launch."""
    client = Client.objects.get(client_id=client_id)
    return f"{client.launch_url}?{urlencode({'iss': settings.FHIR_BASE, 'launch': launch.value})}"
