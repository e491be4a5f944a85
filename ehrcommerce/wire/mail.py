"""Handing one e-mail to a relay. TLS always: from the first byte (smtps://) or by STARTTLS before anything is said
(smtp://); a relay that offers none gets nothing.

Up to the last byte of the message nothing has happened (NotSent); a connection that is lost after it leaves a doubt
(Unanswered), since a relay cannot be asked."""

import re
import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from ehrcommerce.wire import deadline, exchange
from ehrcommerce.wire.client import CONNECT_S, READ_S, allowed_host, certificate_problem, tls_context
from ehrcommerce.wire.errors import NotSent, TheirCertificate, Unanswered, WireError, WrongAddress

PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class Relay:
    """Who takes our e-mail, and how we show who we are."""

    name: str
    base_url: str
    account: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    ca_pem: str = field(default="", repr=False)
    client_certificate: str = ""
    client_pem: str = field(default="", repr=False)
    hosts: tuple[str, ...] = ()


class NoTls(TheirCertificate):
    """The relay offers no TLS. Nothing was said to it. Ask its owner to switch TLS on; there is no way without."""


def hand_over(relay: Relay, *, sender: str, to: str, content: bytes) -> int:
    """The relay's last word: 250 where it took the message, else its refusal (4xx later, 5xx never)."""
    parts = urlsplit(relay.base_url)
    host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    if parts.scheme not in PORTS or not allowed_host(host, relay.hosts):
        raise WrongAddress(relay.name, "an address that begins with smtp:// or smtps://, of an allowed host")
    if deadline.is_over():
        raise NotSent(relay.name, "no time is left to wait for an answer")
    client: smtplib.SMTP | None = None
    try:
        client = _connected(relay, host, port, at_once=parts.scheme == "smtps")
        code = _envelope(client, relay, sender, to)
        return code if code != 354 else _content(client, relay.name, content)
    except (smtplib.SMTPException, OSError, ValueError) as problem:
        raise _named(relay.name, problem) from None
    finally:
        if client is not None:
            client.close()


def _connected(relay: Relay, host: str, port: int, *, at_once: bool) -> smtplib.SMTP:
    context = tls_context(relay.ca_file, relay.client_certificate, relay.ca_pem, relay.client_pem)
    # The name that a relay is told would be this machine's own, looked up in DNS.
    me: dict[str, Any] = {"local_hostname": "[127.0.0.1]", "timeout": deadline.left_s(CONNECT_S)}
    client: smtplib.SMTP = smtplib.SMTP_SSL(host, port, context=context, **me) if at_once else smtplib.SMTP(host, port, **me)
    try:
        return _entered(client, relay, context, at_once=at_once)
    except BaseException:
        client.close()
        raise


def _entered(client: smtplib.SMTP, relay: Relay, context: ssl.SSLContext, *, at_once: bool) -> smtplib.SMTP:
    sock: socket.socket | None = client.sock
    if sock is not None and not settings.ALLOW_LOOPBACK_PARTNERS and not exchange.is_outside(sock.getpeername()[0]):
        raise WrongAddress(relay.name, "the host name leads to an inner address")
    if not at_once:
        client.ehlo_or_helo_if_needed()
        if not client.has_extn("starttls"):
            raise NoTls(relay.name)
        client.starttls(context=context)
    if client.sock is not None:
        client.sock.settimeout(deadline.left_s(READ_S))
    client.ehlo()
    if relay.account:
        client.login(relay.account, relay.password)
    return client


def _envelope(client: smtplib.SMTP, relay: Relay, sender: str, to: str) -> int:
    """354 where the message may come now, else the refusal."""
    for step, address in ((client.mail, sender), (client.rcpt, to)):
        code = step(address)[0]
        if not 200 <= code < 300:
            return code
    return client.docmd("DATA")[0]


def _content(client: smtplib.SMTP, name: str, content: bytes) -> int:
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    stuffed = re.sub(rb"(?m)^\.", b"..", lines)
    try:
        client.send((stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n") + b".\r\n")
        return client.getreply()[0]
    except (smtplib.SMTPException, OSError):
        raise Unanswered(name) from None


def _named(name: str, problem: Exception) -> WireError:
    if isinstance(problem, smtplib.SMTPAuthenticationError):
        return LoginRefused(name)
    return certificate_problem(name, problem) or NotSent(name)


class LoginRefused(NotSent):
    """The relay did not accept our login. Nothing was sent. Put account and password into the relay's row."""
