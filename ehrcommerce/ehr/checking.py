"""Test connection: ask an EHR everything that a launch and the app's own access will need, and say what was found in
sentences with a remedy.

Asked are the two discovery documents, the key list and the CapabilityStatement, which are public; and, where an agreement
is in force, one token for the single scope `system/Practitioner.r` and one read of a Practitioner that cannot exist. So
no data of anybody comes back, and what is kept are the findings and a small list of abilities."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from ehrcommerce.accounts import agreements
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.ehr import (
    backend_services,
    capabilities,
    client_app,
    discovery,
    identity,
    knob_rules,
    presets,
    published,
    smart,
)
from ehrcommerce.ehr.asking import Asking, NotUsable
from ehrcommerce.ehr.errors import LaunchRefused
from ehrcommerce.ehr.findings import Finding, error, good, warning, worst
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.wire import fhir

SCOPE = "system/Practitioner.r"
NOBODY = "Practitioner/ehrcommerce-connection-test"
OURS, OWN = "This connection", "Access without a clinician"

Json = dict[str, Any]


@dataclass
class Report:
    """What one look found, and the abilities that it saw."""

    findings: list[Finding] = field(default_factory=list)
    snapshot: Json = field(default_factory=dict)

    @property
    def worst(self) -> str:
        return worst(self.findings)


def check(connection: EhrConnection, *, by: Actor, at: datetime) -> Report:
    """Look, then keep what was found in the row, with the audit event. No transaction is open while the EHR is asked."""
    report = examine(connection, at=at, agreed=has_agreement(connection, at))
    keep(connection, report, at)
    with transaction.atomic():
        connection.save(update_fields=["last_checked_at", "check_findings", "capability_snapshot"])
        audit.record(
            organization_id=connection.organization_id, by=by, action="connection.tested", at=at, reason=report.worst,
            entity=f"connection:{connection.public_id}", outcome="failure" if report.worst == "error" else "success",
        )  # fmt: skip
    # What this process remembers of the EHR may be what was just corrected.
    discovery.forget()
    backend_services.forget()
    return report


def keep(connection: EhrConnection, report: Report, at: datetime) -> None:
    """Into the row, which the caller saves. A look that saw no abilities does not forget the last ones."""
    connection.last_checked_at, connection.check_findings = at, [one.as_json() for one in report.findings]
    connection.capability_snapshot = report.snapshot or connection.capability_snapshot


def has_agreement(connection: EhrConnection, at: datetime) -> bool:
    return agreements.is_live(organization_id=connection.organization_id, party=connection.party, service="chart", at=at)


def examine(connection: EhrConnection, *, at: datetime, agreed: bool) -> Report:
    """Look only. Works on a row that was never saved."""
    report = Report(list(_registration(connection, agreed)))
    try:
        discovery.connection_partner(connection)
    except LaunchRefused as problem:
        report.findings.append(error(OURS, problem.code, problem.sentence, problem.remedy))
        return report
    asking = Asking(connection, at)
    document, openid = _discovery(asking, report)
    _capabilities(asking, report)
    if document is not None or openid:
        _keys(asking, report, document or {}, openid)
    if document is not None:
        _own_access(asking, report, document, agreed)
    report.findings += asking.clock()
    return report


# ------------------------------------------------------------------------------------------------------------ the parts
def _registration(connection: EhrConnection, agreed: bool) -> Iterable[Finding]:
    """What a person still has to bring."""
    if refusal := presets.preset(connection.vendor).refusal:
        yield error(OURS, "P-VENDOR", refusal.partition(". ")[0] + ".", refusal.partition(". ")[2])
    if not connection.client_id.strip():
        yield warning(
            OURS, "P-CLIENT", "There is no client id yet, so nobody can launch.",
            "Give the EHR's administrator the values below; enter the client id that comes back.",
        )  # fmt: skip
    if connection.client_auth.startswith("client_secret") and not connection.client_secret:
        yield error(
            OURS, "P-SECRET", f"The connection proves who the app is by {connection.client_auth}, and has no secret.",
            "Enter the secret that the EHR gave under 'New client secret'.",
        )  # fmt: skip
    yield from _who_gets_in(connection)
    if not agreed:
        yield warning(
            OURS, "P-AGREEMENT", "There is no agreement in force with this EHR: launches are refused and nothing is read.",
            "Record the business associate agreement under Agreements.",
        )  # fmt: skip
    if not connection.enabled:
        yield warning(OURS, "P-OFF", "The connection is switched off.", "Tick 'Enabled' when everything else is right.")


def _who_gets_in(connection: EhrConnection) -> Iterable[Finding]:
    """Whether patients of the EHR's portal could pass for clinicians."""
    if not knob_rules.standalone_is_safe(connection.standalone, connection.fhir_user_policy):
        yield error(
            OURS, "P-WHO", "Staff may start without the EHR, and nothing says who of those who sign in is a clinician.",
            "Set 'Name of the user' to required, or take the tick from 'Staff may start without the EHR'.",
        )  # fmt: skip
    elif connection.fhir_user_policy == identity.NOT_NEEDED:
        yield warning(
            OURS, "P-UNSAID", "The EHR need not say who is a clinician, so everybody new waits for an administrator.",
            "Let each of them in under Users; or set 'Name of the user' to required where the EHR names it.",
        )  # fmt: skip


