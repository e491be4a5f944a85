"""What is said to and of somebody who acts for a patient, in the patient's plain words."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ehrcommerce.commerce.offers.helping import FOR_ADULT, FOR_MINOR
from ehrcommerce.commerce.offers.models import Relation

LABELS: dict[str, Promise] = {
    Relation.PARENT: _("Parent"), Relation.GUARDIAN: _("Legal guardian"),
    Relation.FOSTER_PARENT: _("Foster parent"), Relation.PARTNER: _("Husband, wife or partner"),
    Relation.CHILD: _("Son or daughter"), Relation.RELATIVE: _("Other relative"),
    Relation.FRIEND: _("Friend"), Relation.CAREGIVER: _("Caregiver"),
}  # fmt: skip
# The page behind a link does not say whether the patient is a minor: it lists all.
CHOICES = [("", ""), *((one.value, LABELS[one]) for one in dict.fromkeys((*FOR_MINOR, *FOR_ADULT)))]
CHOICES_OF_ADULT = [("", ""), *((one.value, LABELS[one]) for one in FOR_ADULT)]


def label(relation: str) -> str:
    """One of the closed list, in the active language."""
    return str(LABELS[relation]) if relation in LABELS else ""


def acting_words(relation: str) -> str:
    """Who says yes, where it is not the patient: part of the words that are kept."""
    return str(_("You say this for the patient, as: %(relation)s.")) % {"relation": label(relation)}


def naming_words() -> tuple[str, ...]:
    """What the patient agrees to by naming a helper. Nothing of it names a person: it is kept word for word."""
    said = (
        _("I want this person to help me with this order."),
        _("They can see what was ordered and what it costs. They can say yes for me, pay, and follow the order."),
        _("They cannot see or delete my other data. I can take this back at any time."),
    )
    version = str(_("Version %(number)s of these words")) % {"number": "1"}
    return (*map(str, said), version)
