"""HL7 v2 as far as this app needs it: from the bytes of one message to who sent it, of which kind it is, and where the few
words stand that are looked at; and the acknowledgment. Pure: no ORM, no socket.

A field is decoded when it is asked for and not before: what nobody asks for is never looked at. A reader of our own, since
the libraries write what they cannot read into the log, and shift the fields of a crooked header."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

# What these sets have in common: each byte below 128 is ASCII, so that no separator hides in a letter.
CHARSETS = {
    "ASCII": "ascii",
    "UNICODE UTF-8": "utf-8",
    **{f"8859/{n}": f"iso8859-{n}" for n in (*range(1, 12), 13, 14, 15)},
}
ORDERS = ("ORM^O01", "OMP^O09", "OML^O21", "RDE^O11", "RDE^O01")
MERGES = ("ADT^A40",)
KINDS = (*ORDERS, *MERGES)
# HL7 table 0357.
SEGMENT_MISSING, FIELD_MISSING, BAD_TYPE = "101", "101", "102"
OTHER_TYPE, OTHER_EVENT, OTHER_PROCESSING, OTHER_VERSION, INTERNAL = "200", "201", "202", "203", "207"
MOST_SEGMENTS = 2000
_HEADER = re.compile(rb"MSH([!-/:-@\[-`{-~])([!-/:-@\[-`{-~]{4,5})\1")
_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})-([1-9][0-9]?)(?:\.([1-9][0-9]?))?")
_TIME = re.compile(r"([0-9]{8})([0-9]{4})?([0-9]{2})?(?:\.[0-9]{1,4})?([+-][0-9]{4})?")
_NAME = re.compile(rb"[A-Z][A-Z0-9]{2}")
_ORDER_BEGINS = ("ORC",)
_DETAIL = ("OBR", "RXO", "RXE", "RQD", "RQ1")


class Problem(Exception):
    """What is answered to the sender: `AE` where the message is at fault, `AR` where it is none that is taken here. `text`
    names places and kinds, never what stands there."""

    answer = "AE"

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Wrong(Problem):
    """The content cannot be used. Correct it and send it again (MSA-1 is AE)."""


class NotTaken(Problem):
    """Not a message that is taken here. Sending it again changes nothing (MSA-1 is AR)."""

    answer = "AR"


@dataclass(frozen=True, slots=True)
class Segment:
    """Its name and its raw fields; `raw[n]` is field n, and raw[0] the name. MSH counts its first separator as a field."""

    name: str
    raw: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message, split into segments and fields and no further."""

    separator: bytes
    encoding: bytes
    codec: str
    segments: tuple[Segment, ...] = field(repr=False)

    @property
    def header(self) -> Segment:
        return self.segments[0]

    def all(self, name: str) -> list[Segment]:
        return [one for one in self.segments if one.name == name]

    def raw(self, segment: Segment, number: int) -> bytes:
        return segment.raw[number] if number < len(segment.raw) else b""

    def repetitions(self, segment: Segment, number: int) -> list[bytes]:
        return self.raw(segment, number).split(self.encoding[1:2])

    def part(self, repetition: bytes, component: int = 1, subcomponent: int = 1) -> str:
        """One component of a repetition, decoded. Raises Wrong where its letters are not of the message's set."""
        found = _nth(_nth(repetition, self.encoding[0:1], component), self.encoding[3:4], subcomponent)
        found = b"" if found == b'""' else found
        try:
            return self._unescaped(found.decode(self.codec)).strip()
        except (UnicodeDecodeError, ValueError) as problem:
            raise Wrong(BAD_TYPE, "characters that are not of the set in MSH-18") from problem

    def value(self, segment: Segment, number: int, component: int = 1) -> str:
        """The first repetition of a field."""
        return self.part(self.repetitions(segment, number)[0], component)

    def _unescaped(self, text: str) -> str:
        esc = self.encoding[2:3].decode("ascii")
        if esc not in text:
            return text
        mine = {
            "F": self.separator, "S": self.encoding[0:1], "R": self.encoding[1:2], "E": self.encoding[2:3],
            "T": self.encoding[3:4], "H": b"", "N": b"", ".br": b"\n",
        }  # fmt: skip

        def one(found: "re.Match[str]") -> str:
            name = found[1]
            if name in mine:
                return mine[name].decode("ascii")
            if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", name):
                return bytes.fromhex(name[1:]).decode(self.codec)
            return found[0]  # of no meaning here: it stays as it is, and fits no id

        return re.sub(rf"{re.escape(esc)}([^{re.escape(esc)}]*){re.escape(esc)}", one, text)

    # -- the header ---------------------------------------------------------------------------------------------------
    @property
    def kind(self) -> str:
        return f"{self.value(self.header, 9)}^{self.value(self.header, 9, 2)}"

    @property
    def control_id(self) -> str:
        return self.value(self.header, 10)

    @property
    def sender(self) -> str:
        """`application|facility`, as the allow-list writes it."""
        return f"{self.value(self.header, 3)}|{self.value(self.header, 4)}"

    @property
    def sent_at(self) -> datetime | None:
        """MSH-7; None where it names no zone."""
        return moment(self.value(self.header, 7))


