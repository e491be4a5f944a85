"""THE DOOR. Whole clinical resources exist in the functions below and nowhere else; what leaves them is a packet.

Each disclose_*() does the same five things: require the agreement with the EHR, pull, check that everything belongs to
this patient, let the table cut it down, write the audit row. Then it forgets. No database work happens while the EHR
is asked, and no network call happens in a transaction of ours: call these outside of one."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import extract, fhir, hook_calls, medication, people, plans, values
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import ChartUnreadable, Fault, WrongResource, busy_s, in_words
from ehrcommerce.disclosure.fhir import Found
from ehrcommerce.disclosure.hook_calls import HookCall
from ehrcommerce.disclosure.pull import Pull, reason_of
from ehrcommerce.disclosure.values import Json, Reference
from ehrcommerce.policy import derive, schema, table
from ehrcommerce.policy.packets import (
    DEVICE,
    KIT,
    PRESCRIPTION,
    ChartOrder,
    ChartPage,
    CoverageFacts,
    DispatchFacts,
    PatientBanner,
    RecipientFacts,
    ShipTo,
    UserFacts,
)
from ehrcommerce.vault.keys import identity_digest
from ehrcommerce.wire.fhir import FhirRefused

ORDER_TYPES = ("MedicationRequest", "DeviceRequest", "ServiceRequest")
KINDS = (PRESCRIPTION, DEVICE, KIT)
GONE = (404, 410)
# An EHR that answers so will answer so again: the reference stays unread, and its display speaks for it.
NOT_TO_BE_READ = (400, 403, *GONE)
COMMERCE = "commerce"
MOST_IDS = 50
# Where a resource of any type says whose it is.
ABOUT = ("subject", "patient", "beneficiary")
_WHY = {403: "not permitted", 404: "not offered by this EHR", 400: "not offered by this EHR"}


def disclose_chart(
    access: FhirAccess, *, by: Actor, at: datetime, only: Collection[str] | None = None, fhir_user: str = ""
) -> ChartPage:
    """The clinician's page: banner, how to reach the patient, and every open order with what stands against it.

    At most four requests go out at once; references that no search brought along follow in one round. `only` names
    the order types to search, None all of them; `fhir_user` is read along with the rest where the app does not know
    its user by name yet.
    Raises NoAgreement, ChartUnreadable, ChartForbidden, WrongPatient.
    """
    types = tuple(name for name in ORDER_TYPES if only is None or name in only)
    kinds = tuple(derive.KIND_OF_TYPE[name] for name in types)
    pull = Pull(access, by, at, "chart.read", (*people.CHART_PURPOSES, *kinds), table.CLINICIAN)
    pull.begin()
    reference = values.reference(fhir_user, access.base) if fhir_user else None
    user = reference if reference and reference[0] == "Practitioner" else None
    person, searches = fhir.wave(access, types, people.CHART_PURPOSES, user=user)
    signed_in = searches.pop(fhir.USER, None)
    person = _patient_of(pull, person)
    found = {name: answer for name, answer in searches.items() if isinstance(answer, Found)}
    unread = _unread(pull, searches)
    everything = [raw for answer in found.values() for raw in answer.resources]
    _check_patient(pull, everything)
    orders = _listed(types, found)
    chart, left = _resolved(pull, orders, everything)
    unread += [f"{left} references: not read"] if left else []
    page = _page(pull, person, _packets(orders, chart, access), tuple(unread))
    _note(pull, [signed_in] if signed_in is not None else [])
    if isinstance(signed_in, Found):
        page = replace(page, user=people.practitioner(signed_in.resources[0], purpose=table.SIGN_IN))
    pull.end(("Patient", *found, "Medication", "Practitioner"))
    return page


def _patient_of(pull: Pull, answer: Json | Fault) -> Json:
    """The Patient, or the end of the reading."""
    if isinstance(answer, WrongResource):
        pull.stop_at_other_patient()
    if not isinstance(answer, Mapping):
        pull.fail(answer)
    return answer


def _unread(pull: Pull, searches: Mapping[str, Found | Fault]) -> list[str]:
    """What the clinician is told of a type that could not be read. A token that is over ends the whole reading."""
    said = []
    for name, answer in searches.items():
        if isinstance(answer, Found):
            said += [] if answer.complete else [f"{name}: the list may be incomplete"]
            continue
        status = answer.status if isinstance(answer, FhirRefused) else 0
        if status == 401:
            pull.fail(answer)
        wait_s = busy_s(answer)
        why = _WHY.get(status, "did not answer") if wait_s is None else f"busy, try again {in_words(wait_s)}"
        said.append(f"{name}: {why}")
    return said


def _chart(pull: Pull) -> extract.Chart:
    """Whose chart is read, when, and under which rules; nothing of it yet."""
    access = pull.access
    return extract.Chart(
        access.base, access.patient_id, access.key_of, pull.at.date(),
        prescription_max_age_days=access.prescription_max_age_days, medication_order=access.medication_order,
        held_words=access.held_words,
    )  # fmt: skip


def _check_patient(pull: Pull, resources: Iterable[Json]) -> None:
    """Another patient's record anywhere in the answer stops the whole reading (SMART hostile input 60)."""
    chart = _chart(pull)
    for raw in resources:
        other_person = raw.get("resourceType") == "Patient" and raw.get("id") != chart.patient_id
        if other_person or any(extract.belongs(raw, chart, element) == "other" for element in ABOUT):
            pull.stop_at_other_patient()


