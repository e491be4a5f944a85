"""A consent as FHIR R4 Consent: valid, and nothing of it lost on the way."""

import base64
import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from fhirclient.models.consent import Consent as FhirConsent

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.disclosure import consent, consent_export
from ehrcommerce.disclosure.consent import Wanted
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.policy import table
from tests.factories import NOW, two_agree

CY = audit.Actor("patient", "a-link")


def given(clinic: Organization, *, language: str = "es", text: str = "S\u00ed, comparta \u2026") -> Consent:
    (row,) = consent.give(
        organization_id=clinic.pk, customer_key="cy", subject="offer-1", language=language, text=text, identity_level=2,
        wanted=[Wanted(table.DEVICE, "supplier:1", "Shop")], by=CY, at=NOW,
    )  # fmt: skip
    return row


def test_a_yes_says_who_what_whom_when_and_the_exact_words(clinic: Organization) -> None:
    row = given(clinic)
    found = consent_export.resource(row)
    FhirConsent(found, strict=True)
    assert (found["status"], found["provision"]["type"]) == ("active", "permit")
    assert found["provision"]["purpose"][0]["code"] == table.ACT_REASON[table.DEVICE]
    assert found["provision"]["actor"][0]["reference"]["identifier"]["value"] == "supplier:1"
    assert found["provision"]["period"] == {"start": NOW.isoformat()}
    assert found["patient"]["identifier"]["value"] == audit.patient_ref("cy").hex()
    words = base64.b64decode(found["sourceAttachment"]["data"]).decode()
    assert found["identifier"][0]["value"] == f"sha256:{consent.hash_of('es', words).hex()}"


def test_what_was_taken_back_is_inactive_with_its_end(clinic: Organization) -> None:
    row = given(clinic)
    consent.withdraw(organization_id=clinic.pk, subject="offer-1", by=CY, at=NOW)
    row.refresh_from_db()
    found = consent_export.resource(row)
    FhirConsent(found, strict=True)
    assert (found["status"], found["provision"]["period"]["end"]) == ("inactive", NOW.isoformat())


def test_the_command_writes_each_once_and_says_so_in_the_audit(clinic: Organization) -> None:
    given(clinic)
    out = StringIO()
    with pytest.raises(CommandError, match="Two people must agree"):
        call_command("export_consents", organization=clinic.pk, stdout=out)
    assert out.getvalue() == ""
    two_agree(clinic, "bulk_export")
    call_command("export_consents", organization=clinic.pk, stdout=out)
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["resourceType"] == "Consent"
    assert AuditEvent.objects.filter(action="consent.exported").count() == 1


def test_without_a_recipient_everything_is_taken_back(clinic: Organization) -> None:
    given(clinic)
    wanted = [Wanted(table.KIT, "supplier:2", "Lab")]
    consent.give(
        organization_id=clinic.pk, customer_key="cy", subject="offer-1", language="en", text="t", identity_level=2,
        wanted=wanted, by=CY, at=NOW,
    )  # fmt: skip
    taken = consent.withdraw(organization_id=clinic.pk, subject="offer-1", by=CY, at=NOW, reason="declined")
    assert len(taken) == 2
    assert consent.live(organization_id=clinic.pk, subject="offer-1") == []
