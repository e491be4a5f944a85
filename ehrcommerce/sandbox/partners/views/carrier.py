"""The carrier knows numbers, not people."""

from ehrcommerce.sandbox.partners.api import Answer, Call, Refused
from ehrcommerce.sandbox.partners.models import Parcel


def track(call: Call, number: str) -> Answer:
    """Where this parcel was seen."""
    parcel = Parcel.objects.filter(number=number).first()
    if parcel is None:
        raise Refused(404, "not_found")
    return Answer(body=parcel.as_json())
