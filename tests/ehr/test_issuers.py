"""`iss` is compared as a whole, in one form, before anything is sent anywhere. [SMART-L3, hostile inputs 1 to 10]"""

import pytest
from pytest_django import Settings

from ehrcommerce.ehr.errors import BadIssuer
from ehrcommerce.ehr.issuers import canonical_iss

CANONICAL = "https://ehr.example.org/fhir/R4"


@pytest.fixture(autouse=True)
def production(settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_PARTNERS = False


@pytest.mark.smart("L3", "H9")
@pytest.mark.parametrize(
    "spelling",
    [
        CANONICAL,
        "https://ehr.example.org/fhir/R4/",
        "https://EHR.Example.ORG/fhir/R4",
        "HTTPS://ehr.example.org/fhir/R4",
        "https://ehr.example.org:443/fhir/R4",
    ],
)
def test_harmless_spellings_are_the_same_issuer(spelling: str) -> None:
    assert canonical_iss(spelling) == CANONICAL


@pytest.mark.smart("L3", "H5")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (CANONICAL, "https://ehr.example.org.evil.com/fhir/R4"),
        (CANONICAL, "https://ehr.example.org/fhir/R4b"),
        (CANONICAL, "https://ehr.example.org:8443/fhir/R4"),
        (CANONICAL, "https://ehr.example.org/FHIR/R4"),
        (CANONICAL, "https://xn--hr-xka.example.org/fhir/R4"),
    ],
)
def test_look_alikes_stay_different(one: str, other: str) -> None:
    assert canonical_iss(one) != canonical_iss(other)


@pytest.mark.smart("L3", "H4", "H5", "H6", "H7", "H8")
@pytest.mark.parametrize(
    "hostile",
    [
        "", "ehr.example.org", "//ehr.example.org/fhir", "https:///fhir", "https://", "https:ehr.example.org",
        "https://ehr.example.org@evil.com/fhir", "https://a:b@ehr.example.org/fhir",
        "https://ehr.example.org%40evil.com/",
        "http://ehr.example.org/fhir/R4", "ftp://ehr.example.org/", "javascript:alert(1)", "file:///etc/passwd",
        "data:text/html,x",
        "https://127.0.0.1/fhir", "https://localhost/fhir", "https://ehr.localhost/fhir",
        "https://169.254.169.254/latest",
        "https://[::1]/fhir", "https://[::ffff:127.0.0.1]/", "https://2130706433/fhir", "https://0x7f000001/fhir",
        "https://0177.0.0.1/fhir", "https://127.1/fhir", "https://intranet/fhir",
        "https://ehr.example.org./fhir", "https://ehr..example.org/fhir", "https://-ehr.example.org/",
        "https://*.example.org/",
        "https://ehr.example.org/fhir?x=1", "https://ehr.example.org/fhir#x", "https://ehr.example.org/fhir;a=b",
        "https://ehr.example.org/fhir/../x", "https://ehr.example.org/fhir/./x", "https://ehr.example.org/fhir//R4",
        "https://ehr.example.org/fhir/%2e%2e/x", "https://ehr.example.org/fhir/R4//",
        "https://ehr.example.org/fhir\x00",
        "https://ehr.example.org/fhir\r\nX: y", " https://ehr.example.org/fhir", "https://ehr.example.org\\@evil.com/",
        "https://ehr.example.org:99999/fhir", "https://ehr.example.org:x/fhir", "https://ëhr.example.org/fhir",
        "https://ehr.example.org/" + "a" * 2048,
    ],
)  # fmt: skip
def test_anything_else_is_refused(hostile: str) -> None:
    with pytest.raises(BadIssuer):
        canonical_iss(hostile)


def test_in_development_an_ehr_may_live_on_loopback(settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_PARTNERS = True
    assert canonical_iss("http://localhost:8701/fhir/R4/") == "http://localhost:8701/fhir/R4"
    assert canonical_iss("http://127.0.0.1:8701/fhir/R4") == "http://127.0.0.1:8701/fhir/R4"
    with pytest.raises(BadIssuer):
        canonical_iss("http://ehr.example.org/fhir/R4")
