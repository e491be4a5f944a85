"""A link is a pointer, not a key: 128 bits from HMAC(link key, link id, generation) as 26 characters that nobody
misreads. Only the hash is stored; the hand that sends rebuilds the token (design law 4)."""

import hashlib
import hmac

from django.conf import settings

from ehrcommerce.commerce.offers.models import PurchaseLink

# Base32 without 0, O, 1 and I: people type this from a printed sheet.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 26
_WORDS = (
    "amber", "apple", "basil", "birch", "cedar", "cloud", "clover", "coral", "daisy", "delta", "ember", "fern", "forest",
    "garden", "ginger", "harbor", "hazel", "honey", "island", "ivory", "jasmine", "juniper", "lake", "lemon", "lilac",
    "linen", "maple", "meadow", "mango", "mint", "moss", "ocean", "olive", "orchid", "pearl", "pepper", "pine", "plum",
    "poppy", "prairie", "quartz", "quiet", "rain", "river", "robin", "rose", "sage", "sand", "silver", "sky", "snow",
    "sparrow", "spring", "star", "stone", "summer", "sunny", "thyme", "tulip", "valley", "velvet", "violet", "willow", "winter",
)  # fmt: skip


def _mac(domain: bytes, link_id: str, generation: int) -> bytes:
    return hmac.new(
        settings.LINK_KEY, b"%s\x00%s\x00%d" % (domain, link_id.encode(), generation), hashlib.sha256
    ).digest()


def token_of(link: PurchaseLink) -> str:
    """The 26 characters of this link's URL."""
    number = int.from_bytes(_mac(b"link", str(link.public_id), link.generation)[:16], "big")
    characters = []
    for _ in range(LENGTH):
        number, rest = divmod(number, 32)
        characters.append(ALPHABET[rest])
    return "".join(characters)


def hash_of(token: str) -> bytes:
    """What is stored and looked up. Case and stray blanks of a typed token do not matter."""
    return hashlib.sha256("".join(token.split()).upper().encode()).digest()


def phrase_of(offer_id: str) -> str:
    """Two words that the clinician sees and tells, and that the patient finds on the page after proving who they are."""
    mac = _mac(b"phrase", offer_id, 0)
    first, second = _WORDS[mac[0] % 64], _WORDS[mac[1] % 64]
    return f"{first} {second}" if first != second else f"{first} {_WORDS[(mac[1] + 1) % 64]}"
