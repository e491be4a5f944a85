"""Name and NPI of a clinician are learned once, from their own EHR, and make nobody a prescriber."""

import pytest

from ehrcommerce.accounts.models import Role, User
from ehrcommerce.ehr import users
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.policy.packets import UserFacts
from tests import factories


@pytest.fixture
def stranger(ada: User) -> User:
    """Ada, of whom the EHR has told no name yet."""
    ada.display_name = ""
    ada.save()
    return ada


def test_the_practitioner_is_read_while_the_name_is_unknown(connection_row: EhrConnection, stranger: User) -> None:
    session = factories.ehr_session(connection_row, stranger, fhir_user="Practitioner/ada")
    assert users.unknown(session) == "Practitioner/ada"
    users.learn(session.user, UserFacts("Ada Lovell", "1234567893"))
    assert users.unknown(session) == ""


def test_what_was_learned_is_kept_and_the_role_stays(stranger: User) -> None:
    users.learn(stranger, UserFacts("Ada Lovell", "1234567893"))
    users.learn(stranger, UserFacts("Somebody Else", "9"))
    stranger.refresh_from_db()
    assert (stranger.display_name, stranger.npi, stranger.role) == ("Ada Lovell", "1234567893", Role.CLINICIAN)


@pytest.mark.parametrize("facts", [None, UserFacts("", ""), UserFacts("", "1234567893")])
def test_a_reading_that_failed_costs_the_name_alone(stranger: User, facts: UserFacts | None) -> None:
    users.learn(stranger, facts)
    stranger.refresh_from_db()
    assert (stranger.display_name, stranger.npi) == ("", "")