def _listed(types: tuple[str, ...], found: Mapping[str, Found]) -> list[Json]:
    """Open orders of the types that were asked for, each once, in the order of the page."""
    once: dict[tuple[str, str], Json] = {}
    for name in types:
        rows = found[name].matches if name in found else ()
        for place, raw in enumerate(rows):
            if raw.get("resourceType") == name:
                which = (name, values.code(raw.get("id")) or f"?{place}")
                once[which] = values.newer(once.get(which, raw), raw)
    return [raw for raw in once.values() if not extract.is_closed(raw)]


def _resolved(pull: Pull, orders: Iterable[Json], brought: Iterable[Json]) -> tuple[extract.Chart, int]:
    """What the orders point to: brought along by the searches, the rest read in one round. With it, how many
    references could not be read for now."""
    access = pull.access
    orders = list(orders)
    wanted = {one for raw in orders for one in extract.references(raw, access.base, access.medication_order)}
    have = _brought(brought, "Medication", "Practitioner")
    asked = sorted(wanted - have.keys())
    read, faults = fhir.read_all(access, asked[: fhir.MOST_REFERENCES], pull.purposes)
    final = {one for one, fault in faults.items() if isinstance(fault, FhirRefused) and fault.status in NOT_TO_BE_READ}
    lost = frozenset(asked) - read.keys() - final
    _note(pull, faults.values())
    if any(medication.is_twice(raw) for raw in orders):
        pull.note_two_medicines()
    chart = replace(_chart(pull), found={**have, **read}, lost=lost)
    return chart, len(lost)


def _note(pull: Pull, answers: Iterable[Found | Fault]) -> None:
    """Tell the privacy officer of a resource that came in place of the one that was asked for."""
    if any(isinstance(answer, WrongResource) for answer in answers):
        pull.note_other_resource()


def _brought(resources: Iterable[Json], *types: str) -> dict[Reference, Json]:
    """What a search brought along besides its matches."""
    return {
        (str(raw["resourceType"]), str(raw.get("id"))): raw
        for raw in resources if raw.get("resourceType") in types and fhir.is_whole(raw)
    }  # fmt: skip


