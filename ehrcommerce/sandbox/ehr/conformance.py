"""What a SMART client has to keep to, checked on each of its requests and written down.

The checks are those of Inferno's client suite (smart-app-launch-test-kit, `smart_client_stu2_2`) and a few of SMART App
Launch 2.2 itself. They look at the request before the server answers it, and change nothing; only the knob `strict`
makes a server refuse what failed them.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone

from ehrcommerce.sandbox.ehr import conformance_clients as clients
from ehrcommerce.sandbox.ehr import fhir_access
from ehrcommerce.sandbox.ehr.models import AccessToken, AuthorizationCode, Client, Launch
from ehrcommerce.sandbox.ehr.models.oauth import digest
from ehrcommerce.sandbox.ehr.surroundings import here
from ehrcommerce.sandbox.journal.models import ConformanceCheck

CONTEXT: Final = frozenset({"launch/patient", "launch/encounter"})
GRANTS: Final = ("authorization_code", "refresh_token", "client_credentials")


@dataclass(frozen=True)
class Check:
    """One check and how it went."""

    name: str
    held: bool
    detail: str = ""


def of_authorize(request: HttpRequest) -> list[Check]:
    """The checks of an authorization request."""
    fields = request.GET if request.method == "GET" else request.POST
    client = Client.objects.filter(client_id=fields.get("client_id", "")).first()
    once = all(len(fields.getlist(name)) == 1 for name in fields)
    checks = [
        Check("response_type", fields.getlist("response_type") == ["code"]),
        Check("client_id", client is not None and once, "" if once else "a parameter is repeated"),
        Check("redirect_uri", client is not None and client.check_redirect_uri(fields.get("redirect_uri", ""))),
        _launch_check(fields.get("launch"), fields.get("scope", "").split()),
        Check("state", bool(fields.get("state"))),
        Check("state_length", len(fields.get("state", "")) >= clients.STATE_LENGTH, "at least 122 bits"),
        Check("aud", fields.getlist("aud") == [here().fhir_base], fields.get("aud", "absent")),
        Check("s256", fields.get("code_challenge_method") == "S256" and len(fields.get("code_challenge", "")) == 43),
        Check("scope", bool(fields.get("scope", "").split())),
    ]
    return _recorded("authorize", checks, client)


def _launch_check(value: str | None, scope: list[str]) -> Check:
    if value is None:
        held = "launch" not in scope and bool(CONTEXT & set(scope))
        return Check("launch", held, "standalone: launch/patient or launch/encounter, and no launch")
    known = Launch.find(value, profile=here().profile, at=timezone.now())
    return Check("launch", known is not None and "launch" in scope, "the value as it was given, and the scope launch")


def of_token(request: HttpRequest) -> list[Check]:
    """The checks of a token request."""
    form = request.POST
    client, signing_in = clients.signing_in(request)
    grant = form.get("grant_type", "")
    checks = [Check("grant_type", grant in GRANTS, grant[:40]), *(Check(*each) for each in signing_in)]
    if client is None or client.auth_method != "none":
        checks.append(Check("client_id_in_body", "client_id" not in form, "not for a confidential client"))
    if grant == "authorization_code":
        checks += _code_checks(request, client)
    if grant == "refresh_token":
        checks += _refresh_checks(request, client)
    if grant == "client_credentials":
        scope = form.get("scope", "").split()
        checks.append(Check("scope", bool(scope) and all(word.startswith("system/") for word in scope)))
    return _recorded("token", checks, client)


def _code_checks(request: HttpRequest, client: Client | None) -> Iterator[Check]:
    code = AuthorizationCode.objects.select_related("launch").filter(code_sha256=digest(request.POST.get("code", "")))
    row = code.first()
    known = row is not None and row.client_id == getattr(client, "pk", None) and row.profile == here().profile
    live = row is not None and row.used_at is None and row.expires_at > timezone.now()
    yield Check("code", known and live, "" if known else "unknown here" if not live else "spent or too old")
    yield Check("redirect_uri", row is not None and row.redirect_uri == request.POST.get("redirect_uri"))
    verifier = request.POST.get("code_verifier", "")
    yield Check("pkce", row is not None and clients.challenge(verifier) == row.code_challenge)


def _refresh_checks(request: HttpRequest, client: Client | None) -> Iterator[Check]:
    token = digest(request.POST.get("refresh_token", ""))
    row = AccessToken.objects.filter(refresh_sha256=token, refresh_revoked_at=None, profile=here().profile).first()
    yield Check("refresh_token", row is not None and row.client_id == getattr(client, "pk", None), "known and unused")
    asked = set(request.POST.get("scope", "").split())
    yield Check("scope", row is not None and asked <= set(row.scope.split()), "none, or part of what was granted")


def of_fhir(request: HttpRequest, token: AccessToken | None) -> list[Check]:
    """The checks of a FHIR request, given the row of its token."""
    header = request.headers.get("Authorization", "")
    row = token if token is not None and fhir_access.is_live(token) else None
    in_header = fhir_access.BEARER.fullmatch(header.strip()) is not None and "access_token" not in request.GET
    checks = [Check("bearer_header", in_header), Check("token_known", row is not None, "live, and of this EHR")]
    return _recorded("fhir", checks, row.client if row else None)


def _recorded(endpoint: str, checks: list[Check], client: Client | None) -> list[Check]:
    named = [Check(check.name if "." in check.name else f"{endpoint}.{check.name}", check.held, check.detail)
             for check in checks]  # fmt: skip
    ConformanceCheck.objects.bulk_create(
        ConformanceCheck(
            endpoint=endpoint,
            check_name=check.name,
            held=check.held,
            detail="" if check.held else check.detail.replace("\0", "")[:300],
            profile=here().profile,
            client_id=client.client_id if client else "",
            at=time.time(),
        )
        for check in named
    )
    return named


def refused(checks: list[Check]) -> str:
    """Why a strict server refuses; "" when it does not."""
    failed: list[Any] = [check.name for check in checks if not check.held]
    return f"failed: {', '.join(failed)}" if failed and here().knobs["strict"] else ""
