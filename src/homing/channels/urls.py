"""Where requests go: the vendor's host, or the certificate's override of it, and what an override may be."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from homing.channels.base import FieldProblem


def base(override: str, default: str) -> str:
    """Scheme, host and path prefix for a vendor's paths, without a slash at the end."""
    return (override or default).rstrip("/")


def auth_endpoint(override: str, default: str, default_path: str) -> str:
    """The full log-in URL: an override with a path is taken as it is, one without gets the vendor's path."""
    if not override:
        return default
    path = urlsplit(override).path
    return override if path.strip("/") else override.rstrip("/") + default_path


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_problem(field: str, value: str, *, plain_on_loopback: bool = True) -> FieldProblem | None:
    """What is wrong with a URL option. ``http://`` is taken for loopback hosts only: credentials travel over it."""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        parts.port  # noqa: B018  (raises for a bad port)
    except ValueError:
        host, parts = "", urlsplit("")
    if not host or parts.scheme not in {"http", "https"} or any(c.isspace() for c in value):
        return FieldProblem(field, f"{field} is not an absolute http(s) URL", "Use https://host[:port]")
    if parts.scheme == "http" and not (plain_on_loopback and is_loopback(host)):
        return FieldProblem(field, f"{field} uses http:// on a host that is not loopback", "Use https://, or a loopback address")
    return None


def receipt_url(callback_base_url: str, receipt_path: str) -> str:
    """The receipt URL of a certificate, or "" where receipts cannot be had."""
    if not callback_base_url or not receipt_path:
        return ""
    return f"{callback_base_url.rstrip('/')}/v1/receipts/{receipt_path}"
