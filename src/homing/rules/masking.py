"""Masking of secrets in whatever is recorded or shown (promise 7)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from urllib.parse import quote, quote_plus

ELLIPSIS = "…"
MIN_SHOWN_CHARS = 12  # of anything shorter, two characters at each end would give too much away

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
    forms: dict[str, str] = {}
    for secret in secrets:
        if secret:
            shown = mask(secret)
            forms[secret] = shown
            if not secret.isalnum():
                encoded = secret.encode("utf-8", "surrogatepass")
                for form in (
                    json.dumps(secret)[1:-1],
                    json.dumps(secret, ensure_ascii=False)[1:-1],
                    quote(encoded, safe=""),
                    quote_plus(encoded),
                ):
                    forms.setdefault(form, shown)
    return forms
