"""The message gateway: what it accepts appears on the sandbox's phone and in its mailbox, and nowhere else."""

import re

from ehrcommerce.sandbox.partners import checks
from ehrcommerce.sandbox.partners.api import Answer, Call, Refused
from ehrcommerce.sandbox.partners.models import Message

CHANNEL = re.compile(r"sms|email")
NUMBER = re.compile(r"\+?[0-9][0-9 ().-]{5,24}")
MAILBOX = re.compile(r"[^\s@]{1,64}@[^\s@]{1,189}")


def send(call: Call) -> Answer:
    """Accept one text or one e-mail."""
    checks.only_keys(call.body, {"reference", "channel", "to", "subject", "text", "html", "sender"})
    channel = checks.matching(call.body, "channel", CHANNEL)
    message = Message.objects.create(
        reference=checks.matching(call.body, "reference", checks.REFERENCE),
        channel=channel,
        to=checks.matching(call.body, "to", NUMBER if channel == "sms" else MAILBOX),
        sender=checks.text(call.body, "sender", longest=254),
        subject=checks.optional_text(call.body, "subject"),
        text=checks.text(call.body, "text", longest=20_000),
        html=checks.optional_text(call.body, "html", longest=200_000),
        created_at=call.at,
    )
    return Answer(status=202, body={"id": message.public_id, "status": "queued"})


def forget(call: Call) -> Answer:
    """Whom some messages went to asked to be forgotten: that they went stays, to whom and what they said does not."""
    gone = Message.objects.filter(reference__in=checks.references(call.body))
    return Answer(body={"forgotten": gone.update(to="", subject="", text="", html="")})


def find(call: Call) -> Answer:
    """Messages by the caller's reference: how a lost answer is found again."""
    reference = call.query.get("reference")
    if not reference:
        raise Refused(400, "reference_missing")
    found = Message.objects.filter(reference=reference).order_by("-id")
    return Answer(body={"messages": [message.as_json() for message in found]})
