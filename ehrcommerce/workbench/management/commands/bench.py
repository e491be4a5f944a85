"""`manage.py bench events`: how long an EHR waits until its event is written down, while many come, on this machine. Against
the running demo, on loopback alone. Beside it the same load on a view that does nothing, since only the ratio of the two says
something about another machine."""

import hashlib
import hmac
import http.client
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ehrcommerce.accounts.organizations import organization_ids
from ehrcommerce.ehr.models import EhrConnection, Notification, Scheme, Subscription
from ehrcommerce.vault import walls

RATE, SECONDS, THREADS = 200, 60, 32
MOST_SECONDS, MOST_RATE = 120, 500
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
Request = tuple[str, str, bytes, dict[str, str]]


@dataclass
class Load:
    """So many requests a second, each at its own time whether or not the one before was answered. `waited_s` is counted
    from that time: a server that lags is not asked less."""

    make: Callable[[int], Request]
    rate: int
    seconds: int
    waited_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, host: str, port: int) -> None:
        began = time.monotonic() + 0.5
        threads = [threading.Thread(target=self._work, args=(host, port, began)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, host: str, port: int, began: float) -> None:
        line = http.client.HTTPConnection(host, port, timeout=30)
        while (number := self._take()) < self.rate * self.seconds:
            due = began + number / self.rate
            time.sleep(max(0.0, due - time.monotonic()))
            status = self._ask(line, self.make(number))
            with self._lock:
                self.waited_s.append(time.monotonic() - due)
                self.statuses[status] = self.statuses.get(status, 0) + 1
        line.close()

    def _take(self) -> int:
        with self._lock:
            self._next += 1
            return self._next - 1

    @staticmethod
    def _ask(line: http.client.HTTPConnection, request: Request) -> int:
        try:
            line.request(*request)
            answer = line.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            line.close()
            return 0

    def ms(self, part: float) -> float:
        """The time within which this part of all was answered."""
        ordered = sorted(self.waited_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000


class Command(BaseCommand):
    help = "Measure the running demo: how long an EHR waits for the answer to an event, and whether one is lost."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["events"])
        parser.add_argument("--seconds", type=int, default=SECONDS)
        parser.add_argument("--rate", type=int, default=RATE, help="events a second")

    def handle(self, *args: Any, **options: Any) -> None:
        place = urlsplit(settings.BASE_URL)
        if not settings.SANDBOX_URL or place.hostname not in LOOPBACK:
            raise CommandError("This asks a demo on this machine alone. Start one with: python3 manage.py demo")
        if not (0 < options["seconds"] <= MOST_SECONDS and 0 < options["rate"] <= MOST_RATE):
            raise CommandError(f"At most {MOST_SECONDS} seconds and {MOST_RATE} events a second.")
        host, port = str(place.hostname), int(place.port or 80)
        row = self._subscription()
        try:
            bare = Load(lambda number: ("GET", "/healthz", b"", {}), options["rate"], max(5, options["seconds"] // 4))
            bare.run(host, port)
            events = Load(lambda number: event(row, number), options["rate"], options["seconds"])
            events.run(host, port)
            self._say(row, bare, events)
        finally:
            Notification.objects.filter(subscription=row).delete()
            row.delete()
            walls.leave()

    def _subscription(self) -> Subscription:
        """One of its own beside those of the demo; gone afterwards, with what it told."""
        for organization_id in organization_ids():
            walls.enter(organization_id)
            connection = EhrConnection.objects.filter(slug="demo", enabled=True).first()
            if connection is not None:
                made = Subscription(
                    organization_id=organization_id, connection=connection, scheme=Scheme.WEBHOOK, created_at=timezone.now(),
                    secret=secrets.token_urlsafe(32), counted=False,
                )  # fmt: skip
                made.save()
                return made
        raise CommandError("The demo has no connection to its EHR: run load_demo.")

    def _say(self, row: Subscription, bare: Load, events: Load) -> None:
        sent, taken = len(events.waited_s), events.statuses.get(200, 0)
        written = Notification.objects.filter(subscription=row).count()
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        self.stdout.write(
            f"events: {events.rate} a second for {events.seconds} s on {machine}, {timezone.now():%Y-%m-%d}"
        )
        self.stdout.write(f"{'':<12}{'p50 ms':>9}{'p99 ms':>9}{'worst ms':>10}")
        for name, load in (("bare view", bare), ("event", events)):
            self.stdout.write(f"{name:<12}{load.ms(0.5):>9.1f}{load.ms(0.99):>9.1f}{load.ms(1.0):>10.1f}")
        ratios = [events.ms(part) / max(bare.ms(part), 0.001) for part in (0.5, 0.99)]
        self.stdout.write(f"{'ratio':<12}{ratios[0]:>9.1f}{ratios[1]:>9.1f}")
        self.stdout.write(f"sent {sent}, answered 200: {taken}, written down: {written}, lost: {taken - written}")
        if taken != sent or written != sent:
            raise CommandError(f"Not all were taken: {events.statuses}")


def event(row: Subscription, number: int) -> Request:
    """A signed webhook about an order that nobody here knows."""
    at = timezone.now()
    body = json.dumps({"events": [{"focus": f"DeviceRequest/bench-{number}", "timestamp": at.isoformat()}]}).encode()
    name, moment = f"bench-{number}", str(int(at.timestamp()))
    mac = hmac.new(row.secret.encode(), f"{name}.{moment}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json", "X-Event-Id": name, "X-Timestamp": moment, "X-Signature": f"v1={mac}",
    }  # fmt: skip
    return ("POST", row.path, body, headers)
