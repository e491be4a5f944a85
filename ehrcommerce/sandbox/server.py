"""Serves the sandbox: one process, threads, and the clock thread that lets partner orders move by themselves."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.db.utils import Error as DatabaseError
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from ehrcommerce.sandbox import hooks

logger = logging.getLogger("ehrcommerce.sandbox.clock")

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ehrcommerce.sandbox.settings")
THREADS = 16
TICK_S = 0.5
CORK: int | None = getattr(socket, "TCP_CORK", None)

_django = get_wsgi_application()


class _Corked:
    """Holds head and body of an answer back until both are there, so that they leave together.

    A head that travels alone meets the other side's delayed acknowledgment and costs 40 ms that no real server has.
    """

    def __init__(self, body: Iterable[bytes], connection: socket.socket) -> None:
        self._body = body
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Called by the server when the answer is complete."""
        closing = getattr(self._body, "close", None)
        if closing is not None:
            closing()
        _cork(self._connection, on=False)


def _cork(connection: socket.socket, *, on: bool) -> None:
    if CORK is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.IPPROTO_TCP, CORK, int(on))


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django behind one write for each answer."""
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket) or CORK is None:
        return _django(environ, start_response)
    _cork(connection, on=True)
    return _Corked(_django(environ, start_response), connection)


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn comes without types
    def __init__(self, *, bind: str) -> None:
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        settings = {
            "bind": self._bind,
            "worker_class": "gthread",
            "workers": 1,
            "threads": THREADS,
            "keepalive": 75,
            "timeout": 0,
            "graceful_timeout": 2,
            "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,  # heartbeat off the disk
            "loglevel": "warning",
            "control_socket_disable": True,
            "post_worker_init": _start_clock,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Iterable[bytes]]:
        return application


def _start_clock(worker: Any) -> None:
    threading.Thread(target=_run_clock, args=(worker,), name="sandbox-clock", daemon=True).start()


def _run_clock(worker: Any) -> None:
    pause = threading.Event()
    while worker.alive:
        pause.wait(TICK_S)
        close_old_connections()
        try:
            hooks.tick()
        except DatabaseError as fault:
            logger.warning("the clock skipped a beat: %s", type(fault).__name__)


def serve(*, host: str, port: int) -> None:
    """Serve until the process is told to stop."""
    _Server(bind=f"{host}:{port}").run()
