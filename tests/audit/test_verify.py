"""Somebody looks at the chain, and a tail that was cut off is missed. [SEC-B12, REL-P36]"""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit import verify
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.outbox.chores import CHORES
from tests.audit.test_chain import as_owner, record
from tests.factories import NOW

CUT = "DELETE FROM audit_auditevent WHERE seal_number >= 4"
LATER = NOW + timedelta(minutes=5)


def said(clinic: Organization) -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(organization_id=clinic.pk, action="audit.verified").order_by("pk")
    return list(rows.values_list("reason", "outcome"))


@pytest.fixture
def sealed(clinic: Organization) -> Organization:
    record(clinic)
    audit.seal(organization_id=clinic.pk)
    return clinic


def test_the_clock_looks_before_it_seals() -> None:
    names = list(CHORES)
    assert names.index("check audit") < names.index("seal audit")


def test_a_sound_chain_is_walked_once_a_day_and_that_is_written_down(sealed: Organization) -> None:
    assert [verify.chore(sealed.pk, at) for at in (NOW, LATER)] == [0, 0]
    assert said(sealed) == [("rows:5", "success")]
    verify.chore(sealed.pk, NOW + timedelta(days=1, minutes=1))
    assert said(sealed)[1:] == [("rows:5", "success")]


def test_a_long_chain_is_walked_in_slices(sealed: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "SLICE", 2)
    for _ in range(2):
        verify.chore(sealed.pk, NOW)
        assert said(sealed) == []
    verify.chore(sealed.pk, NOW)
    assert said(sealed) == [("rows:5", "success")]


@pytest.mark.parametrize("slice_rows", [2, 1000])
def test_a_changed_row_is_named_without_its_content(
    sealed: Organization, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, slice_rows: int
) -> None:
    monkeypatch.setattr(verify, "SLICE", slice_rows)
    as_owner("UPDATE audit_auditevent SET actor = 'nobody' WHERE seal_number = 3")
    assert sum(verify.chore(sealed.pk, NOW) for _ in range(3)) >= 1
    assert "as number 3" in caplog.text
    assert "nobody" not in caplog.text
    assert said(sealed)[0] == ("breaks:1", "security")
    assert said(sealed)[-1] == ("rows:5", "failure")


@pytest.mark.parametrize("refilled", [False, True])
def test_a_tail_that_was_cut_is_missed(sealed: Organization, caplog: pytest.LogCaptureFixture, refilled: bool) -> None:
    verify.chore(sealed.pk, NOW)
    as_owner(CUT)
    if refilled:
        record(sealed, 4)
        audit.seal(organization_id=sealed.pk)
    assert audit.breaks(organization_id=sealed.pk) == ()  # the chain alone does not show it
    assert verify.chore(sealed.pk, LATER) == 1
    assert "number 5, once the end of the chain" in caplog.text
    assert verify.chore(sealed.pk, LATER) == 1  # still missed, and not said a hundred times a day
    assert [reason for reason, outcome in said(sealed) if outcome == "security"] == ["breaks:1"]


def test_a_person_may_accept_the_end_and_that_is_written_down(sealed: Organization) -> None:
    verify.chore(sealed.pk, NOW)
    as_owner(CUT)
    verify.accept(sealed.pk, LATER)
    assert verify.everything(sealed.pk).breaks == ()
    assert said(sealed)[-1][0] == "accepted:3"


def test_the_command_names_each_break_and_fails(sealed: Organization) -> None:
    out, err = StringIO(), StringIO()
    call_command("verify_audit", organization=sealed.pk, stdout=out, stderr=err)
    assert f"organization {sealed.pk}: 5 rows, end 5 {audit.head(sealed.pk)[1].hex()[:16]}" in out.getvalue()
    verify.chore(sealed.pk, NOW)
    as_owner(CUT)
    with pytest.raises(CommandError):
        call_command("verify_audit", organization=sealed.pk, stdout=out, stderr=err)
    assert "number 5" in err.getvalue()
