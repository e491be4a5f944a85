"""Ring: publish one id to Celery, lose at most a second on it, and never fail the caller. An unheard ring costs two
seconds, since the sweeper finds the row; a hanging broker must not cost a patient anything."""

import logging
import threading
import time

from kombu.exceptions import OperationalError

from ehrcommerce.celery import app

log = logging.getLogger(__name__)
REST_S = 10.0
_silent_until = 0.0
_lock = threading.Lock()
TASK = "ehrcommerce.outbox.run"


def ring(effect_id: str, queue: str) -> None:
    """Tell the workers to look at this row."""
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        app.send_task(TASK, (effect_id,), queue=queue, retry=False)
    except (OperationalError, OSError):
        with _lock:
            _silent_until = time.monotonic() + REST_S
        log.warning("the broker does not answer; the sweeper takes over")
