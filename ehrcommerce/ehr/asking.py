"""Asking an EHR for one of its public documents, or for one read, in a test of its connection: every way in which that can
fail becomes a finding with a remedy, and each answer also tells what time it is there."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from ehrcommerce.ehr import discovery
from ehrcommerce.ehr.findings import Finding, error, good
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.wire.client import Answer, ask
from ehrcommerce.wire.errors import BadAnswer, CircuitOpen, NotSent, Unanswered, WireError, WrongAddress
from ehrcommerce.wire.strict import one_object

CLOCK_S = 60
REACH = "Reaching the EHR"

Json = dict[str, Any]


class NotUsable(Exception):
    """What an EHR answered, or that it did not, as a finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code)
        self.finding = finding


@dataclass
class Asking:
    """One EHR, asked within wire's rules; every answer also tells what time it is there."""

    connection: EhrConnection
    at: datetime
    began: float = field(default_factory=time.monotonic)
    apart_s: list[float] = field(default_factory=list)

    @property
    def base(self) -> str:
        return self.connection.fhir_base.rstrip("/")

    def get(self, url: str, what: str, *, accept: str = "application/json", bearer: str = "") -> Answer:
        """Raises NotUsable where no whole answer came. `what` is the subject of the sentence."""
        headers = {"Accept": accept, **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
        try:
            answer = ask(discovery.connection_partner(self.connection), "GET", url, headers=headers)
        except WireError as problem:
            raise NotUsable(_unanswered(problem, what)) from problem
        self._hear_clock(answer)
        return answer

    def object(self, url: str, what: str, *, accept: str = "application/json", most: int = 0) -> Json:
        """One JSON object. Raises NotUsable."""
        answer = self.get(url, what, accept=accept)
        if not answer.ok:
            raise NotUsable(_refused(answer.status, what))
        try:
            if most and len(answer.body) > most:
                raise ValueError
            return one_object(answer.body)
        except ValueError as problem:
            finding = error(
                REACH, "R-JSON", f"{what} could not be read: the answer is not one sound JSON object.",
                "Compare the FHIR address with the one that the EHR's administrator gave: a sign-in page or a wrong path"
                " answers like this.",
            )  # fmt: skip
            raise NotUsable(finding) from problem

    def _hear_clock(self, answer: Answer) -> None:
        try:
            there = parsedate_to_datetime(answer.headers.get("date", ""))
        except (ValueError, TypeError):
            return
        if there.tzinfo is not None:
            here = self.at + timedelta(seconds=time.monotonic() - self.began)
            self.apart_s.append((there - here).total_seconds())

    def clock(self) -> list[Finding]:
        """I3: sign-ins and signed statements live for minutes; clocks that are apart break them."""
        if not self.apart_s:
            return []
        apart_s = min(self.apart_s, key=abs)
        if abs(apart_s) <= CLOCK_S:
            return [good("Clock", "T-CLOCK", "The EHR's clock and ours agree within a minute.")]
        way = "ahead of" if apart_s > 0 else "behind"
        sentence = f"The EHR's clock is {round(abs(apart_s))} seconds {way} ours. Sign-ins will be refused."
        remedy = "The people who run the two systems set their clocks (NTP), then test again."
        return [error("Clock", "T-CLOCK", sentence, remedy)]


# ---------------------------------------------------------------------------------------------- when nothing usable came
def _unanswered(problem: WireError, what: str) -> Finding:
    """The five ways in which no whole answer came."""
    match problem:
        case WrongAddress():
            said = ("R-ADDR", "was not asked: its address is not registered, or leads into an inner network",
                    "Compare the FHIR address and the further origins with what the EHR's administrator gave.")  # fmt: skip
        case CircuitOpen():
            said = ("R-REST", "was not asked: the EHR failed many times in a row and is left alone for a while",
                    "Test again in a minute.")  # fmt: skip
        case NotSent():
            said = ("R-DOWN", "could not be reached: no connection with a valid certificate came about",
                    "Check the host name and its port. If they are right, ask the EHR's administrator whether our address is"
                    " let through and whether the certificate is complete.")  # fmt: skip
        case BadAnswer():
            said = ("R-FORM", "could not be read: the answer is too large or was cut off",
                    "Ask the EHR's administrator whether a proxy stands in between.")  # fmt: skip
        case Unanswered():
            said = ("R-SLOW", "did not come whole, or not in time",
                    "Test again. If it stays so, raise 'Patience in seconds', or ask whether a proxy stands between.")  # fmt: skip
        case _:
            said = ("R-LATER", "was not asked: the limit of requests is reached", "Test again in a minute.")
    return error(REACH, said[0], f"{what} {said[1]}.", said[2])


def _refused(status: int, what: str) -> Finding:
    if status in (401, 403):
        remedy = "It must be readable without a sign-in: ask the EHR's administrator to open it."
    elif status in (404, 410):
        remedy = "The FHIR address is probably not the base. It ends before the first type name, often in /R4."
    elif 300 <= status < 400:
        remedy = "The app follows no redirects. Enter the address that the redirect leads to, if it is the EHR's own."
    else:
        remedy = "Test again in a minute; if it stays so, tell the people who run the EHR."
    return error(REACH, "R-HTTP", f"{what} was refused (HTTP {status}).", remedy)
