"""A gateway for texts and e-mails; `base_url` is its collection of messages. The words are made elsewhere and hold no
name, product or specialty."""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from ehrcommerce.outbox.handlers import LOOKUP
from ehrcommerce.outbox.outcomes import Done, Outcome, Refused
from ehrcommerce.suppliers import optouts
from ehrcommerce.suppliers.adapters._http_partner import HttpPartner, id_of, to_bytes
from ehrcommerce.suppliers.ports import Message


class Adapter(HttpPartner):
    capability = LOOKUP
    sends: ClassVar[Mapping[str, str]] = {
        "to": "RecipientFacts.contacts",
        "references": "Message.reference",
        **{name: f"Message.{name}" for name in ("reference", "channel", "text", "sender", "subject", "html")},
    }

    def render(self, message: Message) -> bytes:
        body = {
            "reference": message.reference, "channel": message.channel, "to": message.to, "text": message.text,
            "sender": message.sender,
        }  # fmt: skip
        if message.channel == "email":
            body |= {"subject": message.subject, **({"html": message.html} if message.html else {})}
        return to_bytes(body)

    def deliver(self, body: bytes, *, idempotency_key: str) -> Outcome:
        said = json.loads(body)
        if optouts.stands(self.supplier.organization_id, str(said.get("channel")), str(said.get("to"))):
            return Refused("opted_out")
        answer = self.post(self.partner.base_url.rstrip("/"), body, idempotency_key=idempotency_key)
        return self.outcome_of(answer, lambda found: Done(reference=id_of(found["id"])))

    def forget(self, references: Sequence[str], *, idempotency_key: str) -> Outcome:
        path = f"{self.partner.base_url.rstrip('/')}/erasure"
        return self.told_to_forget(path, references, idempotency_key=idempotency_key)

    def find(self, reference: str) -> bool:
        found = self.read(self.partner.base_url.rstrip("/"), reference=reference)
        return bool((found or {}).get("messages"))
