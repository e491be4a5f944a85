"""The two layers around each request of a partner: the journal outside, the planted fault inside it."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from ehrcommerce.sandbox.journal import recording
from ehrcommerce.sandbox.journal.breaking import broken_off, reset_on_close
from ehrcommerce.sandbox.journal.models import Fault

Answer = Callable[[HttpRequest], HttpResponseBase]

HTML_PAGE = b"<!DOCTYPE html><html><body><h1>Service temporarily unavailable</h1><p>Reference 0x1F</p></body></html>"


class JournalMiddleware:
    """Writes down each request of a partner with its answer, before the answer leaves."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        partner = recording.partner_of(request.path)
        if partner is None:
            return self.get_response(request)
        started = time.time()
        body = request.body
        response = self.get_response(request)
        recording.record(
            partner=partner,
            method=request.method or "",
            path=request.path,
            query=request.META.get("QUERY_STRING", ""),
            headers=dict(request.headers),
            body=body,
            status=response.status_code,
            answer=response.content if isinstance(response, HttpResponse) else b"",
            started=started,
            connection=f"{request.META.get('REMOTE_ADDR', '')}:{request.META.get('REMOTE_PORT', '')}",
            fault=getattr(response, "planted_fault", ""),
        )
        return response


class FaultMiddleware:
    """Lets one planted fault hit a request, before its handler runs or (`after_accept`) after it has committed."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        partner = recording.partner_of(request.path)
        fault = partner and Fault.take(partner=partner, method=request.method or "", path=request.path)
        if not fault:
            return self.get_response(request)
        response = self._hit(fault, request)
        response.planted_fault = fault.kind  # type: ignore[attr-defined]  # read by the journal around this layer
        return response

    def _hit(self, fault: Fault, request: HttpRequest) -> HttpResponseBase:
        if fault.kind == "delay" and not fault.after_accept:
            time.sleep(fault.delay_s)
        if fault.after_accept or fault.kind in ("delay", "truncate"):
            answer = self.get_response(request)
        else:
            answer = HttpResponse()
        return _spoiled(answer, fault, request)


def _spoiled(answer: HttpResponseBase, fault: Fault, request: HttpRequest) -> HttpResponseBase:
    match fault.kind:
        case "status":
            return HttpResponse(b"", status=fault.status, headers=fault.headers, content_type="text/plain")
        case "html":
            return HttpResponse(HTML_PAGE, status=fault.status, headers=fault.headers)
        case "truncate":
            return _cut_short(answer)
        case "drop_response":
            return StreamingHttpResponse(broken_off(b""))
        case "reset":
            reset_on_close(request)
            return StreamingHttpResponse(broken_off(b""))
    if fault.after_accept:
        time.sleep(fault.delay_s)
    return answer


def _cut_short(answer: HttpResponseBase) -> HttpResponseBase:
    """The whole length is promised and half of it sent."""
    whole = answer.content if isinstance(answer, HttpResponse) else b""
    half = StreamingHttpResponse(broken_off(whole[: len(whole) // 2]), status=answer.status_code)
    half.headers["Content-Type"] = answer.headers.get("Content-Type", "application/json")
    half.headers["Content-Length"] = str(max(len(whole), 1))
    return half
