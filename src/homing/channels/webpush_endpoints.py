"""Subscriptions as browsers report them, and which push services may be called for them (vendor sheet webpush, section 1).

The endpoint is written by a client, so it decides where this server sends: only push services that are known, or that the
operator names, are called.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from homing.channels.webpush_encryption import Keys, read_keys

#: Where the browsers' push services are. ``*.`` stands for one or more labels.
KNOWN_HOSTS: Final = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
)
MAX_ENDPOINT_CHARS: Final = 2048
_ENDPOINT: Final = re.compile(r"(https?)://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?(/[\x21-\x7e]*)?")
_HOST: Final = re.compile(r"(\*\.)?[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+(:[0-9]{1,5})?")
_DEFAULT_PORTS: Final = {"https": "443", "http": "80"}


class Unusable(msgspec.Struct, frozen=True):
    """Why nothing can be sent for a token: a code, and words."""

    code: str
    words: str


class Subscription(msgspec.Struct, frozen=True):
    """Where to send, for whom to sign, and the keys to encrypt with."""

    url: str
    origin: str  # of the endpoint, as the VAPID audience names it
    host: str
    keys: Keys


class _Keys(msgspec.Struct):
    p256dh: str
    auth: str


class _Reported(msgspec.Struct):
    endpoint: str
    keys: _Keys


_decode: Final = msgspec.json.Decoder(_Reported).decode


class Gate:
    """Decides for one certificate what its subscriptions may call."""

    __slots__ = ("_base", "_base_origin", "_exact", "_suffixes")

    def __init__(self, allowed_hosts: str, base_url: str) -> None:
        hosts = [*KNOWN_HOSTS, *split_hosts(allowed_hosts)]
        self._exact = frozenset(host for host in hosts if not host.startswith("*."))
        self._suffixes = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._base = base_url.rstrip("/")
        self._base_origin = origin_of(self._base)[0]

    def read(self, token: str) -> Subscription | Unusable:
        """The subscription in a token, or why it cannot be used."""
        try:
            reported = _decode(token)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return Unusable("bad_subscription", "the token is not the JSON of a PushSubscription: report JSON.stringify(subscription)")
        keys = read_keys(reported.keys.p256dh, reported.keys.auth)
        if keys is None:
            return Unusable("bad_keys", "keys.p256dh is not a P-256 point, or keys.auth is not 16 bytes")
        origin, host, path = origin_of(reported.endpoint)
        if not origin:
            return Unusable("bad_endpoint", "the endpoint is not a plain https address")
        if self._base:  # a relay or a simulator takes the place of every push service
            url = reported.endpoint if origin == self._base_origin else self._base + path
            return Subscription(url, origin, host, keys)
        if not origin.startswith("https://") or not self._allows(origin.removeprefix("https://"), host):
            return Unusable("endpoint_not_allowed", f"{origin} is no known push service: name it in allowed_hosts if you trust it")
        return Subscription(reported.endpoint, origin, host, keys)

    def _allows(self, authority: str, host: str) -> bool:
        """A port other than 443 must be named with its host."""
        return authority in self._exact or (authority == host and host.endswith(self._suffixes))


def endpoint_of(token: str) -> str:
    """The endpoint in a token, "" where there is none."""
    try:
        return _decode(token).endpoint
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


def origin_of(endpoint: str) -> tuple[str, str, str]:
    """Origin (a default port left out), host, and path with query of an endpoint; all "" where it is not one."""
    match = _ENDPOINT.fullmatch(endpoint) if len(endpoint) <= MAX_ENDPOINT_CHARS else None
    if match is None or "#" in endpoint or int(match[3] or 443) > 65535:
        return "", "", ""
    host = match[2].lower()
    port = "" if match[3] in {None, _DEFAULT_PORTS[match[1]]} else f":{match[3]}"
    return f"{match[1]}://{host}{port}", host, match[4] or "/"


def split_hosts(allowed_hosts: str) -> list[str]:
    """The hosts in a list that is separated by commas or blanks."""
    return allowed_hosts.lower().replace(",", " ").split()


def bad_host(allowed_hosts: str) -> str:
    """The first entry that is not a host, ``*.host`` or ``host:port``; "" when all are."""
    return next(
        (host for host in split_hosts(allowed_hosts) if not _HOST.fullmatch(host) or host.replace(".", "").split(":")[0].isdigit()), ""
    )
