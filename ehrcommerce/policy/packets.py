"""What comes through the door: small frozen values, named in words of commerce. No method does I/O and no field
holds an id of the EHR; `key` is an opaque handle that only the `ehr` half can turn back.

Numbers stay the characters that stood in the chart ("0.50", never 0.5): a dose is text."""

from dataclasses import dataclass

PRESCRIPTION, DEVICE, KIT = "prescription", "device", "kit"


@dataclass(frozen=True, slots=True)
class Coding:
    """One code of a CodeableConcept, e.g. RxNorm 861007."""

    system: str
    code: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A detail of a device order: DeviceRequest.parameter with a listed code (size, side, count)."""

    code: str
    value: str


@dataclass(frozen=True, slots=True)
class OrderedItem:
    """The clinical packet: what was ordered, without the version. Its digest stands from send on."""

    key: str
    kind: str
    name: str
    codings: tuple[Coding, ...] = ()
    form: str = ""
    directions: str = ""
    route: str = ""
    dose: str = ""
    timing: str = ""
    quantity: str = ""
    quantity_unit: str = ""
    repeats: str = ""
    days_supply: str = ""
    valid_until: str = ""
    substitution: str = ""
    parameters: tuple[Parameter, ...] = ()
    occurrence: str = ""
    ordered_on: str = ""
    orderer_name: str = ""
    orderer_npi: str = ""


@dataclass(frozen=True, slots=True)
class OrderState:
    """What the chart says of the order now. `refusal` is "" or a code of policy.refusals: why it may not be sold."""

    version: str
    updated_at: str
    status: str
    refusal: str = ""
    # Keys of the orders that this one replaces: their links are superseded.
    replaces: tuple[str, ...] = ()
    # Words of the directions that may tell why: the clinician looks at them before anything leaves (policy.terms).
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChartOrder:
    """One order as the door saw it at one moment."""

    item: OrderedItem
    state: OrderState


@dataclass(frozen=True, slots=True)
class PatientBanner:
    """Who the chart is about, for the clinician's eyes during the launch; never stored."""

    family: str
    given: str
    birth_date: str
    refusal: str = ""

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}".strip()


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """One way to reach the patient: `system` is phone or email, `value` as in the chart, E.164 where it can be."""

    system: str
    value: str
    use: str = ""

    @property
    def masked(self) -> str:
        """`...0142` or `m...@mail.example`: enough to recognize, too little to use."""
        if self.system == "phone":
            return f"...{self.value[-4:]}"
        name, _, domain = self.value.partition("@")
        return f"{name[:1]}...@{domain}"


@dataclass(frozen=True, slots=True)
class RecipientFacts:
    """What is needed to reach and to recognize the patient later. The plain birth date is not among it."""

    customer_key: str
    birth_digest: bytes
    family_digest: bytes
    postal_digest: bytes
    contacts: tuple[ContactPoint, ...]
    language: str
    # Under the organization's age of adults: somebody must act for them.
    needs_helper: bool = False


@dataclass(frozen=True, slots=True)
class UserFacts:
    """Who is signed in, as the EHR names them. Both are empty where the EHR does not say."""

    name: str
    npi: str


@dataclass(frozen=True, slots=True)
class ChartPage:
    """All that the clinician's page shows of one chart."""

    banner: PatientBanner
    recipient: RecipientFacts
    orders: tuple[ChartOrder, ...]
    # Names of resource types that could not be read, with why: "DeviceRequest: not permitted".
    unread: tuple[str, ...] = ()
    user: UserFacts | None = None


@dataclass(frozen=True, slots=True)
class ShipTo:
    """Where a parcel goes."""

    name: str
    line: str
    city: str
    state: str
    postal_code: str
    country: str = "US"


@dataclass(frozen=True, slots=True)
class CoverageFacts:
    """One insurance plan, for one eligibility question."""

    payer_name: str
    payer_id: str
    member_id: str
    relationship: str
    group: str = ""
    plan: str = ""
    rx_bin: str = ""
    rx_pcn: str = ""
    rx_group: str = ""


@dataclass(frozen=True, slots=True)
class DispatchFacts:
    """Who the pharmacy dispenses to, where the law asks for it: pulled for one dispatch, not kept."""

    name: str
    birth_date: str


@dataclass(frozen=True, slots=True)
class EventHint:
    """What is kept of a notification of the EHR: which subscription, which event, what to look at. `focus` is an opaque
    handle; `what` is the type of the notification."""

    subscription: str
    what: str
    number: str
    at: str
    focus: str


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What goes back into the chart of one purchase: opaque ids, a word, a time."""

    order_id: str
    key: str
    status: str
    at: str
