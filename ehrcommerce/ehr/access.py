"""Everything that the door needs to read from one EHR, made from a launch or from Backend Services: the only things
that leave this package with a token inside."""

from collections.abc import Sequence

from django.utils import timezone

from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.ehr import backend_services, sessions
from ehrcommerce.ehr.discovery import connection_partner
from ehrcommerce.ehr.handles import chart_key, key_maker
from ehrcommerce.ehr.models import EhrConnection, EhrSession

__all__ = ["backend_access", "chart_key", "connection_partner", "key_maker", "session_access"]


def session_access(session: EhrSession) -> FhirAccess:
    """Reading as the clinician of a launch. Renews a token that ends; raises SessionOver where that cannot be done."""
    bearer = sessions.bearer(session, at=timezone.now())
    return _access(session.connection, bearer=bearer, patient_id=session.patient, place=f"launch:{session.public_id}")


def backend_access(connection: EhrConnection, *, patient_id: str, scopes: Sequence[str]) -> FhirAccess:
    """Reading as the app itself. Raises NoBackendServices, BackendRefused, BackendUnanswered."""
    bearer = backend_services.token(connection, scopes=scopes)
    return _access(connection, bearer=bearer, patient_id=patient_id, place="")


def _access(connection: EhrConnection, *, bearer: str, patient_id: str, place: str) -> FhirAccess:
    return FhirAccess(
        partner=connection_partner(connection), base=connection.fhir_base.rstrip("/"), bearer=bearer,
        patient_id=patient_id,
        organization_id=connection.organization_id, connection_party=connection.party,
        honors_elements=connection.honors_elements, honors_include=connection.honors_include,
        key_of=key_maker(connection), adult_age=connection.organization.adult_age, place=place,
    )  # fmt: skip
