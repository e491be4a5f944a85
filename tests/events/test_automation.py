"""An order that was signed is sent by itself, once, after a hold in which a clinician can say no; and never what a person
must look at first. [J3, J4, REL-P9, P10, P11, P21]"""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.offers.models import Offer, OfferLine, PurchaseLink
from ehrcommerce.ehr import automation
from ehrcommerce.ehr.models import AutomaticAct, AutomationRule
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect
from ehrcommerce.vault import walls
from tests.disclosure.charts import kit, prescription
from tests.disclosure.fake_ehr import Reply
from tests.events.acting import act, acts, after_the_hold, offers, opened, rule, sells, signed, texts
from tests.events.conftest import Ward, at_version, id_only


# -- the hold ----------------------------------------------------------------------------------------------------------
def test_a_signed_order_waits_out_its_hold_and_then_texts_the_patient(ward: Ward) -> None:
    made = rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    ward.settle()
    assert acts(ward) == [("waiting", "", "")]
    assert (offers(ward), texts(ward)) == (0, 0)
    after_the_hold(ward)
    assert acts(ward) == [("done", "link", "")]
    assert (offers(ward), texts(ward)) == (1, 1)
    offer = Offer.objects.get(organization=ward.shop.clinic)
    assert (offer.by_rule, offer.made_by) == (made.public_id, ward.shop.ada)
    written = AuditEvent.objects.get(organization_id=ward.shop.clinic.pk, action="offer.made")
    assert written.actor == f"rule:{made.public_id}"


