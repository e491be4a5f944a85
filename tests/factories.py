"""The cast: a clinic with its EHR and Ada in it, and another clinic with Bo. Each call makes rows with names never used
before and leaves the walls of their organization entered."""

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from django.contrib.auth.hashers import make_password
from django.db import connection
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.models import Agreement, Organization, Role, User
from ehrcommerce.accounts.organizations import create_organization
from ehrcommerce.commerce.catalog.rules import add_free_rules
from ehrcommerce.ehr import feeds
from ehrcommerce.ehr.issuers import canonical_iss
from ehrcommerce.ehr.models import EhrConnection, EhrSession, Hl7Feed
from ehrcommerce.vault import walls

NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
_numbers = count(1)


def organization(**changes: Any) -> Organization:
    """A clinic."""
    number = next(_numbers)
    fields = {"name": f"Clinic {number}", "alias": f"Health {number}", "phone": "1-800-555-0142", "state": "WA"}
    agreed = changes.pop("agreed", True)
    clinic = create_organization(**{**fields, **changes})
    with walls.organization(clinic.pk):
        add_free_rules(organization_id=clinic.pk, starts_on=date(2026, 1, 1))
    if agreed:
        agreement(clinic, "organization")
    return clinic


def agreement(clinic: Organization, party: str, **changes: Any) -> Agreement:
    """In force since the beginning of 2026."""
    fields: dict[str, Any] = {
        "party_name": party,
        "document": "cabinet 3",
        "effective": date(2026, 1, 1),
        "signed_off_by": "Cleo",
        "services": "all",
        "state": "active",
    }
    with walls.organization(clinic.pk):
        return Agreement.objects.create(organization=clinic, party=party, **{**fields, **changes})


def ehr_connection(clinic: Organization, *, agreed: bool = True, **changes: Any) -> EhrConnection:
    """A connection to an EHR that need not exist."""
    slug = f"ehr-{next(_numbers)}"
    fields: dict[str, Any] = {
        "slug": slug, "name": "Lakeside EHR", "fhir_base": f"https://{slug}.example.org/fhir/R4",
        "client_id": "ehrcommerce",
        "client_auth": "none", "frame_origins": f"https://{slug}.example.org",
    }  # fmt: skip
    _free(str(changes.get("fhir_base", "")))
    with walls.organization(clinic.pk):
        made = EhrConnection.objects.create(organization=clinic, **{**fields, **changes})
        if agreed:
            agreement(clinic, made.party)
    return made


def _free(base: str) -> None:
    """A port that an earlier test's EHR listened on may be given out again, and that test's rows may still stand."""
    if not base.startswith("http://127.0.0.1:"):
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pk, organization_id FROM ehrc_connection_by_iss(%s)", [canonical_iss(base)])
        for pk, organization_id in cursor.fetchall():
            with walls.organization(organization_id):
                gone = EhrConnection.objects.get(pk=pk)
                gone.fhir_base = f"https://gone-{next(_numbers)}.example.org/fhir/R4"
                gone.save(update_fields=["fhir_base"])


def hl7_feed(connection: EhrConnection, **changes: Any) -> Hl7Feed:
    """Lakeside's interface engine, which may send."""
    number = next(_numbers)
    fields: dict[str, Any] = {
        "name": f"Engine {number}", "enabled": True, "senders": "LAKE|MAIN", "folder": f"lake-{number}",
        "order_id_at": "ORC-2.1", "patient_ids_are_fhir": True,
    }  # fmt: skip
    with walls.organization(connection.organization_id):
        made = Hl7Feed(organization_id=connection.organization_id, connection=connection, **{**fields, **changes})
        feeds.subscribe(made, datetime.now(UTC))
        made.save()
    return made


def clinician(clinic: Organization, *, subject: str, **changes: Any) -> User:
    """Somebody who came from the EHR: no password."""
    fields: dict[str, Any] = {
        "username": f"ehr-{uuid4().hex}", "password": make_password(None), "issuer": "https://ehr.example.org",
        "subject": subject,
        "display_name": subject.title(),
    }  # fmt: skip
    with walls.organization(clinic.pk):
        return User.objects.create(organization=clinic, **{**fields, **changes})


def staff(clinic: Organization, *, username: str, password: str, **changes: Any) -> User:
    """An administrator with a password and a confirmed one-time-code device."""
    with walls.organization(clinic.pk):
        user = User(organization=clinic, username=username, role=Role.ADMINISTRATOR, is_staff=True, is_superuser=True)
        for name, value in changes.items():
            setattr(user, name, value)
        user.set_password(password)
        user.save()
        TOTPDevice.objects.create(user=user, name="phone", confirmed=True)
    return user


def ehr_session(connection: EhrConnection, user: User, *, at: datetime = NOW, **changes: Any) -> EhrSession:
    """A launch that succeeded at `at`."""
    fields: dict[str, Any] = {
        "launch_key": uuid4().hex[:12], "access_token": "a-token", "scope": "patient/Patient.r", "patient": "cy-1",
        "token_expires_at": at + timedelta(minutes=5), "started_at": at, "seen_at": at,
        "ends_at": at + timedelta(hours=8),
    }  # fmt: skip
    with walls.organization(connection.organization_id):
        return EhrSession.objects.create(
            organization_id=connection.organization_id, connection=connection, user=user, **{**fields, **changes}
        )


def two_agree(clinic: Organization, kind: str, entity: str = "") -> None:
    """One administrator proposed, another one approved: the act may run once."""
    at, people = datetime.now(tz=UTC), list[User]()
    for name in ("proposes", "approves"):
        user = User.objects.filter(username=f"{name}-{clinic.pk}").first()
        people.append(user or staff(clinic, username=f"{name}-{clinic.pk}", password="correct horse battery staple"))
    change = approvals.propose(kind=kind, entity=entity or approvals.act(kind), by=people[0], at=at)
    approvals.approve(change=change, by=people[1], at=at)
