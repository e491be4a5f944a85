"""A proxy that takes TLS off in front of the sandbox, as most EHRs have one. It notes whoever comes without TLS."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TLS_HANDSHAKE = b"\x16"


@dataclass
class Front:
    """`origin` over https; `plain` counts connections that began without TLS."""

    origin: str
    ca_file: str
    plain: list[bytes] = field(default_factory=list)

    @property
    def port(self) -> int:
        return urlsplit(self.origin).port or 0


def certificate(folder: Path) -> Path:
    """For `localhost`, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "front.pem"
    file.write_bytes(private + made.public_bytes(pem))
    return file


@contextmanager
def running(behind: str, folder: Path) -> Iterator[Front]:
    """In front of the http server at `behind`, until the end of the block."""
    file = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    port = urlsplit(behind).port or 80
    with socket.create_server(("127.0.0.1", 0)) as server:
        front = Front(f"https://localhost:{server.getsockname()[1]}", str(file))
        threading.Thread(target=_serve, args=(server, context, port, front), daemon=True).start()
        yield front
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, context: ssl.SSLContext, port: int, front: Front) -> None:
    while True:
        try:
            line, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_one, args=(line, context, port, front), daemon=True).start()


def _one(line: socket.socket, context: ssl.SSLContext, port: int, front: Front) -> None:
    first = line.recv(1, socket.MSG_PEEK)
    if first != TLS_HANDSHAKE:
        front.plain.append(first)
        line.close()
        return
    with (
        suppress(OSError),
        context.wrap_socket(line, server_side=True) as safe,
        socket.create_connection(("127.0.0.1", port)) as inner,
    ):
        back = threading.Thread(target=_pour, args=(inner, safe), daemon=True)
        back.start()
        _pour(safe, inner)


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
