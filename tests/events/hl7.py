"""HL7 v2 messages as an interface engine writes them, whole and crooked."""

import random
import re
from collections.abc import Callable
from typing import Any

HEADER = "MSH|^~\\&|{sender}|EHRC|CLINIC|20261102150000-0500||{kind}|{number}|{processing}|{version}||||||{charset}"
PID = "PID|1||cy^^^LAKE^MR~123-45-6789^^^SSA^SS||Canary^Cy^Q||19800203|F|||1 Pine St^^Olympia^WA^98501||3605550142"
DIAGNOSIS = "DG1|1||F32.9^Depression CANARY^I10"


def message(*segments: str, kind: str = "ORM^O01", number: str = "N-1", **header: str) -> bytes:
    said = {"sender": "LAKE|MAIN", "processing": "P", "version": "2.5.1", "charset": "", **header}
    return "\r".join([HEADER.format(kind=kind, number=number, **said), *segments, ""]).encode("latin-1")


def order(
    name: str = "dev-1", detail: str = "OBR|1|{name}||E0784^Pump^HCPCS", control: str = "NW", **header: str
) -> bytes:
    """One order with its patient, and with what nobody here may read."""
    rows = [PID, f"ORC|{control}|{name}^LAKE|F-9", detail.format(name=name), DIAGNOSIS, "NTE|1||CANARY note"]
    return message(*(row for row in rows if row), **header)


def merge(staying: str = "cy", going: str = "cy-old", **header: str) -> bytes:
    kind = header.pop("kind", "ADT^A40^ADT_A39")
    rows = ["EVN|A40|20261102150000", PID.replace("cy^", f"{staying}^"), f"MRG|{going}^^^LAKE^MR"]
    return message(*rows, kind=kind, **header)


def msa(answer: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-2 of an acknowledgment."""
    found = re.search(r"\rMSA(.)([A-Z]{2})\1([^\r]*)", answer.decode("latin-1"))
    assert found is not None
    return found[2], found[3]


def crooked(dice: random.Random) -> bytes:
    """A message with something wrong, or nothing."""
    kinds: list[Callable[..., bytes]] = [order, merge, _medicine, _lab]
    good = dice.choice(kinds)(number=f"N-{dice.randrange(10**9)}")
    for _ in range(dice.randrange(4)):
        good = dice.choice(_HARM)(good, dice)
    return good


def _medicine(**header: Any) -> bytes:
    return order("rx-1", "RXE|1|860975^Metformin^RXNORM|1||TAB", kind=header.pop("kind", "RDE^O11^RDE_O11"), **header)


def _lab(**header: Any) -> bytes:
    return order("lab-1", kind=header.pop("kind", "OML^O21^OML_O21"), **header)


def _drop(body: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(body) + 1)
    return body[:at] + body[at + dice.randrange(40) :]


def _flip(body: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(body) or 1)
    return body[:at] + bytes([dice.randrange(256)]) + body[at + 1 :]


def _cut(body: bytes, dice: random.Random) -> bytes:
    return body[: dice.randrange(len(body) + 1)]


def _shuffle(body: bytes, dice: random.Random) -> bytes:
    rows = body.split(b"\r")
    dice.shuffle(rows)
    return b"\r".join(rows)


def _twice(body: bytes, dice: random.Random) -> bytes:
    rows = body.split(b"\r")
    at = dice.randrange(len(rows))
    return b"\r".join([*rows[:at], rows[at], *rows[at:]])


def _blank(body: bytes, dice: random.Random) -> bytes:
    rows = [row.split(b"|") for row in body.split(b"\r")]
    row = dice.choice(rows)
    row[dice.randrange(len(row))] = dice.choice(
        [b"", b'""', b"\\X00\\", b"\\E\\\\", b"^^^^~~&&", b"\xff\xfe", b"0" * 300]
    )
    return b"\r".join(b"|".join(one) for one in rows)


def _lines(body: bytes, dice: random.Random) -> bytes:
    return body.replace(b"\r", dice.choice([b"\n", b"\r\n", b"\r\r", b"\x0b", b""]))


_HARM: list[Callable[[bytes, random.Random], bytes]] = [_drop, _flip, _cut, _shuffle, _twice, _blank, _lines]
