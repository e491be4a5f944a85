"""The EHR's pages as a clinician uses them, over plain forms: nothing in them needs script."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
import requests

from tests.sandbox.ehr.conftest import patient, prescription
from tests.sandbox.ehr.smart_client import SmartClient

DI = "test-di"


@pytest.fixture
def clinician(ehr: SmartClient) -> Iterator[SmartClient]:
    """Ada, signed in, with Di in her list."""
    draft = prescription(2, DI, status="draft")
    ehr.control("fhir", {"resources": [patient(DI, "Dithering"), prescription(1, DI), draft]})
    ehr.launch(DI)
    yield ehr
    ehr.control("fhir", {"delete": [f"Patient/{DI}", f"MedicationRequest/{DI}-rx-1", f"MedicationRequest/{DI}-rx-2"]})


def page(clinician: SmartClient, path: str) -> requests.Response:
    """A page of the EHR."""
    return clinician.http.get(clinician.url + path, timeout=10)


def submit(clinician: SmartClient, shown: requests.Response, path: str, **fields: str) -> requests.Response:
    """A form of a page that is shown."""
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', shown.text)
    assert token
    form = {"csrfmiddlewaretoken": unescape(token[1]), **fields}
    return clinician.http.post(clinician.url + path, data=form, allow_redirects=False, timeout=10)


def order(clinician: SmartClient, number: int) -> dict[str, object]:
    """The order as it is now."""
    rows = clinician.control(f"fhir?type=MedicationRequest&patient={DI}", method="GET")["resources"]
    return next(row for row in rows if row["id"] == f"{DI}-rx-{number}")


def test_nobody_sees_a_chart_without_signing_in(ehr: SmartClient) -> None:
    answer = requests.get(f"{ehr.url}/ehr/chart/{DI}/", allow_redirects=False, timeout=10)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/ehr/login")


def test_signing_in_never_leads_to_another_site(clinician: SmartClient) -> None:
    clinician.http.cookies.clear()
    shown = page(clinician, "/ehr/login")
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        answer = submit(clinician, shown, "/ehr/login", username="ada", password="demo", next=target)
        assert answer.headers["Location"] == "/ehr/"
    assert submit(clinician, shown, "/ehr/login", username="ada", password="wrong").status_code == 403


def test_the_list_finds_by_name_birth_date_and_counts_open_orders(clinician: SmartClient) -> None:
    found = page(clinician, "/ehr/?q=dithering+1970-02").text

    assert f"/ehr/chart/{DI}/" in found
    assert "<td>2</td>" in found
    assert "Nobody fits" in page(clinician, "/ehr/?q=dithering+1999").text


def test_orders_are_signed_held_resumed_and_stopped(clinician: SmartClient) -> None:
    shown = page(clinician, f"/ehr/chart/{DI}/")
    for action, status in (("sign", "active"), ("hold", "on-hold"), ("resume", "active"), ("stop", "stopped")):
        submit(clinician, shown, f"/ehr/chart/{DI}/MedicationRequest/{DI}-rx-2/act", action=action)
        assert order(clinician, 2)["status"] == status
    assert order(clinician, 2)["requester"] == {"reference": "Practitioner/ada", "display": "Dr. Ada Okafor"}


def test_what_is_no_longer_possible_is_said_and_not_done(clinician: SmartClient) -> None:
    shown = page(clinician, f"/ehr/chart/{DI}/")
    before = order(clinician, 1)

    answer = submit(clinician, shown, f"/ehr/chart/{DI}/MedicationRequest/{DI}-rx-1/act", action="sign")

    assert "nothing was done" in page(clinician, answer.headers["Location"]).text
    assert order(clinician, 1) == before


def test_a_change_of_quantity_and_dosage_makes_a_new_version(clinician: SmartClient) -> None:
    path = f"/ehr/chart/{DI}/MedicationRequest/{DI}-rx-1/"
    shown = page(clinician, path)
    before = order(clinician, 1)["meta"]

    assert submit(clinician, shown, path, quantity="1.50", dosage="two a day").status_code == 302
    assert submit(clinician, shown, path, quantity="many").status_code == 400

    changed = order(clinician, 1)
    assert changed["dispenseRequest"] == {"quantity": {"value": 1.5}}
    assert changed["dosageInstruction"] == [{"text": "two a day"}]
    assert changed["meta"] != before


def test_the_app_is_framed_with_the_launch_and_the_ticked_orders(clinician: SmartClient) -> None:
    shown = page(clinician, f"/ehr/chart/{DI}/")
    ticked = {"order": f"MedicationRequest/{DI}-rx-1", "where": "chart"}

    framed = page(clinician, submit(clinician, shown, f"/ehr/chart/{DI}/launch", **ticked).headers["Location"])

    frame = re.search(r'<iframe src="([^"]+)" title="ehrcommerce for [^"]+" allow="clipboard-write">', framed.text)
    assert frame
    assert "/ehr/launch?iss=" in unescape(frame[1])
    policy = framed.headers["Content-Security-Policy"]
    app = unescape(frame[1]).split("/ehr/launch")[0]
    assert all(f"{rule} 'self' {app}" in policy for rule in ("frame-src", "frame-ancestors", "form-action"))


def test_a_new_window_goes_straight_to_the_app(clinician: SmartClient) -> None:
    shown = page(clinician, f"/ehr/chart/{DI}/")

    answer = submit(clinician, shown, f"/ehr/chart/{DI}/launch", where="window")

    assert "/ehr/launch?iss=" in answer.headers["Location"]


def test_what_was_written_back_is_listed(clinician: SmartClient) -> None:
    sent = {
        "resourceType": "Task",
        "id": "test-sent",
        "status": "in-progress",
        "intent": "order",
        "description": "Testamine at the pharmacy",
        "businessStatus": {"text": "Packed"},
        "for": {"reference": f"Patient/{DI}"},
    }
    clinician.control("fhir", {"resources": [sent]})

    text = page(clinician, f"/ehr/chart/{DI}/").text

    assert "Testamine at the pharmacy" in text
    assert "Packed" in text
    clinician.control("fhir", {"delete": ["Task/test-sent"]})


def test_each_report_names_the_order_of_which_it_speaks(clinician: SmartClient) -> None:
    told = [
        {
            "resourceType": "Task", "id": f"test-told-{number}", "status": "completed", "intent": "order",
            "code": {"coding": [{"code": "fulfill"}]}, "businessStatus": {"text": "delivered"},
            "focus": {"reference": f"MedicationRequest/{DI}-rx-{number}"}, "for": {"reference": f"Patient/{DI}"},
        }
        for number in (1, 2)
    ]  # fmt: skip
    clinician.control("fhir", {"resources": told})
    names = re.findall(r'<span class="title">([^<]+)</span>', page(clinician, f"/ehr/chart/{DI}/").text)

    assert "fulfill" not in names
    assert len(names) == 4, "each order once as an order and once as a report"
    assert sorted(names[:2]) == sorted(names[2:])
    clinician.control("fhir", {"delete": ["Task/test-told-1", "Task/test-told-2"]})


def test_the_frame_of_the_app_may_be_as_narrow_as_the_window(clinician: SmartClient) -> None:
    style = page(clinician, "/sandbox.css")
    rule = re.search(r"\.framing iframe \{([^}]*)\}", style.text)
    assert rule is not None
    assert not re.search(r"min-width: *[1-9]", rule[1])


def test_the_start_page_has_three_doors(clinician: SmartClient) -> None:
    text = page(clinician, "/").text

    assert all(f'href="{door}"' in text for door in ("/ehr/", "/phone/", "/partners/"))
