"""HL7 v2 messages are hints like all others: who sent one is proved, what it names is looked at, the rest is dropped
unread; what is acknowledged stands in the database. [SMART-H76]"""

import logging
import os
import random
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from ehrcommerce.ehr import feeds, hl7v2, inbox, polling
from ehrcommerce.ehr.feeds import Peer
from ehrcommerce.ehr.models import Hl7Feed, Notification, PollingWatermark
from ehrcommerce.outbox.models import Effect
from ehrcommerce.vault import walls
from tests import factories
from tests.events.conftest import Ward
from tests.events.hl7 import PID, crooked, merge, message, msa, order


@pytest.fixture
def feed(ward: Ward) -> Hl7Feed:
    return factories.hl7_feed(ward.connection)


def take(ward: Ward, feed: Hl7Feed, body: bytes, **peer: Any) -> str:
    """MSA-1, as the sender gets it."""
    walls.leave()
    try:
        code, answer = feeds.receive(body, Peer(**(peer or {"folder": feed.folder})), timezone.now())
    finally:
        walls.enter(ward.shop.clinic.pk)
    assert not answer or msa(answer)[0][1] == code[1]
    return code


def inbox_of(ward: Ward) -> list[tuple[str, str]]:
    rows = Notification.objects.filter(connection=ward.connection).order_by("pk")
    return sorted((row.resource_type, row.resource_id) for row in rows)


