"""How long a value is kept, as data that a clock can act on: what it is kept as, which event starts the time, and how
many days then pass before it is erased."""

from dataclasses import dataclass

# What it is kept as.
NOT_KEPT, DIGESTED, SEALED, CLEAR = "not kept", "keyed digest", "encrypted", "in clear"
# Events that start the time.
AT_ONCE, EFFECT_ENDED, LINK_OVER = "at once", "effect ended", "link and order over"
DELIVERED, ORDER_ENDED, LAST_ORDERED = "delivered", "order ended", "last ordered"
ACCOUNT_CLOSED, RECEIVED, RECORDED = "account closed", "received", "recorded"
# 45 CFR 164.316(b)(2), 164.528(a): six years, with both leap days that can be in them.
SIX_YEARS = 2192


@dataclass(frozen=True, slots=True)
class Keeping:
    """One retention class. `name` is its key in derive.retention(); str() is how people read it."""

    name: str
    form: str
    after: str
    days: int
    words: str

    def __str__(self) -> str:
        return self.words

    @property
    def is_kept(self) -> bool:
        """Whether anything is stored at all."""
        return self.form != NOT_KEPT


DECISION = Keeping("decision", NOT_KEPT, AT_ONCE, 0, "not kept: only decides")
IN_MEMORY = Keeping("memory", NOT_KEPT, AT_ONCE, 0, "not kept: one request")
# The patient proves again who they are for as long as there is something to read.
DIGEST = Keeping("digest", DIGESTED, LINK_OVER, 30, "keyed digest until the link and its order are over, then 30 days")
OFFER = Keeping("offer", SEALED, ORDER_ENDED, 30, "encrypted until the order ends, then 30 days")
CONTACT_KEPT = Keeping("contact", SEALED, DELIVERED, 7, "encrypted until delivered, then 7 days")
SHIP_KEPT = Keeping("address", SEALED, ORDER_ENDED, 14, "encrypted until the order ends, then 14 days")
UNMAPPED_CODE = Keeping(
    "unmapped code", CLEAR, LAST_ORDERED, 90,
    "the code and a count, of no person; undecided ones 90 days after the last order",
)  # fmt: skip
UNMAPPED = Keeping(
    "unmapped words", SEALED, LAST_ORDERED, 90,
    "encrypted until mapped or never sold, else 90 days after it was last ordered; who and when stays out",
)  # fmt: skip
STAFF = Keeping("staff", CLEAR, ACCOUNT_CLOSED, 0, "while the user has an account")
INBOX = Keeping("inbox", CLEAR, RECEIVED, 30, "ids and times only, 30 days")
EFFECT = Keeping("effect", SEALED, EFFECT_ENDED, 0, "encrypted until it was sent, then blanked")
SKELETON = Keeping("skeleton", CLEAR, ORDER_ENDED, SIX_YEARS, "ids, states, sums and times, 6 years")
AUDITED = Keeping("audit", CLEAR, RECORDED, SIX_YEARS, "sealed into the chain, 6 years")
