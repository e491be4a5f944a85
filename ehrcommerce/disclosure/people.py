"""From a Patient or Practitioner, as raw JSON, to the few facts about a person that a purchase needs. Pure."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from ehrcommerce.disclosure import values
from ehrcommerce.disclosure.states import CODE_OF_STATE
from ehrcommerce.disclosure.values import Json, many, number, text
from ehrcommerce.policy import derive, table
from ehrcommerce.policy.packets import ContactPoint, DispatchFacts, PatientBanner, ShipTo, UserFacts

CHART_PURPOSES = (table.BANNER, table.IDENTITY, table.CONTACT)
NPI_SYSTEM = "http://hl7.org/fhir/sid/us-npi"
_NAME_ORDER = {"official": 0, "usual": 1, "": 2, "temp": 3, "nickname": 4, "anonymous": 5, "maiden": 6, "old": 7}
_USES = frozenset({"home", "work", "temp", "mobile"})
_NANP = re.compile(r"[2-9]\d\d[2-9]\d{6}", re.ASCII)
_EMAIL = re.compile(r"[^@\s<>\"(),;:\\]{1,64}@[A-Za-z0-9.-]{1,180}\.[A-Za-z]{2,24}")
_EXTENSION = re.compile(r"(?:ext|x|#|;).*$", re.IGNORECASE)


def _kept(raw: Json, *purposes: str) -> Json:
    return derive.project(raw, derive.paths(str(raw.get("resourceType")), purposes))


def _name(kept: Json, on: date) -> Json:
    """The name to use now: not over, not to come, official before usual; an old one only where there is no other."""
    names = many(kept.get("name"))

    def place(name: Json) -> tuple[bool, int]:
        off = values.is_over(name.get("period"), on) or values.is_ahead(name.get("period"), on)
        return off, _NAME_ORDER.get(values.code(name.get("use")), 3)

    return min(names, key=place, default={})


def _parts(name: Json) -> tuple[str, str]:
    """Family and given name; the whole text as family where the chart has no parts."""
    given = name.get("given")
    words = " ".join(filter(None, map(text, given))) if isinstance(given, list) else text(given)
    family = text(name.get("family"))
    return (family, text(words)) if family or words else (text(name.get("text")), "")


def _full_name(name: Json) -> str:
    family, given = _parts(name)
    return text(f"{given} {family}")


def full_birth_date(kept: Json, on: date) -> str:
    """The birth date if it is a whole one and not in the future; else ""."""
    said = kept.get("birthDate")
    exact = values.first_day(said)
    return exact.isoformat() if exact and len(values.day(said)) == 10 and exact <= on else ""


def banner(raw: Json, *, on: date, adult_age: int) -> PatientBanner:
    """Whose chart this is, and why nothing may be sold from it, if so."""
    kept = _kept(raw, table.BANNER, table.IDENTITY)
    family, given = _parts(_name(kept, on))
    return PatientBanner(family, given, values.day(kept.get("birthDate")), _refusal(kept, on, adult_age))


def _refusal(kept: Json, on: date, adult_age: int) -> str:
    born = full_birth_date(kept, on)
    checks = (
        (is_merged(kept), "patient_merged"),
        (is_deceased(kept), "patient_deceased"),
        (values.is_false(kept.get("active")), "patient_inactive"),
        (is_minor(born, on, adult_age), "patient_minor"),
        (values.is_restricted(kept), "restricted_label"),
        (values.is_modified(kept), "modifier_extension"),
        (not born, "patient_no_birth_date"),
    )
    return next((code for holds, code in checks if holds), "")


def is_minor(born: str, on: date, adult_age: int) -> bool:
    """Whether somebody with this birth date, as far as it is known, is under that age."""
    return bool(born) and _age(date.fromisoformat(born), on) < adult_age


def _age(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def is_merged(kept: Json) -> bool:
    return any(values.code(one.get("type")) == "replaced-by" for one in many(kept.get("link")))


def is_deceased(kept: Json) -> bool:
    return values.is_true(kept.get("deceasedBoolean")) or bool(text(kept.get("deceasedDateTime")))


def identity(raw: Json, *, on: date) -> tuple[str, str, str]:
    """Birth date, family name and postal code, to be turned into digests at once. "" where the chart has none."""
    kept = _kept(raw, table.BANNER, table.IDENTITY)
    return full_birth_date(kept, on), _parts(_name(kept, on))[0], text(_address(kept, on).get("postalCode"), 16)


def contacts(raw: Json, *, on: date) -> tuple[ContactPoint, ...]:
    """Phones and mail addresses that can be used today: by the chart's own rank, then mobile phones first."""
    rows = []
    for place, one in enumerate(many(_kept(raw, table.CONTACT).get("telecom"))):
        point = _contact(one)
        if point and values.code(one.get("use")) != "old" and not values.is_over(one.get("period"), on):
            rows.append((int(number(one.get("rank")).split(".")[0] or 99), point.use != "mobile", place, point))
    found: dict[tuple[str, str], ContactPoint] = {}
    for *_, point in sorted(rows, key=lambda row: row[:3]):
        found.setdefault((point.system, point.value), point)
    return tuple(found.values())[:10]


