"""One root a day, which follows from the one before, is printed, and can be laid before a time-stamping authority."""

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import roots, verify
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditRoot
from ehrcommerce.outbox.chores import CHORES
from tests.audit.test_chain import as_owner, record
from tests.factories import NOW

DAY = timedelta(days=1)


def days(clinic: Organization, number: int) -> list[AuditRoot]:
    for place in range(1, number + 1):
        record(clinic, 2)
        audit.seal(organization_id=clinic.pk)
        roots.chore(clinic.pk, NOW + place * DAY)
    return list(AuditRoot.objects.filter(organization_id=clinic.pk).order_by("day"))


def test_each_day_has_one_root_that_follows_from_the_last(
    clinic: Organization, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "ehrcommerce.audit.roots")
    first, second = days(clinic, 2)
    assert (str(first.day), first.number, second.number) == ("2026-11-02", 2, 4)
    assert roots.chore(clinic.pk, NOW + 2 * DAY) == 0
    assert bytes(second.root) == roots.root_of(
        bytes(first.root), clinic.pk, str(second.day), 4, audit.head(clinic.pk)[1]
    )
    assert bytes(second.root).hex() in caplog.text


def test_a_day_waits_for_its_last_seal(clinic: Organization) -> None:
    record(clinic, 1)
    assert roots.chore(clinic.pk, NOW + DAY) == 0
    audit.seal(organization_id=clinic.pk)
    assert roots.chore(clinic.pk, NOW + DAY) == 1


def test_the_clock_makes_them(clinic: Organization) -> None:
    assert CHORES["audit roots"].work(clinic.pk, NOW) == 0


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("DELETE FROM audit_auditevent WHERE seal_number = 2", "the root of 2026-11-02 names"),
        ("ALTER TABLE audit_auditroot DISABLE TRIGGER USER; UPDATE audit_auditroot SET number = 3 WHERE number = 4;"
         " ALTER TABLE audit_auditroot ENABLE TRIGGER USER", "the root of 2026-11-03 does not follow"),
        ("ALTER TABLE audit_auditroot DISABLE TRIGGER USER; DELETE FROM audit_auditroot WHERE number = 2;"
         " ALTER TABLE audit_auditroot ENABLE TRIGGER USER", "the root of 2026-11-03 does not follow"),
    ],
)  # fmt: skip
def test_a_root_that_no_longer_fits_is_named(clinic: Organization, sql: str, named: str) -> None:
    days(clinic, 2)
    assert verify.everything(clinic.pk).breaks == ()
    as_owner(sql)
    assert any(named in found for found in verify.everything(clinic.pk).breaks)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed here")
def test_a_time_stamp_request_is_what_rfc_3161_says(clinic: Organization, tmp_path: Path) -> None:
    (line,) = roots.write_requests(days(clinic, 1), tmp_path)
    said = subprocess.run(
        ["openssl", "ts", "-query", "-in", str(line.with_suffix(".tsq")), "-text"],
        capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"},
    ).stdout  # fmt: skip
    dumped = "".join(part.split(" - ")[1][:48] for part in said.splitlines() if " - " in part)
    digest = subprocess.run(["sha256sum", str(line)], capture_output=True, text=True, check=True).stdout.split()[0]
    assert digest in dumped.replace(" ", "").replace("-", "")
    assert "Hash Algorithm: sha256" in said
    assert "Certificate required: yes" in said
    assert "Nonce: 0x" in said
