"""What an EHR says it can do: its CapabilityStatement (FHIR R4, `GET [base]/metadata`) cut to the few facts that the app
stands on, compared with what the connection expects and with what the EHR said at the last test."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ehrcommerce.ehr.findings import Finding, error, good, name, warning
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.policy import derive, table

STEP = "What it can do"
R4 = re.compile(r"4\.0(\.\d+)?(-\S*)?")
# What the app reads, by the table; and what it may write.
READ = tuple(sorted({row.resource for row in table.CROSSINGS}))
WRITTEN = "Task"
TYPES = (*READ, WRITTEN)
# Of the search parameters only those that the app sends.
PARAMETERS = frozenset({"patient", "status", "intent", "identifier", "beneficiary"})
INTERACTIONS = frozenset({"read", "search-type", "create", "update", "patch"})
MAIN = ("MedicationRequest", "DeviceRequest", "ServiceRequest")

Json = Mapping[str, Any]


def snapshot(statement: Json) -> dict[str, Any]:
    """The facts that are kept; everything else of the statement is forgotten."""
    software = statement.get("software")
    found = software if isinstance(software, Mapping) else {}
    rest = next((part for part in _objects(statement.get("rest")) if part.get("mode", "server") == "server"), {})
    types = {str(one.get("type")): _of_type(one) for one in _objects(rest.get("resource"))}
    return {
        "fhir_version": _text(statement.get("fhirVersion")),
        "software": _text(found.get("name")),
        "software_version": _text(found.get("version")),
        "batch": "batch" in _codes(rest.get("interaction")),
        "types": {kind: types[kind] for kind in TYPES if kind in types},
    }


def _of_type(one: Json) -> dict[str, Any]:
    searched = {_text(part.get("name")) for part in _objects(one.get("searchParam"))}
    included = one.get("searchInclude")
    includes = [part for part in included if isinstance(part, str)] if isinstance(included, list) else []
    return {
        "interactions": sorted(_codes(one.get("interaction")) & INTERACTIONS),
        "search": sorted(searched & PARAMETERS),
        "include": bool(includes),
        "conditional_create": one.get("conditionalCreate") is True,
    }


def _objects(value: Any) -> list[Json]:
    return [part for part in value if isinstance(part, Mapping)] if isinstance(value, list) else []


def _codes(value: Any) -> set[str]:
    return {_text(part.get("code")) for part in _objects(value)}


def _text(value: Any) -> str:
    return name(value) if isinstance(value, str) and value.strip() else ""


def may_write(seen: Json) -> bool:
    """W5: whether the statement that the last test saw lists that a Task can be created and changed. An EHR that was never
    tested has said nothing, and is asked."""
    types = seen.get("types")
    if not isinstance(types, Mapping):
        return True
    task = types.get(WRITTEN)
    listed = task.get("interactions") if isinstance(task, Mapping) else []
    return isinstance(listed, list) and {"create", "update"} <= set(listed)


# ---------------------------------------------------------------------------------------------------------- the version
def version_of(seen: Json) -> Finding:
    """R4 or nothing: names and shapes of other versions differ where it matters."""
    found = str(seen.get("fhir_version", ""))
    if R4.fullmatch(found):
        software = " ".join(filter(None, (str(seen.get("software", "")), str(seen.get("software_version", "")))))
        return good(
            STEP, "M-R4", f"The EHR speaks FHIR R4 ({found}){f'; it calls itself {software}' if software else ''}."
        )
    said = f"FHIR {found}" if found else "no FHIR version"
    return error(
        STEP, "M-VERSION",
        f"This address names {said}, and the app reads FHIR R4 (4.0.1) alone.",
        "Ask the EHR's administrator for the base of its R4 API; it is often the same address with R4 in place of DSTU2 or"
        " STU3. Nothing can be read here.",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ what the row expects
def expected(seen: Json, connection: EhrConnection) -> Iterator[Finding]:
    """Where the statement and the connection's knobs do not fit. A statement may be wrong; a launch decides."""
    types: Json = seen.get("types", {})
    if not types:
        yield warning(
            STEP, "M-TYPES", "The EHR's statement lists none of the types that the app reads.",
            "Ask its administrator whether the statement is complete. A launch from a test chart decides.",
        )  # fmt: skip
        return
    yield from _reads(types, connection)
    yield from _manners(seen, types, connection)
    if connection.write_back:
        yield from _writes(types)


