"""The manners in which an answer can be spoiled. Each takes an order and gives the response."""

import json
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from ehrcommerce.sandbox.ehr.surroundings import here
from ehrcommerce.sandbox.journal.breaking import broken_off, reset_on_close
from ehrcommerce.sandbox.journal.strangers import stranger_origin

if TYPE_CHECKING:
    from ehrcommerce.sandbox.ehr.answers import Wish

PAGE: Final = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>"
PIECE: Final = 64 * 1024
STREAMED_FROM: Final = 1024 * 1024
DRIP_S: Final = 0.25


@dataclass(frozen=True)
class Order:
    """A request, how it is to be spoiled, and the usual answer for those who want it."""

    request: HttpRequest
    wish: "Wish"
    make: Callable[[], HttpResponseBase]

    @property
    def usual(self) -> HttpResponse:
        """The usual answer."""
        made = self.make()
        return made if isinstance(made, HttpResponse) else HttpResponse()

    def like(self, usual: HttpResponse, body: bytes | str) -> HttpResponse:
        """The usual answer with another body."""
        kind = self.wish.content_type or usual.headers.get("Content-Type", "application/json")
        return HttpResponse(body, status=self.wish.status or usual.status_code, content_type=kind)


def status_answer(order: Order) -> HttpResponse:
    """Only a status; FHIR requests get an OperationOutcome with it, or what the knob `error_format` says."""
    wish = order.wish
    status = wish.status or int(wish.manner)
    if wish.body or not _is_fhir(order.request):
        return HttpResponse(wish.body or "unavailable", status=status, content_type=wish.content_type or "text/plain")
    return fhir_error(status, "Not now.", code="exception")


def _is_fhir(request: HttpRequest) -> bool:
    return "/fhir" in request.path and "/.well-known/" not in request.path


def fhir_error(status: int, text: str, *, code: str, headers: dict[str, str] | None = None) -> HttpResponse:
    """A refusal of the FHIR server as the knob `error_format` has it."""
    form = here().knobs["error_format"]
    if form == "text":
        return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8", headers=headers)
    if form == "html":
        return HttpResponse(f"<html><body>{text}</body></html>", status=status, headers=headers)
    issue = {"severity": "error", "code": code, "diagnostics": text}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    body = {"error": code, "message": text} if form == "json" else outcome
    kind = "application/json" if form == "json" else str(here().knobs["fhir_content_type"])
    return HttpResponse(json.dumps(body), status=status, content_type=kind, headers=headers)


def _replaced(text: str | bytes) -> Callable[[Order], HttpResponse]:
    return lambda order: order.like(order.usual, text)


def _html(order: Order) -> HttpResponse:
    return HttpResponse(order.wish.body or PAGE, status=order.wish.status or 200, content_type="text/html")


def _text(order: Order) -> HttpResponse:
    return HttpResponse(order.wish.body or "OK", status=order.wish.status or 200, content_type="text/plain")


def _raw(order: Order) -> HttpResponse:
    kind = order.wish.content_type or "application/json"
    return HttpResponse(order.wish.body, status=order.wish.status or 200, content_type=kind)


def _array(order: Order) -> HttpResponse:
    usual = order.usual
    return order.like(usual, b"[" + usual.content + b"]")


def _bom(order: Order) -> HttpResponse:
    usual = order.usual
    return order.like(usual, b"\xef\xbb\xbf" + usual.content)


def _with_member(order: Order, name: str, text: str) -> HttpResponse:
    """The usual object with one more member, written as it is."""
    usual = order.usual
    body = usual.content.rstrip()
    comma = b"" if body == b"{}" else b","
    return order.like(usual, body[:-1] + comma + f"{json.dumps(name)}:{text}}}".encode())


def _duplicate_keys(order: Order) -> HttpResponse:
    document = json.loads(order.usual.content)
    name = order.wish.key or next(iter(document), "issuer")
    return _with_member(order, name, json.dumps(stranger_origin()))


def _nan(order: Order) -> HttpResponse:
    return _with_member(order, order.wish.key or "extra", "NaN")


def _deep(order: Order) -> HttpResponse:
    return _with_member(order, order.wish.key or "extra", "[" * order.wish.depth + "]" * order.wish.depth)


