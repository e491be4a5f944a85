"""Text messages by any gateway that takes a POST: JSON or a form, with the names that its row gives the fields.

`options` of the row, all optional (left: ours, right: theirs):
  "format": "json" | "form"
  "fields": {"to": "to", "text": "text", "sender": "sender", "reference": "reference"}
  "id": "id"                 where their id stands in the answer, dots between names
  "sign": "X-Signature"      header for our HMAC-SHA256 over `timestamp.body`, in the form t=...,v1=...; "" for none
  "find": "messages?reference={reference}"   how they are asked; without it capability is `none`
  "erasure": "messages/erasure"   where they are told whom to forget; without it a person tells them
  "callback": {"status": "status", "reference": "reference", "from": "from", "text": "text"}

| answer        | outcome                                              |
| 2xx           | Done with their id; no id: it may have gone out      |
| 400, 404, 422 | Refused                                              |
| 401, 403      | NeedsHuman("not_authorized")                         |
| 409           | Done: they have this key already                     |
| 429           | TryAgain, after their Retry-After                    |
| 5xx, 408      | OutcomeUnknown                                       |"""

import hmac
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlencode

from django.utils import timezone

from ehrcommerce.outbox.handlers import LOOKUP, NONE
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, Refused
from ehrcommerce.suppliers import callbacks, last_line, optouts
from ehrcommerce.suppliers.adapters._http_partner import HttpPartner, id_of, to_bytes
from ehrcommerce.suppliers.messages import MessageTold, told_in
from ehrcommerce.suppliers.ports import Message
from ehrcommerce.wire.client import ask

FIELDS = ("to", "text", "sender", "reference")
FORM = "application/x-www-form-urlencoded"


class Adapter(HttpPartner):
    channels: ClassVar[tuple[str, ...]] = (optouts.SMS,)
    sends: ClassVar[Mapping[str, str]] = {
        "to": "RecipientFacts.contacts", "references": "Message.reference",
        **{name: f"Message.{name}" for name in ("text", "sender", "reference")}
    }  # fmt: skip

    @property
    def capability(self) -> str:
        return LOOKUP if self._option("find") else NONE

    def _option(self, name: str, default: str = "") -> str:
        value = self.supplier.options.get(name, default)
        return value if isinstance(value, str) else default

    def _names(self, name: str) -> dict[str, str]:
        value = self.supplier.options.get(name)
        return {str(ours): str(theirs) for ours, theirs in value.items()} if isinstance(value, dict) else {}

    def render(self, message: Message) -> bytes:
        theirs = {one: self._names("fields").get(one, one) for one in FIELDS}
        values = {"to": message.to, "text": message.text, "sender": self.supplier.sender or message.sender,
                  "reference": message.reference}  # fmt: skip
        body = {theirs[one]: values[one] for one in FIELDS if theirs[one]}
        return urlencode(body).encode() if self._is_form else to_bytes(body)

    def forget(self, references: Sequence[str], *, idempotency_key: str) -> Outcome:
        path = self._option("erasure")
        if not path:
            return NeedsHuman("tell_by_hand")
        return self.told_to_forget(path, references, idempotency_key=idempotency_key)

    @property
    def _is_form(self) -> bool:
        return self._option("format", "json") == "form"

    def deliver(self, body: bytes, *, idempotency_key: str) -> Outcome:
        said = self._read_own(body)
        last_line.require(self.supplier, self.sends, said)
        if optouts.stands(self.supplier.organization_id, optouts.SMS, said.get("to", "")):
            return Refused("opted_out")
        headers = {**self.headers(), "Content-Type": FORM if self._is_form else "application/json",
                   "Idempotency-Key": idempotency_key, **self._signed(body)}  # fmt: skip
        answer = ask(self.partner, "POST", self.partner.base_url, headers=headers, body=body)
        return self.outcome_of(answer, self._taken, conflict=lambda _: Done())

    def _read_own(self, body: bytes) -> dict[str, str]:
        ours = {self._names("fields").get(one, one): one for one in FIELDS}
        found = dict(parse_qsl(body.decode(), keep_blank_values=True)) if self._is_form else json.loads(body)
        return {ours.get(name, name): value for name, value in found.items()}

    def _signed(self, body: bytes) -> dict[str, str]:
        name = self._option("sign", "X-Signature")
        if not name:
            return {}
        stamp = str(int(timezone.now().timestamp()))
        value = hmac.new(self.supplier.api_key.encode(), f"{stamp}.".encode() + body, sha256).hexdigest()
        return {name: f"t={stamp},v1={value}"}

    def _taken(self, found: Mapping[str, Any]) -> Outcome:
        value: Any = found
        for name in self._option("id", "id").split("."):
            value = value[name]
        return Done(reference=id_of(value))

    def find(self, reference: str) -> bool:
        path = self._option("find")
        if not path:
            raise Halt(NeedsHuman("outcome_unknown"))
        found = self.read(path.replace("{reference}", quote(reference, safe="")))
        return bool(found) and any(bool(value) for value in (found or {}).values())

    def read_message(self, body: Mapping[str, Any]) -> MessageTold:
        return told_in(body, channel=optouts.SMS, names=self._names("callback"))

    def verify_callback(self, body: bytes, headers: Mapping[str, str], at: Any) -> callbacks.Callback:
        """Signed as every callback to us; its body may be a form."""
        callback = callbacks.verify(body, headers, self.supplier, at)
        if headers.get("Content-Type", "").startswith(FORM):
            return callbacks.Callback(callback.event_id, dict(parse_qsl(body.decode("utf-8", "replace"))))
        return callback