def _packets(orders: Iterable[Json], chart: extract.Chart, access: FhirAccess) -> tuple[ChartOrder, ...]:
    packets = []
    for place, raw in enumerate(orders):
        packet = extract.order(raw, chart, place=place)
        schema.require(packet.item)
        resource, name = str(raw["resourceType"]), values.code(raw.get("id"))
        if values.FHIR_ID.fullmatch(name):
            access.seen[packet.item.key] = (resource, name, packet.state.version)
        packets.append(packet)
    return tuple(packets)


def _page(pull: Pull, person: Json, orders: tuple[ChartOrder, ...], unread: tuple[str, ...]) -> ChartPage:
    access, on = pull.access, pull.at.date()
    key = access.customer_key
    access.seen[key] = ("Patient", access.patient_id, "")
    banner = people.banner(person, on=on, adult_age=access.sold_from_age)
    return ChartPage(banner, _recipient(person, key, on, access.adult_age), _refused(orders, banner.refusal), unread)


def _recipient(person: Json, key: str, on: date, adult_age: int) -> RecipientFacts:
    born, family, postal = people.identity(person, on=on)
    return RecipientFacts(
        customer_key=key, birth_digest=identity_digest("birth", key, born),
        family_digest=identity_digest("family", key, family), postal_digest=identity_digest("postal", key, postal),
        contacts=people.contacts(person, on=on), language=people.language(person),
        needs_helper=people.is_minor(born, on, adult_age),
    )  # fmt: skip


def disclose_orders(
    access: FhirAccess, keys_to_refs: Mapping[str, Reference], *, by: Actor, at: datetime
) -> dict[str, ChartOrder | None]:
    """Each order as it stands at this moment, read one by one (freshness gate). None: the EHR no longer has it. The
    patient is read beside them: who died since, or whose record was merged, shut or restricted, is sold nothing.

    Raises NoAgreement, ChartUnreadable, ChartForbidden, WrongPatient.
    """
    types = {reference[0] for reference in keys_to_refs.values()}
    kinds = tuple(kind for kind in KINDS if derive.ORDER_TYPE[kind] in types)
    entity = f"order:{next(iter(keys_to_refs))}"[:80] if len(keys_to_refs) == 1 else ""
    pull = Pull(access, by, at, "orders.read", (table.IDENTITY, *kinds), COMMERCE, entity)
    pull.begin()
    who = ("Patient", access.patient_id)
    present, faults = fhir.read_all(access, dict.fromkeys((who, *keys_to_refs.values())), pull.purposes)
    refusal = _refusal_now(pull, present.pop(who) if who in present else faults.pop(who))
    for fault in faults.values():
        if not (isinstance(fault, FhirRefused) and fault.status in GONE):
            pull.fail(fault)
    _check_patient(pull, present.values())
    chart, left = _resolved(pull, present.values(), ())
    if left:
        # Half an order would look like a changed one: better to ask again than to stop a purchase for nothing.
        pull.end((), outcome="failure", reason="references")
        raise ChartUnreadable
    orders = _refused(_packets(present.values(), chart, access), refusal)
    packets = dict(zip(present, orders, strict=True))
    pull.end(("Patient", *types, "Medication", "Practitioner"))
    return {key: packets.get(reference) for key, reference in keys_to_refs.items()}


def _refusal_now(pull: Pull, answer: Json | Fault) -> str:
    """Why nothing may be sold to this person now, "" where nothing stands against it."""
    if isinstance(answer, FhirRefused) and answer.status in GONE:
        return "patient_inactive"  # removed, or merged away: there is nobody left to sell to
    person = _patient_of(pull, answer)
    return people.banner(person, on=pull.at.date(), adult_age=pull.access.sold_from_age).refusal


def _refused(orders: tuple[ChartOrder, ...], refusal: str) -> tuple[ChartOrder, ...]:
    """What stands against the person stands against every order."""
    return tuple(replace(one, state=replace(one.state, refusal=refusal)) for one in orders) if refusal else orders


