"""A wire that misbehaves on purpose, between the app and a partner or PostgreSQL. One thread for each direction.

An armed fault hits the next `times` requests whose first bytes contain `when`:

delay         wait, then as usual                    reset        RST instead of an answer; nothing is passed on
black_hole    take everything, pass on nothing       cut          pass on the request, and `after` bytes of the answer
drop_answer   pass on the request, and no answer     duplicate    pass on the request twice, and the first answer
half_close    pass on the request, end our half early"""

import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

KINDS = ("delay", "reset", "black_hole", "cut", "drop_answer", "duplicate", "half_close")
CHUNK = 65536


@dataclass
class Fault:
    kind: str
    when: bytes
    times: int = 1
    after: int = 0
    delay_s: float = 0.0


@dataclass
class Proxy:
    """Listens on a port of its own; `with` it. `hits` tells what was done to whom."""

    target: tuple[str, int]
    faults: list[Fault] = field(default_factory=list)
    hits: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ends = threading.Event()

    def __enter__(self) -> "Proxy":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)

    def arm(self, kind: str, when: bytes, *, times: int = 1, after: int = 0, delay_s: float = 0.0) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}")
        with self._lock:
            self.faults.append(Fault(kind, when, times, after, delay_s))

    # ------------------------------------------------------------------------------------------------------ the wire
    def _accept(self) -> None:
        while not self._ends.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _take(self, seen: bytes) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fault.when in seen:
                    fault.times -= 1
                    self.hits.append((fault.kind, fault.when))
                    return fault
        return None

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self.target, timeout=10) as server:
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            gate = Gate()
            back = threading.Thread(target=self._answers, args=(client, server, gate), daemon=True)
            back.start()
            try:
                self._requests(client, server, gate)
            finally:
                for one in (client, server):
                    with suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                back.join(10)
                with self._lock:
                    self._open -= {client, server}

    def _requests(self, client: socket.socket, server: socket.socket, gate: "Gate") -> None:
        while data := client.recv(CHUNK):
            fault = self._take(data)
            if fault is None:
                server.sendall(data)
            elif not self._misbehave(fault, data, client, server, gate):
                return

    def _misbehave(self, fault: Fault, data: bytes, client: socket.socket, server: socket.socket, gate: "Gate") -> bool:
        """Whether the connection goes on."""
        if fault.kind == "delay":
            time.sleep(fault.delay_s)
            server.sendall(data)
            return True
        if fault.kind == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            return False
        if fault.kind == "black_hole":
            while client.recv(CHUNK):
                pass
            return False
        if fault.kind == "duplicate":
            data = _whole(client, data)
            with socket.create_connection(self.target, timeout=10) as second:
                second.sendall(data)
                server.sendall(data)
                second.recv(CHUNK)
            return True
        # Whatever is left of the request still passes; it is the answer that does not come through.
        gate.left = {"drop_answer": 0, "cut": fault.after}.get(fault.kind, -1)
        server.sendall(data)
        if fault.kind == "half_close":
            server.shutdown(socket.SHUT_WR)
        return True

    def _answers(self, client: socket.socket, server: socket.socket, gate: "Gate") -> None:
        with suppress(OSError):
            while data := server.recv(CHUNK):
                if gate.left < 0:
                    client.sendall(data)
                    continue
                client.sendall(data[: gate.left])
                gate.left -= min(len(data), gate.left)
                if gate.left == 0:
                    break
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


class Gate:
    """How many bytes of the answer still pass; -1: all."""

    def __init__(self) -> None:
        self.left = -1


def _whole(client: socket.socket, data: bytes) -> bytes:
    """The rest of a request whose head came alone."""
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0"
    )
    while len(body) < int(length):
        body += client.recv(CHUNK)
    return head + b"\r\n\r\n" + body
