"""An EHR that refuses, hangs, or answers one byte at a time: one deadline, then it is left alone and asked by single
probes, and a reading that failed gives nothing. What waits for it stays in its row. [REL-P15, F25]"""

import socket
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from uuid import uuid4

import pytest

from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import ChartUnreadable
from ehrcommerce.wire.breaker import FAILURES
from ehrcommerce.wire.client import Partner, adapter_for
from tests.disclosure.conftest import AT, Open
from tests.wire.test_client import Server, drip, plain, server

__all__ = ["server"]
pytestmark = pytest.mark.django_db
PERSON = b'{"resourceType":"Patient","id":"cy","birthDate":"1980-02-29"}'


def hangs(handler: BaseHTTPRequestHandler) -> None:
    """Until whoever asked has gone."""
    handler.close_connection = True
    handler.connection.settimeout(5)
    try:
        handler.connection.recv(1)
    except OSError:
        return


def trickles(handler: BaseHTTPRequestHandler) -> None:
    drip(handler, b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n", b"{")


def closed() -> str:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def slow(opened: Open, server: Server) -> FhirAccess:
    partner = Partner(name=f"slow {uuid4()}", base_url=server.url, read_s=0.1, connect_s=0.5)
    return replace(opened(), partner=partner, base=server.url)


@pytest.mark.parametrize("way", [None, hangs, trickles], ids=["refuses", "hangs", "trickles"])
def test_it_is_left_alone_after_a_few_tries_and_found_again_by_a_probe(
    slow: FhirAccess, server: Server, by: Actor, way: Callable[[BaseHTTPRequestHandler], None] | None
) -> None:
    if way is None:
        nobody = closed()
        slow = replace(slow, partner=replace(slow.partner, base_url=nobody), base=nobody)
    else:
        server.answer = way
    breaker = adapter_for(slow.partner).breaker
    for _ in range(FAILURES):
        with pytest.raises(ChartUnreadable):
            door.disclose_ship_to(slow, by=by, at=AT)
    assert breaker.is_open
    asked = len(server.seen)
    with pytest.raises(ChartUnreadable):
        door.disclose_ship_to(slow, by=by, at=AT)
    assert len(server.seen) == asked, "whoever waits asks nobody"
    if way is None:
        return
    server.answer = lambda handler: plain(handler, 200, PERSON, Content_Type="application/fhir+json")
    breaker._next_probe = 0.0  # the rest is over
    assert door.disclose_ship_to(slow, by=by, at=AT) is None
    assert not breaker.is_open
