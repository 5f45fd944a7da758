"""Signature Version 4 in a URL: who holds it may make this one request until it expires.

Source: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import msgspec

LONGEST_SECONDS = 604_800
_ALGORITHM = "AWS4-HMAC-SHA256"


class AccessKey(msgspec.Struct, frozen=True):
    """What the operator of the bucket gave out."""

    key_id: str
    secret: str

    def __repr__(self) -> str:
        return f"AccessKey({self.key_id!r})"


def presign(
    method: str,
    url: str,
    key: AccessKey,
    region: str,
    at: int,
    expires_seconds: int,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> str:
    """The signed URL, good from unix second ``at`` on for ``expires_seconds``, at most a week.

    ``url`` has a path that is encoded already, and no query. Whoever uses it sends ``headers`` exactly so.
    """
    parts = urlsplit(url)
    time = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    signed = {"host": parts.netloc.rpartition("@")[2]} | {name.lower(): " ".join(value.split()) for name, value in (headers or {}).items()}
    names = ";".join(sorted(signed))
    parameters = dict(query or {}) | {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{key.key_id}/{scope}",
        "X-Amz-Date": time,
        "X-Amz-Expires": str(min(expires_seconds, LONGEST_SECONDS)),
        "X-Amz-SignedHeaders": names,
    }
    line = "&".join(sorted(f"{_encoded(name)}={_encoded(value)}" for name, value in parameters.items()))
    canonical = [method, parts.path or "/", line, *(f"{name}:{signed[name]}" for name in sorted(signed)), "", names, "UNSIGNED-PAYLOAD"]
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    text = "\n".join((_ALGORITHM, time, scope, digest))
    secret = ("AWS4" + key.secret).encode()
    for part in (*scope.split("/"), text):
        secret = hmac.digest(secret, part.encode(), "sha256")
    return f"{url}?{line}&X-Amz-Signature={secret.hex()}"


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
