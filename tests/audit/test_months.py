"""The audit has a part for each month. One whose six years are over goes whole, and the chain that is left is as sound as
before; nothing goes earlier, and nothing of whom a hold names. [SEC-B12, PERF-G2]"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import months, roots, verify
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent, AuditGap, AuditRoot
from ehrcommerce.disclosure import holds
from ehrcommerce.outbox.chores import CHORES
from ehrcommerce.vault import walls
from tests.audit.test_chain import as_owner, run
from tests.factories import NOW, organization

OLD = datetime(2019, 3, 20, 12, tzinfo=UTC)
PART = "audit_auditevent_2019_03"


def write(clinic: Organization, at: datetime, number: int = 2, customer: str = "") -> None:
    for _ in range(number):
        audit.record(
            organization_id=clinic.pk, by=audit.system("test"), action="a.b", entity="order:1", at=at,
            customer_key=customer,
        )  # fmt: skip


def settle(clinic: Organization, at: datetime = NOW) -> None:
    while audit.seal(organization_id=clinic.pk):
        pass
    roots.chore(clinic.pk, at)


def month(first: date) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_audit_month(%s)", [first])
        return bool(cursor.fetchone()[0])


def stands_in(pk: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM audit_auditevent WHERE id = %s", [pk])
        return str(cursor.fetchone()[0])


@pytest.fixture
def old(clinic: Organization) -> Organization:
    """Rows of March 2019, of whom some were sealed among those of April; sealed, and under a root."""
    month(date(2019, 3, 1))
    for at in (OLD, datetime(2019, 4, 1, 0, 0, 1, tzinfo=UTC), datetime(2019, 3, 31, 23, 59, 59, tzinfo=UTC), NOW):
        write(clinic, at)
    settle(clinic, NOW + timedelta(days=1))
    return clinic


def drop(clinic: Organization, at: datetime = NOW) -> int:
    """As the sweeper does. Other organizations of this database have no rows so old."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id) FROM ehrc_organizations() AS id")
        first = cursor.fetchone()[0]
    with walls.organization(first):
        return CHORES["audit retention"].work(first, at)


def test_months_are_made_ahead_and_a_second_look_makes_none(clinic: Organization) -> None:
    at = datetime.now(UTC)
    CHORES["audit months"].work(clinic.pk, at + timedelta(days=100))
    wanted = {months.after(months.month_of(at + timedelta(days=100)))}
    assert wanted <= {upto for _, upto in months.parts()}
    assert CHORES["audit months"].work(clinic.pk, at + timedelta(days=100)) == 0


def test_a_row_whose_month_was_not_made_is_kept_and_goes_into_it_later(clinic: Organization) -> None:
    write(clinic, OLD, 3)
    audit.seal(organization_id=clinic.pk, limit=2)
    pk = AuditEvent.objects.order_by("pk").values_list("pk", flat=True)[0]
    assert stands_in(pk) == "audit_auditevent_other"
    assert month(date(2019, 3, 1))
    assert stands_in(pk) == PART
    assert audit.seal(organization_id=clinic.pk) == 1
    assert verify.everything(clinic.pk) == verify.Found(3, ())
    with pytest.raises(DatabaseError), transaction.atomic():
        as_owner_quietly("DELETE FROM audit_auditevent")


def as_owner_quietly(sql: str) -> None:
    """The owner, who left the triggers on."""
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute(sql)


@pytest.mark.parametrize("sql", ["DELETE FROM {part}", "UPDATE {part} SET actor = 'x'", "TRUNCATE {part}",
                                 "DELETE FROM audit_auditgap"])  # fmt: skip
@pytest.mark.parametrize("role", ["app", "owner"])
def test_a_part_is_as_shut_as_the_whole(old: Organization, sql: str, role: str) -> None:
    drop(old)
    part = "audit_auditevent_2026_11" if "2026_11" in str(months.parts()) else "audit_auditevent_other"
    write(old, datetime(2026, 11, 30, tzinfo=UTC))
    with pytest.raises(DatabaseError, match=r"permission denied|never changed"), transaction.atomic():
        run({"app": "", "owner": "RESET ROLE; "}[role] + sql.format(part=part))


def test_a_part_shows_nothing_of_another_clinic(old: Organization) -> None:
    def rows() -> int:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {PART}")
            return int(cursor.fetchone()[0])

    assert rows() == 4
    with walls.organization(organization(name="Elsewhere").pk):
        assert rows() == 0


@pytest.mark.parametrize("columns", ["seal_number, seal", "id"])
def test_the_app_brings_no_seal_and_no_key_of_its_own(clinic: Organization, columns: str) -> None:
    """What `(organization, seal number)` being unique once made sure of: no second row with a number."""
    values = {"seal_number, seal": "1, 'x'", "id": "1"}[columns]
    with pytest.raises(DatabaseError, match=r"row-level security|permission denied"), transaction.atomic():
        run(
            "INSERT INTO audit_auditevent (organization_id, at, actor, action, entity, purpose, recipient, elements,"
            f" outcome, reason, {columns}) VALUES (%s, %s, '', '', '', '', '', '', '', '', {values})", clinic.pk, NOW,
        )  # fmt: skip


