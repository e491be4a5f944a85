"""The right to read one patient's chart for a while: made by the ehr half, used by the door, kept by nobody."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ehrcommerce.wire.client import Partner
from ehrcommerce.wire.patience import Patience

MEDICATION_ORDER = ("concept", "contained", "display", "read")


@dataclass(frozen=True)
class FhirAccess:
    """One partner, one base, one token, one patient.

    `key_of(resource_type, id)` is pure and keyed: the opaque handle that commerce gets in place of an id. The door
    notes in `seen` what each key stands for, so that the ehr half can remember those that were sent. `place` names
    the launch in the audit (`launch:<public id>`); empty where no clinician is present.

    `search_parameters` holds, by type of resource, query parameters that replace ours of the same name; an empty value
    leaves ours out. `medication_order` names where the medicine of a prescription is looked for, first to last: what
    gives a code ends the search, a `display` is a name only, and a place that is not named is not looked at.
    `renew(old bearer)` returns a fresh bearer after the EHR refused the old one, or raises NotRenewed; it is called at
    most once, in the thread that called the door.
    """

    partner: Partner
    base: str
    bearer: str = field(repr=False)
    patient_id: str = field(repr=False)
    organization_id: int
    connection_party: str
    key_of: Callable[[str, str], str] = field(repr=False)
    honors_elements: bool = True
    honors_include: bool = True
    adult_age: int = 18
    helpers: bool = False
    prescription_max_age_days: int = 365
    held_words: tuple[str, ...] = ()
    place: str = ""
    honors_batch: bool = False
    search_parameters: Mapping[str, str] = field(default_factory=dict)
    medication_order: tuple[str, ...] = MEDICATION_ORDER
    renew: Callable[[str], str] | None = field(default=None, repr=False, compare=False)
    seen: dict[str, tuple[str, str, str]] = field(default_factory=dict, repr=False, compare=False)
    renewed: list[str] = field(default_factory=list, repr=False, compare=False)
    patience: Patience = field(default_factory=Patience, repr=False, compare=False)

    @property
    def sold_from_age(self) -> int:
        """Under this age nothing is sold: to a minor only where a helper may act for them."""
        return 0 if self.helpers else self.adult_age

    @property
    def customer_key(self) -> str:
        """The patient's own opaque handle."""
        return self.key_of("Patient", self.patient_id)

    @property
    def token(self) -> str:
        """The bearer to send: the fresh one where the EHR refused the first."""
        return self.renewed[-1] if self.renewed else self.bearer

    def may_renew(self) -> bool:
        return self.renew is not None and not self.renewed

    def renew_token(self) -> None:
        """Ask for a fresh bearer, once in the life of this access. Raises NotRenewed."""
        if self.renew is not None and not self.renewed:
            self.renewed.append(self.renew(self.bearer))
