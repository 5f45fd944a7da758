"""Google's token endpoint for service accounts: JWT-bearer assertions in, opaque access tokens out (vendor sheet fcm, section 2)."""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, TypeGuard
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ..base import SandboxClock, SimRequest, SimResponse

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_URI: Final = "https://oauth2.googleapis.com/token"
SCOPES: Final = frozenset({"https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform"})
_SKEW_SECONDS: Final = 300
_MAX_LIFE_SECONDS: Final = 3600
_MAX_TOKENS: Final = 100_000
_TIMES: Final = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


@dataclass(frozen=True, slots=True, repr=False)
class ServiceAccount:
    """One service account of one project, with the key that the world made for it."""

    project_id: str
    email: str
    key_id: str
    key: rsa.RSAPrivateKey

    @classmethod
    def make(cls, project_id: str) -> ServiceAccount:
        """A new account with a new RSA key."""
        email = f"firebase-adminsdk@{project_id}.iam.gserviceaccount.com"
        return cls(project_id, email, secrets.token_hex(20), rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def file(self, token_uri: str) -> str:
        """The vendor's JSON file."""
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return json.dumps(
            {
                "type": "service_account",
                "project_id": self.project_id,
                "private_key_id": self.key_id,
                "private_key": pem,
                "client_email": self.email,
                "client_id": str(int(self.key_id[:16], 16)),
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": token_uri,
                "universe_domain": "googleapis.com",
            },
            indent=2,
        )


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token allows, and until when."""

    project_id: str
    expires_at_ms: int


class TokenEndpoint:
    """Checks assertions of registered accounts; remembers the tokens it gave out, at most 100,000."""

    def __init__(self, clock: SandboxClock, life_seconds: int = 3599) -> None:
        self._clock = clock
        self.life_seconds = life_seconds
        self.accounts: dict[str, ServiceAccount] = {}
        self._tokens: OrderedDict[str, Access] = OrderedDict()

    def access(self, token: str) -> Access | None:
        """What a token allows; None when it is unknown. Expired ones are known for a while."""
        return self._tokens.get(token)

    def revoke_all(self) -> None:
        """Forget every token, as if all had been revoked."""
        self._tokens.clear()

    def handle(self, request: SimRequest, own_url: str) -> SimResponse:
        """``POST /token``."""
        if request.method != "POST":
            return _no(405, "invalid_request", "Method not allowed")
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return _no(400, "invalid_request", "Content type must be application/x-www-form-urlencoded")
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace"), max_num_fields=50).items()}
        if "grant_type" not in form:
            return _no(400, "invalid_request", "Missing required parameter: grant_type")
        if form["grant_type"] != GRANT_TYPE:
            return _no(400, "unsupported_grant_type", f"Invalid grant_type: {form['grant_type'][:100]}")
        if "assertion" not in form:
            return _no(400, "invalid_request", "Missing required parameter: assertion")
        return self._grant(form["assertion"], own_url)

    def _grant(self, assertion: str, own_url: str) -> SimResponse:
        try:
            header = jwt.get_unverified_header(assertion)
            claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.PyJWTError:
            return _no(400, "invalid_grant", "Invalid JWT: Failed to parse.")
        account = self.accounts.get(str(claims.get("iss")))
        if account is None:
            return _no(400, "invalid_grant", "Invalid grant: account not found")
        if header.get("alg") != "RS256" or header.get("kid", account.key_id) != account.key_id or not _signed(assertion, account):
            return _no(400, "invalid_grant", "Invalid JWT Signature.")
        problem = self._claims_problem(claims, own_url)
        return _no(400, *problem) if problem else self._issue(account)

    def _claims_problem(self, claims: dict[str, Any], own_url: str) -> tuple[str, str] | None:
        if claims.get("aud") not in (TOKEN_URI, own_url):
            return "invalid_grant", "Invalid JWT: Failed audience check"
        issued, expires, now = claims.get("iat"), claims.get("exp"), self._clock.now_ms() / 1000
        if not _is_number(issued) or not _is_number(expires):
            return "invalid_grant", _TIMES
        in_time = issued <= now + _SKEW_SECONDS and expires >= now - _SKEW_SECONDS and 0 < expires - issued <= _MAX_LIFE_SECONDS
        if not in_time:
            return "invalid_grant", _TIMES
        scopes = claims.get("scope")
        if not isinstance(scopes, str) or not SCOPES & set(scopes.split()):
            return "invalid_scope", "Invalid OAuth scope or ID token audience provided."
        return None

    def _issue(self, account: ServiceAccount) -> SimResponse:
        token = f"ya29.c.{secrets.token_urlsafe(96)}"
        self._tokens[token] = Access(account.project_id, self._clock.now_ms() + self.life_seconds * 1000)
        while len(self._tokens) > _MAX_TOKENS:
            self._tokens.popitem(last=False)
        answer = {"access_token": token, "expires_in": self.life_seconds, "token_type": "Bearer"}
        return SimResponse(200, _headers(), json.dumps(answer).encode())


def _signed(assertion: str, account: ServiceAccount) -> bool:
    """The signature alone: times and audience are checked with the vendor's own words."""
    checks = {f"verify_{name}": False for name in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti")}
    try:
        jwt.decode(assertion, account.key.public_key(), algorithms=["RS256"], options=checks)  # type: ignore[arg-type]
    except jwt.PyJWTError:
        return False
    return True


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _headers() -> dict[str, str]:
    return {"content-type": "application/json; charset=UTF-8", "cache-control": "no-store"}


def _no(status: int, error: str, description: str) -> SimResponse:
    body = json.dumps({"error": error, "error_description": description}).encode()
    return SimResponse(status, _headers(), body, accepted=False, reason=f"{error}: {description}")
