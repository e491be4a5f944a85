"""The one HTTP client: what it refuses to send, and what it says when no answer comes. [SEC-B3, REL-F5, REL-F50]"""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import override_settings
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from ehrcommerce.wire import exchange
from ehrcommerce.wire.breaker import FAILURES, REST_S, Breaker
from ehrcommerce.wire.client import CONNECT_S, Partner, ask, origin
from ehrcommerce.wire.errors import BadAnswer, Busy, CircuitOpen, NotSent, Unanswered, WrongAddress

Answerer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A partner on loopback whose next answers a test writes."""

    def __init__(self) -> None:
        self.answer: Answerer = lambda handler: plain(handler, 200, b"ok")
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.seen.append(
                    (self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
                )
                outer.answer(self)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()


def plain(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.httpd.shutdown()
    made.httpd.server_close()


def partner(server: Server, **more: object) -> Partner:
    return Partner(name=f"partner {server.url}", base_url=server.url, **{"read_s": 1.0, **more})  # type: ignore[arg-type]


def test_an_answer_comes_back_with_its_headers(server: Server) -> None:
    answer = ask(partner(server), "GET", "x", params={"a": "b c"})
    assert (answer.status, answer.body) == (200, b"ok")
    assert server.seen[0][1] == "/x?a=b+c"


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/x", "http://evil.example/x", "https://127.0.0.1/x", "http://a@127.0.0.1:80/"]
)
def test_another_origin_is_never_asked(server: Server, address: str) -> None:
    with pytest.raises(WrongAddress):
        ask(partner(server), "GET", address)
    assert server.seen == []


def test_a_redirect_is_an_answer_and_not_followed(server: Server) -> None:
    server.answer = lambda handler: plain(handler, 307, b"", Location=f"{server.url}/elsewhere")
    assert ask(partner(server), "POST", "x", body=b"secret").status == 307
    assert len(server.seen) == 1


def test_an_inner_address_is_refused_outside_development(server: Server) -> None:
    with override_settings(ALLOW_LOOPBACK_PARTNERS=False), pytest.raises(WrongAddress):
        ask(partner(server), "GET", "x")
    assert server.seen == []


def test_nobody_there_means_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Partner("nobody", f"http://127.0.0.1:{taken.getsockname()[1]}")
    with pytest.raises(NotSent):
        ask(nobody, "GET", "x")


def test_silence_after_the_question_means_unanswered(server: Server) -> None:
    def silent(handler: BaseHTTPRequestHandler) -> None:
        threading.Event().wait(2)

    server.answer = silent
    with pytest.raises(Unanswered):
        ask(partner(server, read_s=0.3), "POST", "x", body=b"order")


def test_a_connection_cut_before_the_answer_means_unanswered(server: Server) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    server.answer = cut
    with pytest.raises(Unanswered):
        ask(partner(server), "POST", "x", body=b"order")


def test_half_an_answer_is_no_answer(server: Server) -> None:
    def half(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"{")
        handler.close_connection = True

    server.answer = half
    with pytest.raises(Unanswered):
        ask(partner(server), "GET", "x")


def test_an_endless_answer_is_cut(server: Server) -> None:
    server.answer = lambda handler: plain(handler, 200, b"x" * 5000)
    with pytest.raises(BadAnswer):
        ask(partner(server, max_bytes=1000), "GET", "x")


def drip(handler: BaseHTTPRequestHandler, begin: bytes, piece: bytes, every_s: float = 0.05) -> None:
    """An answer without end, whose next byte always comes before the patience for one silence is over."""
    handler.close_connection = True
    try:
        handler.connection.sendall(begin)
        for _ in range(60):
            handler.connection.sendall(piece)
            threading.Event().wait(every_s)
    except OSError:
        return


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: x\r\n"),
        (b"", b"H"),
    ],
    ids=["body", "body without length", "chunks", "size of a chunk", "header", "headers", "status line"],
)
def test_an_answer_that_drips_has_one_deadline(server: Server, begin: bytes, piece: bytes) -> None:
    server.answer = lambda handler: drip(handler, begin, piece)
    start = time.monotonic()
    with pytest.raises(Unanswered):
        ask(partner(server, read_s=0.25), "POST", "x", body=b"order")
    assert time.monotonic() - start < 1.5


def test_the_deadline_of_one_answer_does_not_shorten_the_next(server: Server) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        threading.Event().wait(0.3)
        plain(handler, 200, b"ok")

    server.answer, asked = slow, partner(server, read_s=0.4)
    assert [ask(asked, "GET", "x").status for _ in range(4)] == [200] * 4


def test_each_partner_has_its_own_patience(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, send = [], HTTPAdapter.send

    def seen(self: HTTPAdapter, request: PreparedRequest, *args: Any, **more: Any) -> Response:
        waits.append(more["timeout"])
        return send(self, request, *args, **more)

    monkeypatch.setattr(HTTPAdapter, "send", seen)
    ask(partner(server), "GET", "x")
    ask(partner(server, connect_s=1.5, read_s=4.0), "GET", "x")
    assert waits == [(CONNECT_S, 1.0), (1.5, 4.0)]


def test_a_partner_with_its_hands_full_is_busy_not_down(server: Server) -> None:
    asked, began, over = partner(server, at_once=1, connect_s=0.1), threading.Event(), threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        began.set()
        over.wait(2)
        plain(handler, 200, b"ok")

    server.answer = slow
    first = threading.Thread(target=lambda: ask(asked, "GET", "x"))
    first.start()
    began.wait(2)
    with pytest.raises(Busy):
        ask(asked, "GET", "x")
    over.set()
    first.join()
    assert len(server.seen) == 1


def test_a_small_answer_that_unpacks_into_a_huge_one_is_cut(server: Server) -> None:
    bomb = gzip.compress(b"0" * 30_000_000)
    server.answer = lambda handler: plain(handler, 200, bomb, Content_Encoding="gzip")
    with pytest.raises(BadAnswer):
        ask(partner(server, max_bytes=1_000_000), "GET", "x")


# -- what the partner may have heard -------------------------------------------------------------------------------
def test_no_handshake_no_question(server: Server) -> None:
    tls = Partner(name="tls", base_url=server.url.replace("http:", "https:"))
    with pytest.raises(NotSent):
        ask(tls, "POST", "x", body=b"order")
    assert server.seen == []


@pytest.mark.parametrize("fault", [ssl.SSLError(1, "bad record mac"), ssl.SSLEOFError(8, "EOF against protocol")])
def test_a_tls_failure_after_the_question_means_unanswered(
    server: Server, monkeypatch: pytest.MonkeyPatch, fault: ssl.SSLError
) -> None:
    heard = exchange._Clocked.readinto

    def fails(self: exchange._Clocked, buffer: object) -> int:
        heard(self, buffer)
        raise fault

    monkeypatch.setattr("ehrcommerce.wire.exchange._Clocked.readinto", fails)
    with pytest.raises(Unanswered):
        ask(partner(server), "POST", "x", body=b"order")
    assert len(server.seen) == 1


def test_a_name_that_leads_elsewhere_at_the_second_look_is_sent_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ehrcommerce.wire.client.refuse_inner_address", lambda name, url: None)
    with override_settings(ALLOW_LOOPBACK_PARTNERS=False), pytest.raises(WrongAddress):
        ask(partner(server), "POST", "x", body=b"order")
    assert server.seen == []


def test_no_error_repeats_an_address_or_a_body(server: Server) -> None:
    with pytest.raises(WrongAddress) as caught:
        ask(partner(server), "GET", "http://evil.example/Patient/secret")
    assert "secret" not in str(caught.value)
    assert "evil" not in str(caught.value)


def test_a_partner_that_keeps_failing_is_left_alone(server: Server) -> None:
    server.answer = lambda handler: plain(handler, 503, b"")
    for _ in range(FAILURES):
        assert ask(partner(server), "GET", "x").status == 503
    with pytest.raises(CircuitOpen):
        ask(partner(server), "GET", "x")
    assert len(server.seen) == FAILURES


def test_after_a_rest_a_probe_may_close_the_circuit() -> None:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.heard(failed=True, now=0.0)
    assert not breaker.allows(REST_S / 2)
    assert breaker.allows(REST_S + 1)
    assert breaker.allows(REST_S + 1.5), "the other questions of the same page may try as well"
    assert not breaker.allows(REST_S + 2.5)
    breaker.heard(failed=False, now=REST_S + 3)
    assert breaker.allows(REST_S + 3)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTPS://EHR.example:443/x", "https://ehr.example"), ("http://a:80", "http://a"), ("https://a:8443/", "https://a:8443"),
        ("https://user@a/", ""), ("ftp://a/", ""), ("//a/", ""), ("https://", ""), ("https://a:x/", ""), ("http://[::1]:80/", "http://[::1]"),
    ],
)  # fmt: skip
def test_origins(url: str, expected: str) -> None:
    assert origin(url) == expected


def test_retry_after_is_capped_and_nonsense_is_ignored(server: Server) -> None:
    for said, meant in (("86400", 900), ("5", 5), ("-1", None), ("soon", None), ("9" * 12, 900)):
        server.answer = lambda handler, said=said: plain(handler, 429, b"", Retry_After=said)  # type: ignore[misc]
        assert ask(partner(server), "GET", "x").retry_after_s() == meant
