"""One reading of a chart, from the agreement to the audit row: who asked, when, for which purposes, for whom."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn

from ehrcommerce.accounts import agreements
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import (
    ChartBusy,
    ChartForbidden,
    ChartUnreadable,
    Fault,
    WrongPatient,
    WrongResource,
    busy_s,
)
from ehrcommerce.policy import derive
from ehrcommerce.wire.fhir import FhirRefused

REFUSED = (401, 403)


@dataclass(frozen=True)
class Pull:
    """Ends in one audit row, whatever happens. `entity` is what was read: a launch, one order, or a chart."""

    access: FhirAccess
    by: Actor
    at: datetime
    action: str
    purposes: tuple[str, ...]
    recipient: str
    entity: str = ""

    def begin(self) -> None:
        """Raises NoAgreement: without a live agreement the EHR is not even asked."""
        agreements.require(
            organization_id=self.access.organization_id, party=self.access.connection_party, service="chart", at=self.at
        )

    def end(self, resources: Collection[str], *, outcome: str = "success", reason: str = "") -> None:
        """Write the audit row: names of the elements that were kept, never a value."""
        access, purpose = self.access, ",".join(self.purposes)
        rows = [row for name in resources for row in derive.rows(resource=name, purposes=self.purposes)]
        audit.record(
            organization_id=access.organization_id, by=self.by, action=self.action, at=self.at,
            recipient=self.recipient, entity=(self.entity or access.place or f"chart:{access.customer_key}")[:80],
            purpose=purpose if len(purpose) <= 32 else "chart", outcome=outcome, reason=reason,
            elements={f"{row.resource}.{row.element}" for row in rows},
            customer_key=access.customer_key if access.patient_id else "",
        )  # fmt: skip

    def fail(self, fault: Fault) -> NoReturn:
        """Turn a fault of the world into an error of the door, and say in the audit that nothing came through."""
        forbidden = isinstance(fault, FhirRefused) and fault.status in REFUSED
        self.end((), outcome="security" if isinstance(fault, WrongResource) else "failure", reason=reason_of(fault))
        wait_s = busy_s(fault)
        if wait_s is not None:
            raise ChartBusy(wait_s) from fault
        raise (ChartForbidden() if forbidden else ChartUnreadable()) from fault

    def stop_at_other_patient(self) -> NoReturn:
        """Another patient's record was in the answer: nothing of it goes any further."""
        self.end((), outcome="security", reason="wrong_patient")
        raise WrongPatient

    def note_other_resource(self) -> None:
        """A reference led to something else than it named. It was thrown away; the privacy officer should know."""
        replace(self, action="chart.other_resource").end((), outcome="security", reason="other_resource")

    def note_two_medicines(self) -> None:
        """An order names its medicine in two ways, which FHIR does not allow. The first by the row's order was taken;
        whoever runs the connection should know."""
        replace(self, action="chart.two_medicines").end((), reason="two_medicines")


def reason_of(fault: Fault) -> str:
    return f"http_{fault.status}" if isinstance(fault, FhirRefused) else type(fault).__name__
