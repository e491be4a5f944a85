"""Us as an EHR knows us: built from its connection row for each exchange."""

from django.conf import settings

from ehrcommerce.ehr import keys
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.ehr.smart import ClientApp
from ehrcommerce.ehr.tokens import Manners

PRIVATE_KEY_JWT = "private_key_jwt"


def manners_of(connection: EhrConnection) -> Manners:
    """How strictly this EHR's token answers are read."""
    return Manners(
        token_type_optional=connection.token_type_optional, patient_prefix_ok=connection.patient_prefix_ok
    )


def of(connection: EhrConnection) -> ClientApp:
    """The redirect address comes from the settings, never from the request (L8): one for each connection."""
    signs = connection.client_auth == PRIVATE_KEY_JWT
    return ClientApp(
        client_id=connection.client_id, auth_method=connection.client_auth,
        secret="" if signs else connection.client_secret,
        redirect_uri=f"{settings.CLINIC_URL}/ehr/callback/{connection.slug}/",
        key=keys.signing_key(connection.assertion_alg) if signs else None,
        basic_encoding=connection.basic_encoding, names_itself=connection.client_id_in_body == "always",
        assertion_aud=connection.assertion_aud, manners=manners_of(connection),
    )  # fmt: skip
