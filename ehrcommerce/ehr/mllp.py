"""Where HL7 v2 comes in over a socket (MLLP): one thread for each connection, TLS with client certificates, caps on size,
time and number. What is framed goes to feeds.receive; the answer goes back after the commit. A stranger is hung up on.

While the database is away nothing is answered and the connection is closed: the sender keeps the message and sends it
again, as it does after a lost line. What it sends twice is one event."""

import contextlib
import hashlib
import ipaddress
import logging
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from ehrcommerce.ehr import feeds, hl7v2
from ehrcommerce.ehr.feeds import Peer

log = logging.getLogger(__name__)
BEGIN, END = b"\x0b", b"\x1c\r"
TICK_S = 0.5


class CannotListen(Exception):
    """MLLP cannot be opened as asked."""


class NoTls(CannotListen):
    """Without TLS it listens on this machine alone (127.0.0.1), behind a proxy that ends TLS. Set EHRC_MLLP_CERTIFICATE,
    EHRC_MLLP_KEY and EHRC_MLLP_CLIENT_CA, or --host 127.0.0.1."""


class BadCertificate(CannotListen):
    """A file of EHRC_MLLP_CERTIFICATE, EHRC_MLLP_KEY or EHRC_MLLP_CLIENT_CA is missing or cannot be read as PEM."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`frame_s`: from the first byte of a message to its last. `idle_s`: between messages."""

    most_bytes: int = 1_048_576
    most_connections: int = 64
    idle_s: float = 600.0
    frame_s: float = 30.0
    shake_s: float = 5.0
    stop_s: float = 20.0


def tls(certificate: str, key: str, client_ca: str) -> ssl.SSLContext | None:
    """The context of the listening side, which asks every sender for a certificate; None where no file is named."""
    if not (certificate or key or client_ca):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(cadata=Path(client_ca).read_text(encoding="ascii"))
    except (OSError, ValueError) as problem:
        raise BadCertificate from problem
    return context


class Listener:
    """Listens until `stop`; then what is being taken is still answered."""

    def __init__(self, host: str, port: int, *, context: ssl.SSLContext | None, limits: Limits | None = None) -> None:
        if context is None and not _is_loopback(host):
            raise NoTls
        self.limits, self._context = limits or Limits(), context
        self._stop = threading.Event()
        self._places = threading.BoundedSemaphore(self.limits.most_connections)
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=64)
        self._socket.settimeout(TICK_S)
        self.port = int(self._socket.getsockname()[1])

    def stop(self) -> None:
        self._stop.set()

    def serve(self) -> None:
        """Returns once it was stopped and every message under way was answered, or `stop_s` went by."""
        with self._socket:
            while not self._stop.is_set():
                try:
                    line, address = self._socket.accept()
                except TimeoutError:
                    continue
                if self._places.acquire(blocking=False):
                    self._begin(line, address[0])
                else:
                    line.close()
        until = time.monotonic() + self.limits.stop_s
        for thread in list(self._threads):
            thread.join(max(0.0, until - time.monotonic()))

    def _begin(self, line: socket.socket, address: str) -> None:
        thread = threading.Thread(target=self._run, args=(line, address), name="mllp", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _run(self, line: socket.socket, address: str) -> None:
        try:
            with contextlib.closing(line):
                self._talk(line, _plain(address))
        except (OSError, EOFError):
            pass  # the sender went, or was no TLS client of ours: nothing to answer
        except (DatabaseError, InterfaceError):
            log.warning("MLLP: the database does not answer; a message was not acknowledged")
        finally:
            connection.close()
            self._places.release()
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _talk(self, line: socket.socket, address: str) -> None:
        line.settimeout(self.limits.shake_s)
        certificate = ""
        if self._context is not None:
            line = self._context.wrap_socket(line, server_side=True)
            shown = line.getpeercert(binary_form=True)
            certificate = hashlib.sha256(shown).hexdigest() if shown else ""
        with contextlib.closing(line):
            peer = Peer(certificate=certificate, address=address)
            if not feeds.candidates(peer):
                log.warning("MLLP: a connection that no feed names was closed")
                return
            reader = _Frames(line, self.limits, self._stop)
            while (body := reader.next()) is not None:
                if not self._answer(line, body, peer):
                    return

    def _answer(self, line: socket.socket, body: bytes, peer: Peer) -> bool:
        """False where the connection ends with it."""
        too_long = len(body) > self.limits.most_bytes
        if too_long:
            problem = hl7v2.Wrong(hl7v2.INTERNAL, f"more than {self.limits.most_bytes} bytes")
            said = hl7v2.answer(body[:4096], "AE", number="0", at=timezone.now(), problem=problem)
        else:
            said = received(body, peer)
        if said:
            line.settimeout(self.limits.frame_s)
            line.sendall(BEGIN + said + END)
        return not too_long


def received(body: bytes, peer: Peer) -> bytes:
    """The answer to one message. A database connection that was lost or grew old between two messages is made anew."""
    try:
        return feeds.receive(body, peer, timezone.now())[1]
    finally:
        connection.close_if_unusable_or_obsolete()


class _Frames:
    """Messages out of a stream: 0x0B, the message, 0x1C 0x0D. What lies between two of them is passed over."""

    def __init__(self, line: socket.socket, limits: Limits, stop: threading.Event) -> None:
        self._line, self._limits, self._stop, self._left = line, limits, stop, b""

    def next(self) -> bytes | None:
        """The next message, cut off above the limit; None where the sender went, was silent for too long, or is no
        speaker of MLLP, and between two messages once we stop."""
        buffer, self._left = bytearray(self._left), b""
        began = time.monotonic()
        looked = 0
        while True:
            start = buffer.find(BEGIN)
            if start < 0 and len(buffer) > 1024:
                return None
            if start >= 0:
                end = buffer.find(END, max(start, looked - 1))
                if end >= 0:
                    self._left = bytes(buffer[end + len(END) :])
                    return bytes(buffer[start + 1 : end])
                if len(buffer) - start > self._limits.most_bytes + 1:
                    return bytes(buffer[start + 1 :])
                looked = len(buffer)
            more = self._more()
            if more is None:
                waits = start < 0
                limit = self._limits.idle_s if waits else self._limits.frame_s
                if (waits and self._stop.is_set()) or time.monotonic() - began > limit:
                    return None
                continue
            if not more:
                return None
            if start < 0 and BEGIN in more:
                began = time.monotonic()
            elif time.monotonic() - began > (self._limits.idle_s if start < 0 else self._limits.frame_s):
                return None
            buffer += more

    def _more(self) -> bytes | None:
        """None where nothing came within a tick."""
        self._line.settimeout(TICK_S)
        try:
            return self._line.recv(65_536)
        except TimeoutError:
            return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _plain(address: str) -> str:
    """An IPv4 sender at an IPv6 socket is the IPv4 sender."""
    found = ipaddress.ip_address(address.split("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)
