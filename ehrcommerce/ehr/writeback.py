"""Status back into the chart: one Task for each order of the chart that was bought, made once and moved forward.

Opaque order id, reference of the order, a status word, a time; never a product, a price or a payment. Written only where
the connection, the EHR's statement and the granted scopes all say so (W5). The Task is found by our identifier before it
is made, made with If-None-Exist, and changed only with If-Match: whatever is repeated or lost on the way, there is one.
What an answer says was written is believed only as far as it names our Task; else the Task is looked up again, and an
operator is told."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.utils import timezone
from fhirclient.models.task import Task

from ehrcommerce.accounts import agreements
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.ehr import alerts, backend_services, capabilities, tokens
from ehrcommerce.ehr.access import backend_access
from ehrcommerce.ehr.errors import BackendRefused, BackendUnanswered, NoBackendServices
from ehrcommerce.ehr.models import ChartReference, EhrConnection
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.policy import derive, leaves, table
from ehrcommerce.wire import fhir
from ehrcommerce.wire.client import Answer, ask
from ehrcommerce.wire.errors import BadAnswer, NotSent, Unanswered
from ehrcommerce.wire.strict import one_object

SCOPES = derive.system_scopes(table.WRITE_BACK)
ROUNDS = 3
STALE = (409, 412)  # some EHRs answer 409 to an old version
TOKEN_OVER = Refused("token_refused")
LATER = (429, 500, 502, 503, 504)
# State of our order -> Task.status and the code of Task.businessStatus.
STATUS = {
    "quoted": ("requested", "started"),
    "authorized": ("requested", "ordered"),
    "gated": ("requested", "ordered"),
    "dispatched": ("received", "sent-to-supplier"),
    "accepted": ("accepted", "accepted"),
    "shipped": ("in-progress", "shipped"),
    "delivered": ("completed", "delivered"),
    "completed": ("completed", "completed"),
    "cancel_requested": ("on-hold", "cancel-requested"),
    "cancelled": ("cancelled", "cancelled"),
    "refused": ("rejected", "refused"),
    "returned": ("failed", "returned"),
    "exception": ("on-hold", "needs-attention"),
    "unknown": ("on-hold", "unknown"),
}
PLACE = re.compile(r"Task/([A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?")
ANOTHER = "another"  # what an answer names that is no Task at all; no FHIR id by our own rule
Json = dict[str, Any]


class _End(Exception):
    """The try is over, with this outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(type(outcome).__name__)
        self.outcome = outcome


def identifier_of(order_id: str, key: str) -> tuple[str, str]:
    """System and value of our Task for one order of the chart within one purchase."""
    return f"{settings.BASE_URL}/fhir/orders", f"{order_id}.{key[:16]}"


def report(row: ChartReference, *, order_id: str, status: str, at: str) -> Outcome:
    """Make or move the Task. Done, TryAgain (nothing was written), OutcomeUnknown (look first), or Refused."""
    if status not in STATUS:
        return Refused("unknown_status")
    party = row.connection.party
    clinic = row.connection.organization_id
    if not agreements.is_live(organization_id=clinic, party=party, service="write_back", at=timezone.now()):
        return Refused("no_agreement")
    if not capabilities.may_write(row.connection.capability_snapshot):
        return Refused("not_listed")
    wanted = task_of(row, order_id=order_id, status=status, at=at)
    try:
        access = backend_access(row.connection, patient_id=row.patient_id, scopes=SCOPES)
        if not tokens.may_write(backend_services.granted(row.connection, scopes=SCOPES), "Task"):
            return Refused("not_granted")
        outcome = _tried(access, wanted, row.connection)
        if outcome == TOKEN_OVER:
            # An EHR may forget a token before its time: once more, with a new one.
            backend_services.token(row.connection, scopes=SCOPES, refused=access.bearer)
            access = backend_access(row.connection, patient_id=row.patient_id, scopes=SCOPES)
            outcome = _tried(access, wanted, row.connection)
        return outcome
    except (NoBackendServices, BackendRefused):
        return Refused("not_permitted")
    except BackendUnanswered:
        return TryAgain("ehr_unanswered")
    except NotSent:
        return TryAgain("ehr_not_reached")
    except Unanswered:
        return OutcomeUnknown("ehr_unanswered")


