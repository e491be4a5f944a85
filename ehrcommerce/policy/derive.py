"""What the table says, asked by machines: elements of a search, scopes of a launch, projection of an answer, what each
hop may get, how long it is kept, who may see it. Nothing here is typed a second time; a drift between these and the
table cannot happen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ehrcommerce.policy import table
from ehrcommerce.policy.keeping import Keeping
from ehrcommerce.policy.outward import OUTWARD
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION
from ehrcommerce.policy.table import CROSSINGS, Crossing

ORDER_TYPE = {PRESCRIPTION: "MedicationRequest", DEVICE: "DeviceRequest", KIT: "ServiceRequest"}
KIND_OF_TYPE = {resource: kind for kind, resource in ORDER_TYPE.items()}
# A launch shows the chart's banner, its three kinds of orders, and who is signed in; Coverage comes at checkout.
LAUNCH_PURPOSES = (table.BANNER, table.IDENTITY, table.CONTACT, table.PRESCRIPTION, table.DEVICE, table.KIT)
EVERYTHING: tuple[Crossing, ...] = (*CROSSINGS, *OUTWARD)
SEARCHED = ("MedicationRequest", "DeviceRequest", "ServiceRequest", "Coverage")


def rows(*, resource: str = "", purposes: Iterable[str] = ()) -> tuple[Crossing, ...]:
    """The rows of one resource type and some purposes; empty arguments do not limit."""
    wanted = tuple(purposes)
    return tuple(row for row in CROSSINGS if resource in ("", row.resource) and (not wanted or row.purpose in wanted))


@cache
def paths(resource: str, purposes: tuple[str, ...]) -> frozenset[str]:
    """The element paths of `resource` that the given purposes may keep."""
    return frozenset(row.element for row in rows(resource=resource, purposes=purposes))


@cache
def elements(resource: str, purposes: tuple[str, ...]) -> str:
    """The value of `_elements`: top-level names only; `id` and `meta` are always returned. Modifier elements are
    named, since an EHR may leave out whatever is not (FHIR R4, search, "_elements")."""
    names = {path.split(".")[0] for path in paths(resource, purposes)} - {"id", "meta"}
    if any(path.startswith("medicationReference") for path in paths(resource, purposes)):
        names.add("contained")
    return ",".join(sorted(names))


@cache
def launch_scopes(dialect: str = "v2") -> tuple[str, ...]:
    """The scopes of an EHR launch, least first: read what one page shows, nothing else."""
    read, search = ("r", "rs") if dialect == "v2" else ("read", "read")
    wanted = {"Patient": read, "Medication": read}
    wanted |= {ORDER_TYPE[kind]: search for kind in (PRESCRIPTION, DEVICE, KIT)}
    patient = tuple(f"patient/{resource}.{wanted[resource]}" for resource in sorted(wanted))
    return ("launch", "openid", "fhirUser", *patient, f"user/Practitioner.{read}")


@cache
def system_scopes(purpose: str, kinds: tuple[str, ...] = (), dialect: str = "v2") -> tuple[str, ...]:
    """The least scopes of one job that runs without a clinician."""
    read, search = ("r", "rs") if dialect == "v2" else ("read", "read")
    if purpose == table.ELIGIBILITY:
        return (f"system/Coverage.{search}", f"system/Organization.{read}")
    if purpose == table.WRITE_BACK:
        return tuple(f"system/Task.{verbs}" for verbs in (("rs", "cu") if dialect == "v2" else ("read", "write")))
    if purpose in (table.SHIPPING, table.DISPENSING, table.IDENTITY):
        return (f"system/Patient.{read}",)
    orders = tuple(f"system/{ORDER_TYPE[kind]}.{read}" for kind in sorted(set(kinds)))
    medication = (f"system/Medication.{read}",) if PRESCRIPTION in kinds else ()
    # The patient beside them: nothing is sold to a record that was shut since.
    return (*orders, *medication, f"system/Patient.{read}", f"system/Practitioner.{read}")


# Of these only the fact that they are there is kept.
PRESENCE = frozenset({"modifierExtension", "implicitRules", "reportedReference", "asNeededCodeableConcept"})
# What stands for a security label that cannot be read: no list knows it, so it stops whatever carries it.
UNKNOWN_LABEL = "?"


def project(raw: Mapping[str, Any], allowed: frozenset[str], prefix: str = "") -> dict[str, Any]:
    """Keep of `raw` what `allowed` names, drop the rest. Pure; `raw` is not changed.

    A path keeps its element only where the path ends there and the value is a primitive or a list of them; a structure
    where a primitive is due is dropped. The elements of PRESENCE become True. Two things are never lost, whatever form
    they have: that a modifierExtension stands on the way to something kept, and that there is a security label.
    """
    above = _above(allowed)
    kept: dict[str, Any] = {}
    for name, value in raw.items():
        path = f"{prefix}{name}"
        if path == "meta.security" and path in above:
            below: Any = _labels(value)
        elif path in allowed or name == "modifierExtension":
            below = (True if value not in (None, [], {}, "") else None) if name in PRESENCE else _primitive(value)
        elif path in above:
            below = _structure(value, allowed, f"{path}.")
        else:
            continue
        if below not in (None, {}, []):
            kept[name] = below
    return kept


@cache
def _above(allowed: frozenset[str]) -> frozenset[str]:
    """Every path that leads to an allowed one."""
    return frozenset(path[:place] for path in allowed for place, letter in enumerate(path) if letter == ".")


def _labels(value: Any) -> list[dict[str, str]]:
    """One label for each entry: its code, or UNKNOWN_LABEL."""
    if value in (None, [], {}, ""):
        return []
    codes = [
        one.get("code") if isinstance(one, Mapping) else None for one in (value if isinstance(value, list) else [value])
    ]
    return [{"code": code if isinstance(code, str) else UNKNOWN_LABEL} for code in codes]


def _primitive(value: Any) -> Any:
    if isinstance(value, list):
        return [part for part in value if isinstance(part, str | bool | int)]
    return value if isinstance(value, str | bool | int) else None


def _structure(value: Any, allowed: frozenset[str], prefix: str) -> Any:
    if isinstance(value, Mapping):
        return project(value, allowed, prefix)
    if isinstance(value, list):
        return [project(part, allowed, prefix) for part in value if isinstance(part, Mapping)]
    return None


def leaves(kind: str) -> tuple[Crossing, ...]:
    """The rows of one kind of order that leave for somebody outside the clinic, for the page and the data map."""
    return tuple(row for row in rows(purposes=(kind,)) if set(row.recipients) - {table.CLINICIAN})


# -- hops ----------------------------------------------------------------------------------------------------------
@cache
def granted(hop: str) -> frozenset[str]:
    """Every field that may stand in bytes for one outside party (`OrderedItem.dose`, `PaymentRequest.currency`)."""
    return frozenset(row.field for row in EVERYTHING if row.field and hop in row.recipients)


@cache
def packet_fields(kind: str) -> frozenset[str]:
    """Names of the fields of OrderedItem that the table fills for one kind of order; the others stay empty."""
    own = {row.field for row in rows(purposes=(kind,)) if row.field.startswith("OrderedItem.")}
    return frozenset(field.removeprefix("OrderedItem.") for field in own) | {"kind"}


@cache
def outward(resource: str) -> tuple[Crossing, ...]:
    """The rows of a resource that goes out to the EHR."""
    return tuple(row for row in OUTWARD if row.resource == resource)


# -- time ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Retention:
    """One class of the table: how long, and which fields it holds. `keeping.days` after `keeping.after`, erase them."""

    keeping: Keeping
    fields: tuple[str, ...]


@cache
def _retention() -> tuple[tuple[str, Retention], ...]:
    keepings = dict.fromkeys(row.kept for row in EVERYTHING)
    held = {one: sorted({row.field for row in EVERYTHING if row.kept == one and row.field}) for one in keepings}
    return tuple((one.name, Retention(one, tuple(held[one]))) for one in keepings)


def retention() -> dict[str, Retention]:
    """Every retention class by its name, also those that keep nothing (`keeping.is_kept`)."""
    return dict(_retention())


# -- people --------------------------------------------------------------------------------------------------------
@cache
def _viewers() -> tuple[tuple[str, frozenset[str]], ...]:
    fields = dict.fromkeys(row.field for row in EVERYTHING if row.field)
    return tuple((one, frozenset(who for row in EVERYTHING if row.field == one for who in row.sees)) for one in fields)


def viewers() -> dict[str, frozenset[str]]:
    """Field -> who may see its value on a page of ours: `patient`, or a role of accounts.models.Role. A field that
    stands here with nobody, or does not stand here, is shown to nobody."""
    return dict(_viewers())
