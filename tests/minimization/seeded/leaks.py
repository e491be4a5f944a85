"""THE LEAKS: what is leaked, where it must be found, and how it is disguised. Each leaks an element of its own, so that all
can be open at once and still be told apart. How each is done: patches.py, under the same name (which holds no bar)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seeded:
    name: str
    resource: str
    path: str
    sinks: tuple[str, ...]  # found in one of them: caught

    @property
    def needs_admin(self) -> bool:
        return any(sink.startswith("admin") for sink in self.sinks)


_RX, _WEB, _ADMIN = "MedicationRequest", ("log of web, DEBUG",), ("admin pages: administrator",)

LEAKS: tuple[Seeded, ...] = (
    Seeded("a print while debugging", _RX, "note.text", _WEB),
    Seeded("the repr of an exception", _RX, "reasonCode.text", _WEB),
    Seeded("a log of a response", _RX, "encounter.display", _WEB),
    Seeded("a log of bytes, compressed and in base64", "Patient", "identifier.value", _WEB),
    Seeded("a print in the worker, spelled as a date", "Patient", "birthDate", ("log of worker, DEBUG",)),
    Seeded("the __str__ of a model", _RX, "statusReason.text", _ADMIN),
    Seeded("a remark under an admin page", _RX, "supportingInformation.display", _ADMIN),
    Seeded("a new column", _RX, "courseOfTherapyType.text", ("database, raw",)),
    Seeded("a value in a sealed packet", "ServiceRequest", "performer.display", ("database, opened",)),
    Seeded("a value of the audit", _RX, "dosageInstruction.site.text", ("audit trail",)),
    Seeded("a value in the session", _RX, "substitution.reason.text", ("sessions, decoded",)),
    Seeded("a task argument", _RX, "detectedIssue.display", ("task bodies",)),
    Seeded("a key of Redis", _RX, "insurance.display", ("Redis, every key",)),
    Seeded("a statement that fails", _RX, "dosageInstruction.additionalInstruction.text", ("log of PostgreSQL",)),
    Seeded("a file left behind, compressed", _RX, "dosageInstruction.method.text", ("files left behind",)),
    Seeded("a response header, in base64", _RX, "eventHistory.display", ("response headers",)),
    Seeded("a cookie, in hex", _RX, "groupIdentifier.value", ("cookies",)),
    Seeded("a query string", _RX, "reasonReference.display", ("addresses",)),
    Seeded("the label of a metric", _RX, "basedOn.display", ("health and metrics",)),
    Seeded("a file for download", _RX, "performerType.text", ("downloads",)),
    Seeded("a page of errors", "Patient", "contact.name.text", ("error pages",)),
    Seeded("the clinician's page, something that stays", "Patient", "maritalStatus.text", ("pages of the clinician",)),
    Seeded("the page before identity, in capitals", "Patient", "name.family", ("pages before identity",)),
    Seeded("a comment in the patient's page, reversed", _RX, "identifier.value", ("pages of the verified patient",)),
    Seeded("the subject of an e-mail", "Practitioner", "name.text", ("texts and mails",)),
    Seeded("the description of a payment", _RX, "recorder.display", ("payment processor",)),
    Seeded("a parameter to the EHR", _RX, "dispenseRequest.performer.display", ("EHR",)),
    Seeded("a note to the pharmacy", _RX, "dosageInstruction.patientInstruction", ("pharmacy",)),
    Seeded("a reason on the device supplier's label", "DeviceRequest", "reasonCode.text", ("device supplier",)),
    Seeded("a reason on the laboratory's label", "ServiceRequest", "reasonCode.text", ("laboratory",)),
    Seeded("a name to the payer", "Coverage", "policyHolder.display", ("payer",)),
)
