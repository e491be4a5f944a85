"""Each refusal has a page with its cause and a remedy; a patient reads it in their own language."""

import re
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from ehrcommerce.commerce.offers import links

SPANISH = {"Accept-Language": "es-MX,es;q=0.9"}


def fail(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    def look(token: str) -> None:
        raise problem

    monkeypatch.setattr(links, "look", look)


def text_of(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


@pytest.mark.django_db
def test_a_patient_reads_of_a_missing_page_in_the_language_they_chose() -> None:
    browser = Client()
    page = browser.get("/c/nothing/", headers=SPANISH)
    assert page.status_code == 404
    assert '<html lang="es" class="ec-patient">' in page.content.decode()
    assert "Esta página no existe" in text_of(page)
    assert "Ayuda" in text_of(page)
    assert "This page does not exist" in text_of(browser.get("/c/nothing/?lang=en", headers=SPANISH))


@pytest.mark.django_db
def test_every_address_on_the_patients_host_answers_in_the_patients_language(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    settings.CLINIC_HOST, settings.PATIENT_HOST, settings.ADMIN_HOST = "clinic.example", "pay.example", "admin.example"
    page = Client().get("/favicon.ico", headers={"Host": "pay.example", **SPANISH})
    assert page.status_code == 404
    assert "Esta página no existe" in text_of(page)
    clinic = Client().get("/nothing/", headers={"Host": "clinic.example", **SPANISH})
    assert "This page does not exist" in text_of(clinic)
    assert "Ayuda" not in text_of(clinic)


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "said"), [("en", "Open the link in your message"), ("es", "Abra otra vez")])
def test_a_patient_is_never_told_to_sign_in(monkeypatch: pytest.MonkeyPatch, language: str, said: str) -> None:
    fail(monkeypatch, PermissionDenied())
    page = Client().get(f"/l/X/?lang={language}")
    assert page.status_code == 403
    assert said in text_of(page)
    assert "sign in" not in text_of(page)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("problem", "status", "english", "spanish"),
    [
        (SuspiciousOperation(), 400, "The request could not be read", "No pudimos leer"),
        (RuntimeError("in the program"), 500, "Something went wrong on our side", "Algo falló de nuestro lado"),
        (OperationalError("no database"), 503, "We cannot reach our records", "no podemos ver nuestros registros"),
    ],
)
def test_what_is_broken_says_so_to_a_patient_in_both_languages(
    monkeypatch: pytest.MonkeyPatch, problem: Exception, status: int, english: str, spanish: str
) -> None:
    fail(monkeypatch, problem)
    page = Client(raise_request_exception=False).get("/l/X/")
    assert page.status_code == status
    assert english in text_of(page)
    assert spanish in text_of(page)
    assert "ry again" in text_of(page)
    assert "ntente otra vez" in text_of(page)
    assert '<div class="ec-stack" lang="es">' in page.content.decode()
    assert "in the program" not in text_of(page)
    assert page.headers.get("Retry-After", "") == ("30" if status == 503 else "")


CALL = ("Call your clinic. The number is in the message", "Llame a su clínica. El número está en el mensaje")


@pytest.mark.django_db
@pytest.mark.parametrize("problem", [SuspiciousOperation(), RuntimeError(), OperationalError()])
def test_a_broken_page_has_the_frame_of_the_others_and_says_whom_to_call(
    monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    fail(monkeypatch, problem)
    page = Client(raise_request_exception=False).get("/l/X/").content.decode()
    for part in ('class="ec-head"', "<details", "Help", "Ayuda", 'class="ec-foot"', 'href="#main"', "911", *CALL):
        assert part in page
    assert "/static/css/ehrc.css" in page


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "said"), [("en", CALL[0]), ("es", CALL[1])])
def test_every_refusal_tells_a_patient_whom_to_call(monkeypatch: pytest.MonkeyPatch, language: str, said: str) -> None:
    fail(monkeypatch, PermissionDenied())
    strict = Client(enforce_csrf_checks=True)
    tongue = f"?lang={language}"
    pages = [
        Client().get(f"/l/X/{tongue}"), Client().get(f"/c/nothing/{tongue}"), Client().put(f"/c/no/{tongue}"),
        strict.post(f"/c/no/{tongue}", headers={"Sec-Fetch-Site": "cross-site"}),
    ]  # fmt: skip
    assert [page.status_code for page in pages] == [403, 404, 405, 403]
    for page in pages:
        main = page.content.decode().partition("<main")[2]
        assert said in main


@pytest.mark.django_db
def test_a_clinic_reads_one_language() -> None:
    page = Client().get("/ehr/launch", headers={"Host": "evil.example"})
    assert page.status_code == 400
    assert "could not be read" in text_of(page)
    assert "Vuelva" not in text_of(page)
    assert "Call your clinic" not in text_of(page)


@pytest.mark.django_db
def test_a_form_that_was_open_for_too_long_is_refused_in_the_patients_language() -> None:
    strict = Client(enforce_csrf_checks=True)
    page = strict.post("/c/no/?lang=es", headers={"Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 403
    assert "El formulario no se envió" in text_of(page)
    assert 'hreflang="en"' in page.content.decode()
    assert "Ayuda" in text_of(page)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/l/X/", "/c/follow/", "/c/no/", "/c/price/"])
def test_no_way_of_asking_leaves_the_screen_empty(path: str) -> None:
    page = Client().put(f"{path}?lang=es")
    assert page.status_code == 405
    assert "Nada cambió" in text_of(page)
