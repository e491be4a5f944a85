"""A launch that ended gives its tokens back to the EHR (SMART-R6, RFC 7009). Locally they are gone at once: what is left
is one sealed copy in the launch's row, under the id of the effect that reads it. The effect itself holds none, and the
copy goes with it, or after a quarter of an hour at the latest."""

from datetime import datetime, timedelta

from ehrcommerce.ehr import client_app, discovery, smart
from ehrcommerce.ehr.errors import EhrUnreachable, LaunchRefused
from ehrcommerce.ehr.models import EhrSession
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import NATIVE_KEY, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, Outcome, Refused, TryAgain
from ehrcommerce.vault.fields import Sealed
from ehrcommerce.wire.errors import NotSent

KIND = "ehr.revoke"
TRIES_FOR = timedelta(minutes=10)
KEPT_FOR = timedelta(minutes=15)
# The tokens that a launch held at its end; a pair that the EHR gave to a refresh when the launch was over already.
HELD, LATE = 1, 2


def plan(session: EhrSession, tokens: dict[str, str], at: datetime, *, generation: int = HELD) -> None:
    """Once for each launch and generation; inside the transaction that holds the launch's row."""
    effect = outbox.plan(
        kind=KIND, subject=str(session.public_id), organization_id=session.organization_id, at=at,
        deadline_at=at + TRIES_FOR, generation=generation,
    )  # fmt: skip
    session.to_revoke = {**session.to_revoke, str(effect.public_id): tokens}
    session.save(update_fields=["to_revoke"])


def tidy(organization_id: int, at: datetime) -> int:
    """The copies that no effect came for."""
    due = EhrSession.objects.filter(organization_id=organization_id, ended_at__lte=at - KEPT_FOR)
    return due.exclude(to_revoke=Sealed(b"")).update(to_revoke=Sealed(b""))


class Revoke(Handler):
    """Subject: the launch. Revoking twice is revoking once, and an EHR without such an address is asked nothing."""

    kind = KIND

    def capability(self, effect: Effect) -> str:
        return NATIVE_KEY

    def prepare(self, effect: Effect) -> bytes:
        session = _session(effect)
        if not _tokens(session, effect) or not _endpoint(session):
            raise Halt(Refused("nothing_to_revoke"))
        return str(effect.public_id).encode()

    def send(self, effect: Effect, body: bytes) -> Outcome:
        """The refresh token first: most EHRs take the others back with it."""
        session = _session(effect)
        connection, endpoint = session.connection, _endpoint(session)
        held = _tokens(session, effect)
        if not held:  # its time was over since it was prepared
            return Refused("nothing_to_revoke")
        answers = [
            smart.revoke(
                client_app.of(connection), partner=discovery.connection_partner(connection), endpoint=endpoint,
                token_endpoint=discovery.configuration(connection).token_endpoint, token=held[kind], kind=kind,
            )
            for kind in ("refresh_token", "access_token") if held.get(kind)
        ]  # fmt: skip
        if any(status == 429 or status >= 500 for status in answers):
            return TryAgain("busy")
        return Done() if all(status == 200 for status in answers) else Refused("refused")

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        session = EhrSession.objects.select_for_update().get(public_id=effect.subject)
        mine = str(effect.public_id)
        session.to_revoke = {other: tokens for other, tokens in session.to_revoke.items() if other != mine}
        session.save(update_fields=["to_revoke"])

    def overdue(self, effect: Effect) -> Outcome:
        return Refused("deadline")

    def unresolved(self, effect: Effect) -> Outcome:
        return Refused("unanswered")


def _session(effect: Effect) -> EhrSession:
    return EhrSession.objects.select_related("connection").get(public_id=effect.subject)


def _tokens(session: EhrSession, effect: Effect) -> dict[str, str]:
    """By kind; empty where they are gone."""
    found: dict[str, str] = session.to_revoke.get(str(effect.public_id), {})
    return found


def _endpoint(session: EhrSession) -> str:
    """Empty where the EHR publishes none, or nothing usable."""
    try:
        return discovery.configuration(session.connection).revocation_endpoint
    except EhrUnreachable as problem:
        raise NotSent(f"ehr {session.connection.slug}") from problem
    except LaunchRefused:
        return ""
