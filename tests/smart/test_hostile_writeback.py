"""Row 80: what an EHR can answer when the app reports to the chart. Whatever is lost, late, or about something else, there
is one Task with the newest word, it is found by our identifier alone, and nobody goes where a `Location` points."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr import alerts, references, writeback
from ehrcommerce.ehr.access import backend_access
from ehrcommerce.ehr.chart import EhrChart
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.vault import walls
from ehrcommerce.workbench.rotation import rotating
from tests.smart.conftest import PATIENT, Ehr, Make, prescription

pytestmark = [pytest.mark.django_db, pytest.mark.smart("H80")]

FIRST, LATER = "2026-11-02T15:00:00+00:00", "2026-11-03T15:00:00+00:00"
CREATED = {"interactions": ["create"], "types": ["Task"], "times": 1, "commit": True}
MOVED = {**CREATED, "interactions": ["update"]}


@dataclass
class Chart:
    """One order of a chart that was bought: what is reported of it, and what then stands in the EHR."""

    ehr: Ehr
    key: str
    order_id: str

    def tell(self, status: str = "dispatched", at: str = FIRST) -> Outcome:
        clinic = self.ehr.clinic.pk
        return EhrChart().report(organization_id=clinic, key=self.key, order_id=self.order_id, status=status, at=at)

    def tasks(self) -> list[dict[str, Any]]:
        _, value = writeback.identifier_of(self.order_id, self.key)
        found = self.ehr.desk.call("GET", f"fhir?type=Task&patient={PATIENT}")["resources"]
        return [task for task in found if any(one.get("value") == value for one in task.get("identifier", []))]

    def task(self) -> dict[str, Any]:
        (found,) = self.tasks()
        return found

    def put(self, **changes: Any) -> None:
        """Somebody at the EHR writes into the Task."""
        self.ehr.desk.call("POST", "fhir", {"resources": [{**self.task(), **changes}]})

    def written(self, since: int) -> list[str]:
        return [one["method"] for one in self.ehr.desk.journal(since)
                if one["method"] in ("POST", "PUT") and f"/{self.ehr.profile['name']}/fhir/" in one["path"]]  # fmt: skip


Reports = Callable[..., Chart]


@pytest.fixture
def reports(make_ehr: Make) -> Reports:
    """`reports(knob=..., ...)`: an EHR to which the clinic reports, and one order that was sent."""

    def make(**knobs: Any) -> Chart:
        ehr = make_ehr(knobs=knobs, client_auth="private_key_jwt", write_back=True, read_s=1)
        ehr.desk.call("POST", "fhir", {"resources": [prescription(80)]})
        with walls.organization(ehr.clinic.pk):
            access = backend_access(ehr.connection, patient_id=PATIENT, scopes=writeback.SCOPES)
            key = access.key_of("MedicationRequest", "smart-rx-80")
            access.seen[key] = ("MedicationRequest", "smart-rx-80", "1")
            organization_id, at = ehr.clinic.pk, timezone.now()
            references.remember(
                organization_id=organization_id, connection=ehr.connection, access=access, keys=[key], at=at
            )
        return Chart(ehr, key, str(uuid4()))

    return make


def alert_of(chart: Chart) -> str:
    with walls.organization(chart.ehr.clinic.pk):
        chart.ehr.connection.refresh_from_db()
        return chart.ehr.connection.alert


# --------------------------------------------------------------------------------------------------- an answer is lost
@pytest.mark.parametrize(
    ("manner", "if_none_exist"),
    rotating([("timeout", "ignore"), ("reset", "honor"), ("reset", "ignore"), ("500", "ignore")], keep=1),
)
def test_a_task_whose_making_was_not_answered_is_found_and_not_made_again(
    reports: Reports, manner: str, if_none_exist: str
) -> None:
    seconds = {"seconds": 2} if manner == "timeout" else {}
    chart = reports(fhir_answer={**CREATED, "manner": manner, **seconds}, if_none_exist=if_none_exist)
    first = chart.tell()
    assert isinstance(first, OutcomeUnknown | TryAgain)
    number, since = chart.task()["id"], chart.ehr.desk.mark()
    assert chart.tell() == Done(reference=number)
    assert chart.written(since) == []
    assert len(chart.tasks()) == 1


@pytest.mark.parametrize("manner", ["reset", "503"])
def test_a_move_that_was_not_answered_is_seen_and_not_made_again(reports: Reports, manner: str) -> None:
    chart = reports(fhir_answer={**MOVED, "manner": manner})
    assert isinstance(chart.tell(), Done)
    assert isinstance(chart.tell("shipped", LATER), OutcomeUnknown | TryAgain)
    since = chart.ehr.desk.mark()
    assert isinstance(chart.tell("shipped", LATER), Done)
    assert chart.written(since) == []
    assert (chart.task()["status"], chart.task()["meta"]["versionId"]) == ("in-progress", "2")


def test_what_never_arrived_is_made_at_the_next_try(reports: Reports) -> None:
    chart = reports(fhir_answer={**CREATED, "manner": "reset", "commit": False})
    assert isinstance(chart.tell(), OutcomeUnknown)
    assert chart.tasks() == []
    assert isinstance(chart.tell(), Done)
    assert len(chart.tasks()) == 1


# ------------------------------------------------------------------------------------------------------ somebody faster
@pytest.mark.parametrize("status", [409, 412])
def test_what_somebody_else_wrote_in_between_stays_and_ours_is_added(
    reports: Reports, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A real conflict: their version comes between our look and our change."""
    chart, look, faster = reports(stale_status=status), writeback._find, [1]
    assert isinstance(chart.tell(), Done)

    def beaten(*args: Any) -> Any:
        found = look(*args)
        if faster:
            faster.pop()
            chart.put(note=[{"text": "seen by the front desk"}])
        return found

    monkeypatch.setattr(writeback, "_find", beaten)
    since = chart.ehr.desk.mark()
    assert isinstance(chart.tell("shipped", LATER), Done)
    assert chart.written(since) == ["PUT", "PUT"]
    task = chart.task()
    assert (task["status"], task["note"]) == ("in-progress", [{"text": "seen by the front desk"}])


