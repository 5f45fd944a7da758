"""What a well-formed message may not say: reserved data keys, ranges, sizes, missing partners (vendor sheet fcm, section 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from .fcm_proto import Violation
from .fcm_schema import TARGETS

MAX_TTL_SECONDS: Final = 2_419_200
MAX_PAYLOAD_BYTES: Final = 4096
MAX_TOPIC_PAYLOAD_BYTES: Final = 2048
MAX_TOKEN_BYTES: Final = 4096
_TOPIC: Final = re.compile(r"[a-zA-Z0-9\-_.~%]+")
_LABEL: Final = re.compile(r"[a-zA-Z0-9\-_.~%]{1,50}")
_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_CONDITION_TOKEN: Final = re.compile(r"\s*(?:('[a-zA-Z0-9\-_.~%]+')\s+in\s+topics|(&&|\|\||!|\(|\)))\s*")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{11,64}:APA91b[A-Za-z0-9_-]+")
_RESERVED_KEYS: Final = frozenset({"from", "message_type", "collapse_key"})
_RESERVED_PREFIXES: Final = ("google", "gcm")
_MAX_CONDITION_TOPICS: Final = 5


def is_token(token: str) -> bool:
    """Whether a registration token has the shape of one (section 3.1)."""
    return len(token.encode()) <= MAX_TOKEN_BYTES and _TOKEN.fullmatch(token) is not None


def violations(message: dict[str, Any]) -> list[Violation]:
    """Everything that is wrong with a message, its target apart from its shape of a token left out."""
    return [
        *_target(message),
        *_data(message.get("data"), "message.data"),
        *_label(message, "message"),
        *_android(message),
        *_web(message.get("webpush", {})),
        *_size(message),
    ]


def _target(message: dict[str, Any]) -> Iterator[Violation]:
    topic, condition = message.get("topic"), message.get("condition")
    if topic is not None and not _TOPIC.fullmatch(topic):
        yield Violation("message.topic", "Invalid topic name")
    if condition is not None and not is_condition(condition):
        yield Violation("message.condition", "Invalid condition expression provided.")


def has_target(message: dict[str, Any]) -> bool:
    """Whether a target is set; an empty string is no target."""
    return any(message.get(name) for name in TARGETS)


def is_condition(text: str) -> bool:
    """``'a' in topics && ('b' in topics || 'c' in topics)`` with at most five topics."""
    tokens, position = [], 0
    while position < len(text):
        match = _CONDITION_TOKEN.match(text, position)
        if match is None:
            return False
        tokens.append("t" if match[1] else match[2])
        position = match.end()
    return 0 < tokens.count("t") <= _MAX_CONDITION_TOPICS and _is_expression(tokens)


def _is_expression(tokens: list[str]) -> bool:
    """Alternates operands and operators, with balanced brackets."""
    depth, operand_next = 0, True
    for token in tokens:
        if operand_next and token in ("(", "!"):
            depth += token == "("
        elif operand_next and token == "t":
            operand_next = False
        elif not operand_next and token == ")":
            depth -= 1
        elif not operand_next and token in ("&&", "||"):
            operand_next = True
        else:
            return False
        if depth < 0:
            return False
    return depth == 0 and not operand_next


def _data(data: dict[str, str] | None, path: str) -> Iterator[Violation]:
    for key in data or {}:
        if not key or key in _RESERVED_KEYS or key.startswith(_RESERVED_PREFIXES):
            yield Violation(path, f"Invalid data payload key: {key}")


def _label(part: dict[str, Any], path: str) -> Iterator[Violation]:
    label = part.get("fcm_options", {}).get("analytics_label")
    if label and not _LABEL.fullmatch(label):
        yield Violation(f"{path}.fcm_options.analytics_label", "Invalid analytics label")


def _android(message: dict[str, Any]) -> Iterator[Violation]:
    if "android" in message and "android_v2" in message:
        yield Violation("message.android_v2", "android and android_v2 cannot both be set")
    for name in ("android", "android_v2"):
        config, path = message.get(name, {}), f"message.{name}"
        ttl = config.get("ttl")
        if ttl is not None and not 0 <= ttl <= MAX_TTL_SECONDS:
            yield Violation(f"{path}.ttl", f"Invalid time to live, must be between 0 and {MAX_TTL_SECONDS} seconds")
        yield from _data(config.get("data"), f"{path}.data")
        yield from _label(config, path)
    yield from _shown(message.get("android", {}).get("notification", {}), "message.android.notification")
    yield from _v2(message.get("android_v2"))


def _v2(config: dict[str, Any] | None) -> Iterator[Violation]:
    if config is None:
        return
    path = "message.android_v2"
    if "remote_notification" not in config and "background_sync" not in config:
        yield Violation(path, "One of remote_notification and background_sync must be set")
    remote = config.get("remote_notification")
    if remote is not None:
        if "notification" not in remote:
            yield Violation(f"{path}.remote_notification", "notification is required")
        yield from _shown(remote.get("notification", {}), f"{path}.remote_notification.notification")


def _shown(shown: dict[str, Any], path: str) -> Iterator[Violation]:
    if shown.get("color") and not _COLOR.fullmatch(shown["color"]):
        yield Violation(f"{path}.color", "Invalid color, must be in the form #rrggbb")
    for name in ("title", "body"):
        if shown.get(f"{name}_loc_args") and not shown.get(f"{name}_loc_key"):
            yield Violation(f"{path}.{name}_loc_key", f"{name}_loc_key is required when {name}_loc_args is set")
    if any(timing < 0 for timing in shown.get("vibrate_timings", ())):
        yield Violation(f"{path}.vibrate_timings", "Vibrate timings must not be negative")
    if shown.get("notification_count", 0) < 0:
        yield Violation(f"{path}.notification_count", "notification_count must not be negative")
    lights = shown.get("light_settings")
    if lights is not None:
        yield from _lights(lights, f"{path}.light_settings")


def _lights(lights: dict[str, Any], path: str) -> Iterator[Violation]:
    for name in ("color", "light_on_duration", "light_off_duration"):
        if name not in lights:
            yield Violation(f"{path}.{name}", f"{name} is required")
    if any(not 0 <= value <= 1 for value in lights.get("color", {}).values()):
        yield Violation(f"{path}.color", "Color components must be between 0 and 1")


def _web(config: dict[str, Any]) -> Iterator[Violation]:
    yield from _data(config.get("data"), "message.webpush.data")
    link = config.get("fcm_options", {}).get("link")
    if link and not link.startswith("https://"):
        yield Violation("message.webpush.fcm_options.link", "Link must be an HTTPS URL")


def _size(message: dict[str, Any]) -> Iterator[Violation]:
    limit = MAX_TOPIC_PAYLOAD_BYTES if message.get("topic") or message.get("condition") else MAX_PAYLOAD_BYTES
    if payload_bytes(message) > limit:
        yield Violation("message", "Message is too big")


def payload_bytes(message: dict[str, Any]) -> int:
    """UTF-8 bytes of the data's keys and values and of the notification's texts: the sheet's counting rule (section 3.6)."""
    android = message.get("android", message.get("android_v2", {}))
    data = android.get("data", message.get("data", {}))
    shown = android.get("notification") or android.get("remote_notification", {}).get("notification", {})
    texts = {**message.get("notification", {}), **shown}
    return sum(len(k.encode()) + len(v.encode()) for k, v in data.items()) + sum(_text_bytes(value) for value in texts.values())


def _text_bytes(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    return sum(_text_bytes(entry) for entry in value) if isinstance(value, list) else 0
