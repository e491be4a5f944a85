"""Launching the app from a chart: the launch value, and the address that carries it to the app."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from ehrcommerce.sandbox.ehr.models import Client, EhrUser, Launch
from ehrcommerce.sandbox.ehr.seeding import DEMO_CLIENT
from ehrcommerce.sandbox.ehr.surroundings import of_profile


def begin(
    *, user: EhrUser, patient: str, orders: list[str], at: datetime, client_id: str = DEMO_CLIENT, **more: Any
) -> tuple[Launch, str]:
    """A launch and its address; `more` as Launch.begin has it. Client.DoesNotExist when the app is not registered."""
    launch = Launch.begin(user=user, patient=patient, orders=orders, at=at, **more)
    return launch, address(launch, client_id=client_id)


def address(launch: Launch, *, client_id: str = DEMO_CLIENT) -> str:
    """The app's launch address for a launch."""
    client = Client.objects.get(client_id=client_id)
    fields = {"iss": of_profile(launch.profile).fhir_base, "launch": launch.text}
    return f"{client.launch_url}?{urlencode(fields)}"
