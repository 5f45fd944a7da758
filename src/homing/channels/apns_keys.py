"""The keys of an APNs certificate, and what is wrong with them (vendor sheet apns, section 2)."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from homing.channels.apns_fields import ApnsCredentials, ApnsOptions
from homing.channels.base import FieldProblem
from homing.channels.client_certificate import ClientCertificate, load_client_certificate

_DEVELOPMENT_OID: Final = "1.2.840.113635.100.6.3.1"
_PRODUCTION_OID: Final = "1.2.840.113635.100.6.3.2"
_TOPICS_OID: Final = "1.2.840.113635.100.6.3.6"  # lists the topics of a certificate that has several


def signing_key(pem: str) -> EllipticCurvePrivateKey | None:
    """The .p8 key; None where it is none."""
    if not pem:
        return None
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1) else None


def client_certificate(credentials: ApnsCredentials) -> ClientCertificate | None:
    """The certificate with its key; None where there is none that can be read."""
    if not credentials.client_certificate:
        return None
    loaded = load_client_certificate(credentials.client_certificate, credentials.passphrase)
    return loaded if isinstance(loaded, ClientCertificate) else None


def key_problems(credentials: ApnsCredentials, options: ApnsOptions) -> list[FieldProblem]:
    """Section 2.1: the key and the two ids that name it, and the topic, which the key does not name."""
    if not credentials.private_key:
        return [FieldProblem("private_key", "private_key is missing", "Pass --file private_key=AuthKey_….p8, or client_certificate")]
    found = []
    if signing_key(credentials.private_key) is None:
        found.append(FieldProblem("private_key", "private_key is not a P-256 key in PEM", "Use the .p8 file as Apple gave it"))
    for name in ("key_id", "team_id"):
        value = getattr(credentials, name)
        if not value:
            found.append(FieldProblem(name, f"{name} is missing", f"Pass --set {name}=…"))
        elif not (len(value) == 10 and value.isascii() and value.isalnum()):
            found.append(FieldProblem(name, f"{name} does not look like Apple's 10 characters", "Compare it on Apple's site", warning=True))
    if not options.topic:
        found.append(FieldProblem("topic", "topic is missing", "Pass the app's bundle id"))
    return found + _topic_problems(options)


def certificate_problems(credentials: ApnsCredentials, options: ApnsOptions) -> list[FieldProblem]:
    """Section 2.2: the file, the topics that it names, the environment that it is for."""
    name = "client_certificate"
    if credentials.private_key:
        return [FieldProblem("private_key", "private_key and client_certificate exclude one another", "Pass one of the two")]
    loaded = load_client_certificate(credentials.client_certificate, credentials.passphrase)
    if isinstance(loaded, FieldProblem):
        return [loaded]
    found = _topic_problems(options)
    if not (options.topic or loaded.user_id):
        found.append(FieldProblem("topic", "topic is missing and the certificate names none", "Pass the app's bundle id"))
    kinds = {_PRODUCTION_OID: "production", _DEVELOPMENT_OID: "sandbox"}
    environments = {kinds[oid] for oid in loaded.extensions if oid in kinds}
    if environments and options.environment not in environments:
        found.append(FieldProblem(name, f"{name} is for {environments.pop()} only", "Set environment to it, or use another certificate"))
    topics = loaded.extensions.get(_TOPICS_OID, b"")
    if options.push_type == "voip" and topics and b".voip" not in topics:
        cure = "Make a VoIP Services certificate on Apple's site, or use a signing key, which is good for every topic"
        found.append(FieldProblem(name, f"{name} names no topic that ends in .voip, so Apple takes no calls with it", cure))
    return found


def _topic_problems(options: ApnsOptions) -> list[FieldProblem]:
    if options.topic.isascii() and options.topic.isprintable() and len(options.topic) <= 255 and " " not in options.topic:
        return []
    return [FieldProblem("topic", "topic is not a bundle id", "Use letters, digits, dots and hyphens")]