@pytest.mark.parametrize("status", ["409", "412"])
def test_a_conflict_without_an_end_is_left_for_later(reports: Reports, status: str) -> None:
    chart = reports()
    assert isinstance(chart.tell(), Done)
    chart.ehr.turn(fhir_answer={"manner": status, "interactions": ["update"]})
    since = chart.ehr.desk.mark()
    assert chart.tell("shipped", LATER) == TryAgain("task_keeps_changing")
    assert chart.written(since) == ["PUT"] * 3
    assert chart.task()["status"] == "received"


def test_two_tasks_of_ours_are_for_a_person(reports: Reports) -> None:
    chart = reports()
    chart.tell()
    chart.put(id=f"twin-{chart.order_id}")
    since = chart.ehr.desk.mark()
    assert chart.tell("shipped", LATER) == Refused("several_tasks")
    assert chart.written(since) == []


def test_without_conditional_create_it_is_made_after_the_look(reports: Reports) -> None:
    """W2: the header is refused; nobody made the Task in between, so it is made without."""
    chart = reports(if_none_exist="refuse")
    assert isinstance(chart.tell(), Done)
    assert isinstance(chart.tell("shipped", LATER), Done)
    assert chart.task()["status"] == "in-progress"


def test_a_task_that_is_refused_is_not_sent_for_ever(reports: Reports) -> None:
    chart = reports(fhir_answer={"manner": "400", "interactions": ["create"]})
    since = chart.ehr.desk.mark()
    assert chart.tell() == Refused("http_400")
    assert chart.written(since) == ["POST", "POST"]
    assert reports(writes="refused").tell() in (Refused("not_permitted"), Refused("http_405"))


