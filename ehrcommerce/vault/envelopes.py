"""Values sealed under the key of one order: version 2 of a seal is version byte, the key's scope, nonce, ciphertext.

The unwrapped keys of the organization whose walls are entered wait on the connection until these are left: one query
for all values of an order, never a key of another organization, and none longer than half a minute, so that a key that
another process destroys is soon gone from here as well."""

import os
import time
from collections import OrderedDict
from datetime import datetime
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import connection, transaction

from ehrcommerce.vault import keys
from ehrcommerce.vault.keys import Destroyed, Tampered, UnknownKey
from ehrcommerce.vault.models import DataKey

VERSION = b"\x02"
_HEADER, _NONCE, _TAG = 17, 12, 16
MOST_HELD, HELD_S = 128, 30.0
_FIND = (
    "SELECT scope, wrapped, destroyed_at IS NOT NULL FROM vault_datakey"
    " WHERE scope = %s OR (kind = 'organization' AND destroyed_at IS NULL)"
)
_MAKE = (
    "INSERT INTO vault_datakey (scope, organization_id, kind, wrapped) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
)


class _Held:
    """One unwrapped key. What a transaction read or made counts only while that transaction has not been undone."""

    def __init__(self, key: bytes) -> None:
        self.key, self.until, self.certain = key, time.monotonic() + HELD_S, not connection.in_atomic_block
        if not self.certain:
            transaction.on_commit(self.confirm)

    def confirm(self) -> None:
        self.certain = True

    def counts(self) -> bool:
        if time.monotonic() > self.until:
            return False
        return self.certain or any(waiting[1] == self.confirm for waiting in connection.run_on_commit)


def seal(plain: bytes, place: str, *, scope: UUID, organization_id: int) -> bytes:
    """Encrypt under the key of `scope`, which is made if there is none yet. Raises Destroyed."""
    header, nonce = VERSION + scope.bytes, os.urandom(_NONCE)
    key = _key(scope, organization_id)
    return header + nonce + AESGCM(key).encrypt(nonce, plain, header + place.encode())


def open_sealed(sealed: bytes, place: str) -> bytes:
    """Either version. Raises UnknownKey, Tampered, Destroyed; never returns anything but what was sealed."""
    if sealed[:1] != VERSION:
        return keys.open_sealed(sealed, place)
    if len(sealed) < _HEADER + _NONCE + _TAG:
        raise Tampered
    return _opened(sealed, place, _key(UUID(bytes=bytes(sealed[1:_HEADER]))))


def scope_of(sealed: bytes) -> UUID | None:
    """Under whose key this stands; None where it is a configured key."""
    whole = sealed[:1] == VERSION and len(sealed) >= _HEADER
    return UUID(bytes=bytes(sealed[1:_HEADER])) if whole else None


def destroy(scope: UUID, *, at: datetime) -> bool:
    """Erase everything that was sealed under this key, at once and for good. False where there was none to destroy."""
    gone = DataKey.objects.filter(scope=scope, kind=DataKey.ORDER, destroyed_at=None).update(
        wrapped=b"", destroyed_at=at
    )
    _held().pop(scope, None)
    return bool(gone)


def forget() -> None:
    """Hold no key any more; whoever needs one asks the database."""
    _held().clear()


def rewrap(row: DataKey) -> bytes:
    """The wrapped bytes of an organization's key under the configured key that seals today."""
    return keys.seal(keys.open_sealed(bytes(row.wrapped), _place(row.scope)), _place(row.scope))


def _opened(sealed: bytes, place: str, key: bytes) -> bytes:
    header, nonce, body = sealed[:_HEADER], sealed[_HEADER : _HEADER + _NONCE], sealed[_HEADER + _NONCE :]
    try:
        return AESGCM(key).decrypt(nonce, body, header + place.encode())
    except InvalidTag as problem:
        raise Tampered from problem


def _held() -> "OrderedDict[UUID, _Held]":
    held: OrderedDict[UUID, _Held] | None = getattr(connection, "ehrc_keys", None)
    if held is None:
        held = connection.ehrc_keys = OrderedDict()  # type: ignore[attr-defined]
    return held


def _key(scope: UUID, organization_id: int | None = None) -> bytes:
    """The unwrapped key. With an organization it is made where there is none; without, UnknownKey."""
    held = _held()
    if scope in held and held[scope].counts():
        held.move_to_end(scope)
        return held[scope].key
    rows = _rows(scope)
    if scope not in rows and organization_id is not None:
        _make(scope, organization_id, rows)
        rows = _rows(scope)
    if scope not in rows:
        raise UnknownKey
    wrapped, destroyed = rows[scope]
    if destroyed:
        raise Destroyed
    above = scope_of(wrapped)
    if above is None:
        key = keys.open_sealed(wrapped, _place(scope))
    else:
        if above not in rows:
            raise UnknownKey
        key = _opened(wrapped, _place(scope), keys.open_sealed(rows[above][0], _place(above)))
    held[scope] = _Held(key)
    while len(held) > MOST_HELD:
        held.popitem(last=False)
    return key


def _rows(scope: UUID) -> dict[UUID, tuple[bytes, bool]]:
    """The key's row and those of its organization, in one question."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [scope])
        return {row[0]: (bytes(row[1]), row[2]) for row in cursor.fetchall()}


def _make(scope: UUID, organization_id: int, rows: dict[UUID, tuple[bytes, bool]]) -> None:
    if not rows:
        _insert(own := uuid4(), organization_id, DataKey.ORGANIZATION, keys.seal(os.urandom(32), _place(own)))
        rows.update(_rows(scope))
    above, (wrapped, _) = next(iter(rows.items()))
    header, nonce = VERSION + above.bytes, os.urandom(_NONCE)
    key = AESGCM(keys.open_sealed(wrapped, _place(above)))
    sealed = header + nonce + key.encrypt(nonce, os.urandom(32), header + _place(scope).encode())
    _insert(scope, organization_id, DataKey.ORDER, sealed)


def _insert(scope: UUID, organization_id: int, kind: str, wrapped: bytes) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_MAKE, [scope, organization_id, kind, wrapped])


def _place(scope: UUID) -> str:
    return f"vault_datakey.wrapped:{scope}"


def wanted() -> bool:
    """Off only while processes still run that cannot read version 2 (docs/keys.md)."""
    return bool(settings.SEAL_UNDER_ORDER_KEYS)