def test_an_order_message_names_what_to_look_at_and_nothing_else_of_it_is_kept(
    ward: Ward, feed: Hl7Feed, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert take(ward, feed, order("dev-1")) == "AA"
        assert take(ward, feed, order("rx-1", "RXE|1|860975", kind="RDE^O11", number="N-2")) == "AA"
        assert take(ward, feed, order("lab-1", kind="OML^O21", number="N-3")) == "AA"
    assert inbox_of(ward) == [
        ("DeviceRequest", "dev-1"), ("MedicationRequest", "rx-1"), ("ServiceRequest", "dev-1"), ("ServiceRequest", "lab-1"),
    ]  # fmt: skip
    kept = repr([list(Notification.objects.values()), list(Hl7Feed.objects.values()), list(Effect.objects.values())])
    assert not [word for word in ("CANARY", "Canary", "19800203", "Pine") if word in kept + caplog.text]


def test_a_cancel_in_the_chart_reaches_the_paid_order_before_it_leaves(ward: Ward, feed: Hl7Feed) -> None:
    purchase = ward.paid("device", ("DeviceRequest", "dev-1"))
    held = {**ward.ehr.resources[("DeviceRequest", "dev-1")], "status": "revoked"}
    held["meta"] = {**held["meta"], "versionId": "4"}
    ward.ehr.put(held)
    assert take(ward, feed, order("dev-1", "", control="CA")) == "AA"
    ward.settle(passing_s=15)
    purchase.refresh_from_db()
    assert purchase.state == "cancelled"


def test_the_same_message_is_one_event_however_often_it_comes(ward: Ward, feed: Hl7Feed) -> None:
    assert {take(ward, feed, order("dev-1", kind="OML^O21")) for _ in range(20)} == {"AA"}
    assert inbox_of(ward) == [("ServiceRequest", "dev-1")]
    assert take(ward, feed, order("dev-1", kind="OML^O21", number="N-2")) == "AA"
    other = factories.hl7_feed(ward.connection, senders="LAKE|EAST")
    assert take(ward, other, order("dev-1", kind="OML^O21", sender="LAKE|EAST")) == "AA"
    assert len(inbox_of(ward)) == 3


def test_a_merge_leads_to_both_records_and_stops_what_is_sold_to_the_one_that_went(ward: Ward, feed: Hl7Feed) -> None:
    purchase = ward.paid("device", ("DeviceRequest", "dev-1"))
    person = dict(ward.ehr.resources[("Patient", "cy")])
    ward.ehr.put({**person, "active": False, "link": [{"other": {"reference": "Patient/cy-2"}, "type": "replaced-by"}]})
    assert take(ward, feed, merge("cy-2", "cy")) == "AA"
    assert inbox_of(ward) == [("Patient", "cy"), ("Patient", "cy-2")]
    ward.settle(passing_s=15)
    purchase.refresh_from_db()
    assert purchase.state == "cancelled"


def test_where_no_fhir_id_stands_in_a_message_everything_that_changed_is_looked_at(ward: Ward) -> None:
    blind = factories.hl7_feed(ward.connection, order_id_at="", patient_ids_are_fhir=False)
    purchase = ward.paid("device", ("DeviceRequest", "dev-1"))
    assert take(ward, blind, order("4711", "")) == "AA"
    assert inbox_of(ward) == []
    marks = PollingWatermark.objects.filter(connection=ward.connection, next_at__lte=timezone.now())
    assert marks.count() == 3
    assert take(ward, blind, merge("4711", "4712")) == "AA"
    purchase.refresh_from_db()
    assert purchase.event_at is not None


@pytest.mark.parametrize(("body", "code", "error"), [
    (order(kind="ORU^R01"), "AR", hl7v2.OTHER_TYPE), (order(kind="ADT^A08"), "AR", hl7v2.OTHER_EVENT),
    (order(kind="^"), "AR", hl7v2.OTHER_TYPE), (order(processing="T"), "AR", hl7v2.OTHER_PROCESSING),
    (order(version="3.0"), "AR", hl7v2.OTHER_VERSION), (order(number=""), "AE", hl7v2.FIELD_MISSING),
    (message(PID), "AE", hl7v2.SEGMENT_MISSING), (message(PID, kind="ADT^A40"), "AE", hl7v2.SEGMENT_MISSING),
    (order(charset="UNICODE UTF-16"), "AE", hl7v2.BAD_TYPE), (order("b\xf6se"), "AE", hl7v2.BAD_TYPE),
    (b"", "AR", hl7v2.INTERNAL), (b"GET / HTTP/1.1\r\n\r\n", "AR", hl7v2.INTERNAL),
    (b"MSH|||||||ORM^O01|1|P|2.5", "AR", hl7v2.INTERNAL), (order(sender="LAKE|EAST"), "AR", hl7v2.INTERNAL),
], ids=lambda one: one[:60].decode("latin-1") if isinstance(one, bytes) else str(one))  # fmt: skip
def test_what_is_not_taken_is_answered_by_its_kind_and_leaves_nothing(
    ward: Ward, feed: Hl7Feed, body: bytes, code: str, error: str
) -> None:
    walls.leave()
    said, answer = feeds.receive(body, Peer(folder=feed.folder), timezone.now())
    walls.enter(ward.shop.clinic.pk)
    assert said == code
    assert f"|{error}^" in answer.decode("latin-1")
    assert inbox_of(ward) == []


def test_unknown_kinds_are_counted_by_kind_and_never_without_end(ward: Ward, feed: Hl7Feed) -> None:
    for number in range(70):
        assert take(ward, feed, order(kind=f"ADT^A{number:02}", number=f"N-{number}")) in ("AR", "AE")
    assert take(ward, feed, order(kind="CANARY name^x")) == "AR"
    feed.refresh_from_db()
    assert feed.refused == 71
    assert len(feed.refused_kinds) <= feeds.MOST_KINDS + 1
    assert sum(feed.refused_kinds.values()) == 71
    assert "CANARY" not in str(feed.refused_kinds)


def test_whoever_is_not_proved_is_nobody_and_no_sender_speaks_for_another_feed(ward: Ward, feed: Hl7Feed) -> None:
    other = factories.hl7_feed(ward.connection, folder="", certificates="ab" * 32, networks="10.1.2.0/28")
    good = {"certificate": "ab" * 32, "address": "10.1.2.3"}
    assert take(ward, other, order(), **good) == "AA"
    bad = [
        {"folder": "elsewhere"}, {"address": "10.1.2.3"}, {"certificate": "cd" * 32, "address": "10.1.2.3"},
        {**good, "address": "10.1.3.3"}, {"certificate": "ab"}, {"folder": "", "address": "127.0.0.1"},
    ]  # fmt: skip
    assert [take(ward, other, order(number=f"B-{n}"), **peer) for n, peer in enumerate(bad)] == ["AR"] * len(bad)
    Hl7Feed.objects.filter(pk=other.pk).update(enabled=False)
    assert take(ward, other, order(number="N-9"), **good) == "AR"
    assert len(inbox_of(ward)) == 2


def test_nothing_is_acknowledged_that_was_not_written_down(
    ward: Ward, feed: Hl7Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = inbox.write

    def away(*args: Any, **named: Any) -> None:
        write(*args, **named)
        raise OperationalError  # before the commit

    monkeypatch.setattr(inbox, "write", away)
    with pytest.raises(OperationalError):
        take(ward, feed, order())
    monkeypatch.undo()
    assert inbox_of(ward) == []
    assert take(ward, feed, order()) == "AA"
    assert len(inbox_of(ward)) == 2


def test_letters_and_escapes_are_read_by_the_messages_own_set_and_separators() -> None:
    spoken = {"": "ascii", "8859/1": "latin-1", "UNICODE UTF-8": "utf-8", "8859/15": "iso8859-15"}
    for name, codec in spoken.items():
        word = "Zoe" if codec == "ascii" else "Zo\xeb"
        body = message(f"ORC|NW|{word}\\S\\\\T\\\\F\\\\X41\\\\E\\", charset=name).decode("latin-1").encode(codec)
        read = hl7v2.read(body)
        assert read.value(read.segments[1], 2) == f"{word}^&|A\\"
    odd = b"MSH#*!/?#LAKE#MAIN###20261102##ORM*O01#7#P#2.5\rORC#NW#a/S/b*c?d!e\r"
    read = hl7v2.read(odd)
    orc = read.segments[1]
    assert (read.sender, read.kind, read.value(orc, 2), read.part(read.repetitions(orc, 2)[0], 2, 2)) == (
        "LAKE|MAIN", "ORM^O01", "a*b", "d",
    )  # fmt: skip
    assert hl7v2.answer(odd, "AA", number="1", at=timezone.now()).startswith(b"MSH#*!/?###LAKE#MAIN#")


def test_a_sender_of_enhanced_mode_gets_the_answers_that_it_asked_for() -> None:
    at = timezone.now()

    def said(wanted: str, code: str) -> bytes:
        body = message("ORC|NW|x").replace(b"2.5.1||||||", b"2.5.1|||" + wanted.encode() + b"|NE||")
        return hl7v2.answer(body, code, number="1", at=at)

    assert msa(said("AL", "AA")) == ("CA", "N-1")
    assert msa(said("ER", "AE"))[0] == "CE"
    assert [said("NE", "AA"), said("ER", "AA"), said("SU", "AR")] == [b""] * 3


def _judge(ward: Ward, feed: Hl7Feed, seed: int, count: int) -> None:
    """Nothing falls; whatever is acknowledged is in the inbox or led to a look; whatever is not left nothing."""
    dice = random.Random(seed)
    taken = refused = 0
    for _ in range(count):
        body = crooked(dice)
        Notification.objects.filter(connection=ward.connection).delete()
        PollingWatermark.objects.filter(connection=ward.connection).update(next_at=timezone.now().replace(year=2999))
        Effect.objects.filter(kind="fulfillment.recheck").delete()
        swept: list[int] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(polling, "sweep", lambda connection, at, seen=swept: seen.append(1))
            code = take(ward, feed, body)
            ward.count()
        rows = Notification.objects.filter(connection=ward.connection).count()
        looks = PollingWatermark.objects.filter(connection=ward.connection, next_at__lte=timezone.now()).count()
        followed = bool(rows or looks or swept)
        assert (code == "AA") is followed, (seed, code, rows, looks, body)
        taken, refused = taken + (code == "AA"), refused + (code != "AA")
    assert taken > count // 10
    assert refused > count // 10


def test_crooked_messages_fell_nothing_and_none_is_acknowledged_and_lost(ward: Ward, feed: Hl7Feed) -> None:
    _judge(ward, feed, int(os.environ.get("EHRC_SEED", "1")), 1000)


@pytest.mark.nightly
@pytest.mark.parametrize("share", range(20))
def test_twenty_thousand_crooked_messages(ward: Ward, feed: Hl7Feed, share: int) -> None:
    _judge(ward, feed, 1000 + share, 1000)
