"""One Task for each order in the chart, whatever is repeated, lost or changed meanwhile; in it a status, no more."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ehrcommerce.accounts.models import Agreement, Organization
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.ehr import backend_services, references, writeback
from ehrcommerce.ehr.chart import EhrChart
from ehrcommerce.ehr.errors import BackendRefused, BackendUnanswered
from ehrcommerce.ehr.handles import key_maker
from ehrcommerce.ehr.models import ChartReference, EhrConnection
from ehrcommerce.outbox.outcomes import Done, Outcome, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.vault import walls
from ehrcommerce.wire.client import Partner
from tests import factories
from tests.disclosure import fake_ehr
from tests.disclosure.fake_ehr import FakeEhr, Reply, bundle
from tests.factories import NOW

pytestmark = pytest.mark.django_db
FIRST, LATER = "2026-11-02T15:00:00+00:00", "2026-11-03T15:00:00+00:00"


@pytest.fixture
def ehr() -> Iterator[FakeEhr]:
    with fake_ehr.running() as server:
        yield server


@pytest.fixture
def row(ehr: FakeEhr, clinic: Organization, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChartReference]:
    connection = factories.ehr_connection(clinic, fhir_base=ehr.base, write_back=True)

    def backend(found: EhrConnection, *, patient_id: str, scopes: Any) -> FhirAccess:
        assert tuple(scopes) == ("system/Task.rs", "system/Task.cu")
        return FhirAccess(
            partner=Partner(name="ehr", base_url=found.fhir_base, read_s=1.0), base=found.fhir_base, bearer="t",
            patient_id=patient_id,
            organization_id=clinic.pk, connection_party=found.party, key_of=key_maker(found),
        )  # fmt: skip

    monkeypatch.setattr(writeback, "backend_access", backend)
    with walls.organization(clinic.pk):
        access = backend(connection, patient_id="cy", scopes=writeback.SCOPES)
        key = access.key_of("MedicationRequest", "rx-1")
        access.seen[key] = ("MedicationRequest", "rx-1", "3")
        references.remember(organization_id=clinic.pk, connection=connection, access=access, keys=[key], at=NOW)
        yield references.find(organization_id=clinic.pk, keys=[key])[key]


def tell(row: ChartReference, status: str = "dispatched", at: str = FIRST) -> Outcome:
    return EhrChart().report(organization_id=row.organization_id, key=row.key, order_id="order-1", status=status, at=at)


def tasks(ehr: FakeEhr) -> list[dict[str, Any]]:
    return [dict(one) for (kind, _), one in ehr.resources.items() if kind == "Task"]


def test_every_state_of_an_order_has_a_word_in_the_chart() -> None:
    assert set(writeback.STATUS) == set(OrderState.values)


@pytest.mark.parametrize("status", OrderState.values)
def test_the_task_is_sound_r4_and_says_nothing_of_product_price_or_payment(row: ChartReference, status: str) -> None:
    task = writeback.task_of(row, order_id="order-1", status=status, at=FIRST)
    assert set(task) == {
        "resourceType", "identifier", "status", "businessStatus", "intent", "code", "focus", "for", "lastModified",
    }  # fmt: skip
    assert task["focus"] == {"reference": "MedicationRequest/rx-1"}
    assert not any(word in json.dumps(task) for word in ("cents", "USD", "paid", "metformin"))


def test_the_first_word_makes_the_task_and_the_next_one_moves_it(row: ChartReference, ehr: FakeEhr) -> None:
    assert isinstance(tell(row), Done)
    assert isinstance(tell(row, "shipped", LATER), Done)
    (task,) = tasks(ehr)
    assert (task["status"], task["meta"]["versionId"], task["for"]) == ("in-progress", "2", {"reference": "Patient/cy"})
    post, put = [one for one in ehr.asked if one.method != "GET"]
    assert post.headers["If-None-Exist"].endswith(f"order-1.{row.key[:16]}")
    assert put.headers["If-Match"] == 'W/"1"'


def test_the_same_word_twice_writes_once_and_an_older_one_not_at_all(row: ChartReference, ehr: FakeEhr) -> None:
    assert isinstance(tell(row, "shipped", LATER), Done)
    assert isinstance(tell(row, "shipped", LATER), Done)
    assert isinstance(tell(row, "dispatched", FIRST), Done)
    (task,) = tasks(ehr)
    assert (task["status"], task["meta"]["versionId"]) == ("in-progress", "1")


def test_what_others_wrote_into_the_task_stays_with_its_characters(row: ChartReference, ehr: FakeEhr) -> None:
    tell(row)
    ((kind, number),) = [name for name in ehr.resources if name[0] == "Task"]
    theirs = {**ehr.resources[kind, number], "note": [{"text": "x"}]}
    ehr.put(theirs)
    raw = json.dumps(theirs).replace('"x"', '"x", "extension": [{"url": "u", "valueDecimal": 1.10}]')
    ehr.answer("GET Task", Reply(200, b'{"resourceType":"Bundle","entry":[{"resource":' + raw.encode() + b"}]}"))
    assert isinstance(tell(row, "shipped", LATER), Done)
    assert b'"valueDecimal":1.10' in ehr.asked[-1].body
    assert b'"note"' in ehr.asked[-1].body


@pytest.mark.parametrize("status", [409, 412])
def test_a_stale_version_is_read_again_at_most_three_times(row: ChartReference, ehr: FakeEhr, status: int) -> None:
    tell(row)
    number = tasks(ehr)[0]["id"]
    ehr.answer(f"PUT Task/{number}", Reply(status))
    before = len(ehr.asked)
    assert tell(row, "shipped", LATER) == TryAgain("task_keeps_changing")
    assert len(ehr.asked) - before == 6


def test_a_stale_version_once_is_overcome(row: ChartReference, ehr: FakeEhr) -> None:
    tell(row)
    number = tasks(ehr)[0]["id"]
    ehr.answer(f"PUT Task/{number}", Reply(412), Reply(200))
    assert isinstance(tell(row, "shipped", LATER), Done)


def test_a_create_whose_answer_was_lost_is_found_the_next_time(row: ChartReference, ehr: FakeEhr) -> None:
    own = ehr.own_reply

    def commit_then_stay_silent(asked: Any) -> Reply:
        answer = own(asked)
        return Reply(answer.status, b"x", {"Content-Length": "99"}) if asked.method == "POST" else answer

    ehr.own_reply = commit_then_stay_silent  # type: ignore[method-assign]
    assert isinstance(tell(row), OutcomeUnknown)
    ehr.own_reply = own  # type: ignore[method-assign]
    assert isinstance(tell(row), Done)
    assert len(tasks(ehr)) == 1


def test_a_create_that_met_another_ends_in_one_task(row: ChartReference, ehr: FakeEhr) -> None:
    tell(row)
    ehr.answer("GET Task", bundle([]), ehr.own_reply(ehr.asked[0]))
    assert isinstance(tell(row, "shipped", LATER), Done)
    assert [task["status"] for task in tasks(ehr)] == ["in-progress"]


@pytest.mark.parametrize(
    ("what", "status", "outcome"),
    [
        ("GET Task", 403, Refused("not_permitted")), ("GET Task", 404, Refused("http_404")),
        ("GET Task", 503, TryAgain("http_503")),
        ("POST Task", 422, Refused("http_422")), ("POST Task", 403, Refused("not_permitted")),
        ("POST Task", 429, TryAgain("http_429", 7)),
        ("POST Task", 412, Refused("several_tasks")), ("POST Task", 500, TryAgain("http_500")),
    ],
)  # fmt: skip
def test_what_the_ehr_says_becomes_an_outcome(
    row: ChartReference, ehr: FakeEhr, what: str, status: int, outcome: Outcome
) -> None:
    ehr.answer(what, Reply(status, b'{"issue":"Cy Young"}', {"Retry-After": "7"} if status == 429 else {}))
    assert tell(row) == outcome


def test_a_token_that_the_ehr_forgot_is_renewed_once(
    row: ChartReference, ehr: FakeEhr, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[str] = []
    monkeypatch.setattr(backend_services, "token", lambda *_, refused, **__: renewed.append(refused))
    ehr.answer("GET Task", Reply(401), bundle([]))
    assert isinstance(tell(row), Done)
    ehr.answer("GET Task", Reply(401))
    assert tell(row, "shipped", LATER) == Refused("token_refused")
    assert renewed == ["t", "t"]


def test_two_tasks_of_ours_are_for_a_person_to_look_at(row: ChartReference, ehr: FakeEhr) -> None:
    tell(row)
    one = tasks(ehr)[0]
    ehr.answer("GET Task", bundle([{"resource": one}, {"resource": {**one, "id": "x"}}]))
    assert tell(row, "shipped", LATER) == Refused("several_tasks")


def test_a_server_that_ignores_the_identifier_does_not_lend_us_another_task(row: ChartReference, ehr: FakeEhr) -> None:
    ehr.answer(
        "GET Task", bundle([{"resource": {"resourceType": "Task", "id": "foreign", "identifier": [{"value": "x"}]}}])
    )
    assert isinstance(tell(row), Done)
    assert [one.method for one in ehr.asked] == ["GET", "POST"]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(BackendUnanswered(), TryAgain("ehr_unanswered")), (BackendRefused(), Refused("not_permitted"))],
)
def test_without_a_token_nothing_is_written(
    row: ChartReference, ehr: FakeEhr, monkeypatch: pytest.MonkeyPatch, fault: Exception, outcome: Outcome
) -> None:
    def none(*args: Any, **kwargs: Any) -> FhirAccess:
        raise fault

    monkeypatch.setattr(writeback, "backend_access", none)
    assert tell(row) == outcome
    assert ehr.asked == []


def test_switched_off_or_without_an_agreement_nothing_is_written(row: ChartReference, ehr: FakeEhr) -> None:
    Agreement.objects.all().delete()
    assert tell(row) == Refused("no_agreement")
    EhrConnection.objects.update(write_back=False)
    assert tell(row) == Refused("write_back_off")
    assert ehr.asked == []


def test_an_ehr_that_is_down_was_not_written_to(row: ChartReference, ehr: FakeEhr) -> None:
    EhrConnection.objects.update(fhir_base="http://127.0.0.1:1/fhir/R4")
    assert tell(row) == TryAgain("ehr_not_reached")
