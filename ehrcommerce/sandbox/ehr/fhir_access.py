"""Who is asking, and how far the scopes of the token reach."""

import re
from dataclasses import dataclass, field

from django.utils import timezone

from ehrcommerce.sandbox.ehr import fhir_store, scopes
from ehrcommerce.sandbox.ehr.fhir_errors import NotPermitted, NotSignedIn
from ehrcommerce.sandbox.ehr.models import AccessToken
from ehrcommerce.sandbox.ehr.models.oauth import digest
from ehrcommerce.sandbox.ehr.surroundings import here

BEARER = re.compile(r"Bearer ([\w\-.~+/]+=*)", re.IGNORECASE)


@dataclass(frozen=True)
class Access:
    """The reach of one token."""

    rules: list[scopes.ResourceScope] = field(default_factory=list)
    patient: str = ""
    own_reference: str = ""

    def limit(self, resource_type: str, letter: str, *, fhir_id: str = "") -> str:
        """The one patient to whom an interaction is limited, "" for no limit. Raises NotPermitted."""
        levels = {rule.level for rule in self.rules if rule.covers(resource_type, letter)}
        if levels & {"user", "system"} or self._is_oneself(resource_type, letter, fhir_id):
            return ""
        if "patient" not in levels or not self.patient:
            raise NotPermitted(f"No scope of this token allows '{letter}' on {resource_type}.")
        in_compartment = resource_type == "Patient" or resource_type in fhir_store.PATIENT_ELEMENT
        return self.patient if in_compartment else ""

    def allows(self, resource_type: str, letter: str, *, patient: str) -> bool:
        """Whether a resource of this patient is within reach."""
        try:
            return self.limit(resource_type, letter) in ("", patient)
        except NotPermitted:
            return False

    def _is_oneself(self, resource_type: str, letter: str, fhir_id: str) -> bool:
        return letter == "r" and bool(fhir_id) and self.own_reference == f"{resource_type}/{fhir_id}"


def access_of(authorization: str, token: AccessToken | None) -> Access:
    """The reach of the token in an Authorization header, given its row. Raises NotSignedIn."""
    if not BEARER.fullmatch(authorization.strip()):
        raise NotSignedIn("A bearer token is needed.")
    if token is None or not is_live(token):
        raise NotSignedIn("The access token is unknown, expired or revoked.")
    reads_self = token.user is not None and "fhirUser" in token.scope.split()
    return Access(
        rules=scopes.resource_scopes(token.scope),
        patient=token.patient,
        own_reference=token.user.fhir_user if reads_self and token.user else "",
    )


def token_of(authorization: str) -> AccessToken | None:
    """The row of the token in an Authorization header at this EHR, live or not."""
    match = BEARER.fullmatch(authorization.strip())
    rows = AccessToken.objects.select_related("user", "launch", "client").filter(profile=here().profile)
    return rows.filter(access_sha256=digest(match[1])).first() if match else None


def is_live(token: AccessToken) -> bool:
    """Whether a token still opens anything."""
    return token.revoked_at is None and token.expires_at > timezone.now()
