"""The twelve patients of the demo. Each of the first seven stands for one way in which real registrations differ;
the sentences beside them say which."""

from datetime import date

from .clinic import ADA, CLINIC, CLINIC_NAME, CLINICIAN_NAMES, LUND
from .shapes import CHART_ONLY, TERMINOLOGY, Resource, concept, days_ago, instant, narrative, ref

MARISOL, HAROLD, LUCIA, JOANNA = "marisol-rivera", "harold-nakamura", "lucia-munoz", "joanna-whitfield"
EDGAR, OLD_MARISOL, RUTH, NOAH = "edgar-stone", "marisol-rivera-old", "ruth-abernathy", "noah-kim"
PRIYA, TOBIAS, GRACE, HECTOR = "priya-raman", "tobias-wren", "grace-adeyemi", "hector-rivera"

# Who signs the orders and is the usual clinician.
CLINICIAN_OF = {HAROLD: LUND, EDGAR: LUND, RUTH: LUND, TOBIAS: LUND, HECTOR: LUND}


def clinician_of(patient: str) -> str:
    return CLINICIAN_OF.get(patient, ADA)


def resources(today: date) -> list[Resource]:
    charts = [
        _marisol(),
        _harold(),
        _lucia(),
        _joanna(today),
        _edgar(),
        _old_marisol(),
        _ruth(today),
        _noah(today),
        _patient(
            PRIYA,
            "Raman",
            ["Priya"],
            "female",
            "1979-06-30",
            home("77 Alder Court", "Bellevue", "WA", "98004"),
            mobile("+14255550171"),
            mail("priya.raman@mail.example"),
        ),
        _patient(
            TOBIAS,
            "Wren",
            ["Tobias", "J."],
            "male",
            "1990-12-05",
            home("405 NE Couch Street", "Portland", "OR", "97232"),
            mobile("+15035550182"),
            mail("tobias@wren.example"),
        ),
        _patient(
            GRACE,
            "Adeyemi",
            ["Grace"],
            "female",
            "1957-02-11",
            home("18 Harbor View Lane", "Tacoma", "WA", "98402"),
            mobile("+12535550193"),
            mail("grace.adeyemi@mail.example"),
        ),
        _patient(
            HECTOR,
            "Rivera",
            ["Hector"],
            "male",
            "1983-08-19",
            home("2210 River Road", "Eugene", "OR", "97404"),
            mobile("+15415550126"),
            mail("hector.rivera@mail.example"),
        ),
    ]
    return charts + [_visit(chart["id"], today) for chart in charts]


def _marisol() -> Resource:
    """The patient of the guided tour: phone, mail, English, a plan that covers."""
    return _patient(
        MARISOL,
        "Rivera",
        ["Marisol", "Elena"],
        "female",
        "1968-03-14",
        home("412 Juniper Street", "Seattle", "WA", "98107", line2="Apt 3"),
        mobile("+12065550142"),
        mail("marisol.rivera@mail.example"),
        language=("en", "English"),
    )


def _harold() -> Resource:
    """Twenty prescriptions, all of them by reference: the chart that speed is measured on."""
    return _patient(
        HAROLD,
        "Nakamura",
        ["Harold"],
        "male",
        "1951-11-02",
        home("1600 Cedar Avenue", "Spokane", "WA", "99201"),
        {"system": "phone", "value": "+15095550151", "use": "home", "rank": 2},
        {"system": "phone", "value": "+15095550152", "use": "mobile", "rank": 1},
        language=("en-US", "English (United States)"),
    )


def _lucia() -> Resource:
    """Speaks Spanish, has accents and two family names."""
    return _patient(
        LUCIA,
        "Muñoz Peña",
        ["Lucía", "Inés"],
        "female",
        "1974-09-23",
        home("88 Maple Loop", "Yakima", "WA", "98901"),
        mobile("+15095550164"),
        mail("lucia.munoz@correo.example"),
        language=("es", "Spanish"),
    )


def _joanna(today: date) -> Resource:
    """Two names and two addresses, told apart by `use` and `period` alone; an old phone that must not be used."""
    moved = days_ago(today, 400)
    chart = _patient(
        JOANNA,
        "Whitfield",
        ["Joanna"],
        "female",
        "1986-05-17",
        home("9 Orchard Hill", "Salem", "OR", "97301"),
        {"system": "phone", "value": "+15035550118", "use": "old", "period": {"end": moved}},
        mobile("+15035550119"),
        mail("joanna@whitfield.example"),
        language=("en", "English"),
    )
    chart["name"] = [
        {"use": "maiden", "family": "Kowalczyk", "given": ["Joanna"], "period": {"end": moved}},
        {"use": "official", "family": "Whitfield", "given": ["Joanna"], "period": {"start": moved}},
    ]
    old_home = {**home("31 Wharf Street", "Astoria", "OR", "97103"), "use": "old", "period": {"end": moved}}
    chart["address"] = [old_home, {**chart["address"][0], "period": {"start": moved}}]
    return chart


