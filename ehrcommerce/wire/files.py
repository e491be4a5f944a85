"""Files for partners without an API, in a folder of theirs: on this machine, or by SFTP. The host key is pinned, we come
with a key and never a password, and nothing appears there half: a file is written under another name and renamed.

Until the rename nothing has happened (NotSent); only a rename whose answer is lost leaves a doubt (Unanswered)."""

import io
import os
import socket
import stat
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import paramiko
from django.conf import settings
from paramiko.ssh_exception import IncompatiblePeer

from ehrcommerce.wire import deadline, exchange
from ehrcommerce.wire.client import CONNECT_S, READ_S, allowed_host
from ehrcommerce.wire.errors import NotSent, OurCertificate, TheirCertificate, Unanswered, WrongAddress

MOST_BYTES = 4 * 1024 * 1024
MOST_NAMES = 5_000
TEMPORARY = ".part"
_KEYS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
_RSA = ("rsa-sha2-512", "rsa-sha2-256")


@dataclass(frozen=True, slots=True)
class Listed:
    """A file in a folder: its name and when it was last written, in seconds since 1970."""

    name: str
    written: float


class Folder(Protocol):
    def listed(self) -> list[Listed]: ...
    def read(self, name: str) -> bytes | None: ...
    def write(self, name: str, content: bytes) -> None:
        """The whole file or none. FileExistsError where one of this name is there: it is never written over."""

    def holds(self, name: str) -> bool: ...


@dataclass(frozen=True)
class FilePartner:
    """Where the files of one partner lie, and how we show who we are."""

    name: str
    base_url: str
    account: str = ""
    key_pem: str = field(default="", repr=False)
    host_key: str = ""
    hosts: tuple[str, ...] = ()


class WrongHostKey(TheirCertificate):
    """The partner's SSH host key is not the one in its row. Nothing was sent. Ask the partner by phone, not by mail."""


class OurKey(OurCertificate):
    """The partner did not accept our SSH key, or it cannot be read. Nothing was sent. Put a key into the partner's row
    that has no passphrase and that the partner knows."""


@contextmanager
def opened(partner: FilePartner, below: str) -> Iterator[Folder]:
    """A folder of a partner, for a few files. Raises wire.errors."""
    parts = urlsplit(partner.base_url)
    path = f"{unquote(parts.path).rstrip('/')}/{below}".rstrip("/")
    if parts.scheme == "file":
        yield Local(partner.name, Path(path))
        return
    with _connected(partner, parts.hostname or "", parts.port or 22) as client:
        yield Remote(partner.name, client, path)


class Local:
    """A folder of this machine, from which something else carries the files on."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path

    def listed(self) -> list[Listed]:
        try:
            found = [one for one in os.scandir(self.path) if one.is_file()][:MOST_NAMES]
            return [Listed(one.name, one.stat().st_mtime) for one in found]
        except OSError:
            raise NotSent(self.name, "the folder cannot be read") from None

    def read(self, name: str) -> bytes | None:
        try:
            with open(self.path / _plain(name), "rb") as file:
                return _short(self.name, file.read(MOST_BYTES + 1))
        except FileNotFoundError:
            return None
        except OSError:
            raise NotSent(self.name, "the file cannot be read") from None

    def holds(self, name: str) -> bool:
        return (self.path / _plain(name)).exists()

    def write(self, name: str, content: bytes) -> None:
        final, part = self.path / _plain(name), self.path / _plain(name + TEMPORARY)
        if final.exists():
            raise FileExistsError
        try:
            with open(part, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.rename(final)
        except OSError:
            raise NotSent(self.name, "the file cannot be written") from None


class Remote:
    """A folder reached by SFTP."""

    def __init__(self, name: str, client: paramiko.SFTPClient, path: str) -> None:
        self.name, self.client, self.path = name, client, path

    def listed(self) -> list[Listed]:
        with _heard(self.name):
            rows = [row for row in self.client.listdir_attr(self.path) if stat.S_ISREG(row.st_mode or stat.S_IFREG)]
        return [Listed(row.filename, float(row.st_mtime or 0)) for row in rows[:MOST_NAMES]]

    def read(self, name: str) -> bytes | None:
        try:
            with _heard(self.name), self.client.open(self._at(name), "rb") as file:
                return _short(self.name, file.read(MOST_BYTES + 1))
        except FileNotFoundError:
            return None

    def holds(self, name: str) -> bool:
        try:
            with _heard(self.name):
                self.client.stat(self._at(name))
        except FileNotFoundError:
            return False
        return True

    def write(self, name: str, content: bytes) -> None:
        if self.holds(name):
            raise FileExistsError
        with _heard(self.name):
            self.client.putfo(io.BytesIO(content), self._at(name + TEMPORARY), len(content), confirm=True)
        try:
            # Not posix-rename: that one writes over what is there.
            self.client.rename(self._at(name + TEMPORARY), self._at(name))
        except (paramiko.SSHException, OSError, EOFError):
            raise Unanswered(self.name) from None

    def _at(self, name: str) -> str:
        return f"{self.path}/{_plain(name)}"


@contextmanager
def _heard(name: str) -> Iterator[None]:
    """Reads, and writes that nobody takes up before the rename: whatever goes wrong, nothing has happened."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (paramiko.SSHException, OSError, EOFError):
        raise NotSent(name, "the connection was lost") from None


