"""The two ways in of HL7 v2: a socket with TLS and client certificates, and folders of files. Killed, cut off, flooded or
stopped at the worst moment, no acknowledged message is lost. [REL-P9]"""

import contextlib
import hashlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import OperationalError, connection
from django.utils import timezone
from hl7.client import MLLPClient

from ehrcommerce.ehr import feeds, hl7_files, mllp
from ehrcommerce.ehr.models import Hl7Feed, Notification
from ehrcommerce.vault import walls
from tests import factories
from tests.events.conftest import Ward
from tests.events.hl7 import message, msa, order

FOR_S = 30.0


def wait_for(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + FOR_S
    while not (found := what()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)
    return found


# -------------------------------------------------------------------------------------------------------- certificates
def certificate(folder: Path, name: str, issuer: tuple[Any, Any] | None = None) -> tuple[Any, Any]:
    """A certificate and its key, as PEM in `folder`; without an issuer it signs itself, and others."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    above = issuer[0].subject if issuer else subject
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(above).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )  # fmt: skip
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(pem)
    return made, key


@contextlib.contextmanager
def listening(context: ssl.SSLContext | None = None, **limits: Any) -> Iterator[mllp.Listener]:
    listener = mllp.Listener("127.0.0.1", 0, context=context, limits=mllp.Limits(**limits))
    thread = threading.Thread(target=listener.serve)
    thread.start()
    try:
        yield listener
    finally:
        listener.stop()
        thread.join(FOR_S)
        assert not thread.is_alive()


@pytest.fixture
def feed(ward: Ward) -> Hl7Feed:
    return factories.hl7_feed(ward.connection, networks="127.0.0.1/32", senders=f"LAKE|{ward.connection.slug}")


def to(feed: Hl7Feed, *args: Any, **header: Any) -> bytes:
    return order(*args, sender=feed.senders, kind="OML^O21", **header)


def frame(body: bytes) -> bytes:
    return b"\x0b" + body + b"\x1c\r"


def answered(line: socket.socket) -> bytes:
    """The next answer; b"" where the other side hung up."""
    line.settimeout(FOR_S)
    found = b""
    while not found.endswith(b"\x1c\r"):
        more = line.recv(4096)
        if not more:
            return b""
        found += more
    return found.strip(b"\x0b\x1c\r")


def rows(ward: Ward) -> int:
    return Notification.objects.filter(connection=ward.connection).count()


# ------------------------------------------------------------------------------------------------------------- the socket
def test_another_programs_client_is_understood_and_a_connection_serves_many_messages(ward: Ward, feed: Hl7Feed) -> None:
    with listening() as listener, MLLPClient("127.0.0.1", listener.port) as client:
        answers = [client.send_message(to(feed, number=f"N-{n % 3}")).strip(b"\x0b\x1c\r") for n in range(9)]
    assert [msa(one) for one in answers] == [("AA", f"N-{n % 3}") for n in range(9)]
    assert rows(ward) == 3


def test_messages_in_pieces_and_two_in_one_piece_are_each_answered_once(ward: Ward, feed: Hl7Feed) -> None:
    with listening() as listener, socket.create_connection(("127.0.0.1", listener.port)) as line:
        whole = frame(to(feed))
        for at in range(0, len(whole), 37):
            line.sendall(whole[at : at + 37])
        assert msa(answered(line)) == ("AA", "N-1")
        line.sendall(frame(to(feed, number="N-2")) + b"\r\n" + frame(to(feed, number="N-3")))
        found = b""
        while found.count(b"\x1c\r") < 2:
            found += line.recv(4096)
    assert [msa(one)[1] for one in found.split(b"\x1c\r")[:2]] == ["N-2", "N-3"]
    assert rows(ward) == 3


def test_a_sender_without_its_certificate_is_hung_up_on(ward: Ward, tmp_path: Path) -> None:
    root = certificate(tmp_path, "root")
    certificate(tmp_path, "server", root)
    ours, _ = certificate(tmp_path, "engine", root)
    certificate(tmp_path, "stranger", root)
    certificate(tmp_path, "selfmade")
    digest = hashlib.sha256(ours.public_bytes(serialization.Encoding.DER)).hexdigest()
    feed = factories.hl7_feed(ward.connection, certificates=digest, senders=f"LAKE|{ward.connection.slug}")
    names = [str(tmp_path / name) for name in ("server.pem", "server.key", "root.pem")]

    def send(listener: mllp.Listener, name: str) -> bytes:
        context = ssl.create_default_context(cafile=names[2])
        context.check_hostname = False
        if name:
            context.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        try:
            with socket.create_connection(("127.0.0.1", listener.port)) as plain, context.wrap_socket(plain) as line:
                line.sendall(frame(to(feed, number=f"N-{name}")))
                return answered(line)
        except (ssl.SSLError, ConnectionError):
            return b""

    with listening(mllp.tls(*names)) as listener:
        assert msa(send(listener, "engine")) == ("AA", "N-engine")
        # Feeds of other tests may know this network: then a stranger is told that it is none of theirs.
        assert not [name for name in ("", "stranger", "selfmade") if b"MSA|AA" in send(listener, name)]
        with socket.create_connection(("127.0.0.1", listener.port)) as line:
            line.sendall(frame(to(feed)))
            assert not answered_or_reset(line)
    assert rows(ward) == 1


def answered_or_reset(line: socket.socket) -> bytes:
    """b"" also where the other side closed before it had read everything."""
    try:
        found = answered(line)
    except ConnectionError:
        return b""
    return found if b"MSA" in found else b""


def test_without_tls_it_listens_on_this_machine_alone(tmp_path: Path) -> None:
    with pytest.raises(mllp.NoTls):
        mllp.Listener("192.0.2.1", 0, context=None)
    with pytest.raises(mllp.BadCertificate):
        mllp.tls(str(tmp_path / "no.pem"), str(tmp_path / "no.key"), str(tmp_path / "no.ca"))


def test_too_long_too_slow_and_too_many_are_cut_off(ward: Ward, feed: Hl7Feed) -> None:
    with listening(most_bytes=4096, frame_s=1.0, idle_s=1.0, most_connections=2) as listener:
        address = ("127.0.0.1", listener.port)
        with socket.create_connection(address) as line:
            line.sendall(b"\x0b" + to(feed) + b"NTE|1||" + b"x" * 5000)
            assert msa(answered(line))[0] == "AE"
            assert line.recv(10) == b""
        for begun in (b"\x0bMSH|^~\\&|LA", b"", b"GET / HTTP/1.1\r\n" * 100):
            with socket.create_connection(address) as line:
                line.sendall(begun)
                assert not answered_or_reset(line)
    with listening(most_connections=2) as listener:
        address = ("127.0.0.1", listener.port)
        with socket.create_connection(address) as one, socket.create_connection(address) as two:
            for line in (one, two):
                line.sendall(frame(to(feed)))
                assert msa(answered(line))[0] == "AA"
            with socket.create_connection(address) as three:
                assert not answered_or_reset(three)
    assert rows(ward) == 1


def test_while_the_database_is_away_nothing_is_acknowledged(
    ward: Ward, feed: Hl7Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> None:
        raise OperationalError

    with listening() as listener:
        with monkeypatch.context() as patch, socket.create_connection(("127.0.0.1", listener.port)) as line:
            patch.setattr(feeds, "_take", away)
            line.sendall(frame(to(feed)))
            assert answered(line) == b""
        assert rows(ward) == 0
        with socket.create_connection(("127.0.0.1", listener.port)) as line:
            line.sendall(frame(to(feed)))
            assert msa(answered(line))[0] == "AA"
    assert rows(ward) == 1


def test_it_stops_once_what_it_took_is_answered(ward: Ward, feed: Hl7Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, go_on = threading.Event(), threading.Event()
    receive = feeds.receive

    def slow(*args: Any) -> tuple[str, bytes]:
        taken.set()
        assert go_on.wait(FOR_S)
        return receive(*args)

    monkeypatch.setattr(feeds, "receive", slow)
    with listening() as listener, socket.create_connection(("127.0.0.1", listener.port)) as line:
        line.sendall(frame(to(feed)))
        assert taken.wait(FOR_S)
        listener.stop()
        go_on.set()
        assert msa(answered(line))[0] == "AA"
        assert line.recv(10) == b""


# ------------------------------------------------------------------------------------------------------ a process of its own
@contextlib.contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """`manage.py ...` on the database of this test."""
    from django.conf import settings

    told = connection.settings_dict
    url = f"postgresql://{told['USER']}:{told['PASSWORD']}@{told['HOST']}:{told['PORT']}/{told['NAME']}"
    environment = {**os.environ, "DATABASE_OWNER_URL": url, "DATABASE_URL": url, "PYTHONUNBUFFERED": "1"}
    run = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *command]
    child = subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait(FOR_S)
        assert child.stdout is not None
        child.stdout.close()


def port_of(child: subprocess.Popen[str]) -> int:
    assert child.stdout is not None
    said = ""
    for said in child.stdout:
        if "MLLP listens" in said:
            return int(said.split("port ")[1].split(",")[0])
    raise AssertionError(said)


def test_killed_between_commit_and_answer_the_message_is_there_once(ward: Ward, feed: Hl7Feed) -> None:
    with process("mllp", "--port", "0") as child:
        line = socket.create_connection(("127.0.0.1", port_of(child)))
        line.sendall(frame(to(feed)))
        wait_for(lambda: rows(ward))
        child.send_signal(signal.SIGKILL)
        line.close()
    with process("mllp", "--port", "0") as child, socket.create_connection(("127.0.0.1", port_of(child))) as line:
        line.sendall(frame(to(feed)))
        assert msa(answered(line)) == ("AA", "N-1")
        child.send_signal(signal.SIGTERM)
        assert child.wait(25) == 0
    assert rows(ward) == 1


# -------------------------------------------------------------------------------------------------------------- the files
@pytest.fixture
def folder(tmp_path: Path, feed: Hl7Feed) -> Path:
    made = tmp_path / feed.folder
    made.mkdir()
    return made


def put(folder: Path, name: str, body: bytes, age_s: float = 60) -> Path:
    file = folder / name
    file.write_bytes(body)
    moment = time.time() - age_s
    os.utime(file, (moment, moment))
    return file


def sweep(ward: Ward, folder: Path, at: datetime | None = None) -> tuple[int, int]:
    walls.leave()
    try:
        return hl7_files.sweep(folder.parent, at or timezone.now())
    finally:
        walls.enter(ward.shop.clinic.pk)


def test_whole_files_are_taken_and_what_is_being_written_is_left_alone(ward: Ward, feed: Hl7Feed, folder: Path) -> None:
    batch = b"FHS|^~\\&|LAKE\rBHS|^~\\&|LAKE\r" + to(feed) + to(feed, number="N-2") + b"BTS|2\rFTS|1\r"
    put(folder, "a.hl7", batch)
    put(folder, "b.hl7", to(feed, number="N-3").replace(b"\r", b"\r\n"))
    waiting = [put(folder, name, to(feed, number="N-4")) for name in (".c.hl7", "d.hl7.part", "e.tmp")]
    waiting.append(put(folder, "f.hl7", to(feed, number="N-4"), age_s=0))
    assert sweep(ward, folder) == (2, 0)
    assert rows(ward) == 3
    assert all(one.exists() for one in waiting)
    assert sorted(one.name for one in (folder / "done").iterdir()) == ["a.hl7.ack", "b.hl7.ack"]
    assert b"CANARY" not in (folder / "done" / "a.hl7.ack").read_bytes()
    assert sweep(ward, folder, timezone.now() + timedelta(days=31)) == (1, 0)
    assert [one.name for one in (folder / "done").iterdir()] == ["f.hl7.ack"]


def test_a_file_with_one_bad_message_fails_whole_and_its_good_ones_count_once(
    ward: Ward, feed: Hl7Feed, folder: Path
) -> None:
    body = to(feed) + message("ZZZ|1", kind="ORU^R01", sender=feed.senders, number="N-2")
    put(folder, "a.hl7", body)
    put(folder, "b.hl7", b"")
    assert sweep(ward, folder) == (0, 2)
    assert (folder / "failed" / "a.hl7").read_bytes() == body
    answers = (folder / "failed" / "a.hl7.ack").read_bytes().split(b"MSH|")[1:]
    assert [msa(one) for one in answers] == [("AA", "N-1"), ("AR", "N-2")]
    put(folder, "a.hl7", body)
    assert sweep(ward, folder) == (0, 1)
    assert (folder / "failed" / "a.hl7.2").exists()
    assert rows(ward) == 1
    sweep(ward, folder, timezone.now() + timedelta(days=8))
    assert list((folder / "failed").iterdir()) == []


def test_a_file_that_was_not_put_away_and_one_met_by_a_sick_database_are_taken_again(
    ward: Ward, feed: Hl7Feed, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "a.hl7", to(feed))
    with monkeypatch.context() as patch:
        patch.setattr(hl7_files, "_put_away", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sweep(ward, folder)
    with monkeypatch.context() as patch:
        patch.setattr(feeds, "_take", lambda *args: (_ for _ in ()).throw(OperationalError))
        assert sweep(ward, folder) == (0, 0)
    assert (folder / "a.hl7").exists()
    assert sweep(ward, folder) == (1, 0)
    assert rows(ward) == 1


def test_a_folder_that_no_feed_names_waits(ward: Ward, feed: Hl7Feed, folder: Path) -> None:
    other = folder.parent / "nobodys"
    other.mkdir()
    file = put(other, "a.hl7", to(feed))
    mine = put(folder, "a.hl7", to(feed))
    Hl7Feed.objects.filter(pk=feed.pk).update(enabled=False)
    assert sweep(ward, folder) == (0, 0)
    assert file.exists()
    assert mine.exists()
