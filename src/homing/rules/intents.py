"""Android intent URIs, as click actions use them (console sheet, section 2; Android's ``Intent.parseUri``).

``intent://{host}/{path}?{query}#Intent;scheme=...;launchFlags=0x4000000;component={package}/{class};S.{key}={value};end``
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

import msgspec

CLEAR_TOP = 0x4000000  # FLAG_ACTIVITY_CLEAR_TOP: without it a second tap opens the page twice
ACTIVITY_PREFIX = "activity:"
MAX_URI_CHARS = 16 * 1024

_START = "#Intent;"
_CLASS_NAME = re.compile(r"\.?[A-Za-z_]\w*(?:[.$][A-Za-z_]\w*)*", re.ASCII)
_PACKAGE_NAME = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)+", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


class Intent(msgspec.Struct, frozen=True):
    """An intent URI in parts, with every value decoded."""

    scheme: str = ""
    host: str = ""
    path: str = ""  # with its leading slash
    query: str = ""
    action: str = ""
    flags: int = 0
    package: str = ""
    component: str = ""  # "package/class", as written
    extras: dict[str, str] = {}

    @property
    def activity(self) -> str:
        """The full class name of the component, "" when there is none. ``package/.Class`` is completed."""
        package, slash, name = self.component.partition("/")
        return package + name if slash and name.startswith(".") else name

    @property
    def data(self) -> str:
        """The data URI that the activity's filter is matched with, "" when there is none."""
        if not self.scheme:
            return ""
        return f"{self.scheme}://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")


def intent_uri(
    *,
    scheme: str = "",
    host: str = "",
    path: str = "",
    query: str = "",
    action: str = "",
    package: str = "",
    component: str = "",
    flags: int = CLEAR_TOP,
    extras: Mapping[str, str] | None = None,
) -> str:
    """The intent URI of these parts. ``path`` may come without its slash, ``component`` is ``package/class``."""
    location = f"//{quote(host, safe='.-:_')}" if host else ""
    if path:
        location += "/" + quote(path.removeprefix("/"), safe="/-._~")
    if query:
        location += "?" + quote(query, safe="=&-._~/:")
    fields = {"scheme": scheme, "action": action, "launchFlags": hex(flags) if flags else "", "package": package, "component": component}
    parts = [f"{name}={quote(value, safe='/.$_-+')}" for name, value in fields.items() if value]
    return with_extras(f"intent:{location}{_START}{''.join(part + ';' for part in parts)}end", extras or {})


def with_extras(uri: str, extras: Mapping[str, str]) -> str:
    """``uri`` with text extras put before its ``end``; an extra of the same name is replaced.

    A text that is no intent URI comes back as it is: there is no place in it for extras.
    """
    head, fields = _split(uri)
    if fields is None or not extras:
        return uri
    added = {f"S.{_encode(name)}": _encode(value) for name, value in extras.items()}
    kept = [field for field in fields if field.partition("=")[0] not in added]
    return f"{head}{_START}{''.join(field + ';' for field in kept)}{''.join(f'{key}={value};' for key, value in added.items())}end"


def parse_intent_uri(uri: str) -> Intent | None:
    """The parts of an intent URI, or None when the text is not one. Extras of every type are given as text."""
    head, fields = _split(uri)
    if fields is None:
        return None
    values: dict[str, str] = {}
    extras: dict[str, str] = {}
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals:
            return None
        if len(key) > 2 and key[1] == "." and key[0] in "SBbcdfils":
            extras[unquote(key[2:])] = unquote(value)
        else:
            values[key] = unquote(value)
    flags = _flags(values.get("launchFlags", "0"))
    if flags is None:
        return None
    host, path, query = _location(head.removeprefix("intent:"))
    return Intent(
        scheme=values.get("scheme", ""),
        host=host,
        path=path,
        query=query,
        action=values.get("action", ""),
        flags=flags,
        package=values.get("package", ""),
        component=values.get("component", ""),
        extras=extras,
    )


def activity_of(click_value: str) -> str:
    """The activity class in a click value: a bare class name, one with the prefix ``activity:``, or an intent URI's component.

    "" when it names none.
    """
    value = click_value.strip()
    if value.startswith("intent:"):
        intent = parse_intent_uri(value)
        return intent.activity if intent is not None else ""
    value = value.removeprefix(ACTIVITY_PREFIX).strip()
    if "/" in value:
        value = Intent(component=value).activity
    return value if _CLASS_NAME.fullmatch(value) and "." in value else ""


def intent_problems(uri: str) -> list[str]:
    """What is wrong with an intent URI, one sentence each; an empty list when Android will open it."""
    if not uri.startswith("intent:"):
        return ["An intent URI starts with intent:"]
    if len(uri) > MAX_URI_CHARS:
        return [f"The intent URI is longer than {MAX_URI_CHARS} characters"]
    if _START not in uri:
        return ["The intent URI has no #Intent; part"]
    if not uri.endswith(";end"):
        return ["The intent URI does not finish with ;end"]
    intent = parse_intent_uri(uri)
    if intent is None:
        return ["The intent URI has a part between #Intent; and end that is not key=value, or a launchFlags that is not a number"]
    return _part_problems(intent)


def _part_problems(intent: Intent) -> list[str]:
    problems = []
    if intent.scheme and not _SCHEME.fullmatch(intent.scheme):
        problems.append(f"The scheme {intent.scheme!r} has characters that a scheme cannot have")
    if intent.host and not intent.scheme:
        problems.append("The intent URI has a host and no scheme=, so that no intent filter can match it")
    if intent.component:
        package, slash, name = intent.component.partition("/")
        if not slash or not _PACKAGE_NAME.fullmatch(package) or not _CLASS_NAME.fullmatch(name):
            problems.append(
                f"The component {intent.component!r} is not package/class, for example com.example.im/com.example.im.MainActivity"
            )
    elif not (intent.scheme or intent.action or intent.package):
        problems.append("The intent URI names nothing to open: give it a component=, a scheme= or an action=")
    return problems


def _split(uri: str) -> tuple[str, list[str] | None]:
    """The part before ``#Intent;`` and the fields up to ``end``; None for the fields when it is no intent URI."""
    if not uri.startswith("intent:") or len(uri) > MAX_URI_CHARS:
        return uri, None
    head, start, tail = uri.partition(_START)
    if not start or not (tail == "end" or tail.endswith(";end")):
        return uri, None
    return head, [field for field in tail[:-3].split(";") if field]


def _location(text: str) -> tuple[str, str, str]:
    text, _, query = text.partition("?")
    if not text.startswith("//"):
        return "", unquote(text), unquote(query)
    host, slash, path = text[2:].partition("/")
    return unquote(host), unquote(slash + path), unquote(query)


def _flags(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None


def _encode(value: str) -> str:
    return quote(value, safe="", errors="replace")