@contextmanager
def _connected(partner: FilePartner, host: str, port: int) -> Iterator[paramiko.SFTPClient]:
    key_type, wanted = _host_key(partner)
    mine = _own_key(partner)
    if not allowed_host(host, partner.hosts):
        raise WrongAddress(partner.name, "the host is not on this installation's list of partners (EHRC_PARTNER_HOSTS)")
    if deadline.is_over():
        raise NotSent(partner.name, "no time is left to wait for an answer")
    try:
        sock = socket.create_connection((host, port), timeout=deadline.left_s(CONNECT_S))
    except OSError:
        raise NotSent(partner.name) from None
    if not settings.ALLOW_LOOPBACK_PARTNERS and not exchange.is_outside(str(sock.getpeername()[0])):
        sock.close()
        raise WrongAddress(partner.name, "the host name leads to an inner address")
    transport = paramiko.Transport(sock)
    transport.banner_timeout = transport.auth_timeout = transport.handshake_timeout = READ_S
    try:
        client = _entered(transport, partner, key_type, wanted, mine)
        yield client
    finally:
        transport.close()


def _entered(
    transport: paramiko.Transport, partner: FilePartner, key_type: str, wanted: bytes, mine: paramiko.PKey
) -> paramiko.SFTPClient:
    """The host key is compared before we say who we are."""
    try:
        transport.get_security_options().key_types = _RSA if key_type == "ssh-rsa" else (key_type,)
        transport.start_client(timeout=deadline.left_s(READ_S))
        if transport.get_remote_server_key().asbytes() != wanted:
            raise WrongHostKey(partner.name)
        transport.auth_publickey(partner.account, mine)
        client = paramiko.SFTPClient.from_transport(transport)
    except paramiko.AuthenticationException:
        raise OurKey(partner.name) from None
    except IncompatiblePeer:
        raise WrongHostKey(partner.name) from None  # it has no key of the kind that was agreed
    except (paramiko.SSHException, OSError, EOFError):
        raise NotSent(partner.name) from None
    channel = client.get_channel() if client is not None else None
    if client is None or channel is None:
        raise NotSent(partner.name, "the partner opens no file channel")
    channel.settimeout(deadline.left_s(READ_S))
    return client


def _host_key(partner: FilePartner) -> tuple[str, bytes]:
    """`ssh-ed25519 AAAA...`, as in known_hosts. Without one nobody is spoken with."""
    parts = partner.host_key.split()
    try:
        return parts[0], b64decode(parts[1], validate=True)
    except (IndexError, NotBase64, ValueError):
        raise WrongHostKey(partner.name, "the row has no SSH host key to compare with") from None


def _own_key(partner: FilePartner) -> paramiko.PKey:
    for kind in _KEYS:
        try:
            return kind.from_private_key(io.StringIO(partner.key_pem))
        except (paramiko.SSHException, ValueError, IndexError):
            continue
    raise OurKey(partner.name)


def _plain(name: str) -> str:
    """A name, not a way to somewhere else."""
    if "/" in name or "\\" in name or name.startswith(".") or not name.isprintable():
        raise ValueError("not a file name")
    return name


def _short(name: str, content: bytes) -> bytes:
    if len(content) > MOST_BYTES:
        raise NotSent(name, "the file is too large")
    return content
