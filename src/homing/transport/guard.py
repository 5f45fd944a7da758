"""The address guard: which hosts the server may call (server-side request forgery, DNS rebinding).

Two checks. ``check_url`` judges the text of a URL before anything happens. ``check_peer`` judges the numeric address
that is about to be connected to, after name resolution: a name that points into a private network, now or after its
DNS answer changed, is caught there.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

#: Deliberately narrow: what two URL parsers could read differently (user info, backslashes, blanks) never gets through.
_ORIGIN = re.compile(r"^(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?$")
_END_OF_ORIGIN = re.compile(r"[/?#]")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: Cloud metadata services that live on addresses which are otherwise public or carrier-internal.
_METADATA = frozenset({"168.63.129.16", "100.100.100.200"})

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Verdict(NamedTuple):
    """What the guard thinks of an origin. ``refusal`` is a sentence, or empty when it may be called."""

    refusal: str
    loopback: bool = False  # the URL itself names this machine, so its connections may stay on it


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, as written."""
    end = _END_OF_ORIGIN.search(url, url.find("://") + 3)
    return url[: end.start()] if end else url


def split_origin(origin: str) -> tuple[str, str, int]:
    """Scheme, host (an IPv6 address without its brackets) and port. Raises ``ValueError`` where ``judge_origin`` refuses."""
    match = _ORIGIN.match(origin)
    if match is None:
        raise ValueError(origin)
    return match[1], match[2].strip("[]"), int(match[3] or (443 if match[1] == "https" else 80))


def judge_origin(origin: str, *, allow_private: bool = False) -> Verdict:
    """The verdict on ``scheme://host[:port]``."""
    if "@" in origin:
        return Verdict("The URL carries a user name or password; put credentials into the certificate's own fields")
    match = _ORIGIN.match(origin)
    if match is None or int(match[3] or 443) > 65535:
        return Verdict("The URL is not of the form https://host[:port]/path")
    scheme, host = match[1], match[2].strip("[]").rstrip(".").lower()
    address = _literal(host)
    loopback = address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")
    if scheme == "http" and not loopback and not allow_private:
        return Verdict(f"Plain http:// is accepted for loopback addresses only; use https:// for {host}")
    if address is not None:
        refusal = check_peer(str(address), allow_private=allow_private, allow_loopback=True)
        if refusal:
            return Verdict(refusal)
    return Verdict("", loopback)


def check_url(url: str, *, allow_private: bool = False) -> str | None:
    """None when the URL may be called, else a sentence that says why not. Resolves no names: see ``check_peer``."""
    if _CONTROL.search(url):
        return "The URL contains a blank or a control character"
    return judge_origin(origin_of(url), allow_private=allow_private).refusal or None


def check_peer(address: str, *, allow_private: bool = False, allow_loopback: bool = False) -> str | None:
    """None when this numeric address may be connected to, else a sentence. A scope (``%eth0``) is ignored."""
    peer = _literal(address.partition("%")[0])
    if peer is None:
        return f"{address} is not an IP address"
    peer = _unwrapped(peer)
    if peer.is_loopback:
        return None if allow_loopback or allow_private else f"The address {peer} is this machine itself, but the URL names another host"
    if peer.is_multicast or peer.is_unspecified:
        return f"The address {peer} is not a host's address"
    if allow_private:
        return None
    if str(peer) in _METADATA or peer.is_link_local:
        return f"The address {peer} is link-local or a cloud metadata service"
    if not peer.is_global or peer.is_reserved:
        return f"The address {peer} lies in a private or reserved network"
    return None


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unwrapped(peer: Address) -> Address:
    """The IPv4 address inside an IPv6 one (mapped, NAT64, 6to4): the packet ends up there."""
    if isinstance(peer, ipaddress.IPv4Address):
        return peer
    if peer.ipv4_mapped is not None:
        return peer.ipv4_mapped
    if peer in _NAT64:
        return ipaddress.IPv4Address(int(peer) & 0xFFFFFFFF)
    return peer.sixtofour or peer
