"""Encryption of single values: AES-256-GCM, key id in the header, and the value's own place (table, column, row) as
additional data, so that a ciphertext copied into another row does not open there (docs/threat-model.md, B14)."""

import hashlib
import hmac
import os
import unicodedata
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

VERSION = b"\x01"
_NONCE_BYTES = 12


class VaultError(Exception):
    """A stored value cannot be opened. Its row is held; others are not affected."""


class UnknownKey(VaultError):
    """The value was sealed with a key that is not configured. Put that key back into EHRC_FIELD_KEYS."""


class Tampered(VaultError):
    """The value was changed or moved from another row. Restore the row from a backup and look for who did it."""


class Destroyed(VaultError):
    """The key of this order was destroyed: its data was erased on purpose. Nothing brings it back."""


def seal(plain: bytes, place: str) -> bytes:
    """Encrypt under the current key. `place` is `table.column:row` and must be given again to open."""
    key_id, key = next(iter(settings.FIELD_KEYS.items()))
    nonce = os.urandom(_NONCE_BYTES)
    header = header_of(key_id)
    return header + nonce + AESGCM(key).encrypt(nonce, plain, header + place.encode())


def open_sealed(sealed: bytes, place: str) -> bytes:
    """Raises UnknownKey or Tampered; never returns anything but what was sealed."""
    if len(sealed) < 2 or sealed[:1] != VERSION:
        raise Tampered
    end = 2 + sealed[1]
    header, nonce, body = sealed[:end], sealed[end : end + _NONCE_BYTES], sealed[end + _NONCE_BYTES :]
    key = settings.FIELD_KEYS.get(header[2:].decode("ascii", "replace"))
    if key is None:
        raise UnknownKey
    try:
        return AESGCM(key).decrypt(nonce, body, header + place.encode())
    except InvalidTag as problem:
        raise Tampered from problem


def header_of(key_id: str) -> bytes:
    """How each value begins that this key sealed."""
    return VERSION + bytes([len(key_id)]) + key_id.encode()


def key_id_of(sealed: bytes) -> str:
    """Which key sealed this: what a rotation has to look at."""
    return sealed[2 : 2 + sealed[1]].decode("ascii", "replace") if len(sealed) > 2 else ""


def blind_index(domain: str, value: str) -> bytes:
    """32 bytes by which an encrypted value can be found again. `domain` keeps two columns from being compared."""
    return keyed(settings.BLIND_INDEX_KEY, domain, value)


def keyed(key: bytes, domain: str, value: str) -> bytes:
    """HMAC-SHA-256 with the domain set apart by a byte that no text contains."""
    return hmac.new(key, domain.encode() + b"\x00" + value.encode(), hashlib.sha256).digest()


_NORMAL_FORM: dict[str, Callable[[str], str]] = {
    "birth": lambda value: value.strip()[:10],
    "family": lambda value: "".join(c for c in unicodedata.normalize("NFKD", value).casefold() if c.isalpha()),
    "postal": lambda value: "".join(c for c in value if c.isdigit())[:5],
}


def identity_digest(what: str, customer_key: str, value: str) -> bytes:
    """32 bytes by which an answer of the person who opened a link is compared with the chart; b"" for no value.

    `what` is birth (an ISO date), family (case, accents, blanks and hyphens do not count) or postal (five digits).
    """
    normal = _NORMAL_FORM[what](value)
    return keyed(settings.BLIND_INDEX_KEY, f"identity.{what}.{customer_key}", normal) if normal else b""
