"""E-mail by a relay (smtp://host:587 with STARTTLS, smtps://host:465), text and HTML in one message. Both addresses are
the row's and the patient's; the words are made elsewhere and hold no name, product or specialty.

| relay says               | outcome                                                            |
| 250                      | Done                                                               |
| 421, 4xx                 | TryAgain: busy, greylisted                                         |
| 550, 551, 553, 5xx       | Refused("address") or Refused("refused")                           |
| login refused            | TryAgain("LoginRefused"), shown with the partner's row             |
| no TLS, wrong certificate| TryAgain("NoTls", "TheirCertificate"): nothing was said            |
| nothing, after the dot   | OutcomeUnknown; a relay cannot be asked: capability `none`         |

The address of a message that came back is told to `hooks/message/<row>/` by whatever reads that mailbox."""

from collections.abc import Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone

from ehrcommerce.outbox.handlers import NONE
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, Refused, TryAgain
from ehrcommerce.suppliers import last_line, optouts
from ehrcommerce.suppliers.messages import MessageTold, told_in
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import Message
from ehrcommerce.wire.client import Partner
from ehrcommerce.wire.mail import Relay, hand_over

_ADDRESS = frozenset({550, 551, 552, 553})


class Adapter:
    capability = NONE
    channels: ClassVar[tuple[str, ...]] = (optouts.EMAIL,)
    sends: ClassVar[Mapping[str, str]] = {
        "to": "RecipientFacts.contacts",
        **{name: f"Message.{name}" for name in ("reference", "sender", "subject", "text", "html")},
    }

    def __init__(self, supplier: Supplier, partner: Partner) -> None:
        self.supplier, self.partner = supplier, partner
        self.relay = Relay(
            name=partner.name, base_url=supplier.base_url, account=supplier.account, password=supplier.api_key,
            ca_file=supplier.ca_file, ca_pem=supplier.ca_pem, client_certificate=supplier.client_certificate,
            client_pem=supplier.client_pem or "", hosts=tuple(settings.PARTNER_HOSTS),
        )  # fmt: skip

    def render(self, message: Message) -> bytes:
        """The same message gives the same bytes at every try: nothing in it is drawn by lot or tells the time."""
        made = EmailMessage(policy=policy.SMTP)
        domain = self.supplier.sender.rpartition("@")[2] or "localhost"
        made["From"] = _from(message.sender, self.supplier.sender)
        made["To"] = message.to
        made["Subject"] = message.subject
        made["Message-ID"] = f"<{message.reference}@{domain}>"
        made["Auto-Submitted"] = "auto-generated"
        made["X-Auto-Response-Suppress"] = "All"
        made.set_content(message.text, cte="quoted-printable")
        if message.html:
            made.add_alternative(message.html, subtype="html", cte="quoted-printable")
            made.set_boundary(f"=_{message.reference}")
        return made.as_bytes()

    def deliver(self, body: bytes, *, idempotency_key: str) -> Outcome:
        made = message_from_bytes(body, policy=policy.SMTP)
        to = str(made["To"])
        last_line.require(self.supplier, self.sends, _said(made))
        if optouts.stands(self.supplier.organization_id, optouts.EMAIL, to):
            return Refused("opted_out")
        dated = f"Date: {format_datetime(timezone.now())}\r\n".encode() + body
        code = hand_over(self.relay, sender=self.supplier.sender, to=to, content=dated)
        if code == 250:
            return Done(reference=str(made["Message-ID"]).strip("<>"))
        if 400 <= code < 500:
            return TryAgain("partner_busy")
        return Refused("address" if code in _ADDRESS else "refused")

    def find(self, reference: str) -> bool:
        """A relay forgets what it took: a person decides whether the same message goes out once more."""
        raise Halt(NeedsHuman("outcome_unknown"))

    def read_message(self, body: Mapping[str, Any]) -> MessageTold:
        return told_in(body, channel=optouts.EMAIL)


def _from(name: str, address: str) -> str:
    """The clinic's neutral alias, quoted, before the address."""
    plain = "".join(one for one in name if one.isprintable() and one not in '"\\<>').strip()
    return f'"{plain}" <{address}>' if plain else address


def _said(made: Any) -> dict[str, str]:
    """The message as names and values, for the last line."""
    parts = {"text": made.get_body(("plain",)), "html": made.get_body(("html",))}
    words = {name: part.get_content() for name, part in parts.items() if part is not None}
    return {"to": str(made["To"]), "subject": str(made["Subject"]), "sender": str(made["From"]),
            "reference": str(made["Message-ID"]), **words}  # fmt: skip
