"""What is held of one person as a tagged PDF. The values travel as data, never as markup: no name can become a command."""

import json

import typst
from django.utils.translation import gettext as _

from ehrcommerce.disclosure.bundle import Held

SHEET = """
#let data = json(bytes(sys.inputs.data))
#set document(title: data.title)
#set text(lang: data.language, size: 11pt)
#set page(paper: "us-letter", margin: 22mm, numbering: "1")
#heading(level: 1, data.title)
#data.clinic
#for part in data.parts {
  heading(level: 2, part.name)
  list(..part.lines)
}
"""


def pdf(held: Held, *, language: str) -> bytes:
    """US Letter, one section for each kind of data; sections without a line are left out."""
    parts = [{"name": name, "lines": lines} for name, lines in sections(held) if lines]
    data = {"title": _("Your data"), "language": language, "clinic": held.clinic, "parts": parts}
    made: bytes = typst.compile(SHEET.encode(), sys_inputs={"data": json.dumps(data, ensure_ascii=False)})
    return made


def sections(held: Held) -> list[tuple[str, list[str]]]:
    """The same parts that the page shows, as lines of text."""
    places = [" ".join(str(part) for part in order.ship_to.values() if part) for order in held.orders if order.ship_to]
    return [
        (_("How we reach you"), [value for _channel, value in held.contacts]),
        (_("Where we send"), list(dict.fromkeys(places))),
        (_("What was ordered"), [item.line for item in held.items]),
        (_("Your orders"), [order.line for order in held.orders]),
        (_("You said yes to"), [f"{row.recipient_name}, {row.given_at:%Y-%m-%d}" for row in held.consents]),
        (_("What went out"), [
            f"{row.recipient_name}, {row.sent_at:%Y-%m-%d}" for row in held.receipts if row.sent_at
        ]),
    ]  # fmt: skip
