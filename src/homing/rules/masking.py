"""Masking of secrets in whatever is recorded or shown (promise 7)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote, quote_plus

ELLIPSIS = "…"
MIN_SHOWN_CHARS = 12  # of anything shorter, two characters at each end would give too much away

#: Of these alone, a secret looks the same however it is encoded; log-in tokens mostly are, and each request asks.
_PLAIN = re.compile(r"[\w.~-]+", re.ASCII)
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "apikey", "access-token"})


def mask(secret: str) -> str:
    """``ab…yz`` for a long secret, so that a person can recognise it; ``…`` for a short one."""
    return f"{secret[:2]}{ELLIPSIS}{secret[-2:]}" if len(secret) >= MIN_SHOWN_CHARS else ELLIPSIS


def mask_all(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret masked, also where it stands URL-encoded or escaped in JSON."""
    # Longest first: a secret may contain another one.
    for form, shown in sorted(_forms(secrets).items(), key=lambda item: len(item[0]), reverse=True):
        if form in text:
            text = text.replace(form, shown)
    return text


def mask_headers(headers: Iterable[tuple[str, str]], secrets: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Headers with secrets masked; what authorises a request is masked whether it was named as a secret or not."""
    return tuple((name, _mask_header(name, value, secrets)) for name, value in headers)


def _mask_header(name: str, value: str, secrets: Sequence[str]) -> str:
    if name.lower() not in _SECRET_HEADERS:
        return mask_all(value, secrets)
    scheme, space, credential = value.partition(" ")
    return f"{scheme} {mask(credential)}" if space else mask(value)


def _forms(secrets: Iterable[str]) -> dict[str, str]:
    """What to look for, and what to show in its place."""
    forms: dict[str, str] = {}
    for secret in secrets:
        if secret:
            shown = forms[secret] = mask(secret)
            if not _PLAIN.fullmatch(secret):
                forms.update((form, shown) for form in _encoded(secret) if form not in forms)
    return forms


def _encoded(secret: str) -> tuple[str, ...]:
    octets = secret.encode("utf-8", "surrogatepass")
    return json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(octets, safe=""), quote(octets), quote_plus(octets)
