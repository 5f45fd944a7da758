"""Android intents: the URI form, and whether an activity's filters take one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from .manifest import ACTION_VIEW, CATEGORY_DEFAULT, Activity, IntentFilter, full_class_name

_NUMBERS = {"b": int, "s": int, "i": int, "l": int, "f": float, "d": float}


class BadIntent(ValueError):
    """The URI is not an intent URI; the text says what Android would not accept."""


@dataclass(slots=True)
class Intent:
    """What startActivity gets."""

    action: str = ACTION_VIEW
    data: str | None = None
    mime_type: str = ""
    package: str = ""
    component: tuple[str, str] | None = None  # package, class
    categories: set[str] = field(default_factory=set)
    flags: int = 0
    extras: dict[str, Any] = field(default_factory=dict)


def parse_intent_uri(uri: str) -> Intent:
    """The inverse of ``Intent.toUri(URI_INTENT_SCHEME)``. Raises BadIntent where ``Intent.parseUri`` throws."""
    head, marker, tail = uri.partition("#Intent;")
    if not marker:
        raise BadIntent("there is no #Intent; part")
    if not (head == "" or head.startswith("intent:")):
        raise BadIntent("it does not start with intent:")
    intent, scheme = Intent(), ""
    fields = tail.split(";")
    if "end" not in fields:
        raise BadIntent("the #Intent; part has no end")
    for item in fields[: fields.index("end")]:
        key, equals, value = item.partition("=")
        if not equals:
            raise BadIntent(f"{item!r} has no value")
        if key == "scheme":
            scheme = unquote(value)
        else:
            _set_field(intent, key, unquote(value))
    rest = head.removeprefix("intent:")
    if rest:
        intent.data = f"{scheme}:{rest}" if scheme else rest
    elif scheme:
        intent.data = f"{scheme}:"
    return intent


def _set_field(intent: Intent, key: str, value: str) -> None:
    if key == "action":
        intent.action = value
    elif key == "category":
        intent.categories.add(value)
    elif key == "type":
        intent.mime_type = value
    elif key == "package":
        intent.package = value
    elif key == "component":
        intent.component = _component(value)
    elif key == "launchFlags":
        intent.flags = _flags(value)
    elif len(key) > 2 and key[1] == ".":
        intent.extras[unquote(key[2:])] = _extra(key[0], value)
    elif key not in ("sourceBounds", "identifier"):
        raise BadIntent(f"unknown field {key!r}")


def _component(value: str) -> tuple[str, str]:
    """A component without a slash names nothing: Android leaves it out and the intent becomes an implicit one."""
    package, slash, name = value.partition("/")
    if not slash or not package or not name:
        raise BadIntent(f"component {value!r} is not package/class")
    return package, full_class_name(package, name)


def _flags(value: str) -> int:
    try:
        return int(value, 0)
    except ValueError:
        raise BadIntent(f"launchFlags {value!r} is not a number") from None


def _extra(kind: str, value: str) -> Any:
    if kind == "S":
        return value
    if kind == "B":
        return value.lower() == "true"
    if kind == "c":
        return value[:1]
    if kind not in _NUMBERS:
        raise BadIntent(f"unknown extra type {kind!r}")
    try:
        return _NUMBERS[kind](value)
    except ValueError:
        raise BadIntent(f"extra {value!r} is not a number") from None


def activity_takes(activity: Activity, intent: Intent, *, implicit: bool) -> bool:
    """Whether one of the activity's filters matches. Implicit intents also need the DEFAULT category."""
    wanted = intent.categories | ({CATEGORY_DEFAULT} if implicit else set())
    return any(
        intent.action in f.actions and wanted <= f.categories and _data_matches(f, intent.data, intent.mime_type) for f in activity.filters
    )


def _data_matches(filter_: IntentFilter, data: str | None, mime_type: str) -> bool:
    if not data and not mime_type:
        return not filter_.schemes and not filter_.mime_types
    if filter_.mime_types and not any(_mime_matches(m, mime_type) for m in filter_.mime_types):
        return False
    if mime_type and not filter_.mime_types:
        return False
    parts = urlsplit(data or "")
    if not filter_.schemes:
        return bool(filter_.mime_types) and parts.scheme in ("", "content", "file")
    if _scheme(data or "") not in filter_.schemes:
        return False
    if not filter_.hosts:
        return True
    if not any(_host_matches(host, port, _authority(data or "")) for host, port in filter_.hosts):
        return False
    return not filter_.paths or any(_path_matches(kind, value, unquote(parts.path)) for kind, value in filter_.paths)


def _scheme(data: str) -> str:
    """Schemes are compared with their case, as Android does: a filter for "pushscheme" does not take "PushScheme"."""
    return data.partition(":")[0]


def _authority(data: str) -> tuple[str, str]:
    rest = data.partition(":")[2]
    if not rest.startswith("//"):
        return "", ""
    authority = re.split(r"[/?#]", rest[2:], maxsplit=1)[0].rpartition("@")[2]
    host, _, port = authority.partition(":")
    return host, port


def _mime_matches(pattern: str, mime_type: str) -> bool:
    return pattern in (mime_type, "*/*") or (pattern.endswith("/*") and mime_type.startswith(pattern[:-1]))


def _host_matches(pattern: str, port: str, authority: tuple[str, str]) -> bool:
    host, host_port = authority
    if port and port != host_port:
        return False
    if pattern.startswith("*"):
        return host.lower().endswith(pattern[1:].lower())
    return host.lower() == pattern.lower()


def _path_matches(kind: str, value: str, path: str) -> bool:
    if kind == "path":
        return path == value
    if kind == "pathPrefix":
        return path.startswith(value)
    if kind == "pathSuffix":
        return path.endswith(value)
    return _simple_glob(value, path)


def _simple_glob(pattern: str, path: str) -> bool:
    """Android's simple glob: ``.`` is any character, ``*`` repeats the one before it, ``\\\\`` quotes."""
    expression, position = [], 0
    while position < len(pattern):
        char = pattern[position]
        if char == "\\" and position + 1 < len(pattern):
            position += 1
            expression.append(re.escape(pattern[position]))
        elif char == "*" and expression:
            expression[-1] += "*"
        elif char == ".":
            expression.append(".")
        else:
            expression.append(re.escape(char))
        position += 1
    return re.fullmatch("".join(expression), path, re.DOTALL) is not None
