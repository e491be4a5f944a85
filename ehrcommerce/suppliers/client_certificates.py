"""Callbacks by mutual TLS: the proxy that ends TLS before us verifies the client certificate and hands it on in a header;
here it is compared with the fingerprints of the supplier's row. The header counts only if a proxy of ours set it: from
anybody else it is a claim (docs/operations.md).

Two forms are read: RFC 9440 (`Client-Cert: :base64 of DER:`) and nginx's `$ssl_client_escaped_cert` (PEM,
percent-encoded)."""

import base64
import binascii
import hmac
import ipaddress
from datetime import datetime
from hashlib import sha256
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.http import HttpRequest

from ehrcommerce.suppliers.errors import NoCertificate
from ehrcommerce.suppliers.models import Supplier

_LONGEST = 16_384


def require(request: HttpRequest, supplier: Supplier, at: datetime) -> None:
    """Raises NoCertificate unless the row names no certificate, or one of those that it names came with the request."""
    require_one_of(request, supplier.callback_certificates, at)


def require_one_of(request: HttpRequest, named: str, at: datetime) -> None:
    """The same for any list of fingerprints."""
    pinned = fingerprints(named)
    if not pinned:
        return
    if not _from_our_proxy(request.META.get("REMOTE_ADDR", "")):
        raise NoCertificate
    shown = _read(request.headers.get(settings.CLIENT_CERTIFICATE_HEADER or "-", ""))
    if shown is None or not shown.not_valid_before_utc <= at <= shown.not_valid_after_utc:
        raise NoCertificate
    digest = sha256(shown.public_bytes(Encoding.DER)).hexdigest()
    if not any(hmac.compare_digest(digest, one) for one in pinned):
        raise NoCertificate


def fingerprints(text: str) -> list[str]:
    """SHA-256 of certificates as hex, however people write them: `AB:CD...`, two of them while one takes over."""
    return [one.replace(":", "").strip().lower() for one in text.split(",") if one.strip()]


def _from_our_proxy(address: str) -> bool:
    try:
        sender = ipaddress.ip_address(address)
        return any(sender in ipaddress.ip_network(one.strip(), strict=False) for one in settings.PROXY_ADDRESSES)
    except ValueError:
        return False


def _read(header: str) -> x509.Certificate | None:
    """The certificate of a header; None where there is none in it."""
    if not 0 < len(header) <= _LONGEST:
        return None
    try:
        if header.startswith(":"):
            return x509.load_der_x509_certificate(base64.b64decode(header.strip(":"), validate=True))
        return x509.load_pem_x509_certificate(unquote(header).encode())
    except (ValueError, binascii.Error):
        return None
