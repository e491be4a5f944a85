"""Tests speak with this machine and nobody else. A test that needs the world outside is slow, flaky, and may one day
carry a patient's name to a stranger: so every attempt of this process raises, with the address that it tried.

An audit hook sees each socket of the interpreter, whatever library opens it. libpq opens its own and is not seen; it
gets its address from DATABASE_URL. The servers given by DATABASE_URL and REDIS_URL may be anywhere.
"""

import ipaddress
import sys
from collections.abc import Iterable

WATCHED = frozenset({"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"})
_allowed: set[str] = set()
_hooked = False


class OutsideWorld(RuntimeError):
    """A test tried to reach another machine. Let the sandbox or a server of the test on 127.0.0.1 answer instead.

    Not an OSError: code that rightly survives a broken network must not survive this.
    """


def is_loopback(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def host_of(event: str, arguments: tuple[object, ...]) -> str | None:
    """The host that an event is about; None for what cannot leave the machine (Unix sockets, wildcard look-ups)."""
    target = arguments[0] if event in ("socket.getaddrinfo", "socket.gethostbyname") else arguments[1]
    if isinstance(target, tuple) and target:
        target = target[0]
    elif event in ("socket.connect", "socket.sendto"):
        return None
    if isinstance(target, bytes):
        return target.decode(errors="replace")
    return target if isinstance(target, str) else None


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in WATCHED and _allowed:
        host = host_of(event, arguments)
        if host is not None and host not in _allowed and not is_loopback(host):
            raise OutsideWorld(
                f"A test tried to reach {host}. Tests speak with this machine alone: let the sandbox or a server of "
                "the test on 127.0.0.1 answer instead."
            )


def close_the_doors(*, but_for: Iterable[str] = ()) -> None:
    """From now on loopback and these hosts only."""
    global _hooked
    _allowed.update({"localhost", *but_for})
    if not _hooked:
        sys.addaudithook(_watch)
        _hooked = True


def open_the_doors() -> None:
    """A hook cannot be taken out, but it can look away."""
    _allowed.clear()
