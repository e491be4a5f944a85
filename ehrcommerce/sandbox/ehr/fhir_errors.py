"""What the FHIR server refuses, each with its status and the issue code of its OperationOutcome."""

from ehrcommerce.sandbox.ehr.fhir_json import Json


class FhirRefusal(Exception):
    """The server refuses a request. The OperationOutcome says why."""

    status = 400
    code = "invalid"

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def outcome(self) -> Json:
        """The OperationOutcome."""
        issue = {"severity": "error", "code": self.code, "diagnostics": self.text}
        return {"resourceType": "OperationOutcome", "issue": [issue]}


class NotSignedIn(FhirRefusal):
    """No token, or one that is unknown, expired or revoked. Get a new one."""

    status = 401
    code = "login"


class NotPermitted(FhirRefusal):
    """The token's scopes or its patient do not reach this. Ask for the scope, or for the right patient."""

    status = 403
    code = "forbidden"


class NotFound(FhirRefusal):
    """There is no such resource or type."""

    status = 404
    code = "not-found"


class TooEarly(FhirRefusal):
    """The server is busy. Ask again later."""

    status = 429
    code = "throttled"


class Gone(FhirRefusal):
    """The resource was deleted."""

    status = 410
    code = "deleted"


class WrongVersion(FhirRefusal):
    """The resource has changed since the version in If-Match. Read it again."""

    status = 412
    code = "conflict"


class SeveralMatches(FhirRefusal):
    """The condition of If-None-Exist fits several resources. Narrow it."""

    status = 412
    code = "multiple-matches"


class NotProcessable(FhirRefusal):
    """The resource lacks an element that is mandatory."""

    status = 422
    code = "required"


class NotAllowed(FhirRefusal):
    """This method is not offered here."""

    status = 405
    code = "not-supported"


class NotJson(FhirRefusal):
    """The body is not FHIR JSON. Send application/fhir+json."""

    status = 415
    code = "structure"
