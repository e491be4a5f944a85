"""What the EHR has before anyone works with it: the registered demo app. And what a reset takes away."""

from itertools import product
from typing import Final

from django.conf import settings

from ehrcommerce.sandbox.ehr import counting
from ehrcommerce.sandbox.ehr.models import (
    AccessToken,
    AssertionId,
    AuthorizationCode,
    Client,
    Knobs,
    Launch,
    Message,
    Profile,
    Subscriber,
)

DEMO_CLIENT: Final = "ehrcommerce-demo"
DEMO_TYPES: Final = (
    "Patient",
    "MedicationRequest",
    "Medication",
    "DeviceRequest",
    "ServiceRequest",
    "Coverage",
    "Practitioner",
    "Organization",
    "Task",
)
READ_TYPES: Final = ("Device", "Encounter")
CONTEXT_SCOPES: Final = "launch launch/patient openid fhirUser online_access"
DEMO_SCOPES: Final = " ".join(
    [
        CONTEXT_SCOPES,
        *(f"{level}/{kind}.crus" for level, kind in product(("patient", "system"), DEMO_TYPES)),
        *(f"{level}/{kind}.rs" for level, kind in product(("patient", "system"), READ_TYPES)),
        "system/Subscription.crus",
        "user/Practitioner.rs",
        "user/Medication.rs",
    ]
)


def register_demo_client() -> None:
    """The app under its present address; runs again with every load."""
    Client.objects.update_or_create(
        client_id=DEMO_CLIENT,
        defaults={
            "name": "ehrcommerce",
            "auth_method": "private_key_jwt",
            "jwks_uri": f"{settings.APP_URL}/.well-known/jwks.json",
            # The second one is for docs/connect-an-ehr.md: a connection that the reader makes by hand.
            "redirect_uris": [f"{settings.APP_URL}/ehr/callback/{name}/" for name in ("demo", "second")],
            "launch_url": f"{settings.APP_URL}/ehr/launch",
            "scope": DEMO_SCOPES,
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        },
    )


def forget_sessions() -> None:
    """Knobs, profiles, launches, codes, tokens and what was told go; patients, orders, users, clients stay, and who is
    told of changes at the EHR that has no profile."""
    for table in (AccessToken, AuthorizationCode, AssertionId, Launch, Knobs, Profile):
        table.objects.all().delete()
    Message.objects.all().delete()
    Subscriber.objects.exclude(profile="").delete()
    counting.forget()