def task_of(row: ChartReference, *, order_id: str, status: str, at: str) -> Json:
    """Our Task as JSON, checked against the R4 model before anything is sent."""
    task_status, business = STATUS[status]
    system, value = identifier_of(order_id, row.key)
    task = {
        "resourceType": "Task",
        "identifier": [{"system": system, "value": value}],
        "status": task_status,
        "businessStatus": {"coding": [{"system": f"{settings.BASE_URL}/fhir/order-status", "code": business}]},
        "intent": "order",
        "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
        "focus": {"reference": f"{row.resource_type}/{row.resource_id}"},
        "for": {"reference": f"Patient/{row.patient_id}"},
        "lastModified": at,
    }
    Task(task)
    return task


def granted(task: Json) -> bool:
    """Whether the table lets all of this back into the chart: asked right before it goes out."""
    sends = {row.element: f"{row.resource}.{row.element}" for row in derive.outward("Task")}
    return not leaves.problems({k: v for k, v in task.items() if k != "resourceType"}, sends, frozenset(sends.values()))


def _tried(access: FhirAccess, wanted: Json, connection: EhrConnection) -> Outcome:
    try:
        return _write(access, wanted, connection)
    except _End as end:
        return end.outcome


def _write(access: FhirAccess, wanted: Json, connection: EhrConnection) -> Outcome:
    """Look, then make or move; look again whenever somebody else was faster, or the answer is about something else.
    Nothing but what the table grants is written."""
    if not granted(wanted):
        return NeedsHuman("not_granted")
    named, made, elsewhere = "", False, False
    for _ in range(ROUNDS):
        present = _find(access, wanted["identifier"][0])
        if present is None and made:
            break  # it said yes and shows nothing: another one now might be a second one
        if present is not None and named not in ("", _id_of(present)):
            elsewhere = _told_of_another(connection)
        answer = _create(access, wanted) if present is None else _update(access, present, wanted)
        if answer is None:
            return Done(reference=_id_of(present))
        if present is None and answer.status == 412:
            return Refused("several_tasks")
        named, made = _named(access, answer, wanted), made or (present is None and answer.ok)
        if answer.ok and (named == ANOTHER or (present is not None and named not in ("", _id_of(present)))):
            named, elsewhere = "", _told_of_another(connection)
            continue
        was_there = present is None and answer.status == 200
        if not was_there and answer.status not in STALE:
            return _outcome(answer, _id_of(present) or named)
    return NeedsHuman("answered_for_another") if elsewhere else TryAgain("task_keeps_changing")


def _told_of_another(connection: EhrConnection) -> bool:
    alerts.note(connection, alerts.WRITTEN_ELSEWHERE, timezone.now())
    return True


def _named(access: FhirAccess, answer: Answer, wanted: Json) -> str:
    """The id of the Task that an answer says it wrote; "" where it says nothing, or says it of another address; ANOTHER
    where it names another resource."""
    said = _said(answer)
    if said and (said.get("resourceType") != "Task" or not isinstance(said.get("id"), str)):
        return ANOTHER
    if said:
        return str(said["id"]) if wanted["identifier"][0] in _identifiers(said) else ANOTHER
    place = urljoin(f"{access.base}/", answer.headers.get("location", ""))
    found = PLACE.fullmatch(place.removeprefix(f"{access.base}/"))
    return found[1] if found else ""


def _said(answer: Answer) -> Json:
    """The resource in an answer: {} for none (W4), for an OperationOutcome, and for what is no resource."""
    try:
        body = one_object(answer.body)
    except ValueError:
        return {}
    return body if body.get("resourceType") not in (None, "OperationOutcome") else {}


def _id_of(task: Json | None) -> str:
    return str((task or {}).get("id", ""))


