"""What a token answer may say. [SMART-T5, SMART-X1, hostile inputs 21, 32 to 45]"""

from typing import Any

import pytest

from ehrcommerce.ehr import errors, tokens

GOOD: dict[str, Any] = {
    "access_token": "t",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/Patient.r",
    "patient": "p",
}


def parsed(**changes: Any) -> tokens.TokenAnswer:
    said = {name: value for name, value in {**GOOD, **changes}.items() if value != "absent"}
    return tokens.parse(said, requested="patient/Patient.r openid")


@pytest.mark.smart("T5", "H34")
@pytest.mark.parametrize("token", ["absent", None, "", "a\nb", "a b", 7, ["t"], "ü"])
def test_an_unusable_access_token_is_refused(token: object) -> None:
    with pytest.raises(errors.BadToken):
        parsed(access_token=token)


@pytest.mark.smart("T5", "H35")
@pytest.mark.parametrize("kind", ["absent", None, "mac", "DPoP", "", 1])
def test_only_a_bearer_token_is_taken(kind: object) -> None:
    with pytest.raises(errors.BadToken):
        parsed(token_type=kind)


@pytest.mark.smart("T5")
@pytest.mark.parametrize("kind", ["bearer", "BEARER", "Bearer"])
def test_bearer_in_any_case(kind: str) -> None:
    assert parsed(token_type=kind).access_token == "t"


@pytest.mark.smart("T5", "H36")
@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (570, 570),
        ("3600", 3600),
        (300.0, 300),
        ("abc", 300),
        (None, 300),
        ("absent", 300),
        (True, 300),
        ([1], 300),
        (1e30, 86_400),
        (10**9, 86_400),
    ],
)
def test_the_life_of_a_token(said: object, seconds: int) -> None:
    assert parsed(expires_in=said).expires_in_s == seconds


@pytest.mark.smart("T5", "H36")
@pytest.mark.parametrize("said", [0, -5, "-5", "0"])
def test_a_token_that_has_no_life_is_refused(said: object) -> None:
    with pytest.raises(errors.BadToken):
        parsed(expires_in=said)


@pytest.mark.smart("X1", "T7", "H39")
@pytest.mark.parametrize(
    "patient", ["Patient/1", "../x", "..", ["p"], 7, {"id": "p"}, "https://evil/Patient/1", "a" * 65, "", "p q"]
)
def test_a_patient_that_is_not_an_id_is_refused(patient: object) -> None:
    with pytest.raises((errors.BadToken, errors.NoPatient)):
        parsed(patient=patient)


@pytest.mark.smart("T7", "H38")
@pytest.mark.parametrize(
    "scope", ["patient/Patient.r", "patient/*.read", "openid patient/MedicationRequest.rs?status=active"]
)
def test_patient_scopes_without_a_patient_end_the_launch(scope: str) -> None:
    with pytest.raises(errors.NoPatient):
        parsed(patient="absent", scope=scope)


@pytest.mark.smart("T5", "H37")
def test_a_missing_scope_means_what_was_asked_for() -> None:
    assert parsed(scope="absent").scope == "patient/Patient.r openid"
    with pytest.raises(errors.BadToken):
        parsed(scope=["patient/Patient.r"])


@pytest.mark.smart("X2", "H43")
def test_focus_keeps_relative_references_of_the_launch_role_only() -> None:
    context = [
        {"reference": "MedicationRequest/7"}, {"reference": "MedicationRequest/7"}, {"reference": "DeviceRequest/8",
        "role": "launch"},
        {"reference": "https://evil/MedicationRequest/9"}, {"reference": "Patient/1"}, {"reference": "Encounter/1"},
        {"reference": "ServiceRequest/3", "role": ""}, {"reference": "../x"}, {"canonical": "x"},
        "MedicationRequest/1", None,
    ]  # fmt: skip
    assert parsed(fhirContext=context).focus == ("MedicationRequest/7", "DeviceRequest/8")
    assert parsed(fhirContext="x").focus == ()


@pytest.mark.smart("X3", "H44")
@pytest.mark.parametrize(
    ("said", "shown"), [(True, True), ("absent", True), ("maybe", True), (None, True), (False, False), ("false", False)]
)
def test_only_a_clear_no_takes_the_banner_away(said: object, shown: bool) -> None:
    assert parsed(need_patient_banner=said).need_patient_banner is shown


@pytest.mark.smart("X7")
def test_unknown_keys_change_nothing_and_the_token_is_in_no_repr() -> None:
    answer = parsed(**{"__epic.dstu2.patient": "other", "loginDepartment": "5"})
    assert answer == parsed()
    assert "access_token" not in repr(answer)
    assert "patient=" not in repr(answer)


