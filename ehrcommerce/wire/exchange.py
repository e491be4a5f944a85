"""One connection to a partner, watched where the libraries do not look: an answer that drips byte by byte renews their
timeout with each byte, a name may lead elsewhere at the second look, and only here is it known whether a byte of the
question went out."""

import http.client
import io
import ipaddress
import socket
import threading
import time
from typing import Any

from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ehrcommerce.wire import deadline
from ehrcommerce.wire.errors import WrongAddress

# An answer may take this many times the partner's patience for one silence, from its first header to its last byte.
WHOLE = 2
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class _Now(threading.local):
    """The exchange of this thread: with whom, and whether anything of it was sent."""

    name = ""
    begun = False


_now = _Now()


def begin(name: str) -> None:
    _now.name, _now.begun = name, False


def was_sent() -> bool:
    """Whether the partner may have heard anything of this thread's exchange."""
    return _now.begun


class _Clocked(io.RawIOBase):
    """The bytes of one answer, all of them before one moment."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._raw, self._silence_s = sock, sock.makefile("rb", buffering=0), sock.gettimeout()
        whole_s = None if self._silence_s is None else deadline.left_s(self._silence_s * WHOLE)
        self._end = None if whole_s is None else time.monotonic() + whole_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._end is None or self._silence_s is None:
            return self._raw.readinto(buffer)
        left_s = self._end - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer is too slow")
        try:
            self._sock.settimeout(min(left_s, self._silence_s))
            return self._raw.readinto(buffer)
        finally:
            if self._sock.fileno() >= 0:
                self._sock.settimeout(self._silence_s)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Answering(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Clocked(sock))


class _Plain(HTTPConnection):
    response_class = _Answering

    def _new_conn(self) -> socket.socket:
        return _outside(super()._new_conn())

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _now.begun = True
        super().send(data)


class _Tls(HTTPSConnection):
    response_class = _Answering

    def _new_conn(self) -> socket.socket:
        return _outside(super()._new_conn())

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _now.begun = True
        super().send(data)


def _outside(sock: socket.socket) -> socket.socket:
    """The host name was looked at before; this is where it led. Raises WrongAddress before a byte goes out."""
    if not settings.ALLOW_LOOPBACK_PARTNERS and not is_outside(sock.getpeername()[0]):
        sock.close()
        raise WrongAddress(_now.name, "the host name leads to an inner address")
    return sock


def is_outside(address: str) -> bool:
    """A public address: not private, loopback, link-local or metadata, nor an IPv6 address that a gateway turns into
    one of these (NAT64, 6to4)."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        within = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in NAT64 else found.sixtofour
        if within is not None and not within.is_global:
            return False
    return found.is_global


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls


POOLS = {"http": _PlainPool, "https": _TlsPool}
