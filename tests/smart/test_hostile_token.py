"""Rows 31 to 45: what a token endpoint can say, and the launch context that comes with it."""

from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.ehr import sessions
from ehrcommerce.ehr.errors import SessionOver
from ehrcommerce.vault import walls
from ehrcommerce.workbench.rotation import rotating
from tests.smart.conftest import OTHER_PATIENT, PATIENT, Ehr, Make, words

pytestmark = pytest.mark.django_db


def fails(ehr: Ehr, **knobs: Any) -> str:
    """The launch ends with a page that names a cause, and opens nothing."""
    answer = ehr.launch(knobs=knobs)
    assert answer.status_code in (400, 403, 502), (answer.status_code, words(answer))
    assert ehr.session() is None
    shown = words(answer)
    assert len(shown) > 80
    return shown


def opens(ehr: Ehr, **knobs: Any) -> Any:
    """The launch succeeds; its row."""
    answer = ehr.launch(knobs=knobs)
    assert answer.status_code == 303, (answer.status_code, words(answer))
    found = ehr.session()
    assert found is not None
    return found


@pytest.mark.smart("H31", "T1")
@pytest.mark.parametrize("status", rotating([301, 302, 307, 308], keep=1))
def test_a_redirect_of_the_token_endpoint_is_not_followed(ehr: Ehr, status: int) -> None:
    fails(ehr, token_answer={"manner": "redirect", "status": status})


@pytest.mark.smart("H32")
@pytest.mark.parametrize(
    "manner", rotating(["html", "array", "null", "empty", "text", "number", "form", "error_200", "truncate"], keep=1)
)
def test_a_token_answer_of_another_form(ehr: Ehr, manner: str) -> None:
    shown = fails(ehr, token_answer={"manner": manner, "error": "shown<b>never", "error_description": "shown<b>never"})
    assert "shown" not in shown


@pytest.mark.smart("H33")
@pytest.mark.parametrize(
    ("answer", "code", "says", "times"),
    rotating([
        ({"manner": "oauth_error", "error": "invalid_grant"}, "T-GRANT", "Open the app again from the patient", 1),
        ({"manner": "oauth_error", "error": "invalid_client"}, "T-CLIENT", "An administrator checks client id", 1),
        ({"manner": "401", "body": "{}", "content_type": "application/json"}, "T-CLIENT", "does not accept the app", 1),
        ({"manner": "401"}, "T-FORM", "not in the agreed form", 1),
        ({"manner": "429"}, "C-BUSY", "busy or down", 2),
        ({"manner": "503"}, "C-BUSY", "busy or down", 2),
        ({"manner": "500"}, "C-BUSY", "busy or down", 1),
    ], keep=2),
)  # fmt: skip
def test_each_refusal_of_a_token_has_its_page(
    ehr: Ehr, answer: dict[str, Any], code: str, says: str, times: int
) -> None:
    """A code is good once: only 429 and 503 are asked again, and only once."""
    mark = ehr.desk.mark()
    shown = fails(ehr, token_answer=answer)
    assert code in shown, shown
    assert says in shown, shown
    assert len(ehr.asked(mark, "/token")) == times


@pytest.mark.smart("H34", "T5")
@pytest.mark.parametrize("token", rotating([None, "", "a\nb", "a\r\nX: y", 7, ["a"], "a b"], keep=1))
def test_an_access_token_that_cannot_be_one(ehr: Ehr, token: Any) -> None:
    fails(ehr, **({"token_null": ["access_token"]} if token is None else {"token_response": {"access_token": token}}))


@pytest.mark.smart("H34")
def test_no_access_token_at_all(ehr: Ehr) -> None:
    fails(ehr, token_response={"access_token": None})


@pytest.mark.smart("H35", "T5")
@pytest.mark.parametrize("kind", rotating(["mac", "DPoP", None, 7, ""], keep=1))
def test_another_type_of_token(ehr: Ehr, kind: Any) -> None:
    fails(ehr, token_response={"token_type": kind})


@pytest.mark.smart("H35")
@pytest.mark.parametrize("kind", rotating(["bearer", "BEARER", "Bearer"], keep=1))
def test_bearer_in_any_case(ehr: Ehr, kind: str) -> None:
    opens(ehr, token_response={"token_type": kind})


@pytest.mark.smart("H35")
def test_a_missing_type_only_where_the_row_says_so(make_ehr: Make) -> None:
    opens(make_ehr(token_type_optional=True), token_response={"token_type": None})
    fails(make_ehr(token_type_optional=True), token_response={"token_type": "mac"})


