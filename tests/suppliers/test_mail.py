"""E-mail by a relay: TLS or nothing, the whole message as bytes, and what each word of the relay means. A real relay with
a real certificate, on loopback. [SEC-B16, REL-F51]"""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ehrcommerce.outbox.handlers import NONE
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Refused, TryAgain
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import Message
from ehrcommerce.wire.errors import NotSent, TheirCertificate, Unanswered, WrongAddress
from ehrcommerce.wire.mail import LoginRefused, NoTls
from tests.wire.certificates import Signed, authority, issue

CA = authority()
GOOD = issue(CA, "relay")


class RelayServer:
    """Speaks as much SMTP as a relay must. `says`: its word at a step (mail, rcpt, data, dot), "" to hang up there."""

    def __init__(self, folder: Path, certificate: Signed, *, at_once: bool = False, starttls: bool = True) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.file(folder, f"relay-{uuid4().hex}"))
        self.at_once, self.starttls = at_once, starttls
        self.says: dict[str, str] = {}
        self.heard: list[tuple[bool, str]] = []  # (under TLS, line)
        self.messages: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{'smtps' if at_once else 'smtp'}://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        with ExitStack() as opened:
            opened.enter_context(sock)
            try:
                if self.at_once:
                    sock = opened.enter_context(self.context.wrap_socket(sock, server_side=True))
                self._session(sock, opened)
            except (OSError, ValueError):
                pass

    def _session(self, sock: socket.socket, opened: ExitStack) -> None:
        secure, file = self.at_once, opened.enter_context(sock.makefile("rwb", 0))
        file.write(b"220 relay\r\n")
        while line := file.readline().decode().strip():
            self.heard.append((secure, line))
            verb = line.split(":")[0].split()[0].lower()
            step = {"mail": "mail", "rcpt": "rcpt", "data": "data"}.get(verb, verb)
            if step in self.says:
                if not self.says[step]:
                    return
                file.write(f"{self.says[step]} Cy Rivera is not known here\r\n".encode())
            elif verb == "ehlo":
                more = ["250-STARTTLS"] if self.starttls and not secure else ["250-AUTH PLAIN"] if secure else []
                file.write("\r\n".join(["250-relay", *more, "250 8BITMIME", ""]).encode())
            elif verb == "starttls":
                file.write(b"220 go\r\n")
                sock = opened.enter_context(self.context.wrap_socket(sock, server_side=True))
                secure, file = True, opened.enter_context(sock.makefile("rwb", 0))
            elif verb == "auth":
                file.write(b"235 ok\r\n")
            elif verb == "data":
                file.write(b"354 go\r\n")
                content = b""
                while (part := file.readline()) not in (b".\r\n", b""):
                    content += part[1:] if part.startswith(b".") else part
                self.messages.append(content)
                if self.says.get("dot") == "":
                    return
                file.write(f"{self.says.get('dot', '250')} taken\r\n".encode())
            else:
                file.write(b"250 ok\r\n")


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RelayServer]:
    server = RelayServer(tmp_path, GOOD)
    yield server
    server.listener.close()


def adapter(server: RelayServer, **changes: Any) -> Any:
    values = {
        "base_url": server.url,
        "ca_pem": CA.pem,
        "account": "us",
        "api_key": "secret",
        "sender": "no-reply@m.example",
    }
    return chosen.adapter_of(Supplier(adapter="messaging_smtp", port="messaging", **{**values, **changes}))


def message(**changes: str) -> Message:
    values = {"reference": "R-1", "channel": "email", "to": "cy@mail.example", "text": "A message: https://s.example/l/x\n.\n",
              "subject": "Secure message", "html": "<p>A message</p>", "sender": "Lakeside"}  # fmt: skip
    return Message(**{**values, **changes})


def deliver(made: Any, **changes: str) -> Any:
    return made.deliver(made.render(message(**changes)), idempotency_key="k")


def test_the_exact_bytes_of_a_message(relay: RelayServer) -> None:
    assert adapter(relay).render(message(text="Your code: 1\n")).decode() == (
        'From: "Lakeside" <no-reply@m.example>\r\nTo: cy@mail.example\r\nSubject: Secure message\r\n'
        "Message-ID: <R-1@m.example>\r\nAuto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="=_R-1"\r\n\r\n'
        '--=_R-1\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
        "Your code: 1\r\n\r\n"
        '--=_R-1\r\nContent-Type: text/html; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n'
        "MIME-Version: 1.0\r\n\r\n<p>A message</p>\r\n\r\n--=_R-1--\r\n"
    )


