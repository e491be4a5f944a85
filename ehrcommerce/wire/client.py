"""THE ONE HTTP CLIENT. Every byte to an EHR or a supplier goes through here, because each rule below was broken by a
library somewhere: deadlines on every call, one registered origin per partner, no redirects, no environment proxies or
.netrc, answers capped, one pooled connection set and one parsed CA bundle per process, a cap on calls under way, a breaker.

`PartnerAdapter` is a `requests` transport, so Authlib's session mounts it and obeys the same rules."""

import json
import logging
import math
import os
import re
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from ehrcommerce.wire import deadline, exchange, pace
from ehrcommerce.wire.breaker import Breaker
from ehrcommerce.wire.errors import (
    BadAnswer,
    Busy,
    CircuitOpen,
    NotSent,
    OurCertificate,
    TheirCertificate,
    Unanswered,
    WireError,
    WrongAddress,
)

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
    # The same two as text, from a row: what an administrator pasted wins over what lies on this machine.
    ca_pem: str = field(default="", repr=False)
    client_pem: str = field(default="", repr=False)
    connect_s: float = CONNECT_S
    # How long a call waits for its turn among the `at_once`, as for a connection where nothing is said: whoever can come
    # back later does not hold a thread.
    turn_s: float | None = None
    # Names that the host must be one of, `*.example.org` included; empty: whatever is registered.
    hosts: tuple[str, ...] = ()
    # Told when the breaker changes its mind: ("ok" | "degraded" | "open", name of the error).
    watch: Callable[[str, str], None] | None = field(default=None, compare=False, repr=False)
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
        if asked_s is not None and asked_s > cap_s:
            log.warning("%s wants to be asked again in more than %s s; it is asked sooner", self.partner, cap_s)
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


def retry_after_s(said: str) -> int | None:
    """The same, of a header that a library handed on."""
    return Answer("", 429, {"retry-after": said}, b"").retry_after_s()


log = logging.getLogger(__name__)
_DIGITS = re.compile(r"\d{1,30}", re.ASCII)


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
def tls_context(
    ca_file: str = "", client_certificate: str = "", ca_pem: str = "", client_pem: str = ""
) -> ssl.SSLContext:
    """TLS 1.2 or newer, the host name checked. A CA that is given is the only one that is believed."""
    context = ssl.create_default_context(cafile=None if ca_pem else ca_file or None, cadata=ca_pem or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_pem:
        _load_pem(context, client_pem)
    elif client_certificate:
        context.load_cert_chain(client_certificate)
    return context


def _load_pem(context: ssl.SSLContext, pem: str) -> None:
    """OpenSSL takes a certificate from a file only: one that no other login can read, and gone a moment later."""
    descriptor, name = tempfile.mkstemp(prefix="ehrc-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(pem)
        context.load_cert_chain(name)
    finally:
        os.unlink(name)


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

    @property
    def _turn_s(self) -> float:
        return self.partner.connect_s if self.partner.turn_s is None else self.partner.turn_s

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        try:
            kwargs["ssl_context"] = context_of(self.partner)
        except (ssl.SSLError, OSError, ValueError):
            raise OurCertificate(self.partner.name) from None
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
        refuse_foreign_host(name, request.url or "", self.partner.hosts)
        if deadline.is_over():
            raise NotSent(name, "no time is left to wait for an answer")
        refuse_inner_address(name, request.url or "")
        with self._turn():
            return self._exchange(request)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """A place among the calls under way. One slow partner holds `at_once` threads and no more (bulkhead)."""
        name = self.partner.name
        if not self.breaker.allows(time.monotonic()):
            raise CircuitOpen(name, wait_s=self.breaker.rests_s(time.monotonic()))
        pace.keep(name, self.partner.rate_per_minute)
        if not self._slots.acquire(timeout=deadline.left_s(self._turn_s)):
            raise Busy(name, "too many calls under way")
        try:
            yield
        finally:
            self._slots.release()

    def _exchange(self, request: requests.PreparedRequest) -> requests.Response:
        name = self.partner.name
        exchange.begin(name)
        try:
            patience = deadline.left_s(self.partner.connect_s), deadline.left_s(self.partner.read_s)
            response = super().send(request, stream=True, timeout=patience, verify=True, proxies={})
            body = self._read(response)
        except (requests.exceptions.RequestException, OSError) as problem:
            # What the libraries call it does not tell whether the partner heard; the texts may name the address.
            named = certificate_problem(name, problem)
            raise self._failed(named or (Unanswered(name) if exchange.was_sent() else NotSent(name))) from None
        ill = response.status_code in (502, 503, 504)
        self._heard(failed=ill, code=f"http_{response.status_code}" if ill else "")
        response._content = body
        response._content_consumed = True  # type: ignore[attr-defined]
        return response

    def _failed(self, error: WireError) -> WireError:
        self._heard(failed=True, code=type(error).__name__)
        return error

    def _heard(self, *, failed: bool, code: str = "") -> None:
        """Count it, and tell whoever watches when that changed how the partner is seen."""
        before = self.breaker.state
        self.breaker.heard(failed=failed, now=time.monotonic())
        if self.partner.watch is not None and (now := self.breaker.state) != before:
            self.partner.watch(now, code)

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


def refuse_foreign_host(name: str, url: str, hosts: tuple[str, ...]) -> None:
    """The host is one that whoever runs this installation allows. Asked at each call: rows are typed by people."""
    if not allowed_host(urlsplit(url).hostname or "", hosts):
        raise WrongAddress(name, "the host is not on this installation's list of partners (EHRC_PARTNER_HOSTS)")


def allowed_host(host: str, hosts: Iterable[str]) -> bool:
    """Whether a list of names, `*.example.org` among them, holds this one. An empty list holds all."""
    names = [one.strip().lower() for one in hosts]
    return not names or any(fnmatchcase(host.lower(), one) for one in names)


def context_of(partner: Partner) -> ssl.SSLContext:
    return tls_context(partner.ca_file, partner.client_certificate, partner.ca_pem, partner.client_pem)


def certificate_problem(name: str, problem: BaseException) -> WireError | None:
    """Which of the two certificates was not accepted; None where it was something else. Nothing was heard in either
    case: who refuses a handshake reads no request."""
    for one in _causes(problem):
        reason = str(getattr(one, "reason", "") or "")
        if isinstance(one, ssl.SSLCertVerificationError):
            return TheirCertificate(name)
        if isinstance(one, ssl.SSLError) and "ALERT" in reason and ("CERT" in reason or reason in _REFUSES_OURS):
            return OurCertificate(name)
    return None


def _causes(problem: BaseException) -> list[BaseException]:
    """The error and what is wrapped in it, however the libraries wrap."""
    found: list[BaseException] = []
    waiting: list[object] = [problem]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and not any(one is seen for seen in found):
            found.append(one)
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return found


# What a server says that knows no authority for the certificate we showed, or wanted one and saw none.
_REFUSES_OURS = frozenset({"TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_ALERT_ACCESS_DENIED"})

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
