"""Everything that the door needs to read from one EHR, made from a launch or from Backend Services: the only things
that leave this package with a token inside."""

from collections.abc import Callable, Sequence

from django.utils import timezone

from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import NotRenewed
from ehrcommerce.ehr import backend_services, sessions
from ehrcommerce.ehr.discovery import connection_partner
from ehrcommerce.ehr.errors import EhrError
from ehrcommerce.ehr.handles import chart_key, key_maker
from ehrcommerce.ehr.models import EhrConnection, EhrSession
from ehrcommerce.ehr.tokens import permitted
from ehrcommerce.policy import terms
from ehrcommerce.policy.derive import KIND_OF_TYPE

__all__ = [
    "backend_access", "chart_key", "connection_partner", "granted_types", "key_maker", "may_read", "session_access",
]  # fmt: skip


def session_access(session: EhrSession) -> FhirAccess:
    """Reading as the clinician of a launch. Renews a token that ends; raises SessionOver where that cannot be done."""
    bearer = sessions.bearer(session, at=timezone.now())

    def renew(refused: str) -> str:
        return sessions.renewed(session, refused=refused, at=timezone.now())

    return _access(
        session.connection, bearer=bearer, patient_id=session.patient, place=f"launch:{session.public_id}",
        renew=renew,
    )  # fmt: skip


def granted_types(session: EhrSession) -> tuple[str, ...]:
    """T6: the kinds of orders that this launch may search."""
    return permitted(session.scope, KIND_OF_TYPE, "s")


def may_read(session: EhrSession, resource_type: str) -> bool:
    """T6: whether this launch was allowed to read resources of this type at all."""
    return resource_type in permitted(session.scope, [resource_type], "r")


def backend_access(connection: EhrConnection, *, patient_id: str, scopes: Sequence[str]) -> FhirAccess:
    """Reading as the app itself. Raises NoBackendServices, BackendRefused, BackendUnanswered."""
    bearer = backend_services.token(connection, scopes=scopes)

    def renew(refused: str) -> str:
        return backend_services.token(connection, scopes=scopes, refused=refused)

    return _access(connection, bearer=bearer, patient_id=patient_id, place="", renew=renew)


def _in_words_of_the_door(renew: Callable[[str], str]) -> Callable[[str], str]:
    """F3: once after a 401; whatever stands against it, the door hears one word."""

    def ask(refused: str) -> str:
        try:
            return renew(refused)
        except EhrError as problem:
            raise NotRenewed from problem

    return ask


def _access(
    connection: EhrConnection, *, bearer: str, patient_id: str, place: str, renew: Callable[[str], str]
) -> FhirAccess:
    return FhirAccess(
        partner=connection_partner(connection), base=connection.fhir_base.rstrip("/"), bearer=bearer,
        patient_id=patient_id,
        organization_id=connection.organization_id, connection_party=connection.party,
        honors_elements=connection.honors_elements, honors_include=connection.honors_include,
        key_of=key_maker(connection), adult_age=connection.organization.adult_age, helpers=connection.organization.helpers,
        prescription_max_age_days=connection.organization.prescription_max_age_days, place=place,
        held_words=tuple(terms.lines(connection.organization.held_words)),
        honors_batch=connection.honors_batch, search_parameters=connection.search_parameters,
        medication_order=tuple(connection.medication_order.split()), renew=_in_words_of_the_door(renew),
    )  # fmt: skip
