"""At most so many launches from one network address in a minute (hostile input 13). A count in Redis, which throttles
and protects nothing: when Redis is silent, everybody may launch, and it is left alone for a while. What stands there is
a keyed hash of the address and a number."""

import logging
import threading
import time
from functools import cache

import redis
from django.conf import settings
from django.http import HttpRequest

from ehrcommerce.ehr.errors import TooManyLaunches
from ehrcommerce.vault.keys import blind_index

logger = logging.getLogger(__name__)
WAIT_S, REST_S, WINDOW_S = 0.2, 10.0, 60
_silent_until = 0.0
_guard = threading.Lock()


def take(request: HttpRequest) -> None:
    """Count one launch of this address. Raises TooManyLaunches."""
    address = address_of(request)
    if address and _count(address) > settings.LAUNCHES_A_MINUTE:
        raise TooManyLaunches


def address_of(request: HttpRequest) -> str:
    """The address that asked. Of X-Forwarded-For only what our own proxies wrote: entries before that anybody can
    write."""
    heard = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    trusted = settings.TRUSTED_PROXIES
    if trusted and len(heard) >= trusted:
        return heard[-trusted]
    return str(request.META.get("REMOTE_ADDR", ""))


def _count(address: str) -> int:
    global _silent_until
    if time.monotonic() < _silent_until:
        return 0
    name = f"ehrc:launch:{blind_index('launch.address', address).hex()[:32]}:{int(time.time()) // WINDOW_S}"
    # Held by name: two first launches at once make two clients, and one that nobody holds closes its connection.
    client = _redis()
    try:
        with client.pipeline(transaction=False) as pipe:
            pipe.incr(name)
            pipe.expire(name, 2 * WINDOW_S)
            counted = pipe.execute()[0]
    except redis.RedisError:
        with _guard:
            _silent_until = time.monotonic() + REST_S
        logger.warning("Redis does not answer; launches are not counted for a while")
        return 0
    return int(counted)


@cache
def _redis() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S)


def forget() -> None:
    """After the settings or Redis changed."""
    global _silent_until
    _silent_until = 0.0
    _redis.cache_clear()
