"""HL7 v2 messages that come as files: one folder for each feed, `done` and `failed` in it. A file is taken once it has not
changed for a while; what is being written is left alone. A file that was taken and not yet put away when the process fell
is taken again, and its messages are the same events as before."""

import logging
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.db import DatabaseError, InterfaceError

from ehrcommerce.ehr import feeds, hl7v2
from ehrcommerce.ehr.feeds import Peer

log = logging.getLogger(__name__)
DONE, FAILED = "done", "failed"
UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".writing", ".ack")
QUIET = timedelta(seconds=5)
MOST_BYTES = 10_485_760
FAILED_KEPT = timedelta(days=7)
DONE_KEPT = timedelta(days=30)


def sweep(root: Path, at: datetime) -> tuple[int, int]:
    """Every folder once. Returns how many files were taken whole, and how many were not."""
    done = failed = 0
    for folder in sorted(one for one in root.iterdir() if one.is_dir() and not one.is_symlink()):
        peer = Peer(folder=folder.name)
        if not feeds.candidates(peer):
            continue  # no feed names it, or its feed is off: its files wait
        _forget(folder, at)
        for file in _ready(folder, at):
            try:
                good = _take(folder, file, peer, at)
            except (DatabaseError, InterfaceError):
                log.warning("HL7 files: the database does not answer; a file waits")
                return done, failed
            except OSError:
                log.warning("HL7 files: a file cannot be read or put away; it waits")
                continue
            done, failed = done + good, failed + (not good)
    return done, failed


def _ready(folder: Path, at: datetime) -> Iterator[Path]:
    """Files that are whole, the oldest first: a feed's order is the order of its files."""
    found = []
    for one in folder.iterdir():
        if one.is_symlink() or not one.is_file() or one.name.startswith(".") or one.suffix.lower() in UNFINISHED:
            continue
        changed = one.stat().st_mtime
        if at.timestamp() - changed >= QUIET.total_seconds():
            found.append((changed, one.name, one))
    yield from (one for _, _, one in sorted(found))


def _take(folder: Path, file: Path, peer: Peer, at: datetime) -> bool:
    """All of its messages, then away with it: into `failed` where one of them was not taken, with the answers beside it;
    else only the answers stay. A message whose answer is AA is not taken a second time, whatever becomes of the file."""
    if file.stat().st_size > MOST_BYTES:
        _put_away(folder, file, FAILED, f"more than {MOST_BYTES} bytes\n".encode())
        return False
    said = [feeds.receive(body, peer, at) for body in hl7v2.messages(file.read_bytes())]
    good = bool(said) and all(code == "AA" for code, _ in said)
    _put_away(folder, file, DONE if good else FAILED, b"".join(answer for _, answer in said) or b"no message in it\n")
    return good


def _put_away(folder: Path, file: Path, where: str, answers: bytes) -> None:
    """The answers first: a file is never gone without them."""
    place = folder / where
    place.mkdir(mode=0o700, exist_ok=True)
    name = _free(place, file.name)
    (place / f"{name}.ack").write_bytes(answers)
    if where == DONE:
        file.unlink()  # it was taken; what it says of a patient is not kept here
    else:
        os.utime(file)  # from now on its days in this folder count
        os.replace(file, place / name)


def _free(place: Path, name: str) -> str:
    """A name that is not taken there: senders use the same one every day."""
    number, free = 1, name
    while (place / free).exists() or (place / f"{free}.ack").exists():
        number += 1
        free = f"{name}.{number}"
    return free


def _forget(folder: Path, at: datetime) -> None:
    """Answers, and files that failed and that nobody came for."""
    for where, kept in ((DONE, DONE_KEPT), (FAILED, FAILED_KEPT)):
        for one in (folder / where).glob("*"):
            if one.is_file() and at.timestamp() - one.stat().st_mtime > kept.total_seconds():
                one.unlink()
