"""The scanner finds a sentinel in every form, names its path, and calls nothing a sentinel that is none."""

import base64
import gzip
import html
import json
import quopri
import random
import zlib
from collections.abc import Callable
from datetime import date
from urllib.parse import quote

import pytest

from tests.minimization.paths import every_path
from tests.minimization.scanner import scan
from tests.minimization.sentinels import Ledger, Mark

MARK = Mark("Patient", "maritalStatus.text", "A", "text")
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda said: said,
    "base64, offset 0": base64.b64encode,
    "base64, offset 1": lambda said: base64.b64encode(b"a" + said + b"{}"),
    "base64, offset 2": lambda said: base64.b64encode(b'{"' + said),
    "base64 of the URL kind": lambda said: base64.urlsafe_b64encode(b"\xff\xfe\xfd" + said).rstrip(b"="),
    "base64 behind letters": lambda said: b"signature" + base64.b64encode(said),
    "URL, every letter": lambda said: "".join(f"%{byte:02X}" for byte in said).encode(),
    "URL": lambda said: quote("{ä" + said.decode() + "}").encode(),
    "HTML": lambda said: "".join(f"&#x{byte:x};" for byte in said).encode(),
    "HTML in HTML": lambda said: html.escape("".join(f"&#{byte};" for byte in said)).encode(),
    "JSON": lambda said: "".join(f"\\u{byte:04x}" for byte in said).encode(),
    "gzip": lambda said: b"head" + gzip.compress(said * 3) + b"tail",
    "zlib": lambda said: b"head" + zlib.compress(b"x" * 100 + said),
    "UTF-16": lambda said: said.decode().encode("utf-16"),
    "UTF-16, other end first": lambda said: said.decode().encode("utf-16-be"),
    "hex": lambda said: said.hex().encode(),
    "hex at an odd place": lambda said: b"\\xa" + said.hex().encode() + b"f",
    "quoted-printable": lambda said: quopri.encodestring(b"= \xff" + said),
    "quoted-printable, cut by lines": lambda said: said[:5] + b"=\r\n" + said[5:11] + b"=\r\n" + said[11:],
    "reversed": lambda said: said[::-1],
    "upper case": bytes.upper,
    "title case": lambda said: said.title(),
    "eight characters of it": lambda said: said[8:16],
    "cut in the middle": lambda said: said[:13],
    "masked": lambda said: b"****" + said[-8:],
    "JSON in base64 in gzip": lambda said: gzip.compress(
        base64.b64encode(json.dumps({"x": said.decode()}).encode() * 4)
    ),
    "base64 in hex": lambda said: base64.b64encode(b"payload " + said).hex().encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_found_and_named(form: str) -> None:
    ledger = Ledger(7)
    said = ledger.text(MARK).encode()
    for other in range(200):
        ledger.text(Mark("Patient", f"other{other}", "A", "text"))
    noise = random.Random(3).randbytes(400)
    assert {hit.mark for hit in scan(noise + b" " + FORMS[form](said) + b" " + noise, ledger)} == {MARK}


@pytest.mark.parametrize("form", ["plain", "base64, offset 1", "gzip", "UTF-16", "hex", "JSON", "HTML"])
def test_numbers_and_days_are_found_in_their_forms(form: str) -> None:
    ledger = Ledger(7)
    number, day = ledger.number(MARK), ledger.day(Mark("Patient", "birthDate", "A", "day"))
    content = FORMS[form](f" value={number}, on {day} ".encode())
    assert {hit.mark.path for hit in scan(content, ledger)} == {"maritalStatus.text", "birthDate"}


@pytest.mark.parametrize(
    "said",
    [
        "2187-03-04",
        "21870304",
        "3/4/2187",
        "03/04/2187",
        "March 4, 2187",
        "4 March 2187",
        "Mar. 4, 2187",
        "4 march 2187",
    ],
)
def test_a_day_is_found_however_it_is_written(said: str) -> None:
    ledger = Ledger(7)
    ledger.days[date(2187, 3, 4)] = MARK
    assert [hit.mark for hit in scan(f"on {said}.".encode(), ledger)] == [MARK]


def test_a_phone_is_found_with_and_without_its_country() -> None:
    ledger = Ledger(7)
    ledger.name_digits("2065550142", MARK)
    for said in ("+12065550142", "12065550142", "2065550142"):
        assert [hit.mark for hit in scan(f"to {said} now".encode(), ledger)] == [MARK], said


def test_noise_holds_no_sentinel() -> None:
    """Ciphertext, in the forms that a dump shows it in."""
    ledger, dice = Ledger(7), random.Random(11)
    for number in range(20_000):
        ledger.text(Mark("Patient", f"p{number}", "A", "text"))
    noise = dice.randbytes(60_000)
    assert scan(noise.hex().encode() + b"\n" + base64.b64encode(noise), ledger) == set()


def test_there_are_more_paths_than_anybody_lists_by_hand() -> None:
    assert len(every_path()) >= 1861
    assert {resource for resource, _ in every_path()} == {
        "Patient", "MedicationRequest", "Coverage", "DeviceRequest", "ServiceRequest", "Medication", "Practitioner",
        "Organization",
    }  # fmt: skip
    assert ("MedicationRequest", "dosageInstruction.doseAndRate.doseRange.low") in every_path()


def test_the_same_seed_plants_the_same_values() -> None:
    assert [Ledger(5).text(MARK) for _ in range(2)] == [Ledger(5).text(MARK)] * 2
    assert Ledger(5).text(MARK) != Ledger(6).text(MARK)
