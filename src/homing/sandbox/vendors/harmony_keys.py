"""Service accounts of Push Kit v3 and the JWTs that they sign (vendor sheet huawei, section 2.2)."""

from __future__ import annotations

import functools
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .push_kit import Refused

AUDIENCE: Final = "https://oauth-login.cloud.huawei.com/oauth2/v3/token"
MAX_LIFE_SECONDS: Final = 86_400
MAX_SKEW_SECONDS: Final = 300  # the vendor asks for a right clock and names no limit

AUTH_WRONG: Final = "80200001"
JWT_EXPIRED: Final = "80200005"
JWT_TOO_LONG: Final = "80300036"


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    """One key for all accounts of a sandbox: making one takes long, and accounts differ by their ids."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """One service account of one project."""

    project_id: str
    key_id: str = field(default_factory=lambda: secrets.token_hex(16))
    sub_account: str = field(default_factory=lambda: str(100_000_000 + secrets.randbelow(900_000_000)))

    def file(self) -> str:
        """The JSON key file, as the console hands it out."""
        pem = _key().private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        values = {
            "project_id": self.project_id,
            "key_id": self.key_id,
            "private_key": pem.decode(),
            "sub_account": self.sub_account,
            "auth_uri": "https://oauth-login.cloud.huawei.com/oauth2/v3/authorize",
            "token_uri": AUDIENCE,
            "auth_provider_cert_uri": "https://oauth-login.cloud.huawei.com/oauth2/v3/certs",
            "client_cert_uri": f"https://oauth-login.cloud.huawei.com/oauth2/v3/x509?client_id={self.sub_account}",
        }
        return json.dumps(values)


def account_of(header: str, accounts: dict[str, ServiceAccount], now: int) -> ServiceAccount:
    """The account that signed the bearer token, by its key id. Raises Refused. ``now`` in seconds."""
    if not header.startswith("Bearer ") or len(header) > 10_000:
        raise Refused(AUTH_WRONG, "the Authorization header must be Bearer and one blank and the JWT")
    token = header.removeprefix("Bearer ")
    if token.count(".") != 2:
        raise Refused(AUTH_WRONG, "v3 takes a JWT of a service account, no OAuth access token")
    account = accounts.get(_key_id(token))
    if account is None:
        raise Refused(AUTH_WRONG, "the key id of the JWT is unknown")
    try:
        claims = jwt.decode(
            token, _key().public_key(), algorithms=["PS256"], options={"verify_aud": False, "verify_exp": False, "verify_iat": False}
        )
    except jwt.PyJWTError:
        raise Refused(AUTH_WRONG, "the signature of the JWT is wrong") from None
    _check_claims(claims, account, now)
    return account


def _key_id(token: str) -> str:
    try:
        head = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise Refused(AUTH_WRONG, "the JWT cannot be read") from None
    if head.get("alg") != "PS256":
        raise Refused(AUTH_WRONG, "the JWT must be signed with PS256")
    return str(head.get("kid"))


def _check_claims(claims: dict[str, Any], account: ServiceAccount, now: int) -> None:
    if claims.get("iss") != account.sub_account:
        raise Refused(AUTH_WRONG, "iss must be the sub_account of the key")
    if claims.get("aud") != AUDIENCE:
        raise Refused(AUTH_WRONG, f"aud must be {AUDIENCE}")
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or not isinstance(expires, int):
        raise Refused(AUTH_WRONG, "iat and exp must be seconds since 1970")
    if expires - issued > MAX_LIFE_SECONDS:
        raise Refused(JWT_TOO_LONG, "the JWT is valid for more than a day")
    if issued > now + MAX_SKEW_SECONDS:
        raise Refused(AUTH_WRONG, "iat lies in the future")
    if expires <= now:
        raise Refused(JWT_EXPIRED, "the JWT has expired")
