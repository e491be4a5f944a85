"""Charts full of sentinels. One chart holds one person with all that belongs to them; every element path of every
resource is filled, besides it narrative, extensions, contained resources, unknown keys and the `_x` of each primitive.

What decides whether an order is sold at all (status, code, quantity) is set to what the shop sells, by path, in RULES;
elements that would refuse the order are planted in charts of their own (`Plan.extra`, and refusals.py)."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.minimization import paths
from tests.minimization.sentinels import FAR_AHEAD, LONG_AGO, Ledger, Mark

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
# Numbers are sentinels, which no usual range would hold: the charts order a medicine for which the shop has none. The
# other one has ranges, and a journey of its own, in which its prescriber says that the numbers are right.
MEDICINE, RANGED = "979492", "861007"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
LOINC = "http://loinc.org"
NPI = "http://hl7.org/fhir/sid/us-npi"
Json = dict[str, Any]
OMIT = object()
_phones = itertools.count(1)


@dataclass(frozen=True)
class Extra:
    """One more order of the same person. `refusal` is the code of policy.refusals that must stand against it, "" where it
    is sold; `add` is put in as it is, TEXT and EXTENSION standing for sentinels."""

    branch: str
    resource: str
    refusal: str = ""
    rules: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, Any] = field(default_factory=dict)
    variant: int = 0


TEXT, EXTENSION = "<text>", "<extension>"


@dataclass
class Plan:
    """How one chart departs from the usual one. `rules`: path -> value, OMIT, or for a list of structures a
    list of rule sets."""

    name: str
    kinds: tuple[str, ...] = ("prescription", "device", "kit")
    variant: int = 0
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    member: str = "A1-COV"
    reachable: bool = True
    mail: bool = True  # the code goes there; else it comes by text as well
    dense: bool = False  # an extension in every structure, `_x` beside every primitive
    extra: "tuple[Extra, ...]" = ()


@dataclass
class Chart:
    """What was planted, and how its person is reached."""

    name: str
    patient: str
    born: str
    family: str
    phone: str
    email: str
    resources: list[Json]
    orders: dict[str, str]
    ledger: Ledger


def _usual(chart: "_Maker") -> dict[str, dict[str, Any]]:
    """What the shop needs, by resource and path. Everything that is not named here is a sentinel."""
    order = {
        "status": "active", "intent": "order", "subject.reference": f"Patient/{chart.patient}",
        "requester.reference": f"Practitioner/{chart.practitioner}", "authoredOn": chart.recent,
        "meta.lastUpdated": chart.now, "implicitRules": OMIT, "meta.security": OMIT,
    }  # fmt: skip
    return {
        "Patient": {
            "id": chart.patient, "implicitRules": OMIT, "meta.security": OMIT, "active": True,
            "birthDate": chart.born, "deceasedBoolean": False, "deceasedDateTime": OMIT, "name.use": "official",
            "telecom": chart.telecom(), "address.use": "home", "address.state": "WA",
            "address.country": "US", "address.postalCode": chart.postal,
            "communication.language.coding.code": "en", "communication.preferred": True, "link": OMIT,
        },
        "MedicationRequest": {
            **order, "id": chart.ids["prescription"], "doNotPerform": False, "reportedBoolean": False,
            "reportedReference": OMIT, "medicationReference": OMIT,
            "medicationCodeableConcept.coding": [{"system": RXNORM, "code": MEDICINE}, {}],
            "dosageInstruction.timing.repeat.dayOfWeek": chart.short, "dosageInstruction.timing.repeat.when": chart.short,
            "dosageInstruction.timing.repeat.timeOfDay": "09:00:00", "dosageInstruction.timing.repeat.periodUnit": "d",
            "dosageInstruction.sequence": chart.small, "dosageInstruction.asNeededBoolean": True,
            "dosageInstruction.asNeededCodeableConcept": OMIT,
            **{f"dosageInstruction.timing.repeat.{name}": chart.small for name in ("frequency", "frequencyMax", "count")},
            "dispenseRequest.quantity.value": 90, "dispenseRequest.quantity.unit": "tablet",
            "dispenseRequest.numberOfRepeatsAllowed": chart.small, "dispenseRequest.expectedSupplyDuration.unit": "days",
            "substitution.allowedBoolean": True, "substitution.allowedCodeableConcept": OMIT,
        },
        "Medication": {"id": chart.medication, "implicitRules": OMIT, "meta.security": OMIT, "status": "active",
                       "code.coding": [{"system": RXNORM, "code": MEDICINE}, {}]},
        "DeviceRequest": {
            **order, "id": chart.ids["device"], "codeReference": OMIT,
            "codeCodeableConcept.coding": [{"system": HCPCS, "code": "E0607"}, {}],
            "parameter.code.text": "size",
        },
        "ServiceRequest": {
            **order, "id": chart.ids["kit"], "doNotPerform": False, "code.coding": [{"system": LOINC, "code": "4548-4"}, {}],
            "quantityQuantity.value": 2,
        },
        "Coverage": {
            "id": chart.coverage, "implicitRules": OMIT, "meta.security": OMIT, "status": "active",
            "beneficiary.reference": f"Patient/{chart.patient}", "subscriberId": chart.member,
            "payor.reference": f"Organization/{chart.payer}",
            "class": [{"type.coding": [{"code": name}, {}]} for name in ("group", "plan", "rxbin", "rxpcn", "rxgroup")] + [{}],
            "order": chart.small,
        },
        "Practitioner": {"id": chart.practitioner, "implicitRules": OMIT, "meta.security": OMIT, "active": True,
                         "name.use": "official",
                         "identifier": [{"system": NPI, "value": chart.npi}, {}]},
        "Organization": {"id": chart.payer, "implicitRules": OMIT, "meta.security": OMIT, "active": True},
    }  # fmt: skip


class _Maker:
    """Fills one chart."""

    def __init__(self, ledger: Ledger, plan: Plan) -> None:
        self.ledger, self.plan = ledger, plan
        self.patient, self.practitioner, self.payer, self.medication, self.coverage = (
            self._id(name) for name in ("Patient", "Practitioner", "Organization", "Medication", "Coverage")
        )
        types = {"prescription": "MedicationRequest", "device": "DeviceRequest", "kit": "ServiceRequest"}
        self.types = {kind: types[kind] for kind in plan.kinds}
        self.ids = {kind: self._id(resource) for kind, resource in types.items()}
        self.born_day = ledger.day(self._mark("Patient", "birthDate", "day"), (date(1931, 1, 1), date(1989, 12, 31)))
        self.born = self.born_day.isoformat()
        number = f"206{ledger.random.randint(300, 989)}{next(_phones) + ledger.random.randint(0, 800) * 10 + 1000:04d}"[
            :10
        ]
        self.phone = "+1" + ledger.name_digits(number, self._mark("Patient", "telecom.value", "phone"))
        self.npi = ledger.name_digits(str(ledger.random.randint(1_200_000_000, 1_999_999_999)),
                                      self._mark("Practitioner", "identifier.value", "npi"))  # fmt: skip
        self.postal = ledger.name_digits(f"98{ledger.random.randint(100, 999)}-{ledger.random.randint(1000, 9999)}",
                                         self._mark("Patient", "address.postalCode", "postal"))  # fmt: skip
        self.member = ledger.text(self._mark("Coverage", "subscriberId", "text")) + f"-{plan.member}"
        signed = datetime.now(UTC) - timedelta(days=ledger.random.randint(20, 200))
        self.recent = f"{signed:%Y-%m-%d}T09:15:00Z"
        self.now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        self.email = f"{ledger.text(self._mark('Patient', 'telecom.value', 'text'))}@mail.example" if plan.mail else ""

    def telecom(self) -> list[Json]:
        phone = {"system": "phone", "use": "mobile", "rank": 1, "value": self.phone}
        mail = {"system": "email", "use": "home", "rank": 2, "value": self.email}
        return [phone, *([mail] if self.email else [])]

    def _mark(self, resource: str, path: str, kind: str) -> Mark:
        return Mark(resource, path, self.plan.name, kind)

    def _id(self, resource: str) -> str:
        return self.ledger.text(self._mark(resource, "id", "text"))

    def short(self, mark: Mark) -> str:
        return self.ledger.text(mark, 1)

    def small(self, mark: Mark) -> int:
        return self.ledger.whole(mark, 6)

    # ----------------------------------------------------------------------------------------------------- filling
    def resource(self, name: str) -> Json:
        rules = self._rules(_usual(self)[name], self.plan.rules.get(name, {}))
        made = self._structure(name, paths.model_of(name), "", rules, paths.DEPTH)
        made["resourceType"] = name
        made["contained"] = [self._contained(name)]
        return made

    def _rules(self, usual: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """The usual ones and the plan's own. An own rule for a part brings back the structure that is usually left out."""
        given = {path: value.format(self=self) if isinstance(value, str) else value for path, value in own.items()}
        parts = {path for path, value in given.items() if value is not OMIT}
        back = {path for path in usual if path not in given and any(part.startswith(f"{path}.") for part in parts)}
        return {**{path: value for path, value in usual.items() if path not in back}, **given}

    def more(self, extra: Extra) -> Json:
        """An order beside the usual ones, with an id of its own."""
        rules = {**_usual(self)[extra.resource], "id": self._id(extra.resource)}
        if extra.resource != "Medication":
            rules["subject.reference"] = f"Patient/{self.patient}"
        before, self.plan = self.plan, replace(self.plan, variant=extra.variant)
        given = self._rules(rules, extra.rules)
        made = self._structure(extra.resource, paths.model_of(extra.resource), "", given, paths.DEPTH)
        self.plan = before
        made["resourceType"] = extra.resource
        for path, value in extra.add.items():
            *above, last = path.split(".")
            place: Any = made
            for name in above:
                place = place.setdefault(name, {})
                place = place[0] if isinstance(place, list) else place
            self.ledger.planted.add((extra.resource, path))
            place[last] = self._added(extra.resource, path, value)
        return made

    def _added(self, resource: str, path: str, value: Any) -> Any:
        if value == TEXT:
            return self._say(resource, path)
        return [self._extension(resource, path)] if value == EXTENSION else value

    def _structure(self, resource: str, model: type[Any], above: str, rules: Mapping[str, Any], deep: int) -> Json:
        made: Json = {}
        elements = paths.elements(model)
        for element in self._chosen(elements, above, rules):
            path = f"{above}{element.name}"
            value = self._value(resource, element, path, rules, deep)
            if value is OMIT:
                continue
            self.ledger.planted.add((resource, path))
            made[element.name] = value
            if element.kind and self.plan.dense:
                made[f"_{element.name}"] = self._beside(resource, f"{above}_{element.name}", many=element.many)
        self._apart(resource, above, made)
        return made

    def _chosen(self, elements: tuple[paths.Element, ...], above: str, rules: Mapping[str, Any]) -> list[paths.Element]:
        """Of each x[x] one type: the one that a rule names, else the variant's."""
        kept = []
        for element in elements:
            group = [one for one in elements if one.choice and one.choice == element.choice]
            if group:
                named = [
                    one
                    for one in group
                    if rules.get(f"{above}{one.name}", OMIT) is not OMIT or self._has(rules, f"{above}{one.name}.")
                ]
                free = [one for one in group if rules.get(f"{above}{one.name}") is not OMIT]
                pick = (named or free or group)[0 if named else self.plan.variant % len(free or group)]
                if element is not pick:
                    continue
            kept.append(element)
        return kept

    @staticmethod
    def _has(rules: Mapping[str, Any], prefix: str) -> bool:
        return any(path.startswith(prefix) and value is not OMIT for path, value in rules.items())

    def _value(self, resource: str, element: paths.Element, path: str, rules: Mapping[str, Any], deep: int) -> Any:
        rule = rules.get(path)
        if rule is OMIT:
            return OMIT
        if isinstance(rule, list) and not element.kind:
            return [
                self._under(resource, element, path, {f"{path}.{name}": value for name, value in one.items()}, deep)
                for one in rule
            ]
        if callable(rule):
            rule = rule(self._mark(resource, path, element.kind))
        if rule is not None:
            return rule if not element.many or isinstance(rule, list) else [rule]
        made = (
            self._primitive(resource, element, path)
            if element.kind
            else self._under(resource, element, path, rules, deep)
        )
        return [made] if element.many else made

    def _under(self, resource: str, element: paths.Element, path: str, rules: Mapping[str, Any], deep: int) -> Json:
        if deep <= 1:
            mark = self._mark(resource, path, "text")
            return {"text" if element.model == "CodeableConcept" else "display": self.ledger.text(mark)}
        return self._structure(resource, element.whole, f"{path}.", rules, deep - 1)

    def _primitive(self, resource: str, element: paths.Element, path: str) -> Any:
        mark = self._mark(resource, path, element.kind)
        match element.kind:
            case "yes":
                self.ledger.silent.add((resource, path))
                return self.ledger.random.random() < 0.5
            case "whole":
                return self.ledger.whole(mark)
            case "number":
                return Number(self.ledger.number(mark))
            case "day":
                return self.ledger.day(mark, _span(path)).isoformat()
            case "moment":
                return f"{self.ledger.day(mark, _span(path)).isoformat()}T{self.ledger.time(mark)}Z"
            case "time":
                return self.ledger.time(mark)
        return _shaped(element.name, path, self.ledger.text(mark))

    # ----------------------------------------------------------------------------- what stands beside the elements
    def _beside(self, resource: str, path: str, *, many: bool) -> Any:
        made = {"id": self._say(resource, f"{path}.id"), "extension": [self._extension(resource, f"{path}.extension")]}
        return [made] if many else made

    def _apart(self, resource: str, above: str, made: Json) -> None:
        if above and not self.plan.dense:
            return
        made["extension"] = [self._extension(resource, f"{above}extension")]
        made[self._say(resource, f"{above}(unknown key)")] = self._say(resource, f"{above}(unknown value)")
        self.ledger.planted |= {(resource, f"{above}extension"), (resource, f"{above}(unknown key)")}

    def _extension(self, resource: str, path: str) -> Json:
        return {
            "url": f"http://{self._say(resource, f'{path}.url')}.example/x",
            "valueString": self._say(resource, f"{path}.valueString"),
        }

    def _contained(self, resource: str) -> Json:
        path = "contained"
        self.ledger.planted.add((resource, path))
        said: Callable[[str], str] = lambda name: self._say(resource, f"{path}.{name}")  # noqa: E731
        return {
            "resourceType": "Condition", "id": said("id"),
            "code": {"text": said("code.text"), "coding": [{"code": said("code.coding.code")}]},
            "note": [{"text": said("note.text")}], "text": {"status": "generated", "div": f"<div>{said('text.div')}</div>"},
        }  # fmt: skip

    def _say(self, resource: str, path: str) -> str:
        return self.ledger.text(self._mark(resource, path, "text"))