def _padding(head: bytes, length: int) -> Iterator[bytes]:
    """A whole JSON object that ends in a long text."""
    yield head[:-1] + (b"" if head == b"{}" else b",") + b'"padding":"'
    for start in range(0, length, PIECE):
        yield b"x" * min(PIECE, length - start)
    yield b'"}'


def _huge(order: Order) -> HttpResponseBase:
    usual = order.usual
    pieces = _padding(usual.content.rstrip(), order.wish.bytes)
    if order.wish.bytes < STREAMED_FROM:
        return order.like(usual, b"".join(pieces))
    kind = usual.headers.get("Content-Type", "application/json")
    return StreamingHttpResponse(pieces, status=usual.status_code, content_type=kind)


@lru_cache(maxsize=4)
def _packed(head: bytes, length: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(piece) for piece in _padding(head, length)) + packer.flush()


def _gzip_bomb(order: Order) -> HttpResponse:
    usual = order.usual
    response = order.like(usual, _packed(usual.content.rstrip(), order.wish.bytes))
    response.headers["Content-Encoding"] = "gzip"
    return response


def _drip(order: Order) -> HttpResponseBase:
    usual, seconds = order.usual, order.wish.seconds or 60
    kind = usual.headers.get("Content-Type", "application/json")
    return StreamingHttpResponse(_dripping(usual.content, seconds), status=usual.status_code, content_type=kind)


def _dripping(body: bytes, seconds: float) -> Iterator[bytes]:
    drops = max(1, int(seconds / DRIP_S))
    size = max(1, len(body) // drops)
    for start in range(0, len(body), size):
        yield body[start : start + size]
        time.sleep(DRIP_S)


def _redirect(order: Order) -> HttpResponse:
    location = order.wish.location or f"{stranger_origin()}{order.request.get_full_path()}"
    return HttpResponse(status=order.wish.status or 302, headers={"Location": location})


def _timeout(order: Order) -> HttpResponse:
    usual = order.usual
    time.sleep(order.wish.seconds or 30)
    return usual


def _reset(order: Order) -> HttpResponseBase:
    reset_on_close(order.request)
    return StreamingHttpResponse(broken_off(b""))


def _drop(order: Order) -> HttpResponseBase:
    return StreamingHttpResponse(broken_off(b""))


def _truncate(order: Order) -> HttpResponse:
    """Half of the document, as a whole answer: the connection stays good, the JSON does not."""
    usual = order.usual
    return order.like(usual, usual.content[: len(usual.content) // 2])


def _form(order: Order) -> HttpResponse:
    document: dict[str, Any] = json.loads(order.usual.content)
    return HttpResponse(urlencode(document), content_type="application/x-www-form-urlencoded")


def _error_200(order: Order) -> HttpResponse:
    return _oauth_error_of(order, order.wish.status or 200)


def _oauth_error(order: Order) -> HttpResponse:
    return _oauth_error_of(order, order.wish.status or 400)


def _oauth_error_of(order: Order, status: int) -> HttpResponse:
    error = {
        "error": order.wish.error,
        "error_description": order.wish.error_description or "<script>alert(1)</script>",
    }
    return HttpResponse(json.dumps(error), status=status, content_type="application/json")


def _outcome_200(order: Order) -> HttpResponse:
    issue = {"severity": "error", "code": "exception", "diagnostics": "The answer could not be made."}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return HttpResponse(json.dumps(outcome), content_type=str(here().knobs["fhir_content_type"]))


MANNERS: Final[dict[str, Callable[[Order], HttpResponseBase]]] = {
    "usual": lambda order: order.usual,  # for the headers that a wish adds
    "html": _html,
    "array": _array,
    "null": _replaced("null"),
    "empty": _replaced(""),
    "number": _replaced("42"),
    "string": _replaced('"text"'),
    "text": _text,
    "raw": _raw,
    "bom": _bom,
    "duplicate_keys": _duplicate_keys,
    "nan": _nan,
    "deep": _deep,
    "huge": _huge,
    "gzip_bomb": _gzip_bomb,
    "drip": _drip,
    "redirect": _redirect,
    "timeout": _timeout,
    "reset": _reset,
    "drop": _drop,
    "truncate": _truncate,
    "form": _form,
    "error_200": _error_200,
    "oauth_error": _oauth_error,
    "outcome_200": _outcome_200,
}
