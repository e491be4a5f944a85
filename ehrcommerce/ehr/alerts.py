"""What an operator must look at: words at the connection, each with a row of the audit. A word is raised once, however
often it is met, and stands until somebody clears it; the gravest is shown first. What strangers can bring about with a
cookie of their own (an answer of another EHR) is no alert: it would hide a real one. It is in the audit, once an hour."""

import logging
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db import connection as database
from django.db import transaction
from django.db.models import Q

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.ehr.errors import UnknownIssuer
from ehrcommerce.ehr.issuers import canonical_iss
from ehrcommerce.ehr.models import ChartReference, EhrConnection
from ehrcommerce.vault import walls

logger = logging.getLogger(__name__)

ISSUER, ENDPOINT, KEYS = "issuer_changed", "endpoint_changed", "key_address_changed"
TENANT, CLIENT, WRITTEN_ELSEWHERE = "tenant_changed", "client_refused", "written_elsewhere"
STALE, QUIET, OTHER, UNUSUAL = "old_versions", "no_news", "other_subscription", "unusually_quiet"
MIXED_UP_EVERY, STRANGER_EVERY = timedelta(hours=1), timedelta(minutes=5)
# What each word means, for the page that shows it; the gravest first.
SENTENCES = {
    ISSUER: "The EHR gives another issuer than the one recorded. Launches are refused.",
    KEYS: "The EHR gives another address of its keys than the one recorded. The recorded one is used.",
    ENDPOINT: "The EHR gives another sign-in or token address than the one recorded. The recorded one is used.",
    TENANT: "The EHR named another tenant than at the first launch.",
    CLIENT: "The EHR refused the app's own sign-in. It is not tried again for five minutes.",
    WRITTEN_ELSEWHERE: "The EHR answered a report to the chart with another resource than the one written. What stands in"
    " the chart was looked up; ask the people who run the EHR what became of the other.",
    STALE: "For a quarter of an hour the EHR has answered with an older version of an order than it named. Nothing is sent on"
    " it. Ask whether a copy of its database lags; once it was restored, clear this, and what it answers counts.",
    QUIET: "Nothing was heard from the EHR for longer than it promised. Orders are looked at by polling, where that is on.",
    UNUSUAL: "Nothing came from the EHR in hours in which something always came in the weeks before. Ask whether it still sends,"
    " or whether the clinic is closed; orders are looked at by themselves.",
    OTHER: "A notification named another subscription than the one its address belongs to. It was refused.",
}  # fmt: skip
GRAVEST_FIRST = list(SENTENCES)
# What the next launch records anew where a person says that the EHR's new value is right.
PINS: dict[str, dict[str, object]] = {
    ISSUER: {"oidc_issuer": ""}, KEYS: {"jwks_uri": ""}, ENDPOINT: {"pinned_endpoints": {}}, TENANT: {"tenant": ""},
}  # fmt: skip


def note(connection: EhrConnection, word: str, at: datetime) -> bool:
    """Whether it is new. Also from a thread that stands in no organization."""
    with walls.organization(connection.organization_id), transaction.atomic():
        row = EhrConnection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        if word in row.standing_alerts:
            return False
        _stand(row, [*row.standing_alerts, word], at)
        audit.record(
            organization_id=connection.organization_id, by=Actor("ehr", str(connection.public_id)), at=at,
            action="connection.alert", entity=f"connection:{connection.public_id}", outcome="refused", reason=word,
        )  # fmt: skip
    connection.alert, connection.alerted_at, connection.standing_alerts = row.alert, row.alerted_at, row.standing_alerts
    logger.error("connection %s: %s", connection.public_id, word)
    return True


def _stand(row: EhrConnection, words: list[str], at: datetime) -> None:
    """The words that stand, the gravest as the one that is shown; its time stays while it is the same."""
    shown = min(words, key=GRAVEST_FIRST.index, default="")
    if shown != row.alert:
        row.alert, row.alerted_at = shown, at if shown else None
    row.standing_alerts = words
    row.save(update_fields=["alert", "alerted_at", "standing_alerts"])


def may_unpin(connection: EhrConnection, word: str) -> bool:
    """Only what a launch recorded; an address of keys that a person set stays."""
    return word in PINS and not (word == KEYS and connection.jwks_source == "pinned")


def clear(connection: EhrConnection, *, by: Actor, at: datetime, unpin: bool = False) -> None:
    """Somebody looked at the alert that is shown; the next one comes forward. `unpin`: what the EHR publishes now is
    right, and the next launch that succeeds records it. Nothing else that was recorded is touched."""
    word = connection.alert
    with transaction.atomic():
        row = EhrConnection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        unpinned = unpin and may_unpin(row, word)
        if unpinned:
            EhrConnection.objects.filter(pk=row.pk).update(**PINS[word])
        if word == STALE:
            # The EHR was restored, or began to count anew: what it answers from now on counts.
            ChartReference.objects.filter(connection=row).exclude(stale_since=None).update(
                version="", version_at=None, named_version="", named_at=None, stale_since=None
            )
        _stand(row, [one for one in row.standing_alerts if one != word], at)
        audit.record(
            organization_id=connection.organization_id, by=by, at=at, action="connection.alert_cleared",
            entity=f"connection:{connection.public_id}", reason=f"{word} unpinned" if unpinned else word,
        )  # fmt: skip
    connection.refresh_from_db()


def note_stranger(iss: str, at: datetime) -> None:
    """H3: the audit row of a launch by an EHR that is not registered, where its host belongs to somebody here, or there is
    but one organization. Once in five minutes for each, since anybody can send as many as they like; nothing of what came
    stands in it."""
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM ehrc_organizations_of_stranger(%s)", [urlsplit(canonical_iss(iss)).netloc])
        heard = [int(row[0]) for row in cursor.fetchall()]
    for organization_id in heard:
        with walls.organization(organization_id), transaction.atomic():
            known = AuditEvent.objects.filter(action="launch.refused", reason=UnknownIssuer.code, at__gt=at - STRANGER_EVERY)
            if not known.exists():
                audit.record(
                    organization_id=organization_id, by=audit.system("launch"), action="launch.refused", at=at,
                    entity="connection:unknown", outcome="refused", reason=UnknownIssuer.code,
                )  # fmt: skip


def first_mixed_up(connection: EhrConnection, at: datetime) -> bool:
    """Whether an answer of another EHR is the first within an hour: anybody who can launch can send as many as they
    like."""
    due = Q(mixed_up_at=None) | Q(mixed_up_at__lte=at - MIXED_UP_EVERY)
    return bool(EhrConnection.objects.filter(due, pk=connection.pk).update(mixed_up_at=at))