class Number(str):
    """A decimal that is written with its own characters."""


def _span(path: str) -> tuple[date, date]:
    return LONG_AGO if path.endswith("start") else FAR_AHEAD


def _shaped(name: str, path: str, text: str) -> str:
    """What the element demands of a text: a URI, a reference, XHTML."""
    if name == "div":
        return f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'
    if name == "reference":
        return f"Observation/{text}"
    return f"urn:x:{text}" if name in ("system", "url", "source", "profile", "instantiatesUri") else text


def chart(ledger: Ledger, plan: Plan) -> Chart:
    """One chart after its plan; the whole of it goes into the ledger."""
    maker = _Maker(ledger, plan)
    person = maker.resource("Patient")
    names = [
        *maker.types.values(),
        "Practitioner",
        "Medication",
        "Organization",
        *(["Coverage"] if plan.member else []),
    ]
    if not plan.reachable:
        person.pop("telecom")
    found = [person, *(maker.resource(name) for name in names), *(maker.more(extra) for extra in plan.extra)]
    orders = {kind: f"{resource}/{maker.ids[kind]}" for kind, resource in maker.types.items()}
    family = str(person["name"][0].get("family", ""))
    return Chart(plan.name, maker.patient, maker.born, family, maker.phone, maker.email, found, orders, ledger)
