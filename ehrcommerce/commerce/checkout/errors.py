"""Why a patient cannot go on here. Each has its page; none says anything about a person."""


class CheckoutProblem(Exception):
    """The patient cannot go on here. Nothing was charged."""


class CheckoutOver(CheckoutProblem):
    """There is no session, or it was idle for 10 minutes, or half an hour old. The patient opens the link again and says
    who they are."""


class LinkOver(CheckoutProblem):
    """The link ended while the patient was on the way. `page` names the state page."""

    def __init__(self, page: str) -> None:
        super().__init__(page)
        self.page = page


class TooManyCodes(CheckoutProblem):
    """No more codes for this link today. The patient waits a day or calls the clinic."""


class NoContact(CheckoutProblem):
    """No phone or e-mail is on file. The clinic adds one and sends a new link."""