def _discovery(asking: Asking, report: Report) -> tuple[Json | None, Json]:
    """The SMART configuration, if it can be used at all; and the OpenID document, which names keys and issuer where the
    first one does not. D3: launches need the first one, so a missing one stays wrong beside any OpenID document."""
    address, what = f"{asking.base}/.well-known/smart-configuration", "The EHR's SMART configuration"
    try:
        document = asking.object(address, what, most=discovery.MAX_DOCUMENT)
    except NotUsable as problem:
        report.findings.append(problem.finding)
        openid = _openid(asking, {}) if problem.finding.code in ("R-HTTP", "R-JSON") else {}
        if openid:
            report.findings.append(
                warning(
                    published.STEP,
                    "D-OPENID",
                    "The EHR has an OpenID document, but no SMART configuration: launches are refused until it has one.",
                    "The address is probably right. Ask its administrator to switch on SMART App Launch for it.",
                )
            )
        return None, openid
    connection = asking.connection
    report.findings.append(good(published.STEP, "D-OK", "The EHR's SMART configuration can be read."))
    report.findings += published.endpoints(document, connection)
    report.findings += published.protections(document, connection)
    report.findings += published.abilities(document, connection)
    return document, _openid(asking, document)


def _openid(asking: Asking, document: Mapping[str, Any]) -> Json:
    """The OpenID document below the issuer or the FHIR base; {} where there is none or it is elsewhere."""
    said = document.get("issuer")
    issuer = asking.connection.oidc_issuer or (said if isinstance(said, str) else "") or asking.base
    for below in dict.fromkeys((issuer, asking.base)):
        address = f"{below.rstrip('/')}/.well-known/openid-configuration"
        if not discovery.is_registered(asking.connection, address):
            continue
        try:
            return asking.object(address, "The EHR's OpenID document", most=discovery.MAX_DOCUMENT)
        except NotUsable:
            continue
    return {}


def _keys(asking: Asking, report: Report, document: Json, openid: Json) -> None:
    connection = asking.connection
    report.findings += published.issuers(document, openid, connection)
    address = connection.jwks_uri or published.endpoint(document, "jwks_uri", connection)
    if connection.jwks_source == "openid_configuration" or not address:
        address = published.endpoint(openid, "jwks_uri", connection) or address
    if not address:
        report.findings.append(
            error(
                published.KEYS,
                "K-ADDR",
                "The EHR names no list of its keys, so no sign-in can be checked.",
                "Ask its administrator for the jwks_uri, enter it under 'Address of its keys', and set 'Keys are named by'"
                " to pinned.",
            )
        )
        return
    if not discovery.is_registered(connection, address):
        # One that the SMART configuration names was told above; one of the OpenID document was not.
        report.findings += [
            one for one in published.endpoints({**document, "jwks_uri": address}, connection)
            if one.origin and one not in report.findings and "key list" in one.sentence
        ]  # fmt: skip
        return
    try:
        listed = discovery.read_keys(asking.object(address, "The EHR's key list", most=discovery.MAX_KEY_SET)).keys
        report.findings += published.keys(listed, connection, openid)
    except NotUsable as problem:
        report.findings.append(problem.finding)
    except LaunchRefused as problem:
        report.findings.append(error(published.KEYS, problem.code, problem.sentence, problem.remedy))


def _capabilities(asking: Asking, report: Report) -> None:
    """M: from the public statement; a launch does not need it, so its absence is no error."""
    what = "The EHR's CapabilityStatement"
    try:
        statement = asking.object(f"{asking.base}/metadata", what, accept=fhir.ACCEPT)
    except NotUsable as problem:
        found = problem.finding
        report.findings.append(warning(capabilities.STEP, "M-NONE", found.sentence, found.remedy))
        return
    seen = capabilities.snapshot(statement)
    version = capabilities.version_of(seen)
    report.findings.append(version)
    if version.severity == "ok":
        report.snapshot = seen
        report.findings += capabilities.expected(seen, asking.connection)
        report.findings += capabilities.changes(asking.connection.capability_snapshot, seen)