def test_the_hold_is_a_row_with_a_time_and_no_bell(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker may be emptied: the sweeper finds the row."""
    from ehrcommerce.outbox import doorbell

    rung: list[str] = []
    monkeypatch.setattr(doorbell, "ring", lambda effect_id, queue: rung.append(effect_id))
    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    ward.drain()
    waiting = Effect.objects.get(organization_id=ward.shop.clinic.pk, kind=automation.KIND)
    assert str(waiting.public_id) not in rung
    assert waiting.next_run_at == act(ward).due_at == act(ward).made_at + timedelta(minutes=15)


def test_a_clinician_undoes_it_within_the_hold(ward: Ward) -> None:
    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    ward.settle()
    assert automation.undo(act=act(ward), by=ward.shop.ada.actor, at=timezone.now())
    assert not automation.undo(act=act(ward), by=ward.shop.ada.actor, at=timezone.now()), "twice is once"
    after_the_hold(ward)
    assert acts(ward) == [("undone", "", "")]
    assert (offers(ward), texts(ward)) == (0, 0)
    signed(ward, 2, number=2, note=[{"text": "call before"}])
    after_the_hold(ward)
    assert offers(ward) == 0, "a note is no new order: what was undone stays so"


def test_what_was_sent_by_hand_meanwhile_is_not_sent_again(ward: Ward) -> None:
    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    ward.settle()
    automation.taken_over(
        organization_id=ward.shop.clinic.pk, order_keys=[act(ward).order_key], by=ward.shop.ada.actor, at=timezone.now()
    )
    after_the_hold(ward)
    assert acts(ward) == [("undone", "", "sent_by_hand")]
    assert texts(ward) == 0


# -- once (P9, P10, P11) -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("times", [1, 2, 19, 100])
def test_an_event_that_is_told_many_times_sends_one_link(ward: Ward, times: int) -> None:
    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    for number in range(2, times + 1):
        ward.post(id_only("ServiceRequest/kit-1", number=number))
        if number % 10 == 0:
            ward.drain()
    ward.settle()
    after_the_hold(ward)
    for number in range(times + 1, times + 4):
        ward.post(id_only("ServiceRequest/kit-1", number=number))
    after_the_hold(ward)
    assert acts(ward) == [("done", "link", "")]
    assert (offers(ward), texts(ward)) == (1, 1)


def test_two_workers_with_the_same_order_begin_one_act(ward: Ward) -> None:
    rule(ward)
    sells(ward)
    opened(ward)
    ward.ehr.put(at_version(kit(), 1))
    access = ward.access()
    key = access.key_of("ServiceRequest", "kit-1")
    from ehrcommerce.audit.services import system
    from ehrcommerce.disclosure import door

    order = door.disclose_orders(access, {key: ("ServiceRequest", "kit-1")}, by=system("t"), at=timezone.now())[key]
    assert order is not None
    together, faults = threading.Barrier(4), list[BaseException]()

    def weigh() -> None:
        walls.enter(ward.shop.clinic.pk)
        try:
            together.wait()
            automation.weigh(ward.connection, order, access.customer_key, timezone.now())
        except BaseException as fault:  # of a thread: told below
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=weigh) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert len(acts(ward)) == 1


def test_two_sweepers_at_once_send_one_link(ward: Ward) -> None:
    rule(ward, hold_minutes=0)
    sells(ward)
    opened(ward)
    signed(ward)
    ward.drain()
    effect = ward.shop.effect(automation.KIND)
    outbox.run(str(effect.public_id))
    Effect.objects.filter(pk=effect.pk).update(state="planned", next_run_at=timezone.now(), lease_until=None)
    outbox.run(str(effect.public_id))
    ward.settle()
    assert (offers(ward), texts(ward)) == (1, 1)


def test_an_amended_order_sends_only_the_newer(ward: Ward) -> None:
    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    ward.settle()
    signed(ward, 2, number=2, quantityQuantity={"value": "2"})
    after_the_hold(ward)
    assert acts(ward) == [("changed", "", "order_changed"), ("done", "link", "")]
    assert [line.quantity for line in OfferLine.objects.filter(organization=ward.shop.clinic)] == [2]
    assert texts(ward) == 1


def test_a_change_that_no_event_told_is_found_at_the_end_of_the_hold(ward: Ward) -> None:
    """It begins its hold anew: nobody has seen this version yet."""
    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    ward.settle()
    ward.ehr.put(at_version(kit(authoredOn=timezone.now().date().isoformat()), 2, quantityQuantity={"value": "3"}))
    ward.shop.later(seconds=16 * 60)
    ward.shop.run(automation.KIND, rounds=1)
    assert acts(ward) == [("changed", "", "order_changed"), ("waiting", "", "")]
    assert texts(ward) == 0


@pytest.mark.parametrize(("changes", "code"), [
    ({"status": "revoked"}, "not_active"), ({"status": "on-hold"}, "on_hold"),
    ({"status": "entered-in-error"}, "entered_in_error"),
])  # fmt: skip
def test_what_the_chart_stops_within_the_hold_does_not_go_out(ward: Ward, changes: dict[str, str], code: str) -> None:
    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    ward.settle()
    ward.ehr.put(at_version(kit(authoredOn=timezone.now().date().isoformat()), 2, **changes))  # and no event says so
    after_the_hold(ward)
    assert acts(ward) == [("stopped", "", code)]
    assert (offers(ward), texts(ward)) == (0, 0)


def test_an_older_version_that_comes_late_changes_nothing(ward: Ward) -> None:
    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward, 5)
    after_the_hold(ward)
    signed(ward, 3, number=2, quantityQuantity={"value": "4"})
    after_the_hold(ward)
    assert acts(ward) == [("done", "link", "")]
    assert texts(ward) == 1


def test_while_the_ehr_is_down_it_waits_and_then_goes_out_once(ward: Ward) -> None:
    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    ward.settle()
    ward.ehr.answer("GET ServiceRequest/kit-1", Reply(503, b""))
    after_the_hold(ward)
    assert acts(ward) == [("waiting", "", "")]
    ward.ehr.replies.clear()
    ward.settle(passing_s=3600)
    assert acts(ward) == [("done", "link", "")]
    assert texts(ward) == 1


# -- what a rule may not do alone --------------------------------------------------------------------------------------
def test_nothing_follows_without_a_rule_and_nothing_is_read_for_one(ward: Ward) -> None:
    rule(ward, enabled=False)
    sells(ward)
    opened(ward)
    ward.ehr.asked.clear()
    signed(ward)
    ward.settle()
    assert (acts(ward), ward.reads()) == ([], [])


@pytest.mark.parametrize("criteria", [
    {"kind": "device"}, {"skus": "NO-*"}, {"npis": "1999999992"},
    {"since": timezone.now() + timedelta(days=1)}, {"since": None},
])  # fmt: skip
def test_an_order_that_no_rule_is_about_is_left_alone(ward: Ward, criteria: dict[str, Any]) -> None:
    rule(ward, **criteria)
    sells(ward)
    opened(ward)
    signed(ward)
    after_the_hold(ward)
    assert (acts(ward), texts(ward)) == ([], 0)


def test_orders_from_before_the_rule_are_left_alone(ward: Ward) -> None:
    """Else switching it on would send to everybody who ever had an order."""
    rule(ward)
    sells(ward)
    opened(ward)
    ward.ehr.put(at_version(kit(authoredOn="2026-01-05"), 1))
    ward.post(id_only("ServiceRequest/kit-1"))
    after_the_hold(ward)
    assert acts(ward) == []


def test_the_first_rule_by_its_place_decides(ward: Ward) -> None:
    product = sells(ward)
    rule(ward, place=5, skus=f"{product.sku[:3]}*", action="draft")
    rule(ward, place=1, name="Never here", skus="NO-1")
    rule(ward, place=9)
    opened(ward)
    signed(ward)
    after_the_hold(ward)
    assert acts(ward) == [("prepared", "", "")]
    assert texts(ward) == 0


def test_a_prescription_without_a_word_on_its_way_is_prepared_only(ward: Ward) -> None:
    from ehrcommerce.commerce.catalog.models import ProductCode

    rule(ward, kind="prescription")
    product = ward.shop.product("prescription", quantity_basis="60 tablets")
    ProductCode.objects.create(
        organization=ward.shop.clinic,
        product=product,
        system="http://www.nlm.nih.gov/research/umls/rxnorm",
        code="861007",
        approved_by="user:1",
    )
    opened(ward)
    ward.ehr.put(at_version(prescription(authoredOn=timezone.now().date().isoformat()), 4))
    ward.post(id_only("MedicationRequest/rx-1"))
    after_the_hold(ward)
    assert acts(ward) == [("prepared", "", "no_routing_proof")]
    AutomaticAct.objects.filter(organization=ward.shop.clinic).update(state="changed")
    AutomationRule.objects.update(routing_proof="e_prescription")
    ward.post(id_only("MedicationRequest/rx-1", number=2))
    after_the_hold(ward)
    assert acts(ward)[-1] == ("done", "link", "")
    assert OfferLine.objects.get(organization=ward.shop.clinic).routing_proof == "e_prescription"


def test_without_a_contact_or_a_clinician_it_is_prepared(ward: Ward) -> None:
    rule(ward)
    sells(ward)
    opened(ward, telecom=None)
    signed(ward)
    after_the_hold(ward)
    assert acts(ward) == [("prepared", "", "no_contact")]
    AutomationRule.objects.update(clinician=None)
    signed(ward, name="kit-2", number=2)
    ward.settle()
    assert acts(ward)[-1] == ("prepared", "", "no_clinician")


@pytest.mark.parametrize("person", [{"deceasedBoolean": True}, {"active": False}, {"birthDate": "2020-01-01"}])
def test_to_whom_nothing_is_sold_nothing_goes_by_itself(ward: Ward, person: dict[str, object]) -> None:
    rule(ward)
    sells(ward)
    opened(ward, **person)
    signed(ward)
    after_the_hold(ward)
    assert (acts(ward), texts(ward)) == ([], 0)


def test_a_rule_that_is_switched_off_within_the_hold_sends_nothing(ward: Ward) -> None:
    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    ward.settle()
    AutomationRule.objects.update(enabled=False)
    after_the_hold(ward)
    assert acts(ward) == [("prepared", "", "rule_off")]
    assert texts(ward) == 0


def test_an_agreement_that_ended_stops_what_waits(ward: Ward) -> None:
    from ehrcommerce.accounts.models import Agreement

    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    ward.settle()
    Agreement.objects.filter(party=ward.connection.party).update(state="ended")
    ward.ehr.asked.clear()
    after_the_hold(ward)
    assert acts(ward) == [("waiting", "", "")]
    assert ward.shop.effect(automation.KIND).code == "no_agreement"
    assert ward.reads() == []


def test_a_link_of_a_rule_ends_like_any_other_where_the_order_is_stopped(ward: Ward) -> None:
    rule(ward)
    sells(ward)
    opened(ward)
    signed(ward)
    after_the_hold(ward)
    signed(ward, 2, number=2, status="revoked")
    ward.settle(passing_s=11)
    assert PurchaseLink.objects.get(organization=ward.shop.clinic).state == "revoked"