@pytest.mark.smart("H32", "H33", "H21")
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"error":"invalid_grant"}', errors.TokenRefused),
        (400, b'{"error":"invalid_client"}', errors.ClientRefused),
        (401, b"{}", errors.ClientRefused),
        (401, b'{"error":"invalid_grant"}', errors.TokenRefused),
        (403, b'{"error":"invalid_grant"}', errors.TokenRefused),
        (401, b'{"error":"invalid_scope"}', errors.ScopeRefused),
        (401, b'{"error":"invalid_request"}', errors.ClientRefused),
        (401, b'{"error":["invalid_grant"]}', errors.ClientRefused),
        (403, b'{"error":"unauthorized_client"}', errors.ClientRefused),
        (500, b'{"error":"invalid_grant"}', errors.TokenRefused),
        (500, b'{"error":"server_error"}', errors.EhrBusy),
        (400, b'{"error":"temporarily_unavailable"}', errors.EhrBusy),
        (429, b"{}", errors.EhrBusy),
        (503, b"<html>", errors.EhrBusy),
        (200, b"<html>", errors.BadToken),
        (200, b"[]", errors.BadToken),
        (200, b"access_token=t&token_type=Bearer", errors.BadToken),
        (200, b'{"error":"invalid_request"}', errors.TokenRefused),
        (200, b'{"access_token":"a","access_token":"b"}', errors.BadToken),
        (200, b'{"expires_in":NaN}', errors.BadToken),
        (200, b'{"a":' * 70 + b"1" + b"}" * 70, errors.BadToken),
        (200, b"[" * 100_000, errors.BadToken),
        (307, b"", errors.BadToken),
    ],
)
def test_a_refusal_is_sorted_by_what_must_happen_next(status: int, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        tokens.read_answer(status, body)


@pytest.mark.smart("H21")
def test_a_byte_order_mark_is_tolerated() -> None:
    assert tokens.read_answer(200, b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@pytest.mark.smart("T6", "H37")
@pytest.mark.parametrize(
    ("scope", "permissions"),
    [
        ("patient/Patient.r", "r"), ("patient/Patient.rs", "rs"), ("patient/Patient.read", "rs"),
        ("patient/Patient.Read", "rs"),
        ("patient/Patient.write", "cud"), ("patient/Patient.*", "cruds"), ("patient/Patient.cruds", "cruds"),
    ],
)  # fmt: skip
def test_both_dialects_of_scopes_are_read(scope: str, permissions: str) -> None:
    assert [grant.permissions for grant in tokens.grants(scope)] == [permissions]


@pytest.mark.smart("T6", "H37")
@pytest.mark.parametrize(
    "scope",
    ["patient/Patient.dus", "patient/Patient.rr", "Patient.read", "patient/.r", "launch", "patient/Patient", ""],
)
def test_what_cannot_be_read_grants_nothing(scope: str) -> None:
    assert tokens.grants(scope) == ()


@pytest.mark.smart("A6", "T6")
def test_a_constrained_scope_is_kept_apart() -> None:
    (grant,) = tokens.grants("patient/MedicationRequest.rs?status=active")
    assert grant.constraint == "status=active"
    assert (grant.level, grant.resource, grant.permissions) == ("patient", "MedicationRequest", "rs")
    assert tokens.permitted("patient/MedicationRequest.rs?status=active", ["MedicationRequest"], "r")
    assert tokens.permitted("patient/*.rs", ["MedicationRequest"], "s")
    assert not tokens.permitted("patient/MedicationRequest.r", ["MedicationRequest"], "s")


@pytest.mark.smart("T6", "H37")
@pytest.mark.parametrize(
    ("scope", "tried"),
    [
        ("patient/MedicationRequest.rs patient/DeviceRequest.r", ("MedicationRequest",)),
        ("patient/MedicationRequest.rs?status=active", ("MedicationRequest",)),
        ("patient/*.read", ("MedicationRequest", "DeviceRequest")),
        ("user/DeviceRequest.Read", ("DeviceRequest",)),
        ("patient/MedicationRequest.dus patient/Patient.r", ()), ("", ()), ("system/*.rs", ()),
        ("launch openid MedicationRequest.read", ("MedicationRequest", "DeviceRequest")),
    ],
)  # fmt: skip
def test_what_was_not_granted_is_not_tried(scope: str, tried: tuple[str, ...]) -> None:
    assert tokens.permitted(scope, ("MedicationRequest", "DeviceRequest"), "s") == tried
