"""The words that leave in a text or an e-mail: fixed and neutral, without name, product, clinic specialty or sum.

A text is one GSM-7 segment, because one letter outside that alphabet turns one segment into three; the check is made
at each render, so that a long alias or host name is found by a test and not by a phone bill."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils import timezone, translation

from ehrcommerce.accounts.models import Organization

SEGMENT = 160
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPED = frozenset("^{}\\[~]|€")  # two septets each


class MessageProblem(Exception):
    """A message could not be written. Nothing was sent."""


class TextTooLong(MessageProblem):
    """A text does not fit one segment. Choose a shorter alias for the organization, or a shorter patient host name."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message in every form that a channel may ask for."""

    sms: str
    subject: str
    text: str
    html: str


def render(name: str, *, language: str, organization: Organization, context: Mapping[str, Any]) -> Rendered:
    """The words of the message `name` (link, code, status_<event>) in one language.

    context: url and expires_at for link; code, minutes and host for code; url for status. Raises TextTooLong.
    """
    values = {**context, "alias": gsm(organization.alias), "phone": organization.phone, "language": language}
    with translation.override(language), timezone.override(ZoneInfo(organization.time_zone)):
        return Rendered(
            sms=_text_message(name, values),
            subject=_part(name, "subject.txt", values).replace("\n", " "),
            text=_part(name, "body.txt", values) + "\n",
            html=_part(name, "body.html", values) + "\n",
        )


def _part(name: str, part: str, values: Mapping[str, Any]) -> str:
    return render_to_string(f"messages/{name}/{part}", dict(values)).strip()


def _text_message(name: str, values: Mapping[str, Any]) -> str:
    """The full words where they fit, else the short ones."""
    for short in (False, True):
        text = _part(name, "sms.txt", {**values, "short": short})
        if fits_one_segment(text):
            return text
    raise TextTooLong


def septets(text: str) -> int | None:
    """How long the text is in GSM-7; None where it does not fit that alphabet."""
    if any(character not in _BASIC and character not in _ESCAPED for character in text):
        return None
    return len(text) + sum(character in _ESCAPED for character in text)


def fits_one_segment(text: str) -> bool:
    count = septets(text)
    return count is not None and count <= SEGMENT


def gsm(text: str) -> str:
    """The same name in letters that GSM-7 has: an accent is dropped only where the alphabet lacks it."""
    return "".join(character if character in _BASIC else _plain(character) for character in text)


def _plain(character: str) -> str:
    letters = unicodedata.normalize("NFKD", character)
    return "".join(letter for letter in letters if letter in _BASIC) or " "
