"""The knobs: everything in which this EHR can be made to depart from its usual manners, with what is usual.

A knob is turned for everybody (`/control/knobs`), for one profile (`/control/profiles`) or for one launch
(`/control/launch`); the narrower one wins. Names and values that do not exist are refused, so that a test cannot
turn a knob that turns nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Knob:
    """What is usual, and for a knob with a few positions all of them."""

    usual: Any
    choices: tuple[str, ...] = ()


def _one_of(*choices: str) -> Knob:
    return Knob(choices[0], choices)


ANSWERS: Final = (
    "discovery_answer",
    "openid_answer",
    "jwks_answer",
    "metadata_answer",
    "authorize_answer",
    "token_answer",
    "refresh_answer",
    "introspection_answer",
    "revocation_answer",
    "style_answer",
    "fhir_answer",
)
"""Knobs that spoil a whole answer; their values are read in `answers`."""

EVERYWHERE: Final[dict[str, Knob]] = {
    "latency_ms": Knob(0),
    "simulated_error": _one_of(
        "",
        "auth_invalid_client_id",
        "auth_invalid_redirect_uri",
        "auth_invalid_scope",
        "auth_invalid_client_secret",
        "token_invalid_token",
        "token_expired_refresh_token",
        "token_expired_registration_token",
        "token_invalid_scope",
        "token_invalid_jti",
        "request_invalid_token",
        "request_expired_token",
    ),
    "strict": Knob(False),
    **{name: Knob("") for name in ANSWERS},
}
DISCOVERY: Final[dict[str, Knob]] = {
    "discovery": Knob({}),
    "smart_configuration": Knob({}),
    "openid_configuration": Knob({}),
    "discovery_endpoints": _one_of("absolute", "relative", "root_relative", "foreign", "userinfo", "http"),
    "discovery_poison": Knob(False),
    "discovery_null": Knob([]),
    "discovery_cache": Knob("public, max-age=300"),
    "issuer": Knob(""),
    "more_issuers": Knob([]),
    "fhir_version": Knob("4.0.1"),
    "metadata": Knob({}),
    "jwks_alg": _one_of("absent", "named"),
    "jwks_keys": _one_of(
        "all", "one", "no_kid", "one_no_kid", "two_no_kid", "enc", "enc_beside", "wrong", "with_unknown", "empty"
    ),
    "key_generation": Knob(1),
    "more_generations": Knob([]),
}
ID_TOKEN: Final[dict[str, Knob]] = {
    "id_token": Knob({}),
    "id_token_null": Knob([]),
    "id_token_times": Knob({}),
    "id_token_strings": Knob([]),
    "id_token_alg": _one_of("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "none", "HS256"),
    "id_token_hs_secret": Knob(""),
    "id_token_header": Knob({}),
    "id_token_x5c_bytes": Knob(0),
    "id_token_signature": _one_of("right", "wrong", "empty"),
    "id_token_form": _one_of("normal", "absent", "null", "jwe", "garbage", "number"),
    "kid": _one_of("present", "absent", "unknown"),
    "nonce": _one_of("echo", "drop", "wrong"),
    "fhir_user": _one_of(
        "absolute",
        "relative",
        "absent",
        "foreign",
        "device",
        "patient",
        "related_person",
        "practitioner_role",
        "of_other_base",
        "path",
    ),
    "profile_claim": _one_of("no", "beside", "instead"),
}
AUTHORIZE: Final[dict[str, Knob]] = {
    "authorize_methods": Knob(["GET", "POST"]),
    "authorize_error": Knob(""),
    "authorize_iss": _one_of("right", "wrong", "missing", "repeat"),
    "authorize_state": _one_of("echo", "alter", "drop", "repeat"),
    "authorize_code": _one_of("normal", "repeat", "empty", "crlf", "long", "drop", "with_error"),
    "authorize_extra": Knob({}),
    "code_reuse": _one_of("revokes", "denied", "allowed"),
    "code_life_s": Knob(60),
    "pkce": _one_of("required", "if_sent"),
    "aud_check": _one_of("exact", "slash_ok", "without_fhir", "off"),
    "scope_dialect": _one_of("both", "v1", "v2"),
    "unknown_scopes": _one_of("drop", "refuse"),
    "refused_scopes": Knob([]),
    "picks": Knob(""),
}
TOKEN: Final[dict[str, Knob]] = {
    "token_response": Knob({}),
    "token_null": Knob([]),
    "refresh_response": Knob({}),
    "token_scope": _one_of(
        "granted", "epic", "absent", "empty", "broader", "narrower", "other_type", "dus", "odd_case", "v1"
    ),
    "token_life_s": Knob(None),
    "backend_life_s": Knob(None),
    "refresh_scopes": Knob(["online_access", "offline_access"]),
    "refresh": _one_of("rotate", "keep", "same"),
    "backend_refresh": Knob(False),
    "basic_encoding": _one_of("either", "raw", "urlencoded"),
    "client_id_in_body": _one_of("any", "forbidden", "required"),
    "auth_methods": Knob(["private_key_jwt", "client_secret_basic", "client_secret_post", "none"]),
    "assertion_algs": Knob(["ES384", "RS384"]),
    "assertion_typ": Knob("JWT"),
    "assertion_life_s": Knob(300),
    "assertion_jti_max": Knob(200),
    "assertion_aud": Knob(""),
    "introspection": _one_of("live", "inactive_with_data"),
    "introspection_response": Knob({}),
    "style": Knob({}),
    "rate_limit": Knob({}),
}
FHIR: Final[dict[str, Knob]] = {
    "medication": _one_of(
        "as_stored",
        "concept",
        "contained",
        "reference",
        "reference_display",
        "absolute",
        "foreign",
        "protocol_relative",
        "missing_contained",
        "cyclic",
        "urn",
        "identifier",
        "both",
        "none",
    ),
    "elements": _one_of("honor", "ignore", "overtrim"),
    "include": _one_of("honor", "ignore"),
    "page_size": Knob(50),
    "batch": _one_of("honor", "refuse"),
    "batch_entries": _one_of("answered", "every_second_busy", "busy"),
    "post_search": _one_of("honor", "refuse"),
    "search_params": Knob({}),
    "unknown_params": _one_of("ignore", "refuse"),
    "required_params": Knob({}),
    "exclusive_params": Knob({}),
    "param_values": Knob({}),
    "absent_types": Knob([]),
    "error_format": _one_of("outcome", "text", "html", "json"),
    "fhir_content_type": Knob("application/fhir+json; charset=utf-8"),
    "outcome_entry": Knob(""),
    "next_link": _one_of(
        "normal",
        "foreign",
        "protocol_relative",
        "scheme",
        "userinfo",
        "self",
        "loop",
        "endless",
        "getpages",
        "relative",
        "root_relative",
        "internal_host",
        "port_twice",
        "outside",
    ),
    "next_origin": Knob(""),
    "strange_entry": _one_of("", "other_patient", "other_type", "null", "string"),
    "duplicate_entries": Knob(False),
    "total": _one_of("right", "wrong", "absent"),
    "entry": _one_of("present", "absent"),
    "read_result": _one_of("right", "other_id", "other_type", "other_patient"),
    "writes": _one_of("allowed", "refused"),
    "stale_status": Knob(412),
    "if_none_exist": _one_of("honor", "ignore", "refuse"),
    "write_result": _one_of("resource", "empty", "other_id"),
    "write_location": _one_of("right", "foreign", "absent"),
}
EVENTS: Final[dict[str, Knob]] = {
    "events_lost": Knob(0),
    "events_copies": Knob(1),
    "events_late_s": Knob(0),
    "events_order": _one_of("kept", "swapped"),
    "events_proof": _one_of("right", "wrong", "absent"),
    "events_focus": _one_of("right", "foreign"),
    "events_subscription": _one_of("right", "other"),
    "events_count_from": Knob(0),
    "events_operation": _one_of("honor", "refuse"),
    "status_operation": _one_of("honor", "refuse"),
    "cds_base": Knob(""),
}
"""What it tells by itself: every n-th event is lost, comes so many times, so much later, each second one after
the next. And below which address the CDS services are that it asks."""

KNOBS: Final[dict[str, Knob]] = {**EVERYWHERE, **DISCOVERY, **ID_TOKEN, **AUTHORIZE, **TOKEN, **FHIR, **EVENTS}
USUAL: Final[dict[str, Any]] = {name: knob.usual for name, knob in KNOBS.items()}


def checked(wishes: object) -> dict[str, Any]:
    """The wishes. Raises ValueError for a knob, a value or an answer that does not exist."""
    from ehrcommerce.sandbox.ehr import answers  # reads the knobs of the present request

    if not isinstance(wishes, dict):
        raise ValueError("knobs are an object")
    if strange := set(wishes) - set(KNOBS):
        raise ValueError(f"unknown knobs: {', '.join(sorted(strange))}")
    for name, value in wishes.items():
        _check_value(name, value)
        if name in ANSWERS:
            answers.wishes(value)
    return wishes


def _check_value(name: str, value: object) -> None:
    knob = KNOBS[name]
    if knob.choices and value not in knob.choices:
        raise ValueError(f"{name} is one of {', '.join(map(repr, knob.choices))}")
    usual = knob.usual
    if isinstance(usual, dict | list | bool) and type(value) is not type(usual):
        raise ValueError(f"{name} is a {type(usual).__name__}")


def described() -> dict[str, dict[str, Any]]:
    """All knobs for people who ask."""
    return {
        name: {"default": knob.usual} | ({"choices": list(knob.choices)} if knob.choices else {})
        for name, knob in KNOBS.items()
    }