@pytest.mark.smart("H36", "T5")
@pytest.mark.parametrize(
    ("life", "seconds"),
    rotating([("3600", 3600), (1e30, 86400), ("abc", 300), (None, 300), (True, 300), ([5], 300), (120, 120)], keep=1),
)
def test_odd_lives_of_a_token(ehr: Ehr, life: Any, seconds: int) -> None:
    found = opens(ehr, **({"token_null": ["expires_in"]} if life is None else {"token_response": {"expires_in": life}}))
    assert (found.token_expires_at - found.started_at).total_seconds() == seconds


@pytest.mark.smart("H36")
@pytest.mark.parametrize("life", rotating([0, -5, "-1"], keep=1))
def test_a_token_that_is_over_already(ehr: Ehr, life: Any) -> None:
    fails(ehr, token_response={"expires_in": life})


@pytest.mark.smart("H37", "T6")
@pytest.mark.parametrize("scope", rotating(["absent", "broader", "epic", "odd_case", "v1"], keep=1))
def test_scopes_in_odd_forms_still_launch(ehr: Ehr, scope: str) -> None:
    assert "Launchwell" in ehr.page(knobs={"token_scope": scope})


@pytest.mark.smart("H37", "T6")
@pytest.mark.parametrize("scope", rotating(["empty", "dus", "narrower", "other_type"], keep=1))
def test_what_was_not_granted_is_not_tried(ehr: Ehr, scope: str) -> None:
    """The page says what is missing; no request that the EHR must refuse goes out."""
    answer = ehr.launch(knobs={"token_scope": scope})
    if answer.status_code != 303:
        assert answer.status_code in (400, 403, 502)
        return
    mark = ehr.desk.mark()
    ehr.client.get(answer["Location"])
    granted = ehr.session()
    assert granted is not None
    tried = {path.split("/fhir/")[-1].split("/")[0] for path in ehr.asked(mark, "/fhir/")}
    assert all(f"/{kind}." in granted.scope.replace("/*.", f"/{kind}.") for kind in tried), (tried, granted.scope)


@pytest.mark.smart("H37")
@pytest.mark.parametrize("scope", rotating([7, ["patient/Patient.r"], {"a": 1}], keep=1))
def test_a_scope_that_is_no_text(ehr: Ehr, scope: Any) -> None:
    fails(ehr, token_response={"scope": scope})


@pytest.mark.smart("H38", "T7")
def test_no_patient_is_no_launch(ehr: Ehr) -> None:
    assert "patient" in fails(ehr, token_response={"patient": None}).lower()


@pytest.mark.smart("H39", "X1")
@pytest.mark.parametrize(
    "patient",
    rotating(
        [["smart-cy"], 7, "Patient/smart-cy", "../x", "{stranger}/Patient/1", "", "..", "a" * 65, "a b", {"id": "x"}],
        keep=1,
    ),
)
def test_a_patient_that_is_no_id(ehr: Ehr, patient: Any) -> None:
    fails(ehr, token_response={"patient": patient})


@pytest.mark.smart("H39")
def test_a_patient_with_its_type_only_where_the_row_says_so(make_ehr: Make) -> None:
    found = opens(make_ehr(patient_prefix_ok=True), token_response={"patient": f"Patient/{PATIENT}"})
    assert found.patient == PATIENT
    fails(make_ehr(patient_prefix_ok=True), token_response={"patient": f"Group/{PATIENT}"})


@pytest.mark.smart("H40")
def test_two_different_patients_stop_the_launch(ehr: Ehr) -> None:
    """The id_token and the answer around it name different people: nobody's chart is opened."""
    fails(ehr, id_token={"patient": OTHER_PATIENT})
    assert opens(ehr, id_token={"patient": PATIENT}).patient == PATIENT


def renewed(ehr: Ehr, **knobs: Any) -> Any:
    """A launch whose token has ended, asked for its bearer."""
    found = opens(ehr, **knobs)
    with walls.organization(ehr.clinic.pk):
        found.token_expires_at = timezone.now()
        found.save()
        return sessions.bearer(found, at=timezone.now()), found


@pytest.mark.smart("H41", "R5")
def test_a_refresh_for_another_patient_ends_the_launch(ehr: Ehr) -> None:
    with pytest.raises(SessionOver):
        renewed(ehr, refresh_response={"patient": OTHER_PATIENT})
    found = ehr.session()
    assert found is not None
    assert found.ended_at is not None
    assert found.access_token == found.refresh_token == ""


@pytest.mark.smart("H41")
def test_a_refresh_with_wider_scopes_widens_nothing(ehr: Ehr) -> None:
    _, found = renewed(ehr, refresh_response={"scope": "patient/*.cruds user/*.cruds system/*.cruds"})
    found = ehr.session()
    assert found is not None
    assert "patient/*.cruds" not in found.scope
    assert "patient/Patient.r" in found.scope


