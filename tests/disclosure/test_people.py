"""Who the patient is, how they are reached, where a parcel goes: from every shape that a chart gives."""

from datetime import date
from typing import Any

import pytest

from ehrcommerce.disclosure import people
from ehrcommerce.policy import table
from tests.disclosure.charts import DEMO, TODAY, Json, patient


def banner(**changes: Any) -> Any:
    return people.banner(patient(**changes), on=TODAY, adult_age=18)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, ""),
        ({"active": False, "link": [{"type": "replaced-by"}], "deceasedBoolean": True}, "patient_merged"),
        ({"link": [{"type": "replaces"}, {"type": "seealso"}]}, ""),
        ({"deceasedBoolean": True, "active": False}, "patient_deceased"),
        ({"deceasedBoolean": False}, ""),
        ({"deceasedDateTime": "1981-03-17"}, "patient_deceased"),
        ({"deceasedBoolean": "true"}, "patient_deceased"),
        ({"active": False, "birthDate": "2020-01-01"}, "patient_inactive"),
        ({"active": None}, ""),
        ({"birthDate": "2008-11-03", "meta": {"security": [{"code": "R"}]}}, "patient_minor"),
        ({"birthDate": "2008-11-02"}, ""),
        ({"meta": {"security": [{"code": "R"}]}, "birthDate": None}, "restricted_label"),
        ({"meta": {"security": [{"code": "N"}]}}, ""),
        ({"modifierExtension": [{"url": "u"}]}, "modifier_extension"),
        ({"birthDate": None}, "patient_no_birth_date"),
        ({"birthDate": "1980"}, "patient_no_birth_date"),
        ({"birthDate": "1980-05"}, "patient_no_birth_date"),
        ({"birthDate": "0000-00-00"}, "patient_no_birth_date"),
        ({"birthDate": "2980-05-06"}, "patient_no_birth_date"),
        ({"birthDate": 19800506}, "patient_no_birth_date"),
    ],
)
def test_the_first_thing_that_stands_against_a_patient_is_said(changes: Json, refusal: str) -> None:
    assert banner(**changes).refusal == refusal


def test_the_age_of_adults_is_the_organizations() -> None:
    assert people.banner(patient(birthDate="2006-11-03"), on=TODAY, adult_age=21).refusal == "patient_minor"


@pytest.mark.parametrize(
    ("names", "name"),
    [
        ([{"use": "old", "family": "A"}, {"use": "official", "family": "B", "given": ["C", "D"]}], "C D B"),
        ([{"use": "usual", "family": "A"}, {"use": "official", "family": "B", "period": {"end": "2020-01-01"}}], "A"),
        (
            [{"use": "official", "family": "A", "period": {"start": "2030-01-01"}}, {"use": "official", "family": "B"}],
            "B",
        ),
        ([{"use": "maiden", "family": "A", "period": {"end": "2020"}}], "A"),
        ([{"text": "Whole Name"}], "Whole Name"),
        ([{"family": "A", "given": "B"}], "B A"),
        ({"family": "A", "given": ["B"]}, "B A"),
        ([{"extension": [{"valueCode": "unknown"}]}], ""),
        ([None, "x", 5], ""),
        (None, ""),
        ([{"family": {"x": 1}, "given": [None, 5, "B"]}], "B"),
        ([{"family": "<b>Muñoz</b> Peña\u202e", "given": ["Lucía\u0000"]}], "Lucía Muñoz Peña"),
    ],
)
def test_the_name_to_use_today(names: Any, name: str) -> None:
    assert banner(name=names).name == name


def test_a_name_is_never_longer_than_a_label() -> None:
    assert len(banner(name=[{"family": "x" * 1_000_000}]).family) == 200


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("+1 (206) 555-0142", "+12065550142"), ("206.555.0142", "+12065550142"), ("1-206-555-0142", "+12065550142"),
        ("tel:+12065550142", "+12065550142"), ("206-555-0142 x77", "+12065550142"),
        ("011 44 20 7946 0958", "+442079460958"),
        ("+44 20 7946 0958", "+442079460958"), ("555-1239", ""), ("0648352638", ""), ("(818)999-555-4444", ""),
        ("+1 555", ""), ("call the nurse", ""), ("", ""), ("+", ""), ("٢٠٦٥٥٥٠١٤٢", ""),
    ],
)  # fmt: skip
def test_phone_numbers(said: str, number: str) -> None:
    assert people.e164(said) == number


def contacts(*telecom: Any) -> list[tuple[str, str, str]]:
    return [(one.system, one.value, one.use) for one in people.contacts(patient(telecom=list(telecom)), on=TODAY)]


