"""Why no link was made. The rest of the family stands where it is raised."""


class OfferProblem(Exception):
    """The link was not made. Nothing was sent."""
