"""A yes is for one purpose and one recipient, is given once, and can be taken back at any time."""

from datetime import timedelta

import pytest

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.consent import Wanted
from ehrcommerce.disclosure.errors import NoConsent
from ehrcommerce.disclosure.models import Consent, ConsentText
from ehrcommerce.vault import walls
from tests.disclosure.conftest import AT

pytestmark = pytest.mark.django_db
CY = Actor("patient", "link-1")
PHARMACY, PAYER = (
    Wanted("dispensing", "supplier:a", "Lakeside Pharmacy"),
    Wanted("eligibility", "supplier:b", "Clearing"),
)


def give(clinic: Organization, *wanted: Wanted, text: str = "I agree.", subject: str = "offer-1") -> list[Consent]:
    return consent.give(
        organization_id=clinic.pk, customer_key="cy-key", subject=subject, wanted=wanted, language="en", text=text,
        identity_level=2, by=CY, at=AT,
    )  # fmt: skip


def agreed(clinic: Organization, wanted: Wanted, subject: str = "offer-1") -> bool:
    try:
        consent.require(organization_id=clinic.pk, subject=subject, purpose=wanted.purpose, recipient=wanted.recipient)
    except NoConsent:
        return False
    return True


def test_a_yes_holds_for_its_purpose_recipient_and_subject_alone(clinic: Organization) -> None:
    with walls.organization(clinic.pk):
        give(clinic, PHARMACY)
        assert agreed(clinic, PHARMACY)
        assert not agreed(clinic, PAYER)
        assert not agreed(clinic, Wanted("dispensing", "supplier:b", ""))
        assert not agreed(clinic, PHARMACY, subject="offer-2")


def test_the_same_yes_twice_is_one_with_its_first_time(clinic: Organization) -> None:
    with walls.organization(clinic.pk):
        first, second = give(clinic, PHARMACY), give(clinic, PHARMACY, PAYER)
        assert [one.pk for one in second][:1] == [one.pk for one in first]
        assert Consent.objects.count() == 2
        assert ConsentText.objects.count() == 1
        assert AuditEvent.objects.filter(action="consent.given").count() == 2


def test_the_words_that_were_shown_are_kept_for_each_version(clinic: Organization) -> None:
    with walls.organization(clinic.pk):
        give(clinic, PHARMACY)
        (other,) = give(clinic, PAYER, text="I agree to this, too.")
        assert other.text.text == "I agree to this, too."
        assert ConsentText.objects.count() == 2


def test_taking_back_stops_that_recipient_and_stays_on_record(clinic: Organization) -> None:
    with walls.organization(clinic.pk):
        give(clinic, PHARMACY, PAYER)
        later = AT + timedelta(hours=1)
        taken = consent.withdraw(organization_id=clinic.pk, subject="offer-1", recipient="supplier:a", by=CY, at=later)
        assert [one.withdrawn_at for one in taken] == [later]
        assert not agreed(clinic, PHARMACY)
        assert agreed(clinic, PAYER)
        assert [one.recipient for one in consent.live(organization_id=clinic.pk, subject="offer-1")] == ["supplier:b"]
        assert Consent.objects.count() == 2
        assert AuditEvent.objects.filter(action="consent.withdrawn", recipient="supplier:a").count() == 1


def test_a_yes_can_be_given_again_after_it_was_taken_back(clinic: Organization) -> None:
    with walls.organization(clinic.pk):
        give(clinic, PHARMACY)
        consent.withdraw(organization_id=clinic.pk, subject="offer-1", recipient="supplier:a", by=CY, at=AT)
        assert (
            consent.withdraw(organization_id=clinic.pk, subject="offer-1", recipient="supplier:a", by=CY, at=AT) == []
        )
        give(clinic, PHARMACY)
        assert agreed(clinic, PHARMACY)
        assert Consent.objects.count() == 2