def test_what_is_six_years_old_goes_and_the_chain_verifies(old: Organization) -> None:
    said = [(row.number, bytes(row.root)) for row in AuditRoot.objects.filter(organization_id=old.pk)]
    assert drop(old) == 4
    assert PART not in dict(months.parts())
    gaps = AuditGap.objects.filter(organization_id=old.pk).order_by("first").values_list("first", "last")
    assert list(gaps) == [(1, 2), (5, 6)]
    settle(old)
    assert verify.everything(old.pk) == verify.Found(5, ())
    assert AuditEvent.objects.filter(organization_id=old.pk, action=months.ACTION).count() == 1
    assert [(row.number, bytes(row.root)) for row in AuditRoot.objects.filter(organization_id=old.pk)][:1] == said
    write(old, NOW)
    audit.seal(organization_id=old.pk)
    assert audit.head(old.pk)[0] == 11
    assert [verify.chore(old.pk, NOW + timedelta(days=one)) for one in range(3)] == [0, 0, 0]


def test_a_round_that_stood_inside_a_month_goes_on_behind_it(
    old: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "SLICE", 1)
    assert verify.chore(old.pk, NOW) == 0  # at number 1, which goes now
    drop(old)
    assert [verify.chore(old.pk, NOW + timedelta(minutes=one)) for one in range(8)] == [0] * 8


def test_a_chain_of_which_everything_went_goes_on_with_its_number(clinic: Organization) -> None:
    month(date(2019, 3, 1))
    write(clinic, OLD)
    settle(clinic)
    assert drop(clinic) == 2
    assert audit.head(clinic.pk)[0] == 2
    settle(clinic)
    assert audit.head(clinic.pk)[0] == 3  # the event that says so
    assert verify.everything(clinic.pk) == verify.Found(1, ())


def held(clinic: Organization) -> None:
    write(clinic, OLD, customer="cy")
    settle(clinic, NOW + timedelta(days=2))
    holds.place(organization_id=clinic.pk, customer_key="cy", why="suit", by=audit.system("test"), at=NOW)


def unsealed(clinic: Organization) -> None:
    write(clinic, OLD)


def without_root(clinic: Organization) -> None:
    write(clinic, OLD)
    audit.seal(organization_id=clinic.pk)


@pytest.mark.parametrize("why", [held, unsealed, without_root])
def test_a_month_that_somebody_needs_stays_whole(old: Organization, why: Callable[[Organization], None]) -> None:
    why(old)
    assert drop(old) == 0
    assert PART in dict(months.parts())
    assert not AuditGap.objects.exists()


def test_a_hold_in_another_clinic_keeps_the_month_for_all(old: Organization) -> None:
    other = organization(name="Elsewhere")
    with walls.organization(other.pk):
        write(other, OLD, customer="bo")
        settle(other)
        hold = holds.place(organization_id=other.pk, customer_key="bo", why="suit", by=audit.system("t"), at=NOW)
    with walls.organization(old.pk):
        assert drop(old) == 0
    with walls.organization(other.pk):
        holds.release(hold, by=audit.system("t"), at=NOW)
    with walls.organization(old.pk):
        assert drop(old) == 6
        settle(old)
        assert verify.everything(old.pk).breaks == ()
    with walls.organization(other.pk):
        assert verify.everything(other.pk).breaks == ()
        assert audit.head(other.pk)[0] >= 2


def test_nothing_goes_before_its_time(clinic: Organization) -> None:
    """The clock that the app passes in does not decide alone: the database has one too."""
    now = datetime.now(UTC)
    write(clinic, now)
    CHORES["audit months"].work(clinic.pk, now)
    settle(clinic, now + timedelta(days=2))
    part = f"audit_auditevent_{now:%Y_%m}"
    end = months.midnight(months.after(months.month_of(now)))
    # Asked of this clinic alone: other tests leave rows of this month behind, and those would keep it as well.
    with pytest.raises(DatabaseError, match="six years"), transaction.atomic():
        months.drop(part, [clinic.pk], end + timedelta(days=2192))
    assert part in dict(months.parts())
    for name in ("ehrc_audit_let_go", "ehrc_audit_drop"):
        with pytest.raises(DatabaseError, match="six years"), transaction.atomic():
            run(f"SELECT {name}(%s)", part)


def test_a_part_is_not_dropped_without_what_it_must_leave(old: Organization) -> None:
    with pytest.raises(DatabaseError, match="not every row"), transaction.atomic():
        run("SELECT ehrc_audit_drop(%s)", PART)
    for other in ("audit_auditevent_other", "orders_order", "audit_auditevent_2001_01"):
        with pytest.raises(DatabaseError, match="no such part"), transaction.atomic():
            run("SELECT ehrc_audit_drop(%s)", other)


@pytest.mark.parametrize("also", ["", "INSERT INTO audit_auditgap (organization_id, upto, first, last, seal)"
    " SELECT organization_id, '2019-04-01', 1, 2, seal FROM audit_auditevent WHERE seal_number = 2"])  # fmt: skip
def test_what_the_owner_removes_is_found_also_with_a_gap_of_his_own(old: Organization, also: str) -> None:
    """The seal that he leaves fits; that its time had come he cannot say in a chain whose key he does not have."""
    as_owner(also or "SELECT 1")
    as_owner("DELETE FROM audit_auditevent WHERE seal_number <= 2")
    assert verify.everything(old.pk).breaks
    assert verify.chore(old.pk, NOW) >= 1


def test_a_gap_that_is_changed_later_is_found(old: Organization) -> None:
    drop(old)
    settle(old)
    as_owner(
        "ALTER TABLE audit_auditgap DISABLE TRIGGER USER;"
        " UPDATE audit_auditgap SET last = 3, seal = (SELECT seal FROM audit_auditevent WHERE seal_number = 3)"
        " WHERE last = 2; ALTER TABLE audit_auditgap ENABLE TRIGGER USER"
    )
    as_owner("DELETE FROM audit_auditevent WHERE seal_number = 3")
    assert any("no event says so" in one for one in verify.everything(old.pk).breaks)
