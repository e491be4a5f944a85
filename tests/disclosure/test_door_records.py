"""Nothing is read without an agreement, and each reading leaves one row: who, what for, which elements, no value."""

from typing import Any

import pytest
from django.db import DatabaseError, transaction

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.accounts.models import Agreement
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import ChartForbidden, ChartUnreadable, WrongPatient
from ehrcommerce.policy.packets import DispatchFacts, UserFacts
from ehrcommerce.sandbox.data.demo import demo_resources
from ehrcommerce.sandbox.data.patients import JOANNA, MARISOL, RUTH
from ehrcommerce.sandbox.data.shapes import CHART_ONLY
from tests.audit.test_refused_insert import refusing
from tests.disclosure.charts import TODAY, patient, prescription
from tests.disclosure.conftest import AT, Open
from tests.disclosure.fake_ehr import FakeEhr, Reply, reply

pytestmark = pytest.mark.django_db
ORDER = {"k" * 64: ("MedicationRequest", "rx-1")}
DOORS: dict[str, Any] = {
    "chart": lambda access, by: door.disclose_chart(access, by=by, at=AT),
    "orders": lambda access, by: door.disclose_orders(access, ORDER, by=by, at=AT),
    "coverage": lambda access, by: door.disclose_coverage(access, by=by, at=AT),
    "ship_to": lambda access, by: door.disclose_ship_to(access, by=by, at=AT),
    "dispatch": lambda access, by: door.disclose_dispatch_facts(access, by=by, at=AT),
    "user": lambda access, by: door.disclose_user(access, "Practitioner/ada", by=by, at=AT),
}


@pytest.fixture
def demo(ehr: FakeEhr) -> FakeEhr:
    ehr.put(*demo_resources(TODAY), prescription())
    return ehr


@pytest.mark.parametrize("name", DOORS)
def test_without_an_agreement_the_ehr_is_not_even_asked(
    demo: FakeEhr, access: FhirAccess, by: Actor, name: str
) -> None:
    Agreement.objects.all().delete()
    with pytest.raises(NoAgreement):
        DOORS[name](access, by)
    assert demo.asked == []
    refused = AuditEvent.objects.get()
    assert (refused.action, refused.outcome, refused.elements) == ("agreement.refused", "refused", "")


@pytest.mark.parametrize("wrong", [{"services": "write_back"}, {"state": "draft"}, {"state": "ended"}])
def test_an_agreement_that_does_not_cover_the_chart_opens_no_door(
    demo: FakeEhr, access: FhirAccess, by: Actor, wrong: dict[str, str]
) -> None:
    Agreement.objects.filter(party=access.connection_party).update(**wrong)
    with pytest.raises(NoAgreement):
        DOORS["chart"](access, by)
    assert demo.asked == []


@pytest.mark.parametrize("name", DOORS)
def test_each_reading_leaves_one_row_with_names_and_no_value(
    demo: FakeEhr, access: FhirAccess, by: Actor, name: str
) -> None:
    DOORS[name](access, by)
    event = AuditEvent.objects.get()
    assert (event.actor, event.at, event.outcome) == (str(by), AT, "success")
    assert event.elements
    assert all("." in element for element in event.elements.split(","))
    assert bytes(event.patient_ref or b"") == audit.patient_ref(access.customer_key)
    assert event.purpose
    assert event.recipient
    for value in ("Young", "1980", "Metformin", "Okafor", "rx-1", "Patient/cy"):
        assert value not in "|".join(str(getattr(event, one.attname)) for one in AuditEvent._meta.fields)


def test_what_was_read_is_named(demo: FakeEhr, access: FhirAccess, by: Actor) -> None:
    DOORS["chart"](access, by)
    DOORS["orders"](access, by)
    chart, order = AuditEvent.objects.order_by("pk")
    assert (chart.entity, chart.purpose, chart.recipient) == ("launch:test", "chart", "clinician")
    assert (order.entity, order.purpose, order.recipient) == (f"order:{'k' * 64}", "identity,prescription", "commerce")
    assert "MedicationRequest.dosageInstruction.text" in chart.elements
    assert "Coverage" not in chart.elements
    assert "Patient.deceasedBoolean" in order.elements
    assert "Patient.telecom" not in order.elements


