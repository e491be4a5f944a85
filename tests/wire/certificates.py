"""Certificates for tests: an authority, and what it signs. Real X.509, on loopback."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Signed:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def with_key(self) -> str:
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return self.pem + key

    def file(self, folder: Path, name: str) -> str:
        path = folder / f"{name}.pem"
        path.write_text(self.with_key)
        return str(path)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def authority(name: str = "Test authority") -> Signed:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(name)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=2))
    builder = builder.not_valid_after(now + timedelta(days=2))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return Signed(builder.sign(key, hashes.SHA256()), key)


def issue(by: Signed, name: str, *, host: str = "127.0.0.1", ended: bool = False) -> Signed:
    """A leaf. `ended`: it was good until yesterday."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    try:
        names: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        names = x509.DNSName(host)
    builder = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(by.certificate.subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=2))
    builder = builder.not_valid_after(now - timedelta(days=1) if ended else now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([names]), critical=False)
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
    builder = builder.add_extension(signer, critical=False)
    return Signed(builder.sign(by.key, hashes.SHA256()), key)