def _edgar() -> Resource:
    """No phone, no mail: nothing that a link could be sent to."""
    return _patient(EDGAR, "Stone", ["Edgar"], "male", "1944-01-29", home("RR 2 Box 14", "Winthrop", "WA", "98862"))


def _old_marisol() -> Resource:
    """The second record of Marisol Rivera, merged into the first one."""
    chart = _patient(
        OLD_MARISOL,
        "Rivera",
        ["Marisol"],
        "female",
        "1968-03-14",
        home("5 Elm Street", "Seattle", "WA", "98103"),
        mobile("+12065550142"),
    )
    chart["active"] = False
    chart["link"] = [{"other": ref(f"Patient/{MARISOL}"), "type": "replaced-by"}]
    return chart


def _ruth(today: date) -> Resource:
    chart = _patient(
        RUTH,
        "Abernathy",
        ["Ruth"],
        "female",
        "1938-07-08",
        home("70 Bay Street", "Bellingham", "WA", "98225"),
        mobile("+13605550134"),
    )
    chart["deceasedDateTime"] = instant(today, 20)
    return chart


def _noah(today: date) -> Resource:
    """A child on any day the demo runs; his mother stands in `contact`, which never crosses."""
    chart = _patient(
        NOAH,
        "Kim",
        ["Noah"],
        "male",
        f"{today.year - 12}-12-31",
        home("640 Lark Way", "Gresham", "OR", "97030"),
        mobile("+15035550145"),
        mail("kim.family@mail.example"),
    )
    chart["contact"] = [
        {
            "relationship": [concept(f"{TERMINOLOGY}/v3-RoleCode", "MTH", "mother")],
            "name": {"text": f"Hana Kim ({CHART_ONLY} contact)"},
            "telecom": [mobile("+15035550146")],
        }
    ]
    return chart


def home(line: str, city: str, state: str, postal: str, line2: str = "") -> Resource:
    lines = [line, line2] if line2 else [line]
    return {"use": "home", "line": lines, "city": city, "state": state, "postalCode": postal, "country": "US"}


def mobile(number: str) -> Resource:
    return {"system": "phone", "value": number, "use": "mobile"}


def mail(address: str) -> Resource:
    return {"system": "email", "value": address}


def _patient(
    key: str,
    family: str,
    given: list[str],
    gender: str,
    born: str,
    address: Resource,
    *telecom: Resource,
    language: tuple[str, str] | None = None,
) -> Resource:
    chart: Resource = {
        "resourceType": "Patient",
        "id": key,
        "text": narrative(f"{' '.join(given)} {family}"),
        "extension": [
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
                "extension": [{"url": "text", "valueString": f"{CHART_ONLY} race"}],
            }
        ],
        "identifier": [
            {
                "use": "usual",
                "type": concept(f"{TERMINOLOGY}/v2-0203", "MR", "Medical record number"),
                "system": "https://lakeside.example/mrn",
                "value": f"{CHART_ONLY}-mrn-{key}",
            },
        ],
        "active": True,
        "name": [{"use": "official", "family": family, "given": given}],
        "gender": gender,
        "birthDate": born,
        "address": [address],
        "maritalStatus": {"text": f"{CHART_ONLY} marital status"},
        "generalPractitioner": [ref(f"Practitioner/{clinician_of(key)}", CLINICIAN_NAMES[clinician_of(key)])],
        "managingOrganization": ref(f"Organization/{CLINIC}", CLINIC_NAME),
    }
    if telecom:
        chart["telecom"] = list(telecom)
    if language:
        chart["communication"] = [{"language": concept("urn:ietf:bcp:47", *language), "preferred": True}]
    return chart


def _visit(patient: str, today: date) -> Resource:
    """The visit that the orders came from. Never asked for by the app; here so that a reader who asks is found out."""
    return {
        "resourceType": "Encounter",
        "id": f"{patient}-visit",
        "status": "finished",
        "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "AMB", "display": "ambulatory"},
        "subject": ref(f"Patient/{patient}"),
        "period": {"start": instant(today, 30), "end": instant(today, 30, "10:00:00")},
        "reasonCode": [{"text": f"{CHART_ONLY} reason for the visit"}],
    }
