"""Both sides show a certificate: ours is asked for and checked by a real server, theirs by us. Whatever is wrong with
either fails closed, by name, before a byte of the question is heard. [SEC-B9, REL-F49]"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ehrcommerce.wire.client import Partner, ask
from ehrcommerce.wire.errors import OurCertificate, TheirCertificate, Unanswered
from tests.wire.certificates import Signed, authority, issue
from tests.wire.test_client import Server

CA, OTHER_CA = authority(), authority("Another authority")
OURS = issue(CA, "ehrcommerce")


@contextmanager
def served(
    tmp_path: Path, theirs: Signed, *, believes: Signed = CA, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> Iterator[Server]:
    """A partner that wants a client certificate of `believes`."""
    server = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(theirs.file(tmp_path, "theirs"))
    context.load_verify_locations(cadata=believes.pem)
    context.maximum_version = newest
    context.verify_mode = ssl.CERT_REQUIRED
    server.httpd.socket = context.wrap_socket(server.httpd.socket, server_side=True)
    server.url = server.url.replace("http:", "https:")
    try:
        yield server
    finally:
        server.httpd.shutdown()
        server.httpd.server_close()


def partner(server: Server, **changes: str) -> Partner:
    values: dict[str, Any] = {"name": "pharmacy", "base_url": server.url, "ca_pem": CA.pem, "client_pem": OURS.with_key}
    return Partner(**{**values, **changes})


def test_both_certificates_are_shown_and_believed(tmp_path: Path) -> None:
    with served(tmp_path, issue(CA, "pharmacy")) as server:
        assert ask(partner(server), "GET", "x").body == b"ok"
        by_file = partner(server, client_pem="", client_certificate=OURS.file(tmp_path, "ours"))
        assert ask(by_file, "GET", "x").body == b"ok"


@pytest.mark.parametrize(
    "theirs",
    [issue(OTHER_CA, "impostor"), issue(CA, "pharmacy", ended=True), issue(CA, "pharmacy", host="other.example")],
    ids=["another authority", "expired", "another host"],
)
def test_a_certificate_of_theirs_that_is_not_right_hears_nothing(tmp_path: Path, theirs: Signed) -> None:
    with served(tmp_path, theirs) as server:
        with pytest.raises(TheirCertificate):
            ask(partner(server), "POST", "x", body=b"secret")
        assert server.seen == []


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    "ours",
    ["", issue(OTHER_CA, "ehrcommerce").with_key, issue(CA, "ehrcommerce", ended=True).with_key],
    ids=["none", "another authority", "expired"],
)
def test_a_certificate_of_ours_that_they_do_not_take_is_heard_by_nobody(
    tmp_path: Path, ours: str, newest: ssl.TLSVersion
) -> None:
    """With TLS 1.3 a client learns it after it has sent: where the alert is lost on the way, that is a doubt."""
    named = (OurCertificate,) if newest == ssl.TLSVersion.TLSv1_2 else (OurCertificate, Unanswered)
    with served(tmp_path, issue(CA, "pharmacy"), newest=newest) as server:
        with pytest.raises(named):
            ask(partner(server, client_pem=ours), "POST", "x", body=b"secret")
        assert server.seen == []


def test_a_certificate_of_ours_that_cannot_be_read_is_named() -> None:
    for changes in (
        {"client_pem": "no pem"},
        {"client_pem": "", "client_certificate": "/nowhere.pem"},
        {"ca_pem": "x"},
    ):
        made = Partner(**{"name": "pharmacy", "base_url": "https://127.0.0.1:1", **changes})  # type: ignore[arg-type]
        with pytest.raises(OurCertificate):
            ask(made, "GET", "x")


def test_without_a_pinned_authority_a_private_one_is_not_believed(tmp_path: Path) -> None:
    with served(tmp_path, issue(CA, "pharmacy")) as server, pytest.raises(TheirCertificate):
        ask(partner(server, ca_pem=""), "GET", "x")


def test_the_pasted_key_is_in_no_file_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with served(tmp_path, issue(CA, "pharmacy")) as server:
        fresh = issue(CA, "ehrcommerce").with_key
        assert ask(partner(server, client_pem=fresh), "GET", "x").ok
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.pem"]
    assert "PRIVATE" not in repr(partner(Server()))
