"""How a log line looks: where a fault happened, never with which values. The text of an exception may repeat a row
("Failing row contains ...") or a request, so only its class and the places it passed are written."""

import logging
import traceback
from types import TracebackType


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
