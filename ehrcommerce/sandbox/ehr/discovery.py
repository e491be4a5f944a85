"""What the EHR says about itself: SMART configuration, OpenID configuration, CapabilityStatement."""

from typing import Any, Final
from urllib.parse import urlsplit

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from ehrcommerce.sandbox.ehr import answers, fhir_include, fhir_json, fhir_store
from ehrcommerce.sandbox.ehr.fhir_views import FHIR_JSON
from ehrcommerce.sandbox.ehr.seeding import DEMO_SCOPES
from ehrcommerce.sandbox.ehr.surroundings import here
from ehrcommerce.sandbox.journal.strangers import stranger_origin

CAPABILITIES: Final = [
    "launch-ehr",
    "launch-standalone",
    "client-confidential-asymmetric",
    "client-confidential-symmetric",
    "context-ehr-patient",
    "context-banner",
    "context-style",
    "context-standalone-patient",
    "permission-v2",
    "permission-v1",
    "permission-patient",
    "permission-user",
    "sso-openid-connect",
    "authorize-post",
]
POISON: Final[dict[str, Any]] = {
    "verify": False,
    "proxies": {"http": "{stranger}", "https": "{stranger}"},
    "client_id": "poisoned",
    "client_secret": "poisoned",
    "scope": "poisoned",
    "state": "poisoned",
    "redirect_uri": "{stranger}/callback",
    "leeway": 100000,
    "response_type": "token",
    "prompt": "none",
    "token_endpoint_auth_method": "none",
    "code_challenge_method": "plain",
}
"""Keys of a document that a client which hands it on to a library would take for its own settings."""
PUBLIC: Final = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


def smart_configuration(request: HttpRequest) -> HttpResponseBase:
    """The document that a launch begins with."""
    return answers.given("discovery_answer", request, lambda: _published(_smart(), "smart_configuration"))


def openid_configuration(request: HttpRequest, issuer: str = "") -> HttpResponseBase:
    """OpenID Connect Discovery, below the FHIR base and below each issuer; `issuer` is a path below the root."""
    named = f"{here().root}/{issuer}".rstrip("/") if issuer else here().issuer
    known = [here().issuer, *map(here().issuer_at, here().knobs["more_issuers"])]
    fitting = [each for each in known if each.rstrip("/") == named.rstrip("/")]
    if issuer and not fitting:
        raise Http404
    document = {**_openid(), "issuer": fitting[0] if fitting else named}
    return answers.given("openid_answer", request, lambda: _published(document, "openid_configuration"))


def _smart() -> dict[str, Any]:
    return {
        **_common(),
        "introspection_endpoint": f"{here().auth}/introspect",
        "revocation_endpoint": f"{here().auth}/revoke",
        "capabilities": CAPABILITIES,
    }


def _openid() -> dict[str, Any]:
    return {
        **_common(),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [here().knobs["id_token_alg"]],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce", "fhirUser"],
    }


def _common() -> dict[str, Any]:
    knobs = here().knobs
    methods = [name for name in ("private_key_jwt", "client_secret_basic") if name in knobs["auth_methods"]]
    return {
        "issuer": here().issuer,
        "jwks_uri": f"{here().auth}/jwks",
        "authorization_endpoint": f"{here().auth}/authorize",
        "token_endpoint": here().token_url,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": knobs["assertion_algs"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "scopes_supported": DEMO_SCOPES.split(),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }


def _published(document: dict[str, Any], own: str) -> HttpResponse:
    """The document after the knobs that replace, drop, move and poison what is in it."""
    knobs = here().knobs
    poison = POISON if knobs["discovery_poison"] else {}
    moved = {name: _moved(name, value) for name, value in document.items()}
    changed = {**moved, **here().filled({**poison, **knobs["discovery"], **knobs[own]})}
    kept = {name: value for name, value in changed.items() if value is not None}
    headers = {**PUBLIC, "Cache-Control": str(knobs["discovery_cache"])}
    return JsonResponse({**kept, **dict.fromkeys(knobs["discovery_null"])}, headers=headers)


def _moved(name: str, value: Any) -> Any:
    if name != "jwks_uri" and not name.endswith("_endpoint"):
        return value
    parts = urlsplit(value)
    match here().knobs["discovery_endpoints"]:
        case "relative":
            return "../" * (urlsplit(here().fhir_base + "/").path.count("/") - 1) + parts.path.lstrip("/")
        case "root_relative":
            return parts.path
        case "foreign":
            return f"{stranger_origin()}{parts.path}"
        case "userinfo":
            return f"{parts.scheme}://{parts.netloc}@{urlsplit(stranger_origin()).netloc}{parts.path}"
        case "http":
            return f"{'https' if parts.scheme == 'http' else 'http'}://{parts.netloc}{parts.path}"
    return value


def metadata(request: HttpRequest) -> HttpResponseBase:
    """The CapabilityStatement."""
    return answers.given("metadata_answer", request, _statement)


def _statement() -> HttpResponse:
    statement = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "software": {"name": "Lakeside EHR (sandbox)"},
        "implementation": {"description": "Sandbox EHR", "url": here().fhir_base},
        "fhirVersion": here().knobs["fhir_version"],
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "security": _security(), "resource": _resources(), **_of_the_whole()}],
    }
    changed = {**statement, **here().filled(here().knobs["metadata"])}
    kept = {name: value for name, value in changed.items() if value is not None}
    return HttpResponse(fhir_json.write(kept), content_type=FHIR_JSON, headers=PUBLIC)


def _security() -> dict[str, Any]:
    return {
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ]
            }
        ],
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [
                    {"url": "authorize", "valueUri": f"{here().auth}/authorize"},
                    {"url": "token", "valueUri": here().token_url},
                ],
            }
        ],
    }


def _resources() -> list[dict[str, Any]]:
    interactions = [{"code": code} for code in ("read", "search-type", "create", "update")]
    params = [{"name": "_id", "type": "token"}, {"name": "_lastUpdated", "type": "date"}]
    return [
        {
            "type": kind,
            "interaction": interactions,
            "versioning": "versioned-update",
            "conditionalCreate": True,
            "searchParam": params + ([{"name": "patient", "type": "reference"}] if _has_patient(kind) else []),
            **_included(kind),
        }
        for kind in sorted(fhir_store.TYPES.difference(here().knobs["absent_types"]))
    ]


def _of_the_whole() -> dict[str, Any]:
    """Batches, where they are answered."""
    return {"interaction": [{"code": "batch"}]} if here().knobs["batch"] == "honor" else {}


def _included(kind: str) -> dict[str, Any]:
    """What a search brings along, where `_include` is honored."""
    names = [name for name in fhir_include.ELEMENT_OF if name.startswith(f"{kind}:")]
    return {"searchInclude": names} if names and here().knobs["include"] == "honor" else {}


def _has_patient(kind: str) -> bool:
    return kind in fhir_store.PATIENT_ELEMENT
