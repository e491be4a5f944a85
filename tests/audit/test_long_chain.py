"""A chain of 100,000 rows is walked in a stream."""

import time

import pytest
from django.db import connection

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit import verify

ROWS = 100_000


def fill(clinic: Organization, rows: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_auditevent (organization_id, at, actor, action, entity, purpose, recipient, elements,"
            " outcome, reason, patient_ref) SELECT %s, '2026-11-02T15:00:00Z'::timestamptz + n * interval '1 second',"
            " 'user:ada', 'chart.read', 'launch:' || n, 'prescription', 'clinician',"
            " 'MedicationRequest.status,Patient.birthDate', 'success', '', decode(md5(n::text) || md5(n::text), 'hex')"
            " FROM generate_series(1, %s) n",
            [clinic.pk, rows],
        )
    while audit.seal(organization_id=clinic.pk, limit=20_000):
        pass


@pytest.mark.nightly
def test_a_hundred_thousand_rows_are_verified_in_ten_seconds_and_the_first_break_is_named(clinic: Organization) -> None:
    from tests.audit.test_chain import as_owner

    fill(clinic, ROWS)
    began = time.process_time()
    found = verify.everything(clinic.pk)
    spent = time.process_time() - began
    assert (found.rows, found.breaks) == (ROWS, ())
    assert spent < 10, f"{spent:.1f} s of this process"
    as_owner("UPDATE audit_auditevent SET outcome = 'failure' WHERE seal_number = 77777")
    assert "number 77777" in verify.everything(clinic.pk).breaks[0]
