"""A certificate authority for one sandbox, made at start: a server certificate, and client certificates as Apple issues them."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_DAYS: Final = 3650
_LEAF_DAYS: Final = 397
# Apple's marks in a push certificate (vendor sheet apns, section 2.2).
DEVELOPMENT_OID: Final = "1.2.840.113635.100.6.3.1"
PRODUCTION_OID: Final = "1.2.840.113635.100.6.3.2"
TOPICS_OID: Final = "1.2.840.113635.100.6.3.6"
_DER_NULL: Final = b"\x05\x00"


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """A certificate with its private key, both PEM."""

    certificate_pem: bytes
    key_pem: bytes

    @property
    def pem(self) -> bytes:
        """Both in one file."""
        return self.certificate_pem + self.key_pem

    def pkcs12(self, passphrase: str) -> bytes:
        """The same as a .p12 file."""
        certificate = x509.load_pem_x509_certificate(self.certificate_pem)
        key = _load_key(self.key_pem)
        protection = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        return pkcs12.serialize_key_and_certificates(b"push", key, certificate, None, protection)


class CertificateAuthority:
    """Signs what the sandbox shows and accepts. ``now`` is the moment from which certificates are valid (with a day's slack)."""

    def __init__(self, name: str = "Homing sandbox CA", now: dt.datetime | None = None) -> None:
        self._now = now or dt.datetime.now(dt.UTC)
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        usage = _usage(signs_certificates=True)
        self._certificate = (
            self._builder(subject, self._key, _CA_DAYS)
            .issuer_name(subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate_pem(self) -> bytes:
        """What a client names as its ca_file."""
        return self._certificate.public_bytes(Encoding.PEM)

    def server(self, hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")) -> Issued:
        """A server certificate for names and addresses."""
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        return self._issue([(NameOID.COMMON_NAME, hosts[0])], ExtendedKeyUsageOID.SERVER_AUTH, [(names, False)])

    def push_client(
        self,
        bundle_id: str,
        *,
        topics: tuple[str, ...] = (),
        environments: tuple[str, ...] = ("sandbox", "production"),
        days: int = _LEAF_DAYS,
    ) -> Issued:
        """A push certificate: UID is the bundle id, extensions name environments and, when there are several, topics (section 2.2)."""
        oids = {"sandbox": DEVELOPMENT_OID, "production": PRODUCTION_OID}
        marks: list[tuple[x509.ExtensionType, bool]] = [(_unrecognized(oids[name], _DER_NULL), False) for name in environments]
        if topics:
            marks.append((_unrecognized(TOPICS_OID, _der_topics(topics)), False))
        subject = [(NameOID.USER_ID, bundle_id), (NameOID.COMMON_NAME, f"Apple Push Services: {bundle_id}"[:64])]
        return self._issue(subject, ExtendedKeyUsageOID.CLIENT_AUTH, marks, days)

    def _issue(
        self,
        subject: list[tuple[x509.ObjectIdentifier, str]],
        purpose: x509.ObjectIdentifier,
        extensions: list[tuple[x509.ExtensionType, bool]],
        days: int = _LEAF_DAYS,
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
        builder = (
            self._builder(name, key, days)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Issued(certificate.public_bytes(Encoding.PEM), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
        day = dt.timedelta(days=1)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - day * 2)
            .not_valid_after(self._now + day * days)
        )


@dataclass(frozen=True, slots=True, repr=False)
class TlsSetup:
    """What a TLS listener needs, and what its clients need."""

    authority: CertificateAuthority
    ca_file: Path
    context: ssl.SSLContext


def set_up(folder: Path) -> TlsSetup:
    """A new authority with its files in the folder, and a context that takes client certificates of this authority."""
    authority = CertificateAuthority()
    ca_file = write_files(authority, folder)
    return TlsSetup(authority, ca_file.resolve(), server_context(folder, client_certificates=True, alpn=("h2", "http/1.1")))


def write_files(authority: CertificateAuthority, folder: Path, hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")) -> Path:
    """Write ``ca.pem``, ``server.pem`` and ``server.key`` (mode 0600) into the folder; returns the path of ``ca.pem``."""
    folder.mkdir(parents=True, exist_ok=True)
    issued = authority.server(hosts)
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    (folder / "server.pem").write_bytes(issued.certificate_pem)
    key_file = folder / "server.key"
    key_file.touch(mode=0o600)
    key_file.chmod(0o600)
    key_file.write_bytes(issued.key_pem)
    return folder / "ca.pem"


def server_context(folder: Path, *, client_certificates: bool = False, alpn: tuple[str, ...] = ("h2",)) -> ssl.SSLContext:
    """TLS 1.2 and later from the files of ``write_files``; a client may, but need not, show a certificate of the same authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.set_alpn_protocols(list(alpn))
    if client_certificates:
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _unrecognized(oid: str, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


def _der_topics(topics: tuple[str, ...]) -> bytes:
    """SEQUENCE of UTF8String: the topics of a certificate that has several."""
    inner = b"".join(_der(0x0C, topic.encode()) for topic in topics)
    return _der(0x30, inner)


def _der(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes([tag, size]) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
