"""Client certificates for mutual TLS: .p12 or .pem in, plain PEM out."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key, pkcs12
from cryptography.x509.oid import NameOID

from homing.channels.base import FieldProblem

_FIELD: Final = "client_certificate"
_KEY_BLOCK: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)


class ClientCertificate(msgspec.Struct, frozen=True):
    """A certificate with its key, ready for TLS."""

    pem: bytes  # certificate, chain and unencrypted key
    user_id: str  # the subject's UID: Apple puts the bundle id there
    expires_at_ms: int
    extensions: dict[str, bytes]  # the vendor's own, by OID

    def __repr__(self) -> str:
        return f"ClientCertificate(user_id={self.user_id!r})"


def load_client_certificate(data: bytes, passphrase: str) -> ClientCertificate | FieldProblem:
    """The certificate in a .p12 or .pem file, or what is wrong with the file."""
    if b"-----BEGIN" in data:
        return _from_pem(data, passphrase)
    return _from_p12(data, passphrase)


def _from_p12(data: bytes, passphrase: str) -> ClientCertificate | FieldProblem:
    try:
        key, certificate, chain = pkcs12.load_key_and_certificates(data, passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return FieldProblem(_FIELD, f"{_FIELD} is not a .p12 file, or the passphrase is wrong", "Export it again with a password")
    if key is None or certificate is None:
        return FieldProblem(_FIELD, f"{_FIELD} holds no private key beside the certificate", "Export the certificate together with its key")
    return _made(key, [certificate, *chain])


def _from_pem(data: bytes, passphrase: str) -> ClientCertificate | FieldProblem:
    block = _KEY_BLOCK.search(data)
    if block is None:
        return FieldProblem(_FIELD, f"{_FIELD} holds no private key", "Put certificate and key into one .pem file")
    encrypted = b"ENCRYPTED" in block.group()
    try:
        certificates = x509.load_pem_x509_certificates(data)
        key = load_pem_private_key(block.group(), passphrase.encode() if passphrase and encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return FieldProblem(_FIELD, f"{_FIELD} is not a certificate with a key in PEM, or the passphrase is wrong", "Export it again")
    own = [certificate for certificate in certificates if certificate.public_key() == key.public_key()]
    if not own:
        return FieldProblem(_FIELD, f"the key in {_FIELD} belongs to another certificate", "Export the certificate together with its key")
    return _made(key, own + [certificate for certificate in certificates if certificate not in own])


def _made(key: object, certificates: list[x509.Certificate]) -> ClientCertificate | FieldProblem:
    if not isinstance(key, (RSAPrivateKey, EllipticCurvePrivateKey)):
        return FieldProblem(_FIELD, f"the key in {_FIELD} is neither RSA nor elliptic-curve", "Use the certificate that the vendor issued")
    first = certificates[0]
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
    pem += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return ClientCertificate(
        pem=pem,
        user_id=_user_id(first),
        expires_at_ms=int(first.not_valid_after_utc.timestamp() * 1000),
        extensions=_extensions(first),
    )


def _user_id(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
    return str(found[0].value) if found else ""


def _extensions(certificate: x509.Certificate) -> dict[str, bytes]:
    try:
        found = [extension.value for extension in certificate.extensions]
    except (ValueError, x509.DuplicateExtension):
        return {}
    return {value.oid.dotted_string: value.value for value in found if isinstance(value, x509.UnrecognizedExtension)}
