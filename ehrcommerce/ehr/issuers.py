"""`iss` of a launch comes from outside and decides whom we talk to. One canonical form, compared as a whole with the
registered rows, before anything is sent anywhere: no prefix, no substring, no cleverness (docs/threat-model.md, B1)."""

import ipaddress
import re
from urllib.parse import urlsplit

from django.conf import settings

from ehrcommerce.ehr.errors import BadIssuer, IssuerNotHttps

MAX_LENGTH = 255
_ALLOWED = re.compile(r"[A-Za-z0-9._~:/\[\]-]+")
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PORTS = {"https": 443, "http": 80}


def canonical_iss(text: str) -> str:
    """Lower-case scheme and host, default port left out, at most one slash at the end left out. Raises BadIssuer and
    IssuerNotHttps.

    Refused: other schemes than https (http only where loopback partners are allowed), user names, queries, fragments,
    dots that climb, escapes, literal addresses and local names.
    """
    if len(text) > MAX_LENGTH or not _ALLOWED.fullmatch(text):
        raise BadIssuer
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as problem:
        raise BadIssuer from problem
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if scheme == "http" and _HOST.fullmatch(host) and not _may_be_host(scheme, host):
        raise IssuerNotHttps
    if not _may_be_host(scheme, host):
        raise BadIssuer
    path = parts.path.removesuffix("/")
    if any(part in ("", ".", "..") for part in path.split("/")[1:]):
        raise BadIssuer
    return f"{scheme}://{host}{'' if port in (None, _PORTS[scheme]) else f':{port}'}{path}"


def _may_be_host(scheme: str, host: str) -> bool:
    if not _HOST.fullmatch(host):
        return False
    inner = host == "localhost" or host.endswith(".localhost") or _is_address(host)
    if settings.ALLOW_LOOPBACK_PARTNERS:
        return scheme == "https" or (scheme == "http" and inner)
    return scheme == "https" and not inner and "." in host


def _is_address(host: str) -> bool:
    """An IP address in any spelling that some resolver takes: dotted, decimal, octal, hexadecimal."""
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]+", host.rpartition(".")[2]):
        return True
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False
