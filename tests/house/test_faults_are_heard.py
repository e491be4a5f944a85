"""A page that fails is a line in the log: which view, which fault, where; never the address, never a value."""

import logging
from typing import Any

import pytest
from django.test import Client

from ehrcommerce.commerce.offers import links
from ehrcommerce.settings.logs import ValuelessFormatter

TOKEN = "2345ABCDEFGHJKMNPQRSTVWXYZ"
VALUE = "Cy Rivera, 861007"


def breaks(*args: Any, **more: Any) -> None:
    raise LookupError(VALUE)


@pytest.mark.django_db
def test_a_failed_page_is_told_without_its_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(links, "look", breaks)
    response = Client(raise_request_exception=False).get(f"/l/{TOKEN}/")
    assert response.status_code == 500
    (record,) = [one for one in caplog.records if one.name == "django.request"]
    line = ValuelessFormatter().format(record)
    assert record.levelno == logging.ERROR
    assert "a page failed: checkout:" in line
    assert "LookupError" in line
    assert "test_faults_are_heard" in line
    assert TOKEN not in line
    assert VALUE not in line


@pytest.mark.django_db
def test_a_page_that_refuses_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    assert Client().get(f"/l/{TOKEN}/").status_code == 404
    assert [one for one in caplog.records if one.name == "django.request"] == []
