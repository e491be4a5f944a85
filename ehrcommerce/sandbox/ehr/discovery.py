"""What the EHR says about itself: SMART configuration, OpenID configuration, CapabilityStatement."""

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from ehrcommerce.sandbox.ehr import fhir_json, fhir_store
from ehrcommerce.sandbox.ehr.fhir_views import FHIR_JSON
from ehrcommerce.sandbox.ehr.models import Knobs
from ehrcommerce.sandbox.ehr.seeding import DEMO_SCOPES

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
PUBLIC: Final = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


def smart_configuration(request: HttpRequest) -> HttpResponse:
    """The document that a launch begins with. The knob `discovery` replaces keys; null takes one away."""
    document = {
        **_common(),
        "introspection_endpoint": f"{settings.BASE_URL}/auth/introspect",
        "revocation_endpoint": f"{settings.BASE_URL}/auth/revoke",
        "capabilities": CAPABILITIES,
    }
    return _turned(document)


def openid_configuration(request: HttpRequest) -> HttpResponse:
    """OpenID Connect Discovery of the same issuer."""
    document = {
        **_common(),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce", "fhirUser"],
    }
    return _turned(document)


def _common() -> dict[str, Any]:
    return {
        "issuer": settings.FHIR_BASE,
        "jwks_uri": f"{settings.BASE_URL}/auth/jwks",
        "authorization_endpoint": f"{settings.BASE_URL}/auth/authorize",
        "token_endpoint": f"{settings.BASE_URL}/auth/token",
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "scopes_supported": DEMO_SCOPES.split(),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }


def _turned(document: dict[str, Any]) -> HttpResponse:
    changed = {**document, **Knobs.current()["discovery"]}
    return JsonResponse({name: value for name, value in changed.items() if value is not None}, headers=PUBLIC)


def metadata(request: HttpRequest) -> HttpResponse:
    """The CapabilityStatement."""
    statement = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "software": {"name": "Lakeside EHR (sandbox)"},
        "implementation": {"description": "Sandbox EHR", "url": settings.FHIR_BASE},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "security": _security(), "resource": _resources()}],
    }
    return HttpResponse(fhir_json.write(statement), content_type=FHIR_JSON, headers=PUBLIC)


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
                    {"url": "authorize", "valueUri": f"{settings.BASE_URL}/auth/authorize"},
                    {"url": "token", "valueUri": f"{settings.BASE_URL}/auth/token"},
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
        }
        for kind in sorted(fhir_store.TYPES)
    ]


def _has_patient(kind: str) -> bool:
    return kind in fhir_store.PATIENT_ELEMENT
