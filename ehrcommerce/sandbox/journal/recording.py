"""Writes the journal: which partner a path belongs to, and which values are left out.

Credentials are recorded as present, never as themselves. The header and claims of a client assertion stay readable
(its signature does not), because what a client put in there is what one wants to look at.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from ehrcommerce.sandbox.journal.models import ANSWER_CAP, ConformanceCheck, Fault, JournalEntry

PARTNER_OF: Final[dict[str, str]] = {
    "fhir": "ehr",
    "auth": "ehr",
    "profiles": "ehr",
    "pharmacy": "pharmacy",
    "devices": "devices",
    "lab": "lab",
    "carrier": "carrier",
    "payer": "payer",
    "pay": "payment",
    "messages": "messages",
}
"""First segment of a path -> the partner in whose name it is journaled."""

SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-sandbox-control"})
SECRET_FIELDS: Final = frozenset(
    {"client_secret", "code", "code_verifier", "refresh_token", "access_token", "id_token", "token", "password"}
)
PRESENT: Final = "(present)"
SECRET_MEMBER: Final = re.compile(rf'("(?:{"|".join(sorted(SECRET_FIELDS))})"\s*:\s*)"[^"]*"')


def partner_of(path: str) -> str | None:
    """The partner whose journal a request belongs to, or None for pages and control."""
    return PARTNER_OF.get(path.lstrip("/").partition("/")[0])


def record(
    *,
    partner: str,
    method: str,
    path: str,
    started: float,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
    status: int | None = None,
    answer: bytes | str = b"",
    connection: str = "",
    fault: str = "",
    ended: float | None = None,
) -> JournalEntry:
    """One row; `started` and `ended` are seconds since 1970 (now, when `ended` is not given)."""
    return JournalEntry.objects.create(
        partner=partner,
        method=method,
        path=_storable(path),
        query=query,
        headers=_without_secrets(headers or {}),
        body=_readable(body),
        status=status,
        answer=_readable(answer),
        started=started,
        ended=time.time() if ended is None else ended,
        connection=connection,
        fault=fault,
    )


def forget_entries() -> None:
    """Empty the journal."""
    JournalEntry.objects.all().delete()


def forget_checks() -> None:
    """Empty the book of what clients kept to."""
    ConformanceCheck.objects.all().delete()


def forget_faults() -> None:
    """Pull out what is planted."""
    Fault.objects.all().delete()


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: _presence(name, value) for name, value in headers.items()}


def _presence(name: str, value: str) -> str:
    if name.lower() == "authorization":
        return f"{value.partition(' ')[0]} {PRESENT}"
    return PRESENT if name.lower() in SECRET_HEADERS else value


def _readable(body: bytes | str) -> str:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    return _storable(_blanked(text))[:ANSWER_CAP]


def _storable(text: str) -> str:
    """What PostgreSQL can keep of it."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _blanked(text: str) -> str:
    """Secrets live in forms and in JSON objects with OAuth's names; everything else passes as it is."""
    if not any(name in text for name in SECRET_FIELDS | {"client_assertion"}):
        return text
    bare = text.lstrip("\ufeff \t\r\n")
    if bare.startswith("{"):
        return _blanked_json(bare)
    if bare.startswith("["):
        return _blanked_text(bare)
    pairs = parse_qsl(text, keep_blank_values=True)
    return urlencode([(name, _blank(name, value)) for name, value in pairs]) if pairs else text


def _blanked_json(text: str) -> str:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return _blanked_text(text)
    secret = [name for name, value in data.items() if name in SECRET_FIELDS and isinstance(value, str)]
    return json.dumps({**data, **dict.fromkeys(secret, PRESENT)}) if secret else text


def _blanked_text(text: str) -> str:
    """Of what only resembles JSON, members with OAuth's names."""
    return SECRET_MEMBER.sub(lambda found: f'{found[1]}"{PRESENT}"', text)


def _blank(name: str, value: str) -> Any:
    if name == "client_assertion":
        return value.rpartition(".")[0] + "." + PRESENT
    return PRESENT if name in SECRET_FIELDS else value
