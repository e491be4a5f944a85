"""What the EHR's administrator is told to allow is what a launch asks."""

import pytest

from ehrcommerce.accounts.models import Organization
from ehrcommerce.ehr import handover
from tests import factories


@pytest.mark.django_db
@pytest.mark.parametrize(("policy", "asked"), [("required", True), ("profile_claim", True), ("not_needed", False)])
def test_the_user_is_named_among_the_scopes_only_where_a_launch_asks(
    clinic: Organization, policy: str, asked: bool
) -> None:
    told = list(handover.of(factories.ehr_connection(clinic, fhir_user_policy=policy)))
    launch_scopes = [value.value.split() for value in told if value.name.startswith("Scopes of a launch")]
    assert len(launch_scopes) == 2
    assert all(("fhirUser" in scopes) is asked and "openid" in scopes for scopes in launch_scopes)


@pytest.mark.django_db
@pytest.mark.parametrize(("standalone", "note"), [(False, ""), (True, "Also launch/patient.")])
def test_beside_scopes_of_its_own_nothing_is_named_that_is_not_asked(
    clinic: Organization, standalone: bool, note: str
) -> None:
    row = factories.ehr_connection(clinic, launch_scopes="patient/Patient.r", standalone=standalone)
    (told,) = [value for value in handover.of(row) if value.name.startswith("Scopes of a launch")]
    assert (told.value.split(), told.note) == (["launch", "openid", "fhirUser", "patient/Patient.r"], note)
