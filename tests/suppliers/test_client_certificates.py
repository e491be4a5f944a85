"""Callbacks by mutual TLS: the certificate that our proxy verified, pinned by its fingerprint. [SEC-B10]"""

import base64
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from django.test import RequestFactory

from ehrcommerce.suppliers import client_certificates
from ehrcommerce.suppliers.errors import NoCertificate
from ehrcommerce.suppliers.models import Supplier
from tests.wire.certificates import Signed, authority, issue

CA = authority()
THEIRS, OTHERS, ENDED = issue(CA, "pharmacy"), issue(CA, "another"), issue(CA, "pharmacy", ended=True)
PROXY = "10.1.2.3"


def fingerprint(signed: Signed) -> str:
    return sha256(signed.certificate.public_bytes(Encoding.DER)).hexdigest()


def nginx(signed: Signed) -> str:
    return quote(signed.pem)


def rfc9440(signed: Signed) -> str:
    return f":{base64.b64encode(signed.certificate.public_bytes(Encoding.DER)).decode()}:"


@pytest.fixture(autouse=True)
def proxied(settings: Any) -> None:
    settings.PROXY_ADDRESSES, settings.CLIENT_CERTIFICATE_HEADER = ["10.1.2.0/24"], "Client-Cert"


def call(shown: str, *, pinned: str, sender: str = PROXY, at: datetime | None = None) -> None:
    headers = {"Client-Cert": shown} if shown else {}
    request = RequestFactory().post("/hooks/", b"{}", content_type="application/json", headers=headers)
    request.META["REMOTE_ADDR"] = sender
    client_certificates.require(request, Supplier(callback_certificates=pinned), at or datetime.now(UTC))


@pytest.mark.parametrize("form", [nginx, rfc9440])
def test_the_pinned_certificate_is_taken_in_both_forms(form: Any) -> None:
    shouted = ":".join(fingerprint(THEIRS).upper()[i : i + 2] for i in range(0, 64, 2))
    for pinned in (fingerprint(THEIRS), shouted, f"{fingerprint(OTHERS)}, {fingerprint(THEIRS)}"):
        call(form(THEIRS), pinned=pinned)


def test_a_row_that_pins_none_wants_none() -> None:
    call("", pinned="", sender="203.0.113.9")


@pytest.mark.parametrize(
    "how",
    [
        {"shown": ""},
        {"shown": nginx(OTHERS)},
        {"shown": nginx(THEIRS), "sender": "203.0.113.9"},
        {"shown": nginx(THEIRS), "sender": ""},
        {"shown": "no certificate"},
        {"shown": ":AAAA:"},
        {"shown": "x" * 20_000},
        {"shown": nginx(THEIRS), "at": datetime.now(UTC) + timedelta(days=30)},
    ],
)
def test_anything_else_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(NoCertificate):
        call(**{"pinned": fingerprint(THEIRS), **how})


def test_an_expired_one_is_refused_though_it_is_pinned() -> None:
    with pytest.raises(NoCertificate):
        call(nginx(ENDED), pinned=fingerprint(ENDED))


def test_no_header_is_believed_until_one_is_configured(settings: Any) -> None:
    settings.CLIENT_CERTIFICATE_HEADER = ""
    with pytest.raises(NoCertificate):
        call(nginx(THEIRS), pinned=fingerprint(THEIRS))
