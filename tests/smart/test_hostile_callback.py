"""Rows 22 to 30: what can come back from the EHR's sign-in, or from somebody who only says so. The state is looked at
first; a code that is in doubt is never used."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr.models import LaunchAttempt
from ehrcommerce.vault import walls
from ehrcommerce.workbench.rotation import rotating
from tests.smart.conftest import Ehr, Make, words

pytestmark = pytest.mark.django_db


def returned(ehr: Ehr, **knobs: Any) -> str:
    """The address that the EHR sends the browser back to; the callback has not been asked yet."""
    _, answer = ehr.sent(knobs=knobs)
    return str(answer.headers["Location"])


def changed(address: str, **parameters: Any) -> str:
    """The same address with other parameters; None takes one away, a list repeats it."""
    parts = urlsplit(address)
    query = parse_qs(parts.query) | {
        name: [value] if isinstance(value, str) else value for name, value in parameters.items()
    }
    pairs = [(name, value) for name, values in query.items() for value in values or ()]
    return parts._replace(query=urlencode(pairs)).geturl()


def refused(ehr: Ehr, address: str, *, client: Client | None = None, status: int = 400) -> str:
    """A page of this status, no session, and the token endpoint was not asked."""
    mark = ehr.desk.mark()
    answer = ehr.come_back(address, client=client)
    assert answer.status_code == status, (answer.status_code, words(answer))
    assert ehr.asked(mark, "/token") == []
    assert ehr.session() is None
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    return str(answer.content.decode())


@pytest.mark.smart("H22", "B1")
@pytest.mark.parametrize(
    "state", rotating([None, "", "unknown", "A" * 12 + "." + "B" * 32, ["one", "two"], "x" * 5000], keep=1)
)
def test_a_state_that_is_missing_unknown_or_doubled(ehr: Ehr, state: Any) -> None:
    refused(ehr, changed(returned(ehr), state=state))


@pytest.mark.smart("H22", "A2")
def test_a_state_that_is_too_old(ehr: Ehr) -> None:
    address = returned(ehr)
    with walls.organization(ehr.clinic.pk):
        attempt = LaunchAttempt.objects.get()
        LaunchAttempt.objects.update(expires_at=attempt.expires_at - timedelta(minutes=11))
    refused(ehr, address)


@pytest.mark.smart("H23")
def test_a_callback_a_second_time_leads_to_the_page_that_is_open(ehr: Ehr) -> None:
    address = returned(ehr)
    place = ehr.come_back(address)["Location"]
    mark = ehr.desk.mark()
    again = ehr.come_back(address)
    assert again.status_code == 400
    assert place in again.content.decode()
    assert ehr.asked(mark) == []


@pytest.mark.smart("H24", "B1")
def test_in_another_browser_the_code_is_never_used(ehr: Ehr) -> None:
    """A whole window of another browser signs in anew, as itself; a frame of one is refused."""
    address = returned(ehr)
    mark = ehr.desk.mark()
    answer = Client().get(
        urlsplit(address).path, parse_qs(urlsplit(address).query), headers={"Sec-Fetch-Dest": "iframe"}
    )
    assert answer.status_code == 400
    anew = ehr.come_back(address, client=Client())
    assert anew.status_code == 302
    assert "code=" not in anew["Location"].replace("code_challenge=", "").replace("response_type=code", "")
    assert ehr.asked(mark, "/token") == []
    assert ehr.session() is None


@pytest.mark.smart("H25", "L8")
def test_a_state_of_one_ehr_at_the_address_of_another(make_ehr: Make) -> None:
    one, two = make_ehr(), make_ehr()
    address = returned(one).replace(one.connection.slug, two.connection.slug)
    refused(one, address)
    with walls.organization(one.clinic.pk):
        assert AuditEvent.objects.filter(action="launch.refused", outcome="refused").count() == 1


@pytest.mark.smart("H26", "B4")
@pytest.mark.parametrize("iss", ["wrong", "repeat"])
def test_a_callback_that_names_another_server(ehr: Ehr, iss: str) -> None:
    refused(ehr, returned(ehr, authorize_iss=iss))


@pytest.mark.smart("H26", "B4")
def test_a_promised_issuer_that_is_missing(make_ehr: Make) -> None:
    promised = {"authorization_response_iss_parameter_supported": True}
    ehr = make_ehr(knobs={"discovery": promised})
    refused(ehr, returned(ehr, authorize_iss="missing"))
    assert ehr.launch(knobs={"authorize_iss": "right"}).status_code == 303


@pytest.mark.smart("H27", "B2")
@pytest.mark.parametrize(
    "code",
    rotating(["access_denied", "server_error", "temporarily_unavailable", "unauthorized_client", "invalid_request",
     "unsupported_response_type", "login_required", "<script>alert(1)</script>"], keep=1),
)  # fmt: skip
def test_an_error_with_a_script_in_it(ehr: Ehr, code: str) -> None:
    error = {"error": code, "error_description": "<script>alert('x')</script>", "error_uri": "javascript:alert(1)"}
    address = returned(ehr, authorize_error=error)
    mark = ehr.desk.mark()
    answer = ehr.come_back(address)
    assert answer.status_code in (400, 403, 502)
    assert "alert(" not in answer.content.decode()
    assert ehr.asked(mark, "/token") == []
    refused(ehr, address)  # the attempt is closed


@pytest.mark.smart("H28")
def test_an_error_without_a_sound_state_changes_nothing(ehr: Ehr) -> None:
    address = returned(ehr)
    refused(ehr, changed(address, code=None, state="x" * 40, error="access_denied"))
    assert ehr.come_back(address).status_code == 303


@pytest.mark.smart("H29", "B3")
@pytest.mark.parametrize("code", rotating(["repeat", "empty", "crlf", "drop", "with_error"], keep=1))
def test_an_odd_code(ehr: Ehr, code: str) -> None:
    refused(ehr, returned(ehr, authorize_code=code))


@pytest.mark.smart("H29")
def test_a_code_of_ten_thousand_characters(ehr: Ehr) -> None:
    refused(ehr, changed(returned(ehr), code="c" * 10_000))


@pytest.mark.smart("H30", "A3")
def test_a_code_of_another_session_fails_at_the_ehr(ehr: Ehr) -> None:
    """PKCE: the verifier of this attempt does not fit the code of that one."""
    theirs = returned(ehr)
    mine = changed(returned(ehr), code=parse_qs(urlsplit(theirs).query)["code"][0])
    assert ehr.come_back(mine).status_code == 502
    assert ehr.session() is None