@pytest.mark.smart("H42")
def test_an_encounter_is_dropped_whoever_s_it_is(ehr: Ehr) -> None:
    """Decision 0011: no page uses it, so no scope to read it is asked, and it is not kept; one that is no id refuses the
    answer all the same (X1)."""
    mark = ehr.desk.mark()
    found = opens(ehr, token_response={"encounter": "encounter-of-another"})
    ehr.page(f"/ehr/c/{found.launch_key}/")
    assert found.encounter == ""
    assert ehr.asked(mark, "Encounter") == []
    assert "Encounter" not in found.scope


@pytest.mark.smart("H42", "X1")
@pytest.mark.parametrize("encounter", rotating([["e"], 7, "Encounter/1", "../x", {"id": "x"}], keep=1))
def test_an_encounter_that_is_no_id_refuses_the_answer(ehr: Ehr, encounter: Any) -> None:
    assert "T-FORM" in fails(ehr, token_response={"encounter": encounter})


@pytest.mark.smart("H43", "X2")
@pytest.mark.parametrize(
    "context",
    rotating(["text", None, {"reference": "Patient/1"}, ["MedicationRequest/1", None, 7, {"role": "launch"}],
     [{"reference": "{stranger}/MedicationRequest/1"}, {"reference": "//x/MedicationRequest/1"}, {"reference": 5}],
     [{"reference": "MedicationRequest/1", "role": ""}], [{"reference": "Patient/other"}]], keep=1),
)  # fmt: skip
def test_broken_items_are_left_out_and_the_launch_goes_on(ehr: Ehr, context: Any) -> None:
    knobs = {"token_null": ["fhirContext"]} if context is None else {"token_response": {"fhirContext": context}}
    assert opens(ehr, **knobs).focus == ""


@pytest.mark.smart("H43", "X2")
def test_a_sound_item_among_broken_ones_is_kept(ehr: Ehr) -> None:
    context = [None, {"reference": "MedicationRequest/rx-1"}, {"reference": "../x"}]
    assert opens(ehr, token_response={"fhirContext": context}).focus == "MedicationRequest/rx-1"


@pytest.mark.smart("H44", "X3")
@pytest.mark.parametrize(
    ("said", "shown"),
    rotating(
        [(True, True), (False, False), ("false", False), ("true", True), ("maybe", True), (0, True), (None, True)],
        keep=1,
    ),
)
def test_the_banner_goes_only_after_a_clear_no(ehr: Ehr, said: Any, shown: bool) -> None:
    assert opens(ehr, token_response={"need_patient_banner": said}).need_patient_banner is shown


@pytest.mark.smart("H45", "X5")
@pytest.mark.parametrize(
    "url",
    rotating(["http://elsewhere.example.org/s.json", "{stranger}/s.json", "//{stranger_host}/s.json", "x y"], keep=1),
)
def test_a_style_from_elsewhere_is_never_asked_for(ehr: Ehr, url: str) -> None:
    found = opens(ehr, token_response={"smart_style_url": url})
    assert found.style_url == ""
    ehr.page(f"/ehr/c/{found.launch_key}/")


@pytest.mark.smart("H45", "X5")
@pytest.mark.parametrize(
    "style",
    rotating([{"color_background": "expression(alert(1))"}, {"color_background": "url(//x/y)"},
     {"color_text": "#fff;}body{display:none"}, {"color_text": ["#fff"]}, {"color_background": "#" + "f" * 5000}], keep=1),
)  # fmt: skip
def test_a_style_value_that_is_no_color_is_dropped(ehr: Ehr, style: dict[str, Any]) -> None:
    found = opens(ehr, style=style)
    answer = ehr.client.get(f"/ehr/c/{found.launch_key}/style.css")
    shown = answer.content.decode() if answer.status_code == 200 else ""
    assert not any(word in shown for word in ("expression", "url(", "display", "ffffffffff"))


@pytest.mark.smart("H45")
@pytest.mark.parametrize(
    "manner", rotating(["huge", "html", "404", "redirect", {"manner": "drip", "seconds": 60}], keep=1)
)
def test_a_style_that_cannot_be_read_leaves_our_own(ehr: Ehr, manner: Any) -> None:
    found = opens(ehr, style_answer=manner)
    ehr.row(read_s=1)
    assert ehr.client.get(f"/ehr/c/{found.launch_key}/style.css").status_code in (200, 404)
    assert "Launchwell" in ehr.page(f"/ehr/c/{found.launch_key}/")
