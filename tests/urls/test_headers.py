"""What a browser may do with our pages. [SEC-B2, SEC-B7]"""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.urls.headers import HeadersMiddleware, origins

PAGES = ["/healthz", "/admin/login/", "/nowhere/", "/ehr/launch", "/ehr/c/aaaaaaaaaaaa/", "/l/XXXX/"]


@pytest.mark.django_db
@pytest.mark.parametrize("address", PAGES)
def test_every_page_carries_the_strict_headers(address: str) -> None:
    response = Client().get(address)
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"


def headers(**asked: list[str]) -> HttpResponse:
    def view(request: HttpRequest) -> HttpResponse:
        for name, value in asked.items():
            setattr(request, name, value)
        return HttpResponse()

    response = HeadersMiddleware(view)(RequestFactory().get("/"))
    assert isinstance(response, HttpResponse)
    return response


def test_a_view_may_name_who_frames_it() -> None:
    response = headers(csp_frame_ancestors=["https://ehr.example.org", "http://127.0.0.1:8701"])
    assert "frame-ancestors https://ehr.example.org http://127.0.0.1:8701" in response["Content-Security-Policy"]
    assert "X-Frame-Options" not in response


def test_a_view_may_name_where_a_form_leads() -> None:
    assert (
        "form-action 'self' https://pay.example.org;"
        in headers(csp_form_action=["https://pay.example.org"])["Content-Security-Policy"]
    )


@pytest.mark.parametrize(
    "text",
    [
        "'none'; script-src *",
        "https://a;b",
        "*",
        "https:",
        "data:",
        "https://a b",
        "javascript:x",
        "https://a/path",
        "'self'",
        "",
    ],
)
def test_a_row_cannot_widen_the_policy(text: str) -> None:
    assert origins([text]) == []


@pytest.mark.django_db
def test_a_refused_launch_may_be_read_inside_the_frame_of_its_own_ehr(connection_row: EhrConnection) -> None:
    response = Client().get("/ehr/launch", {"iss": connection_row.fhir_base})
    assert f"frame-ancestors {connection_row.frame_origins}" in response["Content-Security-Policy"]