def test_contacts_come_by_rank_then_mobile_first_and_old_ones_not_at_all() -> None:
    assert contacts(
        {"system": "phone", "value": "206-555-0101", "use": "home"},
        {"system": "phone", "value": "206-555-0102", "use": "mobile"},
        {"system": "phone", "value": "206-555-0103", "use": "work", "rank": "1"},
        {"system": "phone", "value": "206-555-0104", "use": "old"},
        {"system": "phone", "value": "206-555-0105", "use": "mobile", "period": {"end": "2014"}},
        {"system": "email", "value": "cy@mail.example"},
        {"system": "fax", "value": "206-555-0106"},
        {"system": "url", "value": "https://evil.example"},
    ) == [
        ("phone", "+12065550103", "work"),
        ("phone", "+12065550102", "mobile"),
        ("phone", "+12065550101", "home"),
        ("email", "cy@mail.example", ""),
    ]


def test_the_same_number_twice_is_one_contact_with_its_better_place() -> None:
    assert contacts(
        {"system": "phone", "value": "206-555-0101", "use": "home", "rank": "3"},
        {"system": "sms", "value": "+12065550101", "rank": "1"},
        {"system": "phone", "value": "206-555-0102", "rank": "2"},
    ) == [("phone", "+12065550101", "mobile"), ("phone", "+12065550102", "")]


@pytest.mark.parametrize(
    "mail", ["x", "a@b", "a b@c.example", "a@c.example\r\nBcc: d@e.example", "<script>@x.example", "a@b@c.example"]
)
def test_what_is_no_mail_address_is_left_out(mail: str) -> None:
    assert contacts({"system": "email", "value": mail}) == []


def spoken(*codes: tuple[str, Any]) -> str:
    rows = [{"language": {"coding": [{"code": code}]}, "preferred": preferred} for code, preferred in codes]
    return people.language(patient(communication=rows))


def test_the_preferred_language_that_we_speak() -> None:
    assert people.language(patient()) == "en"
    assert spoken(("en", None), ("es", True)) == "es"
    assert spoken(("es-MX", None)) == "es"
    assert spoken(("EN", None)) == "en"
    assert spoken(("nl", True)) == "en"
    assert spoken(("zh", True), ("es", None)) == "es"


def test_joanna_is_called_by_her_name_of_today_and_lives_where_she_lives_now() -> None:
    raw = DEMO["Patient", "joanna-whitfield"]
    assert people.banner(raw, on=TODAY, adult_age=18).name == "Joanna Whitfield"
    assert people.identity(raw, on=TODAY) == ("1986-05-17", "Whitfield", "97301")
    assert [one.value for one in people.contacts(raw, on=TODAY)] == ["+15035550119", "joanna@whitfield.example"]
    parcel = people.ship_to(raw, on=TODAY)
    assert parcel is not None
    assert (parcel.name, parcel.line, parcel.state) == ("Joanna Whitfield", "9 Orchard Hill", "OR")


@pytest.mark.parametrize(
    ("address", "state", "country"),
    [
        ({"line": ["1 A St"], "city": "Lynn", "state": "Massachusetts", "postalCode": "01901"}, "MA", "US"),
        ({"line": ["1 A St"], "city": "Lynn", "state": "ma", "country": "U.S.A."}, "MA", "US"),
        ({"line": ["1 A St"], "city": "Lynn", "state": "15"}, "", "US"),
        ({"line": ["1 A St"], "city": "Amsterdam", "country": "NLD"}, "", "NLD"),
        ({"line": "1 A St", "city": "Lynn", "state": "WA", "use": "home"}, "WA", "US"),
    ],
)
def test_addresses(address: Json, state: str, country: str) -> None:
    parcel = people.ship_to(patient(address=[address]), on=TODAY)
    assert parcel is not None
    assert (parcel.line, parcel.state, parcel.country) == ("1 A St", state, country)


@pytest.mark.parametrize(
    "address",
    [
        None, [], [{"city": "Lynn"}], [{"line": ["1 A St"]}], [{"use": "old", "line": ["1 A St"], "city": "Lynn"}],
        [{"use": "billing", "line": ["1 A St"], "city": "Lynn"}], [{"line": ["1"], "city": "L",
        "period": {"end": "2020"}}],
    ],
)  # fmt: skip
def test_no_address_to_use(address: Any) -> None:
    assert people.ship_to(patient(address=address), on=TODAY) is None


def test_a_pharmacy_learns_name_and_birth_date_of_those_who_may_get_a_medicine() -> None:
    facts = people.dispatch_facts(patient(), on=TODAY)
    assert facts is not None
    assert (facts.name, facts.birth_date) == ("Cy Young", "1980-05-06")
    for changes in (
        {"deceasedBoolean": True},
        {"active": False},
        {"link": [{"type": "replaced-by"}]},
        {"birthDate": "1980"},
    ):
        assert people.dispatch_facts(patient(**changes), on=TODAY) is None


def test_who_is_signed_in() -> None:
    facts = people.practitioner(DEMO["Practitioner", "ada"], purpose=table.SIGN_IN)
    assert (facts.name, facts.npi) == ("Dr. Ada Okafor", "1234567893")
    assert people.practitioner({}, purpose=table.SIGN_IN).name == ""


def test_birthdays_are_counted_to_the_day() -> None:
    assert people.banner(patient(birthDate="2008-11-02"), on=date(2026, 11, 1), adult_age=18).refusal == "patient_minor"
