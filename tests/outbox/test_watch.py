"""Silence is an alarm: the sweeper's mark, clocks that are apart, and how long work waits."""

import logging
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client, override_settings
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.outbox import watch
from ehrcommerce.outbox.models import Effect, Heartbeat
from ehrcommerce.outbox.outcomes import NeedsHuman
from tests.outbox.probe import Probe, plan, run


@pytest.fixture(autouse=True)
def nobody_was_heard(commits: None) -> None:
    Heartbeat.objects.all().delete()


def aged(seconds: float) -> None:
    Heartbeat.objects.update(at=watch.database_now() - timedelta(seconds=seconds))


def test_a_round_of_the_sweeper_leaves_a_mark(clinic: Organization) -> None:
    assert Client().get("/healthz/sweeper").status_code == 503, "never heard is silent"
    call_command("sweeper", "--once")
    answer = Client().get("/healthz/sweeper")
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_a_sweeper_that_stands_still_raises_the_alarm(clinic: Organization) -> None:  # REL-P31
    watch.beat()
    aged(59)
    assert Client().get("/healthz/sweeper").status_code == 200
    aged(61)
    answer = Client().get("/healthz/sweeper")
    assert (answer.status_code, answer.content) == (503, b"silent")


def test_a_round_that_does_not_end_leaves_no_mark(clinic: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("ehrcommerce.outbox.management.commands.sweeper.chores", broken)
    with pytest.raises(RuntimeError):
        call_command("sweeper", "--once")
    assert watch.is_silent()


@pytest.mark.parametrize(("ahead_s", "alarm"), [(0, False), (100, False), (180, True), (-180, True), (3600, True)])
def test_clocks_that_are_apart_raise_the_alarm(  # REL-P29
    clinic: Organization, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ahead_s: int, alarm: bool
) -> None:
    truly = timezone.now
    monkeypatch.setattr("django.utils.timezone.now", lambda: truly() + timedelta(seconds=ahead_s))
    monkeypatch.setattr(watch, "_alarmed_at", -watch.ALARM_AGAIN_S)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert watch.beat() == pytest.approx(ahead_s, abs=30)
    assert len(caplog.records) == alarm, "once, not at each round"
    assert Heartbeat.objects.get().skew_s == pytest.approx(ahead_s, abs=30)


def test_the_numbers_say_how_long_work_waits_and_whose_it_is_not(clinic: Organization, probe: Probe) -> None:
    probe.halt = NeedsHuman("look")
    run(plan(clinic, subject="stuck-subject"))
    late = plan(clinic, subject="late-subject")
    Effect.objects.filter(pk=late.pk).update(
        created_at=timezone.now() - timedelta(seconds=900), next_run_at=timezone.now() - timedelta(seconds=300)
    )
    watch.beat()
    text = Client().get("/metrics").content.decode()
    labels = 'queue="partner",kind="test.probe"'
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    # Other clinics of this database may have left some of the same kind: all are counted together.
    assert int(numbers[f'ehrc_effects{{{labels},state="needs_human"}}']) >= 1
    assert int(numbers[f'ehrc_effect_oldest_seconds{{{labels},state="planned"}}']) >= 900
    assert int(numbers[f'ehrc_effect_late_seconds{{{labels},state="planned"}}']) >= 300
    assert float(numbers['ehrc_clock_skew_seconds{name="sweeper"}']) < 30
    assert "subject" not in text
    assert str(clinic.public_id) not in text
    assert clinic.name not in text


def test_numbers_are_for_this_machine_or_whoever_has_the_token(clinic: Organization) -> None:
    assert Client().get("/metrics").status_code == 200
    assert Client(REMOTE_ADDR="10.0.0.7").get("/metrics").status_code == 404
    assert Client(headers={"X-Forwarded-For": "10.0.0.7"}).get("/metrics").status_code == 404
    with override_settings(METRICS_TOKEN="a-long-token"):
        assert Client().get("/metrics").status_code == 404
        assert Client(headers={"Authorization": "Bearer another"}).get("/metrics").status_code == 404
        right = Client(REMOTE_ADDR="10.0.0.7", headers={"Authorization": "Bearer a-long-token"})
        assert right.get("/metrics").status_code == 200
