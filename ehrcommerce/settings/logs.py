"""How a log line looks: where a fault happened, never with which values. The text of an exception may repeat a row
("Failing row contains ...") or a request, so only its class and the places it passed are written. Nor does any page
wait for a log: whoever reads it may be slow, and its disk may be full."""

import logging
import os
import select
import sys
import traceback
from collections import deque
from types import TracebackType

# Lines that wait for a reader who came to a standstill. What comes later is lost, and counted.
WAITING = 2_000


class ValuelessFormatter(logging.Formatter):
    """`time level logger message`, and for an exception its class and frames without its text."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        kind, _, trace = ei
        if kind is None:
            return ""
        places = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)[-12:]]
        return "\n".join([*places, f"  {kind.__module__}.{kind.__qualname__}"])


class FaultsOnly(logging.Filter):
    """Django's line for a failed request names its path, which may hold a token. The fault stays, the view's name takes
    the place of the path, and a refusal that a view made itself is no fault."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.exc_info:
            return False
        match = getattr(getattr(record, "request", None), "resolver_match", None)
        record.msg, record.args = "a page failed: %s", (getattr(match, "view_name", None) or "no view",)
        return True


class NamesOnly(logging.Filter):
    """Celery writes the text and the arguments of whatever a task raised. The class and the places stay."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        record.msg, record.args = "a task failed: %s", (kind.__qualname__ if kind else "no exception",)
        return True


class Unhurried(logging.Handler):
    """Writes to stderr what can be written without waiting; the rest waits here, as far as WAITING goes. What is lost,
    to a reader who stands still or to a full disk, is counted: /metrics shows it, and the next line that gets through
    is followed by one that says it."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        self._told = 0
        self._waiting: deque[bytes] = deque()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n".encode(errors="backslashreplace")
        except Exception:
            self.handleError(record)
            return
        if len(self._waiting) < WAITING:
            self._waiting.append(line)
        else:
            self.lost += 1
        self._write()

    def flush(self) -> None:
        self.acquire()
        try:
            self._write()
        finally:
            self.release()

    def _write(self) -> None:
        """In the order in which they came, for as long as somebody takes them."""
        while self._waiting:
            try:
                gone = _write_now(self._waiting[0])
            except OSError:
                self.lost += 1
                self._waiting.popleft()
                continue
            if not gone:
                return
            left = self._waiting.popleft()[gone:]
            if left:
                self._waiting.appendleft(left)
            elif self.lost > self._told:
                words, self._told = f"{self.lost - self._told} log lines were lost\n", self.lost
                self._waiting.appendleft(words.encode())


def _write_now(line: bytes) -> int:
    """How many bytes of it went out; 0: whoever reads takes nothing now. OSError: it cannot be written."""
    try:
        out = sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        sys.stderr.write(line.decode())  # something that stands in the place of stderr
        return len(line)
    poll = select.poll()
    poll.register(out, select.POLLOUT)
    # A pipe that is ready takes so much at once without making its writer wait (POSIX).
    return os.write(out, line[: select.PIPE_BUF]) if poll.poll(0) else 0


def lost_lines() -> int:
    """How many lines of this process never got out."""
    return sum(each.lost for each in logging.getLogger().handlers if isinstance(each, Unhurried))