def _reads(types: Json, connection: EhrConnection) -> Iterator[Finding]:
    if "Patient" not in types:
        yield error(
            STEP, "M-PATIENT", "The EHR does not list Patient among what can be read.",
            "Ask its administrator to open Patient for reading; without it no launch can show whose chart is open.",
        )  # fmt: skip
    asked = connection.launch_scopes or " ".join(derive.launch_scopes())
    for kind in (one for one in MAIN if f"/{one}." in asked):
        if kind not in types:
            yield warning(
                STEP, "M-ORDERS", f"The EHR does not list {kind}: orders of this kind will not be shown.",
                f"If the EHR has none, leave patient/{kind} out of 'Scopes that are asked'; a scope that it does not know"
                " can make it refuse the whole launch.",
            )  # fmt: skip
        elif "patient" not in types[kind]["search"]:
            yield warning(
                STEP, "M-SEARCH", f"The EHR does not list a search of {kind} by patient.",
                "Ask its administrator which search parameters are needed and enter them under 'Parameters of searches'.",
            )  # fmt: skip


def _manners(seen: Json, types: Json, connection: EhrConnection) -> Iterator[Finding]:
    includes = types.get("MedicationRequest", {}).get("include", False)
    if connection.honors_include and "MedicationRequest" in types and not includes:
        yield warning(
            STEP, "M-INCLUDE", "The EHR does not list _include for MedicationRequest, and the connection relies on it.",
            "Take the tick from 'Honors _include'; medications are then read beside the orders.",
        )  # fmt: skip
    if connection.honors_batch and not seen.get("batch"):
        yield warning(
            STEP, "M-BATCH", "The EHR does not list batch requests, and the connection sends them.",
            "Take the tick from 'Answers batches'.",
        )  # fmt: skip


def _writes(types: Json) -> Iterator[Finding]:
    task = types.get(WRITTEN, {"interactions": [], "conditional_create": False})
    if "create" not in task["interactions"]:
        yield warning(
            STEP, "M-TASK", "The EHR does not list that a Task can be created, and reports to the chart are on.",
            "Take the tick from 'Report to the chart', or ask the EHR's administrator to open Task for create and update.",
        )  # fmt: skip
    elif not task["conditional_create"]:
        yield good(
            STEP, "M-ONCE", "The EHR takes a Task, and does not list conditional create: the app looks for its own report"
            " before it makes one.",
        )  # fmt: skip


# ------------------------------------------------------------------------------------------- since the test before this
def changes(before: Json, now: Json) -> Iterator[Finding]:
    """What the EHR no longer says as it did. What came on top is told as well: it may be used now."""
    if not before:
        return
    for what, words in (("fhir_version", "FHIR version"), ("software", "name"), ("software_version", "version")):
        if before.get(what, "") != now.get(what, ""):
            was, is_now = str(before.get(what)) or "nothing", str(now.get(what)) or "nothing"
            yield warning("Since the last test", "M-CHANGED", f"The EHR's {words} was {was} and is {is_now}.", _LOOK)
    if before.get("batch") != now.get("batch"):
        verb = "lists" if now.get("batch") else "no longer lists"
        yield warning("Since the last test", "M-CHANGED", f"The EHR {verb} batch requests.", _LOOK)
    old, new = before.get("types", {}), now.get("types", {})
    for kind in TYPES:
        yield from _changes_of(kind, old.get(kind), new.get(kind))


_LOOK = "Launch once from a test chart and compare; then test again."


def _changes_of(kind: str, old: Json | None, new: Json | None) -> Iterator[Finding]:
    if old is None and new is None:
        return
    if old is None or new is None:
        verb = "now lists" if old is None else "no longer lists"
        yield warning("Since the last test", "M-CHANGED", f"The EHR {verb} {kind}.", _LOOK)
        return
    for what, words in (("interactions", "interactions"), ("search", "search parameters")):
        gone = [*_missing(old.get(what), new.get(what))]
        came = [*_missing(new.get(what), old.get(what))]
        said = [f"without {', '.join(gone)}"] * bool(gone) + [f"with {', '.join(came)}"] * bool(came)
        if said:
            yield warning(
                "Since the last test", "M-CHANGED", f"The EHR now lists {kind} {' and '.join(said)} ({words}).", _LOOK
            )
    for what, words in (("include", "_include"), ("conditional_create", "conditional create")):
        if bool(old.get(what)) != bool(new.get(what)):
            verb = "now lists" if new.get(what) else "no longer lists"
            yield warning("Since the last test", "M-CHANGED", f"The EHR {verb} {words} for {kind}.", _LOOK)


def _missing(these: Any, from_those: Any) -> Iterator[str]:
    those = from_those if isinstance(from_those, list) else []
    yield from (one for one in (these if isinstance(these, list) else []) if one not in those)