@dataclass(frozen=True, slots=True)
class Changed:
    """An order that changed, without a word of what it says. The id and the patient stay with the ehr half."""

    key: str
    resource_id: str = field(repr=False)
    patient_id: str = field(repr=False)
    version: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Changes:
    """`complete` is false where pages had to be left: look again from the newest that came."""

    found: tuple[Changed, ...]
    complete: bool


def disclose_changes(
    access: FhirAccess, resource_type: str, *, by: Actor, at: datetime, since: str = "", ids: Sequence[str] = ()
) -> Changes:
    """Which orders of anybody changed since then, or whose these are: id, version, time and patient of each, and nothing
    else of it. For the half that speaks with EHRs alone. Raises NoAgreement, ChartUnreadable, ChartForbidden."""
    kind = derive.KIND_OF_TYPE[resource_type]
    pull = Pull(access, by, at, "changes.read", (kind,), "", f"changes:{resource_type}")
    pull.begin()
    answer = fhir.together(access, {"": fhir.search_changes(access, resource_type, since=since, ids=ids)})[""]
    if not isinstance(answer, Found):
        pull.fail(answer)
    found = [_changed(access, raw) for raw in answer.matches if raw.get("resourceType") == resource_type]
    pull.end(())
    return Changes(tuple(one for one in found if one is not None), answer.complete)


def _changed(access: FhirAccess, raw: Json) -> Changed | None:
    name = values.code(raw.get("id"))
    whose = values.reference(values.at_path(raw, "subject", "reference"), access.base)
    if not values.FHIR_ID.fullmatch(name) or whose is None or whose[0] != "Patient":
        return None
    return Changed(
        access.key_of(str(raw["resourceType"]), name), name, whose[1],
        values.code(values.at_path(raw, "meta", "versionId")), values.code(values.at_path(raw, "meta", "lastUpdated")),
    )  # fmt: skip


def disclose_coverage(access: FhirAccess, *, by: Actor, at: datetime) -> tuple[CoverageFacts, ...]:
    """Active plans of today, the one to ask first in front. Raises as disclose_orders."""
    pull = Pull(access, by, at, "coverage.read", (table.ELIGIBILITY,), table.PAYER)
    pull.begin()
    answer = fhir.together(access, {"Coverage": fhir.search_coverage(access)})["Coverage"]
    if not isinstance(answer, Found):
        pull.fail(answer)
    _check_patient(pull, answer.resources)
    ours = [raw for raw in answer.resources if raw.get("resourceType") == "Coverage" and _is_ours(pull, raw)]
    have = _brought(answer.resources, "Organization")
    asked = sorted({one for raw in ours for one in plans.payers(raw, access.base)} - have.keys())
    read, faults = fhir.read_all(access, asked[: fhir.MOST_REFERENCES], (table.ELIGIBILITY,))
    _note(pull, faults.values())
    facts = plans.plans(ours, base=access.base, on=at.date(), found={**have, **read})
    pull.end(("Coverage", "Organization"))
    return facts


def _is_ours(pull: Pull, coverage: Json) -> bool:
    chart = _chart(pull)
    return extract.belongs(coverage, chart, "beneficiary") == "ours"


def _patient(pull: Pull) -> Json:
    pull.begin()
    person, _ = fhir.wave(pull.access, (), pull.purposes)
    return _patient_of(pull, person)


def disclose_ship_to(access: FhirAccess, *, by: Actor, at: datetime) -> ShipTo | None:
    """The current home address, or None. Raises as disclose_orders."""
    pull = Pull(access, by, at, "address.read", (table.SHIPPING,), table.PATIENT)
    facts = people.ship_to(_patient(pull), on=at.date())
    pull.end(("Patient",))
    return facts


