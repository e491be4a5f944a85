"""Four areas, four kinds of cookies, and no way from one into another. [SEC-B2, SEC-B7]"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client, override_settings
from django.urls import path
from django.utils import translation
from pytest_django import DjangoAssertNumQueries

from ehrcommerce.accounts import areas
from ehrcommerce.vault import walls

STRANGE = ["", "abcdefghijkl", "a" * 13, "../abcdefghi", "abc def ghij", "é" * 12]


def form(request: HttpRequest, **_: Any) -> HttpResponse:
    return HttpResponse(Template("{% load areas %}{% area_csrf %}").render(Context({"request": request})))


def store(request: HttpRequest, **_: Any) -> HttpResponse:
    request.session["x"] = request.session.get("x", 0) + 1
    return HttpResponse(str(request.session["x"]))


def language(request: HttpRequest, **_: Any) -> HttpResponse:
    areas.speak(request, request.GET.get("row", ""))
    return HttpResponse(translation.get_language())


def fails(request: HttpRequest, **_: Any) -> HttpResponse:
    walls.enter(1)
    raise RuntimeError("a fault of ours")


urlpatterns = [
    path("ehr/c/<str:launch_key>/", store), path("ehr/c/<str:launch_key>/form/", form), path("staff/", store),
    path("staff/form/", form),
    path("l/<str:token>/", form), path("c/store/", store), path("c/lang/", language), path("staff/lang/", language),
    path("hooks/x/", lambda request: HttpResponse("heard")), path("c/fails/", fails),
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_pages() -> Iterator[None]:
    with override_settings(ROOT_URLCONF=__name__):
        yield


def field_of(response: Any) -> dict[str, str]:
    """The hidden field as a form would send it."""
    text = response.content.decode()
    return {text.split('name="')[1].split('"')[0]: text.split('value="')[1].split('"')[0]}


@pytest.mark.parametrize(
    ("place", "area"),
    [
        ("/ehr/launch", "clinic"), ("/ehr/c/abc/", "clinic"), ("/l/TOKEN/", "patient"), ("/c/pay/", "patient"),
        ("/hooks/x/", "machine"),
        ("/.well-known/jwks.json", "machine"), ("/healthz", "machine"), ("/readyz", "machine"), ("/admin/", "staff"),
        ("/", "staff"),
        ("/about/x/terms/", "patient"), ("/ehrx/", "staff"), ("//c/pay/", "staff"),
    ],
)  # fmt: skip
def test_a_path_belongs_to_one_area(place: str, area: str) -> None:
    assert areas.area_of(place) == area


# ------------------------------------------------------------------------------------------------- clinic and staff
@pytest.mark.django_db
def test_each_launch_has_its_own_session() -> None:
    client, before = Client(), Session.objects.count()
    assert client.get("/ehr/c/aaaaaaaaaaaa/").content == b"1"
    assert client.get("/ehr/c/bbbbbbbbbbbb/").content == b"1"
    assert client.get("/ehr/c/aaaaaaaaaaaa/").content == b"2"
    assert client.get("/staff/").content == b"1"
    assert set(client.cookies) == {"__Host-l-aaaaaaaaaaaa", "__Host-l-bbbbbbbbbbbb", "__Host-staff"}
    assert Session.objects.count() == before + 3


@pytest.mark.django_db
def test_the_staff_cookie_is_never_looked_at_on_a_clinic_path() -> None:
    client = Client()
    client.get("/staff/")
    staff = client.cookies["__Host-staff"].value
    response = client.get("/ehr/c/aaaaaaaaaaaa/")
    assert response.content == b"1"
    assert "__Host-staff" not in response.cookies
    assert client.cookies["__Host-l-aaaaaaaaaaaa"].value != staff
    assert client.cookies["__Host-staff"]["samesite"] == "Lax"
    assert not client.cookies["__Host-staff"]["partitioned"]


@pytest.mark.django_db
def test_a_deleted_launch_cookie_is_deleted_with_partitioned() -> None:
    client = Client()
    client.cookies["__Host-l-aaaaaaaaaaaa"] = "x" * 32
    response = client.get("/ehr/c/aaaaaaaaaaaa/form/")
    header = response.cookies["__Host-l-aaaaaaaaaaaa"].OutputString()
    assert "Partitioned" in header
    assert "SameSite=None" in header
    assert "Secure" in header
    assert "Path=/" in header
    assert "Domain" not in header


@pytest.mark.django_db
def test_of_too_many_launch_cookies_the_oldest_go() -> None:
    """Browsers send the oldest first. Only an answer that sets one more takes some away."""
    names = [f"__Host-l-{number:012d}" for number in (7, 3, *range(100, 123))]
    header = "; ".join(["other=1", *(f"{name}=x" for name in names)])
    answer = Client().get("/ehr/c/aaaaaaaaaaaa/", headers={"Cookie": header})
    gone = [name for name in answer.cookies if not answer.cookies[name].value]
    assert gone == names[:6]
    assert all("Partitioned" in answer.cookies[name].OutputString() for name in gone)
    assert all("Max-Age=0" in answer.cookies[name].OutputString() for name in gone)
    few = "; ".join(f"{name}=x" for name in names[:19])
    assert list(Client().get("/ehr/c/aaaaaaaaaaaa/", headers={"Cookie": few}).cookies) == ["__Host-l-aaaaaaaaaaaa"]
    assert not Client().get("/staff/form/", headers={"Cookie": header}).cookies.keys() & set(names)


@pytest.mark.django_db
@pytest.mark.parametrize("area", ["ehr/c/aaaaaaaaaaaa", "staff"])
def test_a_form_of_clinic_and_staff_needs_the_secret_of_its_own_session(area: str) -> None:
    client = Client(enforce_csrf_checks=True)
    field = field_of(client.get(f"/{area}/form/"))
    assert client.post(f"/{area}/", field).status_code == 200
    assert client.post(f"/{area}/", {}).status_code == 403
    assert client.post(f"/{area}/", field, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post(f"/{area}/", field, headers={"Origin": "null"}).status_code == 403
    other = field_of(client.get("/ehr/c/cccccccccccc/form/"))
    assert client.post(f"/{area}/", other).status_code == 403


# --------------------------------------------------------------------------------------------------------- patients
@pytest.mark.django_db
def test_a_patient_has_no_session(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client, before = Client(), Session.objects.count()
    client.cookies["__Host-staff"] = "x" * 32
    with django_assert_num_queries(0):
        response = client.get("/l/TOKEN/")
    assert set(response.cookies) == {"__Host-guard"}
    client.raise_request_exception = False
    assert client.get("/c/store/").status_code == 500
    assert Session.objects.count() == before


def patient_form() -> tuple[Client, dict[str, str]]:
    client = Client(enforce_csrf_checks=True)
    return client, field_of(client.get("/l/TOKEN/"))


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://testserver"}]
)
def test_a_patients_form_works_from_our_own_page(headers: dict[str, str]) -> None:
    client, field = patient_form()
    assert client.post("/l/TOKEN/", field, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "x",
        "Origin": "http://testserver"},
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://testserver.evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
    ],
)  # fmt: skip
def test_a_patients_form_from_elsewhere_is_refused(headers: dict[str, str]) -> None:
    client, field = patient_form()
    response = client.post("/l/TOKEN/", field, headers=headers)
    assert response.status_code == 403
    assert b"The form was not sent" in response.content


def test_the_field_belongs_to_the_cookie() -> None:
    ours = {"Sec-Fetch-Site": "same-origin"}
    client, field = patient_form()
    other, foreign = patient_form()
    assert client.post("/l/TOKEN/", foreign, headers=ours).status_code == 403
    assert client.post("/l/TOKEN/", {}, headers=ours).status_code == 403
    assert client.post("/l/TOKEN/", {"guard": client.cookies["__Host-guard"].value}, headers=ours).status_code == 403
    cookie = client.cookies["__Host-guard"]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, True, "Lax", "/")
    client.cookies["__Host-guard"] = cookie.value + "x"
    assert client.post("/l/TOKEN/", field, headers=ours).status_code == 403
    client.cookies.clear()
    assert client.post("/l/TOKEN/", field, headers=ours).status_code == 403
    assert other.post("/l/TOKEN/", foreign, headers=ours).status_code == 200


def test_two_tabs_of_one_patient_share_the_cookie() -> None:
    client, first = patient_form()
    response = client.get("/l/OTHER/")
    assert not response.cookies
    assert field_of(response) == first


def test_machines_get_no_cookie_and_need_no_field() -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/hooks/x/", {})
    assert response.content == b"heard"
    assert not response.cookies


# --------------------------------------------------------------------------------------------------------- language
@pytest.mark.parametrize(
    ("query", "headers", "spoken"),
    [
        ("", {}, "en"), ("", {"Accept-Language": "es"}, "es"), ("?row=es", {}, "es"), ("?row=en",
        {"Accept-Language": "es"}, "en"),
        ("?lang=es", {}, "es"), ("?lang=en&row=es", {}, "en"), ("?lang=xx&row=es", {}, "es"), ("?lang=../es", {}, "en"),
    ],
)  # fmt: skip
def test_the_language_of_a_patient(query: str, headers: dict[str, str], spoken: str) -> None:
    assert Client().get(f"/c/lang/{query}", headers=headers).content.decode() == spoken


def test_a_chosen_language_is_remembered_for_patients_only() -> None:
    client = Client()
    client.get("/c/lang/?lang=es")
    assert client.get("/c/lang/?row=en").content == b"es"
    assert client.get("/staff/lang/").content == b"en"
    assert client.cookies["__Host-language"]["httponly"]


# ------------------------------------------------------------------------------------------------------------ walls
@pytest.mark.django_db
def test_the_walls_are_left_also_after_a_fault() -> None:
    with pytest.raises(RuntimeError):
        Client().get("/c/fails/")
    assert walls.current() is None


@pytest.mark.parametrize("key", STRANGE)
@pytest.mark.django_db
def test_a_strange_key_never_becomes_a_cookie_name(key: str) -> None:
    client = Client()
    client.get(f"/ehr/c/{key or 'x'}/form/")
    assert all(len(name) == len("__Host-l-") + 12 and name.isascii() for name in client.cookies)