def _find(access: FhirAccess, identifier: Mapping[str, str]) -> Json | None:
    """Our Task as it stands, by our identifier. Reading changes nothing, so a lost answer is only tried again."""
    params = [("identifier", f"{identifier['system']}|{identifier['value']}"), ("patient", access.patient_id)]
    try:
        answer = ask(
            access.partner, "GET", fhir.join(access.base, "Task"), params=params, headers=fhir.headers(access.bearer)
        )
        _require_ok(answer)
        found = [one for one in _tasks(_exact(answer)) if identifier in _identifiers(one)]
    except Unanswered as problem:
        raise _End(TryAgain("ehr_unanswered")) from problem
    if len(found) > 1:
        raise _End(Refused("several_tasks"))
    return found[0] if found else None


def _tasks(bundle: Json) -> list[Json]:
    rows = bundle.get("entry")
    entries = [one.get("resource") for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []
    return [one for one in entries if isinstance(one, dict) and one.get("resourceType") == "Task"]


def _identifiers(task: Json) -> list[Json]:
    rows = task.get("identifier")
    found = [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []
    return [{"system": one.get("system"), "value": one.get("value")} for one in found]


def _create(access: FhirAccess, wanted: Json) -> Answer | None:
    """W2: an EHR that does not know the condition refuses it; our look found nothing just now, so then without."""
    system, value = wanted["identifier"][0]["system"], wanted["identifier"][0]["value"]
    answer = _send(access, "POST", "Task", wanted, {"If-None-Exist": f"identifier={system}|{value}"})
    return _send(access, "POST", "Task", wanted, {}) if answer.status == 400 else answer


def _update(access: FhirAccess, present: Json, wanted: Json) -> Answer | None:
    """Only our own elements change, what others wrote into the Task stays. None: it says so already, or says newer."""
    version = str((present.get("meta") or {}).get("versionId", ""))
    if _is_newer(present, wanted) or all(present.get(name) == wanted[name] for name in ("status", "businessStatus")):
        return None
    if not version or not isinstance(present.get("id"), str):
        raise _End(Refused("no_version"))
    return _send(access, "PUT", f"Task/{present['id']}", {**present, **wanted}, {"If-Match": f'W/"{version}"'})


def _is_newer(present: Json, wanted: Json) -> bool:
    try:
        return datetime.fromisoformat(str(present["lastModified"])) > datetime.fromisoformat(wanted["lastModified"])
    except (KeyError, ValueError, TypeError):
        return False


def _send(access: FhirAccess, method: str, path: str, body: Json, condition: Mapping[str, str]) -> Answer:
    headers = {**fhir.headers(access.bearer), **condition, "Content-Type": fhir.ACCEPT, "Prefer": "return=minimal"}
    return ask(access.partner, method, fhir.join(access.base, path), headers=headers, body=_dumps(body).encode())


def _require_ok(answer: Answer) -> None:
    if not answer.ok:
        raise _End(_outcome(answer))


def _outcome(answer: Answer, reference: str = "") -> Outcome:
    """What an HTTP status means for the act. Nothing of the body is kept."""
    if answer.ok:
        return Done(reference=reference)
    if answer.status in LATER:
        return TryAgain(f"http_{answer.status}", after_s=answer.retry_after_s())
    if answer.status == 401:
        return TOKEN_OVER
    return Refused("not_permitted" if answer.status == 403 else f"http_{answer.status}")


def _exact(answer: Answer) -> Json:
    """The answer with its numbers as Decimal, so that what others wrote goes back with the same characters."""
    try:
        value = json.loads(answer.body, parse_float=Decimal)
    except (ValueError, RecursionError) as problem:
        raise BadAnswer(answer.partner, "the answer is not JSON") from problem
    if not isinstance(value, dict):
        raise BadAnswer(answer.partner, "the answer is not one JSON object")
    return value


def _dumps(value: Any) -> str:
    """JSON that writes a Decimal as it was read."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(name))}:{_dumps(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dumps, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)
