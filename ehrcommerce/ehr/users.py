"""What the EHR says about who is signed in: name and NPI, for "my orders" and for the prescription's orderer. Learned
with the first page of a launch while it is unknown, never at the callback: a slow chart must not slow the sign-in."""

from uuid import uuid4

from django.contrib.auth.hashers import make_password

from ehrcommerce.accounts.models import User
from ehrcommerce.ehr.errors import NotLetInYet
from ehrcommerce.ehr.identity import Identity
from ehrcommerce.ehr.models import EhrConnection, EhrSession
from ehrcommerce.policy.packets import UserFacts


def unknown(session: EhrSession) -> str:
    """The reference to read along with the page, "" where the user's name is known or the EHR names nobody."""
    return "" if session.user.display_name else str(session.fhir_user)


def learn(user: User, facts: UserFacts | None) -> User:
    """Keep what the EHR told. The role stays as it is, because an NPI alone makes nobody a prescriber."""
    if facts is not None and facts.name and not user.display_name:
        user.display_name, user.npi = facts.name[:120], facts.npi if len(facts.npi) <= 10 else ""
        user.save(update_fields=["display_name", "npi"])
    return user


def require_let_in(connection: EhrConnection, who: Identity) -> None:
    """Whom the EHR does not call a clinician may be anybody who can sign in there: their first launch makes an account
    that is switched off, and an administrator switches it on. Raises NotLetInYet."""
    if who.said_clinician:
        return
    user, _ = User.objects.get_or_create(
        organization_id=connection.organization_id, issuer=who.issuer, subject=who.subject,
        defaults={"username": f"ehr-{uuid4().hex}", "password": make_password(None), "is_active": False},
    )  # fmt: skip
    if not user.is_active:
        raise NotLetInYet
