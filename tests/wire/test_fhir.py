"""Manners of FHIR REST: numbers keep their characters, odd JSON is refused, the token follows no foreign link. [SMART-F2]"""

import pytest

from ehrcommerce.wire.errors import BadAnswer
from ehrcommerce.wire.fhir import join, next_link, read_json

BASE = "https://ehr.example/fhir/R4"


def test_a_dose_keeps_its_own_characters() -> None:
    assert read_json(b'{"value": 0.50, "other": 1.10, "count": 007e1}'.replace(b"007e1", b"90")) == {
        "value": "0.50", "other": "1.10", "count": "90",
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"<html>",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'{"a":' * 80 + b"1" + b"}" * 80,
        b"{" * 100_000,
        b"\xff\xfe{}",
    ],
)
def test_what_is_not_one_sound_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_json(body)


@pytest.mark.smart("H21")
def test_a_byte_order_mark_is_tolerated() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": true}') == {"a": True}


@pytest.mark.smart("F2", "H63")
@pytest.mark.parametrize(
    "path", ["/metadata", "../metadata", "Patient/../x", "//evil/x", "https://evil/x", "Patient/%2e%2e/x", "", "a\\b"]
)
def test_no_reference_leads_out_of_the_base(path: str) -> None:
    with pytest.raises(BadAnswer):
        join(BASE, path)


@pytest.mark.parametrize(
    ("url", "followed"),
    [
        (f"{BASE}?_getpages=1", f"{BASE}?_getpages=1"),
        ("Patient?page=2", f"{BASE}/Patient?page=2"),
        ("http://ehr.example/fhir/R4?page=2", "https://ehr.example/fhir/R4?page=2"),
        ("https://evil.example/fhir/R4?page=2", ""),
        ("//evil.example/fhir/R4", ""),
        ("https://ehr.example/other?page=2", ""),
        ("https://ehr.example/fhir/R4/../admin", ""),
        # HAPI pages from the base, without a type; a page at the root of the host is outside of the base.
        (f"{BASE}/?_getpages=1&_bundletype=searchset", f"{BASE}/?_getpages=1&_bundletype=searchset"),
        ("?_getpages=1", f"{BASE}/?_getpages=1"),
        ("https://ehr.example?_getpages=1", ""),
        ("https://ehr.example/?_getpages=1", ""),
        ("https://ehr.example/fhir/R4evil?page=2", ""),
        # The query is the EHR's own business.
        (f"{BASE}/Patient?ct=a..b%2e%2e%2F", f"{BASE}/Patient?ct=a..b%2e%2e%2F"),
        # Servers behind a proxy: another scheme is mended where the host is the same, another host never is.
        ("http://ehr.example:80/fhir/R4?page=2", "https://ehr.example/fhir/R4?page=2"),
        ("HTTP://EHR.example/fhir/R4?page=2", "https://ehr.example/fhir/R4?page=2"),
        ("http://ehr.example:8080/fhir/R4?page=2", ""),
        ("https://ehr.example:443/fhir/R4?page=2", "https://ehr.example:443/fhir/R4?page=2"),
        ("https://ehr.example:443:443/fhir/R4?page=2", ""),
        ("http://internal/fhir/R4?page=2", ""),
        ("http://ehr.example.evil.example/fhir/R4?page=2", ""),
        ("http://ehr.example@evil.example/fhir/R4?page=2", ""),
        ("http://a@ehr.example/fhir/R4?page=2", ""),
        (f"{BASE}/%2e%2e/admin", ""),
        (f"{BASE}\\..\\admin", ""),
        ("javascript:alert(1)", ""),
        ("", ""),
        (" ", ""),
    ],
)
@pytest.mark.smart("F2", "H62")
def test_next_links(url: str, followed: str) -> None:
    assert next_link({"link": [{"relation": "self", "url": "x"}, {"relation": "next", "url": url}]}, BASE) == followed


@pytest.mark.parametrize("url", [None, 5, [], {}])
def test_a_next_link_that_is_no_text_is_not_followed(url: object) -> None:
    assert next_link({"link": [{"relation": "next", "url": url}]}, BASE) == ""


def test_no_next_link_is_the_end() -> None:
    assert next_link({"link": [{"relation": "self", "url": "x"}]}, BASE) is None
