"""The right to read one patient's chart for a while: made by the ehr half, used by the door, kept by nobody."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ehrcommerce.wire.client import Partner


@dataclass(frozen=True)
class FhirAccess:
    """One partner, one base, one token, one patient.

    `key_of(resource_type, id)` is pure and keyed: the opaque handle that commerce gets in place of an id. The door
    notes in `seen` what each key stands for, so that the ehr half can remember those that were sent. `place` names
    the launch in the audit (`launch:<public id>`); empty where no clinician is present.
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
    place: str = ""
    seen: dict[str, tuple[str, str, str]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def customer_key(self) -> str:
        """The patient's own opaque handle."""
        return self.key_of("Patient", self.patient_id)
