"""What can go wrong between us and a partner, sorted by the one question that matters afterwards: may the partner
have heard us? No text here carries a path, a body or an address: names of partners only."""


class WireError(Exception):
    """A partner could not be asked. Nothing is known to be wrong with the question itself."""

    def __init__(self, partner: str, detail: str = "") -> None:
        super().__init__(f"{partner}: {detail or (type(self).__doc__ or '').splitlines()[0]}")
        self.partner = partner


class NotSent(WireError):
    """The partner was not reached, so it cannot have acted. Try again later."""


class CircuitOpen(NotSent):
    """The partner failed many times in a row and is left alone for a while. Waiting work goes on by itself."""

    def __init__(self, partner: str, detail: str = "", *, wait_s: float = 0.0) -> None:
        super().__init__(partner, detail)
        self.wait_s = wait_s


class TheirCertificate(NotSent):
    """The partner's certificate is not the expected one: expired, of another host, or of another authority. Nothing was
    sent. Ask the partner; if it has a new authority, put that into its row."""


class OurCertificate(NotSent):
    """The partner did not accept our client certificate, or it cannot be read. Nothing was sent. Put a certificate into
    the partner's row that is valid and that the partner knows."""


class Busy(NotSent):
    """The partner takes no more requests for a moment. Nothing was sent; try again a little later."""

    def __init__(self, partner: str, detail: str = "", *, wait_s: float = 0.0) -> None:
        super().__init__(partner, detail)
        self.wait_s = wait_s


class Unanswered(WireError):
    """The question went out and no whole answer came back. Ask what became of it before sending again."""


class BadAnswer(Unanswered):
    """The answer is too large, cut off, or not in the agreed form. Ask what became of it before sending again."""


class WrongAddress(NotSent):
    """The address is not one that is registered for this partner. Nothing was sent. Check the partner's row."""