def software(connection: EhrConnection, at: datetime) -> str:
    """What the EHR calls itself, "" where it does not say."""
    try:
        statement = Asking(connection, at).object(
            f"{connection.fhir_base.rstrip('/')}/metadata", "", accept=fhir.ACCEPT
        )
    except NotUsable:
        return ""
    return str(capabilities.snapshot(statement)["software"])


# ----------------------------------------------------------------------------------------------------- token, one read
def _own_access(asking: Asking, report: Report, document: Json, agreed: bool) -> None:
    """Backend Services: one token for one scope, and one read of nobody."""
    connection = asking.connection
    if not connection.backend_services:
        report.findings.append(good(OWN, "B-OFF", "Reading without a clinician is switched off; it was not tried."))
        return
    blocked = report.worst == "error" or not agreed or not connection.client_id.strip()
    if blocked or connection.client_auth != client_app.PRIVATE_KEY_JWT:
        report.findings.append(_not_tried(connection, agreed))
        return
    try:
        bearer = _token(connection, published.endpoint(document, "token_endpoint", connection))
    except LaunchRefused as problem:
        report.findings.append(_no_token(problem))
        return
    report.findings.append(good(OWN, "B-TOKEN", f"The EHR gave the app a token of its own, for {SCOPE} alone."))
    try:
        answer = asking.get(f"{asking.base}/{NOBODY}", "The test read", accept=fhir.ACCEPT, bearer=bearer)
    except NotUsable as problem:
        report.findings.append(problem.finding)
    else:
        report.findings.append(_read(answer.status))


def _not_tried(connection: EhrConnection, agreed: bool) -> Finding:
    if connection.client_auth != client_app.PRIVATE_KEY_JWT:
        return warning(
            OWN, "B-METHOD", "Reading without a clinician is on, and needs private_key_jwt.",
            "Set 'How we prove who we are' to private_key_jwt, or take the tick from 'May be read when no clinician is"
            " present'; without it nothing is dispatched.",
        )  # fmt: skip
    cause = "the points above come first" if agreed else "there is no agreement in force"
    return warning(OWN, "B-LATER", f"The app's own access was not tried: {cause}.", "Settle that, then test again.")


def _token(connection: EhrConnection, endpoint: str) -> str:
    """Asked past the memory of this process: a refusal of a minute ago may have been corrected."""
    scope = smart.in_v1(SCOPE) if connection.scope_dialect == "v1" else SCOPE
    found = smart.client_credentials(
        client_app.of(connection),
        partner=discovery.connection_partner(connection),
        scope=scope,
        token_endpoint=endpoint,
    )
    return found.access_token


def _no_token(problem: LaunchRefused) -> Finding:
    remedies = {
        "T-CLIENT": "Ask the EHR's administrator to compare client id, key set address and signature with the values below."
        " A key set that was entered just now can take hours to be fetched.",
        "C-SCOPE": f"Ask the EHR's administrator to allow the scope {SCOPE} and the others below to this client.",
        "T-GRANT": "Ask the EHR's administrator to allow this client access without a user (client_credentials).",
    }
    said = {
        "T-CLIENT": "The EHR does not accept the app's signed statement.",
        "T-GRANT": "The EHR knows the app, and refuses it the token.",
        "C-SCOPE": f"The EHR knows the app, and refuses it the scope {SCOPE}.",
    }
    return error(
        OWN, problem.code, said.get(problem.code, problem.sentence), remedies.get(problem.code, problem.remedy)
    )


def _read(status: int) -> Finding:
    """404 is what we hope for: the token was taken, the EHR looked, and nobody is there."""
    asked = f"Asked for {NOBODY}, which cannot exist"
    if status in (200, 400, 404, 410, 422):
        return good(OWN, "B-READ", f"{asked}, the EHR took the token and found nobody (HTTP {status}).")
    if status in (401, 403):
        return error(
            OWN, "B-READ", f"{asked}, the EHR refused the token that it had just given (HTTP {status}).",
            "Ask its administrator whether the client may use the FHIR API, and for Practitioner to be opened to it.",
        )  # fmt: skip
    return warning(
        OWN,
        "B-READ",
        f"{asked}, the EHR failed (HTTP {status}).",
        "Test again in a minute, then tell its administrator.",
    )
