"""DNS fails, or leads inside: nobody is asked anything, and the next try may succeed. [REL-F48]"""

import socket
from typing import Any

import pytest
from django.test import override_settings

from ehrcommerce.wire.client import Partner, ask
from ehrcommerce.wire.errors import NotSent, WrongAddress
from tests.wire.test_client import Server, server

__all__ = ["server"]
INNER = ("10.0.0.5", "172.16.9.1", "192.168.1.1", "127.0.0.1", "169.254.169.254", "100.64.0.1",
         "::", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.5", "64:ff9b::a00:5", "2002:a00:5::1")  # fmt: skip


def leads_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """What the name server says of every name."""

    def found(host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        if not addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.parametrize("development", [True, False])
def test_a_name_without_an_address_was_asked_nothing_and_is_tried_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, development: bool
) -> None:
    asked = Partner(name=f"named {server.url} {development}", base_url=server.url.replace("127.0.0.1", "localhost"))
    with monkeypatch.context() as broken, override_settings(ALLOW_LOOPBACK_PARTNERS=development):
        leads_to(broken)
        with pytest.raises(NotSent) as caught:
            ask(asked, "POST", "x", body=b"order")
    assert not isinstance(caught.value, WrongAddress)
    assert server.seen == []
    leads_to(monkeypatch, "127.0.0.1")
    assert ask(asked, "POST", "x", body=b"order").ok


@pytest.mark.parametrize("inner", INNER)
def test_a_name_that_leads_inside_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch, inner: str) -> None:
    """Also where only one of its addresses does: which one a connection takes is not ours to say."""
    asked = Partner(name=f"inner {inner}", base_url="https://partner.example")
    with override_settings(ALLOW_LOOPBACK_PARTNERS=False):
        for addresses in ((inner,), ("93.184.216.34", inner)):
            leads_to(monkeypatch, *addresses)
            with pytest.raises(WrongAddress):
                ask(asked, "POST", "x", body=b"order")
