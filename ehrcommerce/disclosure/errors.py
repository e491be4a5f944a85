"""What the door says when nothing may pass. No text here carries an id, a value or an address."""

import math

from ehrcommerce.wire.errors import Busy, WireError
from ehrcommerce.wire.fhir import FhirRefused


class DoorError(Exception):
    """Nothing came through the door."""

    def __init__(self) -> None:
        super().__init__((type(self).__doc__ or "").strip())


class ChartUnreadable(DoorError):
    """The EHR is down, slow, or answers in a form that cannot be read. Nothing was changed; try again in a moment."""


class ChartBusy(ChartUnreadable):
    """The EHR is busy and takes no more questions for now. Nothing was changed; try again later."""

    def __init__(self, wait_s: int = 0) -> None:
        super().__init__()
        self.wait_s = wait_s

    @property
    def when(self) -> str:
        """When to try again, in words."""
        return in_words(self.wait_s)


class ChartForbidden(DoorError):
    """The EHR does not permit this reading, or no longer. Open the app again from the chart."""


class WrongPatient(DoorError):
    """The EHR answered with another patient's record. The reading was stopped and the privacy officer can see it."""


class NoConsent(Exception):
    """The patient has not agreed that this goes to this recipient, or took it back. Ask the patient on their page."""

    def __init__(self) -> None:
        super().__init__((type(self).__doc__ or "").strip())


class WrongResource(Exception):
    """The EHR answered a read with another resource than the one asked for. It was thrown away."""


class NotRenewed(Exception):
    """The EHR gave no fresh token. Open the app again from the chart."""


def in_words(wait_s: int) -> str:
    """When to try again: never sooner than the EHR asked for."""
    if wait_s <= 5:
        return "in a moment"
    if wait_s <= 90:
        return f"in {wait_s} seconds"
    return f"in {math.ceil(wait_s / 60)} minutes or later"


def busy_s(fault: object) -> int | None:
    """For how long the EHR is busy, at least; None where it was something else."""
    if isinstance(fault, Busy):
        return math.ceil(fault.wait_s)
    if isinstance(fault, FhirRefused) and (fault.status == 429 or (fault.status == 503 and fault.wait_s is not None)):
        return fault.wait_s or 0
    return None


# What may come back in place of a resource. Inside the door only.
Fault = FhirRefused | WireError | WrongResource
