"""What the EHR's own registration form asks of us, ready to copy: addresses from the settings, scopes from the table."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from ehrcommerce.ehr import smart
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.ehr.writeback import SCOPES as WRITTEN
from ehrcommerce.policy import derive, table


@dataclass(frozen=True)
class Value:
    """One field of the EHR's form: what it is called there, and what belongs into it."""

    name: str
    value: str
    note: str = ""


def of(connection: EhrConnection) -> Iterator[Value]:
    """In the order in which EHRs ask."""
    base = settings.CLINIC_URL
    yield Value("Launch address", f"{base}/ehr/launch", "One for all EHRs.")
    yield Value(
        "Redirect address", f"{base}/ehr/callback/{connection.slug}/", "Letter by letter, with the slash at its end."
    )
    yield Value("Key set address (JWKS)", f"{base}/.well-known/jwks.json", "ES384 and RS384, current and next.")
    if connection.standalone:
        yield Value("Start without the EHR", f"{base}/ehr/start/{connection.slug}/", "For staff, not for the EHR.")
    user_needed = connection.fhir_user_policy != "not_needed"
    own = connection.launch_scopes and smart.own_scopes(connection.launch_scopes, user_needed=user_needed)
    asked = {dialect: derive.launch_scopes(dialect) for dialect in ("v1", "v2")}
    v1, v2 = (" ".join(one for one in asked[dialect] if user_needed or one != "fhirUser") for dialect in ("v1", "v2"))
    mine = " (as this connection asks)"
    picked = [smart.PATIENT_PICKED] if connection.standalone else []
    beside = "Also online_access where the EHR has it" + (", and launch/patient." if picked else ".")
    if own:
        # A row with scopes of its own asks those and no other.
        yield Value(f"Scopes of a launch{mine}", own, "Also launch/patient." if picked else "")
    else:
        yield Value(f"Scopes of a launch, v2{mine if connection.scope_dialect == 'v2' else ''}", v2, beside)
        yield Value(f"Scopes of a launch, v1{mine if connection.scope_dialect == 'v1' else ''}", v1, beside)
    if connection.backend_services:
        yield Value("Scopes of the app's own access", " ".join(system_scopes(connection)), "Backend Services.")


def system_scopes(connection: EhrConnection) -> tuple[str, ...]:
    """Every scope that some job asks one day; each job asks its own few."""
    kinds = tuple(derive.ORDER_TYPE)
    jobs = (table.ELIGIBILITY, table.SHIPPING, table.PRESCRIPTION)
    wanted = {one for job in jobs for one in derive.system_scopes(job, kinds)}
    if connection.write_back:
        wanted |= set(WRITTEN)
    return tuple(sorted(smart.in_v1(one) if connection.scope_dialect == "v1" else one for one in wanted))
