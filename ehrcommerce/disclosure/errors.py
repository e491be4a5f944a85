"""What the door says when nothing may pass. No text here carries an id, a value or an address."""

from ehrcommerce.wire.errors import WireError
from ehrcommerce.wire.fhir import FhirRefused


class DoorError(Exception):
    """Nothing came through the door."""

    def __init__(self) -> None:
        super().__init__((type(self).__doc__ or "").strip())


class ChartUnreadable(DoorError):
    """The EHR is down, slow, or answers in a form that cannot be read. Nothing was changed; try again in a moment."""


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


# What may come back in place of a resource. Inside the door only.
Fault = FhirRefused | WireError | WrongResource
