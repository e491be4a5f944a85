"""What leaves the chart, in exact values: read from the same frozen packets that are stored and sent, and from the
table that rules them, so that the page cannot promise something else than what happens."""

from collections.abc import Iterable
from dataclasses import dataclass

from ehrcommerce.policy import derive, outward, table
from ehrcommerce.policy.packets import ContactPoint, OrderedItem, RecipientFacts
from ehrcommerce.vault.keys import blind_index

_LABELS = {
    "name": "Name of the item", "codings": "Codes", "form": "Form", "directions": "Directions", "route": "Route",
    "dose": "Dose", "timing": "Timing", "quantity": "Quantity", "quantity_unit": "Unit", "repeats": "Refills",
    "days_supply": "Days of supply", "valid_until": "Valid until", "substitution": "Substitution",
    "parameters": "Details", "occurrence": "Needed", "ordered_on": "Ordered on", "orderer_name": "Ordered by",
    "orderer_npi": "NPI",
}  # fmt: skip
STAYS = tuple(words for words, _ in outward.STAYS)


@dataclass(frozen=True, slots=True)
class Value:
    """One value that leaves, where it comes from, who gets it, why, and how long it is kept."""

    label: str
    value: str
    elements: str
    recipients: str
    because: str
    kept: str


def values_of(item: OrderedItem) -> tuple[Value, ...]:
    """Every filled field of one packet that leaves for somebody outside the clinic."""
    found = []
    for name, label in _LABELS.items():
        shown = _text(getattr(item, name))
        rows = [row for row in derive.leaves(item.kind) if row.field == f"OrderedItem.{name}"]
        if shown and rows:
            elements = ", ".join(dict.fromkeys(f"{row.resource}.{row.element}" for row in rows))
            recipients = ", ".join(
                dict.fromkeys(hop for row in rows for hop in row.recipients if hop != table.CLINICIAN)
            )
            found.append(Value(label, shown, elements, recipients, rows[0].because, str(rows[0].kept)))
    return tuple(found)


def person_values(recipient: RecipientFacts) -> tuple[Value, ...]:
    """What is kept of the person when the link is sent; address, birth date and plan follow at checkout, after a yes."""
    kept = str(table.CONTACT_KEPT)
    reached = tuple(
        Value(
            "Phone" if contact.system == "phone" else "E-mail", contact.masked, "Patient.telecom", table.MESSENGER,
            "where the link or the code is sent", kept,
        )
        for contact in recipient.contacts
    )  # fmt: skip
    language = Value(
        "Language",
        recipient.language,
        "Patient.communication",
        "nobody",
        "messages in the patient's language",
        str(table.OFFER),
    )
    checked = Value(
        "Check values", "keyed digests, not readable", "Patient.birthDate, Patient.name.family, Patient.address.postalCode",
        "nobody", "checks who opened the link", str(table.DIGEST),
    )  # fmt: skip
    return (*reached, language, checked)


def contact_mark(contact: ContactPoint) -> str:
    """Names one contact in a form, without its value: by it Send finds the one that was shown, wherever it is now."""
    return blind_index("clinic.contact", f"{contact.system}:{contact.value}").hex()


def elements_of(items: Iterable[OrderedItem]) -> tuple[str, ...]:
    """Names of the elements behind some packets, for the audit: never values."""
    names = {row_elements for item in items for value in values_of(item) for row_elements in value.elements.split(", ")}
    return tuple(sorted(names))


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(_part(part) for part in value)
    return str(value)


def _part(part: object) -> str:
    code, system = getattr(part, "code", ""), getattr(part, "system", "")
    if system:
        return f"{code} ({system})"
    return f"{code}: {getattr(part, 'value', '')}"