def disclose_recipient(access: FhirAccess, *, by: Actor, at: datetime) -> RecipientFacts:
    """How to reach the patient and to recognize them, where no clinician looks on. Raises as disclose_orders."""
    pull = Pull(access, by, at, "contact.read", (table.IDENTITY, table.CONTACT), COMMERCE)
    facts = _recipient(_patient(pull), access.customer_key, at.date(), access.adult_age)
    access.seen[access.customer_key] = ("Patient", access.patient_id, "")
    pull.end(("Patient",))
    return facts


def disclose_banner(access: FhirAccess, *, by: Actor, at: datetime) -> PatientBanner:
    """Whose chart this is, for a page that shows nothing else of it. Raises as disclose_orders."""
    pull = Pull(access, by, at, "banner.read", (table.BANNER, table.IDENTITY), table.CLINICIAN)
    facts = people.banner(_patient(pull), on=at.date(), adult_age=access.sold_from_age)
    pull.end(("Patient",))
    return facts


def disclose_dispatch_facts(access: FhirAccess, *, by: Actor, at: datetime) -> DispatchFacts | None:
    """Name and birth date for the pharmacy; None where no medicine may go to this person. Raises as disclose_orders."""
    pull = Pull(access, by, at, "dispatch.read", (table.DISPENSING,), table.PHARMACY)
    facts = people.dispatch_facts(_patient(pull), on=at.date())
    pull.end(("Patient",))
    return facts


def disclose_user(access: FhirAccess, fhir_user_reference: str, *, by: Actor, at: datetime) -> UserFacts:
    """Name and NPI of who is signed in. Empty where the reference is no Practitioner of this EHR (another host is never
    asked) or may not be read. Raises NoAgreement, ChartUnreadable, ChartForbidden (the token is over)."""
    pull = Pull(access, by, at, "user.read", (table.SIGN_IN,), table.CLINICIAN)
    pull.begin()
    reference = values.reference(fhir_user_reference, access.base)
    if reference is None or reference[0] != "Practitioner":
        return UserFacts("", "")
    came, faults = fhir.read_all(access, [reference], (table.SIGN_IN,))
    for fault in faults.values():
        if not (isinstance(fault, FhirRefused) and fault.status in NOT_TO_BE_READ):
            pull.fail(fault)
        pull.end((), outcome="failure", reason=reason_of(fault))
        return UserFacts("", "")
    facts = people.practitioner(came[reference], purpose=table.SIGN_IN)
    pull.end(("Practitioner",))
    return facts


def disclose_hook(
    access: FhirAccess, body: bytes, *, hook: str, is_ours: Callable[[str], bool], by: Actor, at: datetime
) -> HookCall:
    """What a CDS Hooks call says, from the bytes that came: nothing is asked of the EHR. `access` is of the connection, with
    no patient and no token. An order of another patient is left out, and so is every order of another FHIR server.

    Raises NoAgreement and hook_calls.BadHookCall.
    """
    call = hook_calls.opened(body, hook)
    access = replace(access, patient_id=call.patient_id)
    pull = Pull(access, by, at, "hook.read", KINDS, table.CLINICIAN, f"chart:{access.customer_key}")
    pull.begin()
    heard = HookCall(call.server, call.patient_id, call.user)
    if call.server and not is_ours(call.server):
        pull.end((), outcome="refused", reason="other_server")
        return heard
    if hook == hook_calls.ORDER_DISPATCH:
        heard = replace(heard, named=hook_calls.dispatched(call, access.base))
    elif hook in hook_calls.WITH_DRAFTS:
        chart = replace(_chart(pull), found=_brought(hook_calls.resources(call), "Medication", "Practitioner"))
        ours = [raw for raw in hook_calls.drafts(call, hook, access.base) if extract.belongs(raw, chart) == "ours"]
        names = [(str(raw["resourceType"]), values.code(raw.get("id"))) for raw in ours]
        heard = replace(heard, drafts=tuple(zip(names, _packets(ours, chart, access), strict=True)))
    pull.end(sorted({kind for (kind, _), _ in heard.drafts}))
    return heard