def read(body: bytes, *, default_charset: str = "") -> Message:
    """Split one message. Raises Wrong, NotTaken."""
    lines = [line.strip(b" \t\v\x1c") for line in re.split(rb"[\r\n]+", body.strip())]
    found = _separators(lines[0])
    if found is None:
        raise NotTaken(INTERNAL, "no HL7 v2 message: MSH-1 and MSH-2 cannot be read")
    if len(lines) > MOST_SEGMENTS:
        raise Wrong(INTERNAL, f"more than {MOST_SEGMENTS} segments")
    separator, encoding = found
    segments = tuple(_segments(lines, separator))
    header = segments[0].raw
    said = (header[18] if len(header) > 18 else b"").split(encoding[1:2])[0].strip().decode("ascii", "replace")
    codec = CHARSETS.get(said or default_charset or "ASCII")
    if codec is None:
        raise Wrong(BAD_TYPE, "the character set in MSH-18 is not one of: " + ", ".join(CHARSETS))
    return Message(separator, encoding, codec, segments)


def _separators(line: bytes) -> tuple[bytes, bytes] | None:
    """MSH-1 and MSH-2; None where two of the characters are one."""
    found = _HEADER.match(line)
    if found is None or len(set(found[1] + found[2])) != len(found[1] + found[2]):
        return None
    return found[1], found[2]


def _segments(lines: Sequence[bytes], separator: bytes) -> Iterator[Segment]:
    for place, line in enumerate(lines):
        if not line:
            continue
        parts = line.split(separator)
        if _NAME.fullmatch(parts[0]) is None:
            raise Wrong(SEGMENT_MISSING, f"line {place + 1} begins with no name of a segment")
        if parts[0] == b"MSH":
            if place:
                raise Wrong(INTERNAL, "a second MSH in one message")
            parts.insert(1, separator)
        yield Segment(parts[0].decode("ascii"), tuple(parts))


def _nth(value: bytes, separator: bytes, number: int) -> bytes:
    parts = value.split(separator)
    return parts[number - 1] if number <= len(parts) else b""


def place(text: str) -> tuple[str, int, int] | None:
    """`ORC-2.1` as segment, field and component; None where it is no such place."""
    found = _PLACE.fullmatch(text)
    return (found[1], int(found[2]), int(found[3] or 1)) if found else None


