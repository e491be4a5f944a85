"""The keys by which EHRs know the app (SMART App Launch 2.2, "Client Authentication: Asymmetric"): ES384 and RS384, of
each a current one that signs and a next one that EHRs have already fetched when its turn comes.

Made on first use, sealed in the database, parsed once a process. Which of them there are is asked at each signature, and
every few seconds for the key set: after a leak no process signs with what was thrown away. Nothing here can serialize a
private member: the key set is built from names of public members."""

import hashlib
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from joserfc.jwk import ECKey, RSAKey

from ehrcommerce.ehr.models import SigningKey

Key = ECKey | RSAKey
ALGORITHMS = ("ES384", "RS384")
PUBLIC_MEMBERS = {"ES384": ("kty", "crv", "x", "y"), "RS384": ("kty", "n", "e")}
RSA_BITS = 3072
REREAD_S = 60.0
# The key set is asked by anybody, as often as they like (H79), and lies in their caches for an hour.
PUBLISHED_S = 5.0
# A retired key signs nothing, but a key set that lost it too early would fail assertions under way in caches (<= 29 h
# met).
KEEP_RETIRED = timedelta(hours=30)
_LOCK = 0x45484B59  # advisory lock: "EHKY"


@dataclass(frozen=True)
class Held:
    """One key, parsed."""

    kid: str
    alg: str
    state: str
    key: Key


Stamp = tuple[tuple[str, str], ...]
_held: tuple[tuple[Held, ...], Stamp, float] = ((), (), 0.0)
_published_until = 0.0
_parsed: dict[str, Key] = {}
_guard = threading.Lock()


def signing_key(alg: str) -> Held:
    """The key that signs assertions of this algorithm now."""
    return next(held for held in _all() if held.alg == alg and held.state == "current")


def public_set() -> dict[str, list[dict[str, str]]]:
    """The JWKS: what every EHR may know. From memory for a few seconds."""
    global _published_until
    now = time.monotonic()
    if not _held[0] or now >= _published_until:
        _all()
        _published_until = now + PUBLISHED_S
    return {"keys": [public_jwk(held) for held in _held[0] or _all()]}


def public_jwk(held: Held) -> dict[str, str]:
    """Public members by name, so that a private one has no way in."""
    members: dict[str, Any] = held.key.as_dict(private=False)
    named = {name: str(members[name]) for name in PUBLIC_MEMBERS[held.alg]}
    return {**named, "kid": held.kid, "alg": held.alg, "use": "sig"}


class TooEarly(Exception):
    """The next keys are not yet in every EHR's cache. Rotate later; with --force, some EHRs refuse the app's sign-in
    until they fetch the key set again. After a leak use --compromised, which throws all keys away."""

    def __init__(self, ready_at: datetime) -> None:
        super().__init__(f"{type(self).__doc__} Ready at {ready_at:%Y-%m-%d %H:%M} UTC.")
        self.ready_at = ready_at


def ready_at() -> datetime:
    """From when on every EHR that honors its cache knows the next keys, and the last rotation is digested."""
    _read()
    rows = SigningKey.objects.filter(state="next").values_list("created_at", flat=True)
    return max(rows) + KEEP_RETIRED


def rotate(*, at: datetime, force: bool = False, compromised: bool = False) -> list[str]:
    """K2: the next keys sign from now on, new next keys are published, and the retired stay published as long as caches
    live. `compromised`: whoever saw one key saw the table; none of it signs or stays published. Returns what was done, a
    line a key. Raises TooEarly."""
    ready = ready_at()
    if at < ready and not (force or compromised):
        raise TooEarly(ready)
    stock = _stock()
    with transaction.atomic():
        _hold_lock()
        if compromised:
            lines = _remove(SigningKey.objects.all())
        else:
            _step(at)
            lines = _remove(SigningKey.objects.filter(state="retired", retired_at__lt=at - KEEP_RETIRED))
        _fill(at, stock)
        lines += _told(SigningKey.objects.all())
    forget()
    return lines


def _step(at: datetime) -> None:
    for alg in ALGORITHMS:
        rows = SigningKey.objects.filter(alg=alg)
        rows.filter(state="current").update(state="retired", retired_at=at)
        rows.filter(state="next").update(state="current")


def _remove(rows: QuerySet[SigningKey]) -> list[str]:
    lines = [f"removed {row}" for row in _told(rows)]
    rows.delete()
    return lines


def _told(rows: QuerySet[SigningKey]) -> list[str]:
    """`ES384 current 3fa9...`: names of keys, nothing of them."""
    return [f"{row.alg} {row.state} {row.kid}" for row in rows.order_by("alg", "state", "id")]


def forget() -> None:
    """Read the rows again at the next question."""
    global _held, _published_until
    with _guard:
        _held, _published_until = ((), (), 0.0), 0.0
        _parsed.clear()


def _all() -> tuple[Held, ...]:
    global _held
    held, known, end = _held
    stamp = _stamp()
    if held and known == stamp and time.monotonic() < end:
        return held
    with _guard:
        held = _read()
        # The stamp is older than what was read, never newer: at worst it is read once more.
        _held = (held, stamp, time.monotonic() + REREAD_S)
    return held


def _stamp() -> Stamp:
    """Names and states of the rows, without a key in it: one short question."""
    return tuple(SigningKey.objects.order_by("pk").values_list("kid", "state"))


def _read() -> tuple[Held, ...]:
    at = timezone.now()
    rows = _rows(at)
    if len([row for row in rows if row.state != "retired"]) < 2 * len(ALGORITHMS):
        stock = _stock()
        with transaction.atomic():
            _hold_lock()
            _fill(at, stock)
        rows = _rows(at)
    for gone in _parsed.keys() - {row.kid for row in rows}:
        _parsed.pop(gone, None)
    return tuple(Held(row.kid, row.alg, row.state, _parse(row)) for row in rows)


def _rows(at: datetime) -> list[SigningKey]:
    rows = SigningKey.objects.exclude(state="retired", retired_at__lt=at - KEEP_RETIRED)
    return list(rows.order_by("alg", "state", "id"))


def _parse(row: SigningKey) -> Key:
    if row.kid not in _parsed:
        members: dict[str, Any] = row.private_jwk
        _parsed[row.kid] = ECKey.import_key(members) if row.alg == "ES384" else RSAKey.import_key(members)
    return _parsed[row.kid]


def _hold_lock() -> None:
    """One process makes keys at a time; the lock ends with the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _stock() -> dict[tuple[str, str], Key]:
    """Keys for every place that may be empty, drawn before the transaction: an RSA key takes a third of a second."""
    return {(alg, state): _draw(alg) for alg in ALGORITHMS for state in ("current", "next")}


def _draw(alg: str) -> Key:
    if alg == "ES384":
        return ECKey.generate_key("P-384", private=True)
    return RSAKey.generate_key(RSA_BITS, private=True)


def _fill(at: datetime, stock: dict[tuple[str, str], Key]) -> None:
    """Store what is missing: a current and a next key of each algorithm."""
    for (alg, state), key in stock.items():
        if not SigningKey.objects.filter(alg=alg, state=state).exists():
            _store(key, alg, state, at)


def _store(key: Key, alg: str, state: str, at: datetime) -> None:
    kid = hashlib.sha256(key.as_pem(private=False)).hexdigest()[:32]
    SigningKey.objects.create(alg=alg, kid=kid, private_jwk=key.as_dict(private=True), state=state, created_at=at)
