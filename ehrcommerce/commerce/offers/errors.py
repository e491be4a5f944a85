"""Why no link was made. The rest of the family stands where it is raised."""


class OfferProblem(Exception):
    """The link was not made. Nothing was sent."""


class Implausible(OfferProblem):
    """A value of this order is likely a slip. Its prescriber looks at it and lets it go as it stands, or mends it in the
    chart; nothing is corrected here."""


class NotThePrescriber(OfferProblem):
    """Only whoever signed this order can say that an unusual value of it is right."""