# ----------------------------------------------------------------------------------- an answer about something else
def test_a_creation_that_names_somebody_else_s_task_is_looked_up_and_told(reports: Reports) -> None:
    """200 with another id: the Task that carries our identifier counts, and an operator hears of it."""
    chart = reports(write_result="other_id")
    assert chart.tell() == Done(reference=chart.task()["id"])
    assert alert_of(chart) == alerts.WRITTEN_ELSEWHERE
    assert alerts.SENTENCES[alerts.WRITTEN_ELSEWHERE]


def test_a_move_that_names_somebody_else_s_task_is_looked_up_and_told(reports: Reports) -> None:
    chart = reports()
    first = chart.tell()
    chart.ehr.turn(write_result="other_id")
    assert chart.tell("shipped", LATER) == first
    assert isinstance(first, Done)
    assert chart.task()["status"] == "in-progress"
    assert alert_of(chart) == alerts.WRITTEN_ELSEWHERE
    with walls.organization(chart.ehr.clinic.pk):
        assert AuditEvent.objects.filter(action="connection.alert", reason=alerts.WRITTEN_ELSEWHERE).count() == 1


@pytest.mark.parametrize(
    "body",
    ['{"resourceType":"Task","id":"elsewhere"}', '{"resourceType":"Patient","id":"x"}'],
)
def test_an_ehr_that_never_writes_ours_is_for_a_person(reports: Reports, body: str) -> None:
    """It says 200 and names something else each time, and what stands there is not ours."""
    chart = reports()
    assert isinstance(chart.tell(), Done)
    chart.ehr.turn(fhir_answer={"manner": "raw", "status": 200, "body": body, "interactions": ["update"]})
    since = chart.ehr.desk.mark()
    assert chart.tell("shipped", LATER) == NeedsHuman("answered_for_another")
    assert len(chart.written(since)) <= 3
    assert chart.task()["status"] == "received"
    assert alert_of(chart) == alerts.WRITTEN_ELSEWHERE


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    rotating(
        [
            (201, '{"resourceType":"Patient","id":"x"}', NeedsHuman("answered_for_another")),
            (201, '{"resourceType":"Task","id":"elsewhere"}', NeedsHuman("answered_for_another")),
            (200, "", TryAgain("task_keeps_changing")),
        ],
        keep=1,
    ),
)
def test_a_yes_after_which_nothing_stands_there_is_not_answered_with_a_second_task(
    reports: Reports, status: int, body: str, outcome: Outcome
) -> None:
    chart = reports(fhir_answer={"manner": "raw", "status": status, "body": body, "interactions": ["create"]})
    since = chart.ehr.desk.mark()
    assert chart.tell() == outcome
    assert chart.written(since) == ["POST"]
    assert alert_of(chart) == (alerts.WRITTEN_ELSEWHERE if body else "")


@pytest.mark.parametrize("location", rotating(["foreign", "absent", "right"], keep=1))
def test_the_place_of_the_new_task_is_believed_on_the_ehr_s_own_address_only(reports: Reports, location: str) -> None:
    """A foreign `Location` is ignored; that nobody asked there, the bench sees."""
    chart = reports(write_location=location)
    assert chart.tell() == Done(reference=chart.task()["id"] if location == "right" else "")
    assert chart.tell("shipped", LATER) == Done(reference=chart.task()["id"])
    assert (chart.task()["status"], len(chart.tasks())) == ("in-progress", 1)
    assert alert_of(chart) == ""


@pytest.mark.parametrize(
    "body", rotating(["", "OK", "<html>", '{"resourceType":"OperationOutcome","issue":[]}', "[]"], keep=1)
)
def test_a_body_that_names_nothing_is_as_good_as_none(reports: Reports, body: str) -> None:
    """W4: an empty answer is fine, whatever else stands in it is not read."""
    chart = reports(
        fhir_answer={"manner": "raw", "status": 201, "body": body, "interactions": ["create"], "commit": True}
    )
    assert isinstance(chart.tell(), Done)
    assert len(chart.tasks()) == 1
    assert alert_of(chart) == ""