def orders(message: Message) -> list[list[Segment]]:
    """The groups of an order message: each ORC with what follows it; OML may leave the ORC out before an OBR."""
    groups: list[list[Segment]] = []
    for one in message.segments:
        open_group = groups[-1] if groups else None
        again = one.name in _DETAIL and (open_group is None or any(other.name in _DETAIL for other in open_group))
        if one.name in _ORDER_BEGINS or (again and one.name != "RXE"):
            groups.append([one])
        elif open_group is not None:
            open_group.append(one)
        elif one.name in _DETAIL:
            groups.append([one])
    return groups


def moment(text: str) -> datetime | None:
    """A time of HL7 with its zone, e.g. 20261128150000-0500; None for one without, or that is none."""
    found = _TIME.fullmatch(text)
    if found is None or found[4] is None:
        return None
    try:
        at = datetime.strptime(f"{found[1]}{found[2] or '0000'}{found[3] or '00'}", "%Y%m%d%H%M%S")
        offset = timedelta(hours=int(found[4][1:3]), minutes=int(found[4][3:5]))
        return at.replace(tzinfo=timezone(offset if found[4][0] == "+" else -offset))
    except ValueError:
        return None


# ------------------------------------------------------------------------------------------------------- acknowledgments
def messages(body: bytes) -> list[bytes]:
    """The messages of a file, which may be a batch (FHS, BHS) or framed as MLLP is."""
    lines = [line.strip(b" \t\v\x1c") for line in re.split(rb"[\r\n]+", body)]
    found: list[list[bytes]] = []
    for line in lines:
        if line[:3] == b"MSH" or (line and not found and line[:3] not in (b"FHS", b"BHS", b"FTS", b"BTS")):
            found.append([line])
        elif line and line[:3] not in (b"FHS", b"BHS", b"FTS", b"BTS"):
            found[-1].append(line)
    return [b"\r".join(one) for one in found]


def answer(body: bytes, code: str, *, number: str, at: datetime, problem: Problem | None = None) -> bytes:
    """The acknowledgment of these bytes, readable or not: what it repeats of them are MSH-3 to 6, 9.2, 10, 11 and 12. In
    enhanced mode (MSH-15 is there) the codes are CA, CE, CR; b"" where the sender wants none."""
    found = _separators(body.lstrip()[:16])
    line = re.split(rb"[\r\n]", body.lstrip(), maxsplit=1)[0][:4096]
    sep, enc = found or (b"|", b"^~\\&")
    fields = [b"MSH", sep, *line.split(sep)[1:]] if found else []

    def get(number: int) -> bytes:
        return re.sub(rb"[\x00-\x1f\x7f]", b"", fields[number])[:256] if number < len(fields) else b""

    wanted = get(15).upper()
    if wanted in (b"AL", b"NE", b"ER", b"SU"):
        good = code == "AA"
        if wanted == b"NE" or (wanted == b"ER" and good) or (wanted == b"SU" and not good):
            return b""
        code = f"C{code[1]}"
    trigger = get(9).split(enc[0:1])[1] if enc[0:1] in get(9) else b""
    kind = enc[0:1].join(part for part in (b"ACK", trigger, b"ACK" if trigger else b"") if part)
    version = get(12) or b"2.5.1"
    stamp = at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000").encode()
    msh = [b"MSH", enc, get(5), get(6), get(3), get(4), stamp, b"", kind, number.encode(), get(11) or b"P", version]
    if get(18):
        msh += [b""] * 5 + [get(18)]
    rows = [sep.join(msh), sep.join([b"MSA", code.encode(), get(10)])]
    if problem is not None:
        text = problem.text.encode("ascii", "replace")
        text = b"".join(b" " if text[n : n + 1] in (sep, *(enc[k : k + 1] for k in range(len(enc)))) else text[n : n + 1]
                        for n in range(len(text)))  # fmt: skip
        rows.append(
            sep.join(
                [b"ERR", b"", b"", enc[0:1].join([problem.code.encode(), text, b"HL70357"]), b"E", b"", b"", b"", text]
            )
        )
    return b"\r".join(rows) + b"\r"