def _contact(one: Json) -> ContactPoint | None:
    system, use = values.code(one.get("system")), values.code(one.get("use"))
    if system in ("phone", "sms"):
        value, system, use = e164(text(one.get("value"))), "phone", "mobile" if system == "sms" else use
    elif system == "email":
        mail = text(one.get("value"), 254).removeprefix("mailto:")
        value = mail if _EMAIL.fullmatch(mail) else ""
    else:
        return None
    return ContactPoint(system, value, use if use in _USES else "") if value else None


def e164(said: str) -> str:
    """A phone number in E.164, +1 where it does not say; "" where no message could reach it."""
    bare = _EXTENSION.sub("", said.removeprefix("tel:"))
    digits = "".join(c for c in bare if c.isascii() and c.isdigit())
    if bare.strip().startswith("+") or digits.startswith("011"):
        digits = digits.removeprefix("011")
        if not digits.startswith("1"):
            return f"+{digits}" if 8 <= len(digits) <= 15 else ""
    local = digits[1:] if len(digits) == 11 and digits.startswith("1") else digits
    return f"+1{local}" if _NANP.fullmatch(local) else ""


def language(raw: Json) -> str:
    """`es` or `en`: the preferred of the patient's languages that we speak."""
    rows = many(_kept(raw, table.CONTACT).get("communication"))
    for one in sorted(rows, key=lambda row: not values.is_true(row.get("preferred"))):
        for code in sorted(values.codes(one.get("language"))):
            if code[:2].casefold() in ("en", "es"):
                return code[:2].casefold()
    return "en"


def _address(kept: Json, on: date) -> Json:
    """The address to use now: home first, never an old one or one for bills."""
    order = {"home": 0, "": 1, "temp": 2, "work": 3}
    rows = [one for one in many(kept.get("address")) if not values.is_over(one.get("period"), on)]
    usable = [one for one in rows if values.code(one.get("use")) in order]
    return min(usable, key=lambda one: order[values.code(one.get("use"))], default={})


def ship_to(raw: Json, *, on: date) -> ShipTo | None:
    """Name and address of the parcel; None where the chart has no address to use. What cannot be read is left empty
    for the patient to fill in: a state that is none, for one."""
    kept = _kept(raw, table.SHIPPING)
    address = _address(kept, on)
    lines = address.get("line")
    line = ", ".join(filter(None, map(text, lines if isinstance(lines, list) else [lines])))
    if not line or not text(address.get("city")):
        return None
    return ShipTo(
        name=_full_name(_name(kept, on)), line=text(line), city=text(address.get("city"), 80),
        state=_state(text(address.get("state"), 40)), postal_code=text(address.get("postalCode"), 16),
        country=_country(text(address.get("country"), 40)),
    )  # fmt: skip


def _state(said: str) -> str:
    upper = said.upper()
    return upper if upper in CODE_OF_STATE.values() else CODE_OF_STATE.get(said.casefold(), "")


def _country(said: str) -> str:
    us = said.casefold().replace(".", "") in ("", "us", "usa", "united states", "united states of america")
    return "US" if us else said


def dispatch_facts(raw: Json, *, on: date) -> DispatchFacts | None:
    """For the pharmacy's label and record; None where no medicine may go to this person."""
    kept = _kept(raw, table.DISPENSING)
    born, name = full_birth_date(kept, on), _full_name(_name(kept, on))
    stopped = is_merged(kept) or is_deceased(kept) or values.is_false(kept.get("active"))
    return None if stopped or not born or not name else DispatchFacts(name, born)


def signer(raw: Json, purpose: str) -> Json:
    """A Practitioner, cut down to its rows for one kind of order."""
    return _kept({**raw, "resourceType": "Practitioner"}, purpose)


def practitioner(raw: Json, *, purpose: str) -> UserFacts:
    """A clinician's name and NPI. Other numbers of the same person (DEA, license) do not pass."""
    kept = signer(raw, purpose)
    name = min(many(kept.get("name")), key=lambda one: _NAME_ORDER.get(values.code(one.get("use")), 3), default={})
    numbers = (values.code(one.get("value")) for one in many(kept.get("identifier")) if one.get("system") == NPI_SYSTEM)
    return UserFacts(text(name.get("text")) or _full_name(name), next((one for one in numbers if _is_npi(one)), ""))


def _is_npi(value: str) -> bool:
    return len(value) == 10 and value.isascii() and value.isdigit()


def contained(raw: Json, reference: Any, resource_type: str) -> Mapping[str, Any]:
    """The resource inside `raw` that `#id` points to; {} where there is none."""
    said = reference[1:] if isinstance(reference, str) and reference.startswith("#") else ""
    inner = (one for one in many(raw.get("contained")) if one.get("resourceType") == resource_type)
    return next((one for one in inner if said and one.get("id") == said), {})