@pytest.mark.parametrize(("status", "error"), [(403, ChartForbidden), (500, ChartUnreadable)])
def test_a_reading_that_failed_says_so(
    demo: FakeEhr, access: FhirAccess, by: Actor, status: int, error: type[Exception]
) -> None:
    demo.answer("GET Patient/cy", Reply(status))
    with pytest.raises(error):
        DOORS["ship_to"](access, by)
    event = AuditEvent.objects.get()
    assert (event.outcome, event.reason, event.elements) == ("failure", f"http_{status}", "")


def test_if_the_row_cannot_be_written_nothing_comes_through(
    demo: FakeEhr, access: FhirAccess, by: Actor, monkeypatch: Any
) -> None:
    def full(**_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(audit, "record", full)
    with pytest.raises(OSError, match="disk full"):
        DOORS["chart"](access, by)


def test_a_whole_demo_chart_comes_through_without_what_only_the_chart_needs(
    demo: FakeEhr, opened: Open, by: Actor
) -> None:
    demo.elements = False
    access = opened(MARISOL)
    page = door.disclose_chart(access, by=by, at=AT)
    facts = (
        page, door.disclose_coverage(access, by=by, at=AT), door.disclose_ship_to(access, by=by, at=AT),
        door.disclose_dispatch_facts(access, by=by, at=AT), door.disclose_user(access, "Practitioner/ada", by=by,
        at=AT),
    )  # fmt: skip
    assert len(page.orders) == 10
    assert CHART_ONLY not in repr(facts)
    assert CHART_ONLY not in repr(access)
    assert "a-token" not in repr(access)


def test_coverage_with_its_payer_read_where_include_is_ignored(demo: FakeEhr, opened: Open, by: Actor) -> None:
    demo.include = False
    first, second = door.disclose_coverage(opened(JOANNA), by=by, at=AT)
    assert (first.payer_name, first.payer_id, second.payer_id) == ("Evergreen Mutual", "90022", "90011")


def test_a_pharmacy_gets_nothing_about_the_dead(demo: FakeEhr, opened: Open, by: Actor) -> None:
    assert door.disclose_dispatch_facts(opened(RUTH), by=by, at=AT) is None
    assert door.disclose_dispatch_facts(opened(MARISOL), by=by, at=AT) == DispatchFacts(
        "Marisol Elena Rivera", "1968-03-14"
    )


def test_the_pharmacys_facts_are_those_of_the_right_person(demo: FakeEhr, access: FhirAccess, by: Actor) -> None:
    demo.answer("GET Patient/cy", reply(patient(id="bo")))
    with pytest.raises(WrongPatient):
        door.disclose_dispatch_facts(access, by=by, at=AT)


@pytest.mark.parametrize(
    "reference",
    [
        "https://evil.example/fhir/R4/Practitioner/ada",
        "Patient/cy",
        "PractitionerRole/1",
        "//evil/Practitioner/ada",
        "",
    ],
)
def test_a_user_elsewhere_or_of_another_kind_is_not_asked_for(
    demo: FakeEhr, access: FhirAccess, by: Actor, reference: str
) -> None:
    assert door.disclose_user(access, reference, by=by, at=AT) == UserFacts("", "")
    assert demo.asked == []


def test_the_user_is_read_by_the_absolute_address_too(demo: FakeEhr, access: FhirAccess, by: Actor) -> None:
    facts = door.disclose_user(access, f"{demo.base}/Practitioner/ada", by=by, at=AT)
    assert facts == UserFacts("Dr. Ada Okafor", "1234567893")


def test_a_user_who_may_not_be_read_has_no_name(demo: FakeEhr, access: FhirAccess, by: Actor) -> None:
    demo.answer("GET Practitioner/ada", Reply(403))
    assert door.disclose_user(access, "Practitioner/ada", by=by, at=AT) == UserFacts("", "")


@pytest.mark.parametrize("name", DOORS)
def test_what_cannot_be_recorded_is_not_handed_out(demo: FakeEhr, access: FhirAccess, by: Actor, name: str) -> None:
    """The chart was read; if the audit cannot say so, nobody gets what was in it. [REL-P36]"""
    got = []
    with refusing(), pytest.raises(DatabaseError), transaction.atomic():
        got.append(DOORS[name](access, by))
    assert got == []
    assert demo.asked
    assert not AuditEvent.objects.exists()
    DOORS[name](access, by)
    assert AuditEvent.objects.count() == 1
