"""One spelling for each code. EHRs write the same medicine's code system as a URI, as an OID, with http and with https,
and its NDC with hyphens and without; what is compared here has been brought to one form first. Pure, no database."""

import re
from collections.abc import Iterable

from ehrcommerce.policy.packets import OrderedItem

DISPLAY_SYSTEM = "urn:ehrcommerce:display"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NDC = "http://hl7.org/fhir/sid/ndc"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
HCPCS = "https://www.cms.gov/medicare/coding/hcpcsreleasecodesets"

# Their displays are published words; a local system's may be anything.
PUBLIC = frozenset({RXNORM, NDC, LOINC, SNOMED, HCPCS})

# HCPCS level II codes are a letter and four digits, so they never meet a CPT code that came under the same name.
_ALIASES = {
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.69": NDC,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "urn:oid:2.16.840.1.113883.6.285": HCPCS,
    "urn:oid:2.16.840.1.113883.6.14": HCPCS,
    "urn:oid:2.16.840.1.113883.6.12": HCPCS,
    "http://www.cms.gov/medicare/coding/hcpcsreleasecodesets": HCPCS,
    "http://www.ama-assn.org/go/cpt": HCPCS,
    "http://terminology.hl7.org/codesystem/hcpcs-all-codes": HCPCS,
    # Names where a URI belongs, as HL7 v2 and some EHRs write them.
    "rxnorm": RXNORM, "ndc": NDC, "ln": LOINC, "loinc": LOINC, "hcpcs": HCPCS, "sct": SNOMED, "snomed-ct": SNOMED,
    "2.16.840.1.113883.6.88": RXNORM, "2.16.840.1.113883.6.69": NDC, "2.16.840.1.113883.6.1": LOINC,
    "2.16.840.1.113883.6.96": SNOMED, "2.16.840.1.113883.6.285": HCPCS, "2.16.840.1.113883.6.14": HCPCS,
}  # fmt: skip
# What a code of each system looks like, where that tells it apart from the others.
_SHAPES = {
    HCPCS: re.compile(r"[A-V][0-9]{4}"), LOINC: re.compile(r"[0-9]{1,6}-[0-9]"),
    NDC: re.compile(r"[0-9]{4,5}-[0-9]{3,4}-[0-9]{1,2}"), RXNORM: re.compile(r"[0-9]{1,8}"),
}  # fmt: skip
_NDC_PARTS = re.compile(r"(\d{4,5})-(\d{3,4})-(\d{1,2})")
_BLANKS = re.compile(r"\s+")

Key = tuple[str, str]


def system_of(system: str) -> str:
    """The one name of a code system."""
    low = system.strip().rstrip("/").lower()
    return _ALIASES.get(low, low)


def key_of(system: str, code: str) -> Key:
    """What two spellings of the same code have in common."""
    name = system_of(system)
    if name == DISPLAY_SYSTEM:
        return name, words_of(code)
    bare = code.strip()
    return name, ndc11(bare) if name == NDC else bare.upper() if name == HCPCS else bare


def words_of(text: str) -> str:
    """A name as it is compared: one case, single blanks. Nothing else: "5 MG" and "5MG" are told apart."""
    return _BLANKS.sub(" ", text).strip().casefold()[:160]


def ndc11(code: str) -> str:
    """Eleven digits where the ten-digit form says by its hyphens where the zero goes; else the code as it came."""
    found = _NDC_PARTS.fullmatch(code)
    if found is None:
        return code
    labeler, product, package = found.groups()
    return f"{labeler:0>5}{product:0>4}{package:0>2}"


def spellings(system: str, code: str) -> set[str]:
    """Every form in which a catalog row may hold this code."""
    name, one = key_of(system, code)
    if name == DISPLAY_SYSTEM:
        return {one}
    found = {one, code.strip()}
    if name == NDC and len(one) == 11 and one.isdigit():
        labeler, product, package = one[:5], one[5:9], one[9:]
        found.add(f"{labeler}-{product}-{package}")
        found |= {f"{labeler[1:]}-{product}-{package}"} if labeler[0] == "0" else set()
        found |= {f"{labeler}-{product[1:]}-{package}"} if product[0] == "0" else set()
        found |= {f"{labeler}-{product}-{package[1:]}"} if package[0] == "0" else set()
    return found


def coded(item: OrderedItem) -> list[Key]:
    """The codes of an order, in one spelling."""
    return [key_of(coding.system, coding.code) for coding in item.codings if coding.system and coding.code]


def guessed(item: OrderedItem) -> list[Key]:
    """Codes whose system is missing, or cannot be the one that is named, by what they look like. Never more than likely."""
    found: list[Key] = []
    for coding in item.codings:
        named, code = system_of(coding.system), coding.code.strip().upper()
        shape = _SHAPES.get(named)
        if named == DISPLAY_SYSTEM or (named and shape is None) or (shape is not None and shape.fullmatch(code)):
            continue
        fits = [system for system in (HCPCS, LOINC, NDC) if _SHAPES[system].fullmatch(code)]
        found += [key_of(system, code) for system in fits if system != named]
    return list(dict.fromkeys(found))


def worded(item: OrderedItem) -> list[Key]:
    """The names of an order as display rows: the last resort, legal only where an administrator confirmed the words."""
    names: Iterable[str] = (item.name, *(coding.display for coding in item.codings))
    return [(DISPLAY_SYSTEM, words) for words in dict.fromkeys(words_of(name) for name in names) if words]
