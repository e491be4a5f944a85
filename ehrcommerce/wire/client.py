"""THE ONE HTTP CLIENT. Every byte to an EHR or a supplier goes through here, because each rule below was broken by a
library somewhere: deadlines on every call, one registered origin per partner, no redirects, no environment proxies or
.netrc, answers capped, one pooled connection set and one parsed CA bundle per process, a cap on calls under way, a breaker.

`PartnerAdapter` is a `requests` transport, so Authlib's session mounts it and obeys the same rules."""

import json
import math
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from ehrcommerce.wire import deadline, exchange, pace
from ehrcommerce.wire.breaker import Breaker
from ehrcommerce.wire.errors import BadAnswer, Busy, CircuitOpen, NotSent, Unanswered, WrongAddress

CONNECT_S = 3.0
READ_S = 10.0
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Partner:
    """Who is asked. `name` may stand in logs; `base_url` is the only origin (plus `also`) that is ever contacted."""

    name: str
    base_url: str
    also: tuple[str, ...] = ()
    read_s: float = READ_S
    max_bytes: int = MAX_BYTES
    at_once: int = 16
    ca_file: str = ""
    client_certificate: str = ""
    connect_s: float = CONNECT_S
    # Requests in a minute that this process allows itself; 0 is no limit of our own.
    rate_per_minute: int = 0


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers by lower-case name, body."""

    partner: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON. Raises BadAnswer where it is something else."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as problem:
            raise BadAnswer(self.partner, "the answer is not JSON") from problem

    def retry_after_s(self, cap_s: int = 900) -> int | None:
        """When the partner wants to be asked again, in whole seconds, capped; None where absent or absurd."""
        asked_s = self.asked_to_wait_s()
        return None if asked_s is None else min(math.ceil(asked_s), cap_s)

    def asked_to_wait_s(self) -> float | None:
        """`Retry-After` as seconds or as an HTTP date, or Azure's `x-ms-retry-after-ms`; None where none makes sense.
        A date is counted from the partner's own clock where it tells that."""
        exact, said = self.headers.get("x-ms-retry-after-ms", ""), self.headers.get("retry-after", "")
        if _DIGITS.fullmatch(exact):
            return int(exact) / 1000
        if _DIGITS.fullmatch(said):
            return float(said)
        until, now = _http_date(said), _http_date(self.headers.get("date", "")) or datetime.now(UTC)
        return max((until - now).total_seconds(), 0.0) if until else None


_DIGITS = re.compile(r"\d{1,9}", re.ASCII)


def _http_date(text: str) -> datetime | None:
    """The moment of an HTTP date, always in UTC; None for anything else."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def origin(url: str) -> str:
    """`https://host:port`, lower case, the default port left out. "" where the URL has none or hides a user name."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or "@" in parts.netloc:
        return ""
    shown = "" if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{port}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host.lower()}{shown}"


@cache
def _tls(ca_file: str, client_certificate: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_certificate:
        context.load_cert_chain(client_certificate)
    return context


class PartnerAdapter(HTTPAdapter):
    """A transport that knows one partner and refuses everything else."""

    def __init__(self, partner: Partner) -> None:
        self.partner = partner
        self.origins = {origin(url) for url in (partner.base_url, *partner.also)} - {""}
        self.breaker = Breaker()
        self._slots = threading.BoundedSemaphore(partner.at_once)
        super().__init__(
            pool_connections=4, pool_maxsize=partner.at_once, max_retries=Retry(0, read=False), pool_block=False
        )

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs["ssl_context"] = _tls(self.partner.ca_file, self.partner.client_certificate)
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = exchange.POOLS

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """One exchange within the deadlines. Raises the family of wire.errors, never one of `requests`."""
        name = self.partner.name
        if origin(request.url or "") not in self.origins:
            raise WrongAddress(name)
        if deadline.is_over():
            raise NotSent(name, "no time is left to wait for an answer")
        refuse_inner_address(name, request.url or "")
        if not self.breaker.allows(time.monotonic()):
            raise CircuitOpen(name)
        pace.keep(name, self.partner.rate_per_minute)
        if not self._slots.acquire(timeout=deadline.left_s(self.partner.connect_s)):
            raise Busy(name, "too many calls under way")
        exchange.begin(name)
        try:
            patience = deadline.left_s(self.partner.connect_s), deadline.left_s(self.partner.read_s)
            response = super().send(request, stream=True, timeout=patience, verify=True, proxies={})
            body = self._read(response)
        except (requests.exceptions.RequestException, OSError):
            # What the libraries call it does not tell whether the partner heard; the texts may name the address.
            raise self._failed(Unanswered(name) if exchange.was_sent() else NotSent(name)) from None
        finally:
            self._slots.release()
        self.breaker.heard(failed=response.status_code in (502, 503, 504), now=time.monotonic())
        response._content = body
        response._content_consumed = True  # type: ignore[attr-defined]
        return response

    def _failed(self, error: NotSent | Unanswered) -> NotSent | Unanswered:
        self.breaker.heard(failed=True, now=time.monotonic())
        return error

    def _read(self, response: requests.Response) -> bytes:
        """The whole body, or BadAnswer when it is too large. That it comes in time, wire.exchange sees to."""
        parts, size = [], 0
        for part in response.iter_content(65_536):
            parts.append(part)
            size += len(part)
            if size > self.partner.max_bytes:
                response.close()
                raise BadAnswer(self.partner.name, "the answer is too large")
        response.close()
        expected = response.headers.get("Content-Length", "")
        if (
            expected.isdigit()
            and "Content-Encoding" not in response.headers
            and int(expected) != size
            and response.request.method != "HEAD"
        ):
            raise BadAnswer(self.partner.name, "the answer was cut off")
        return b"".join(parts)


def refuse_inner_address(name: str, url: str) -> None:
    """No partner lives on a private, loopback or metadata address, but in development."""
    if settings.ALLOW_LOOPBACK_PARTNERS:
        return
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise NotSent(name, "the host name has no address") from problem
    if not all(exchange.is_outside(str(entry[4][0])) for entry in found):
        raise WrongAddress(name, "the host name leads to an inner address")


_adapters: dict[Partner, PartnerAdapter] = {}
_adapters_lock = threading.Lock()


def adapter_for(partner: Partner) -> PartnerAdapter:
    """The pooled transport of this partner, one a process."""
    with _adapters_lock:
        if partner not in _adapters:
            _adapters[partner] = PartnerAdapter(partner)
        return _adapters[partner]


def ask(
    partner: Partner,
    method: str,
    url: str,
    *,
    params: Mapping[str, str] | list[tuple[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """One exchange with `partner`. `url` is absolute, or a path below its base. Raises wire.errors only."""
    address = url if "://" in url else f"{partner.base_url.rstrip('/')}/{url.lstrip('/')}"
    prepared = requests.Request(method, address, params=params, headers=dict(headers or {}), data=body).prepare()
    response = adapter_for(partner).send(prepared)
    names = {name.lower(): value for name, value in response.headers.items()}
    return Answer(partner.name, response.status_code, names, response.content)