@pytest.mark.parametrize("at_once", [False, True])
def test_it_arrives_whole_and_everything_is_said_under_tls(tmp_path: Path, at_once: bool) -> None:
    server = RelayServer(tmp_path, GOOD, at_once=at_once)
    assert deliver(adapter(server)) == Done(reference="R-1@m.example")
    parsed: Any = message_from_bytes(server.messages[0], policy=policy.default)
    words = [parsed.get_body((kind,)).get_content().split("\r\n") for kind in ("plain", "html")]
    assert words == [["A message: https://s.example/l/x", ".", ""], ["<p>A message</p>", ""]]
    assert parsed["Date"]
    plain = [line.split()[0].lower() for secure, line in server.heard if not secure]
    assert plain == ([] if at_once else ["ehlo", "starttls"])
    server.listener.close()


def test_a_relay_without_tls_hears_nothing(tmp_path: Path) -> None:
    server = RelayServer(tmp_path, GOOD, starttls=False)
    with pytest.raises(NoTls):
        deliver(adapter(server))
    assert [line.split()[0].lower() for _, line in server.heard] == ["ehlo"]
    server.listener.close()


@pytest.mark.parametrize("at_once", [False, True])
def test_a_relay_with_a_wrong_certificate_hears_nothing(tmp_path: Path, at_once: bool) -> None:  # REL-F49
    for wrong in (
        issue(CA, "relay", ended=True),
        issue(CA, "relay", host="other.example"),
        issue(authority(), "relay"),
    ):
        server = RelayServer(tmp_path, wrong, at_once=at_once)
        with pytest.raises(TheirCertificate):
            deliver(adapter(server))
        assert server.messages == []
        server.listener.close()


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        ({"rcpt": "550"}, Refused("address")),
        ({"rcpt": "450"}, TryAgain("partner_busy")),
        ({"mail": "421"}, TryAgain("partner_busy")),
        ({"mail": "530"}, Refused("refused")),
        ({"data": "451"}, TryAgain("partner_busy")),
        ({"dot": "552"}, Refused("address")),
        ({"dot": "451"}, TryAgain("partner_busy")),
    ],
)
def test_words_of_a_relay_become_outcomes(relay: RelayServer, says: dict[str, str], outcome: object) -> None:
    relay.says = says
    assert deliver(adapter(relay)) == outcome


@pytest.mark.parametrize(
    ("says", "error"),
    [({"mail": ""}, NotSent), ({"data": ""}, NotSent), ({"dot": ""}, Unanswered), ({"auth": "535"}, LoginRefused)],
)
def test_a_lost_connection_is_a_doubt_only_after_the_last_byte(
    relay: RelayServer, says: dict[str, str], error: type[Exception]
) -> None:
    relay.says = says
    with pytest.raises(error):
        deliver(adapter(relay))


def test_a_relay_cannot_be_asked_so_a_person_decides(relay: RelayServer) -> None:
    made = adapter(relay)
    assert made.capability == NONE
    with pytest.raises(Halt) as halt:
        made.find("R-1")
    assert halt.value.outcome == NeedsHuman("outcome_unknown")


def test_an_address_can_carry_no_second_header(relay: RelayServer) -> None:
    for changes in ({"to": "cy@mail.example\r\nBcc: eve@mail.example"}, {"subject": "x\nBcc: eve@mail.example"}):
        with pytest.raises(ValueError, match="linefeed or carriage return"):
            deliver(adapter(relay), **changes)
    named = adapter(relay).render(message(sender='Lake" <eve@mail.example>\r\nBcc: x'))
    assert b"Bcc:" not in named.split(b"\r\n\r\n")[0].replace(b'"Lake eve@mail.exampleBcc: x"', b"")


def test_only_relays_are_spoken_with(relay: RelayServer, settings: Any) -> None:
    with pytest.raises(WrongAddress):
        deliver(adapter(relay, base_url="https://127.0.0.1:1"))
    settings.PARTNER_HOSTS = ["relay.example"]
    with pytest.raises(WrongAddress):
        deliver(adapter(relay))
