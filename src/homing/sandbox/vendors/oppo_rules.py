"""What OPPO PUSH checks in a message: keys, types, lengths, classification and templates (vendor sheet, sections 3, 5 and 8)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

NO_RIGHT, MISSING, ILLEGAL, NO_TEMPLATE, CLASSIFICATION, DEAD_ID = 27, 40, 41, 54, 67, 10000

SERVICE: Final = frozenset({"IM", "ACCOUNT", "DEVICE_REMINDER", "ORDER", "TODO", "SUBSCRIPTION"})
MARKETING: Final = frozenset({"NEWS", "CONTENT", "MARKETING", "SOCIAL"})
MAX_TTL_SECONDS: Final = 864_000
REGISTRATION_ID, ALIAS = 2, 5
STANDARD, LONG_TEXT, BIG_PICTURE = 1, 2, 3
SHADE, LOCK_SCREEN, STRONG = 1, 2, 16

_MAX_TEXT: Final = {
    **{"title": 50, "content": 200, "sub_title": 10, "app_message_id": 64, "action_parameters": 4000, "time_zone": 32},
    **{"click_action_activity": 500, "click_action_url": 2000, "channel_id": 128, "category": 32},
    **{"call_back_url": 200, "call_back_parameter": 100},
    **{"private_msg_template_id": 24, "big_picture_id": 24, "small_picture_id": 24},
}
_RANGES: Final = {
    **{"style": (1, 3), "click_action_type": (0, 5), "show_time_type": (0, 1), "network_type": (0, 1), "push_time_type": (0, 1)},
    **{"show_start_time": (0, 2**53), "show_end_time": (0, 2**53), "push_start_time": (0, 2**53)},
    **{"off_line_ttl": (1, 2**31 - 1), "show_ttl": (0, 86_400), "notify_id": (0, 2**31 - 1), "notify_level": (1, 16)},
    **{"fix_speed_rate": (1000, 10_000), "badge_operation_type": (0, 1), "badge_message_count": (0, 9999)},
}
_BOOLEANS: Final = frozenset({"off_line", "fix_speed"})
_OBJECTS: Final = frozenset({"private_title_parameters", "private_content_parameters", "audit_response"})
_PAID: Final = frozenset({"small_picture_url", "medium_picture_url", "big_picture_url", "buttons", "option"})
_TARGET_BREAKERS: Final = re.compile(r"[;,\s]")


class Refused(Exception):
    """The message is refused with a vendor code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(slots=True)
class OppoTemplate:
    """An approved private-message template: the placeholders of its title and its content."""

    title: frozenset[str]
    content: frozenset[str]


@dataclass(slots=True)
class OppoRights:
    """What the console grants an app."""

    legacy: bool = False  # still under the rule of before 2024-11-20: neither category nor notify_level
    categories: frozenset[str] = SERVICE | MARKETING
    strong: bool = False  # notify_level 16
    needs_template: bool = False
    templates: dict[str, OppoTemplate] = field(default_factory=dict)
    private_channels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OppoMessage:
    """A checked message. ``fields`` has the keys in snake case."""

    target: str
    verify: bool
    fields: dict[str, Any]
    private: bool

    def text(self, name: str) -> str:
        """A text field, "" where it is absent."""
        return str(self.fields.get(name, ""))

    @property
    def level(self) -> int:
        """How loud it is: the category's default where the sender does not say."""
        if self.text("category") in MARKETING:
            return SHADE
        return int(self.fields.get("notify_level", LOCK_SCREEN))


def read_unicast(value: Any, rights: OppoRights) -> OppoMessage:
    """Check a message object. Raises Refused."""
    if not isinstance(value, dict):
        raise Refused(ILLEGAL, "a message is a JSON object")
    message = _snake(value)
    unknown = sorted(set(message) - {"target_type", "target_value", "verify_registration_id", "notification"})
    if unknown:
        raise Refused(ILLEGAL, f"unknown key {unknown[0]}")
    target = _target(message)
    verify = message.get("verify_registration_id", False)
    if not isinstance(verify, bool):
        raise Refused(ILLEGAL, "verify_registration_id must be a boolean")
    notification = message.get("notification")
    if notification is None:
        raise Refused(MISSING, "notification is required")
    if not isinstance(notification, dict):
        raise Refused(ILLEGAL, "notification must be an object")
    fields = read_notification(_snake(notification), rights)
    if fields.get("style", STANDARD) == BIG_PICTURE:
        raise Refused(ILLEGAL, "style 3 is for broadcasts")
    return OppoMessage(target, verify, fields, is_private(fields, rights))


def read_notification(fields: dict[str, Any], rights: OppoRights) -> dict[str, Any]:
    """Check the keys of a notification, in snake case. Raises Refused."""
    for name, value in fields.items():
        _check_type(name, value)
    for name in ("title", "content"):
        if not fields.get(name):
            raise Refused(MISSING, f"{name} is required")
    if fields.get("style", STANDARD) == LONG_TEXT and len(fields["content"]) > 128:
        raise Refused(ILLEGAL, "content of style 2 has at most 128 characters")
    _check_click(fields)
    _check_times(fields)
    _check_class(fields, rights)
    if (url := fields.get("call_back_url")) and not url.startswith(("http://", "https://")):
        raise Refused(ILLEGAL, "call_back_url is not an http(s) address")
    return fields


def from_form(form: dict[str, str]) -> dict[str, Any]:
    """The keys of a notification that came as flat form fields, typed."""
    fields: dict[str, Any] = {}
    for name, value in _snake(form).items():
        if name in _RANGES:
            fields[name] = int(value) if re.fullmatch(r"\d{1,18}", value) else value
        elif name in _BOOLEANS:
            fields[name] = {"true": True, "false": False}.get(value.lower(), value)
        elif name in _MAX_TEXT:
            fields[name] = value
    return fields


def is_private(fields: dict[str, Any], rights: OppoRights) -> bool:
    """Whether a message is of the service class: by category under the new rule, by channel under the old one."""
    category = fields.get("category", "")
    return category in SERVICE if category else fields.get("channel_id", "") in rights.private_channels


def _snake(value: dict[str, Any]) -> dict[str, Any]:
    """Both spellings of the vendor's documents are taken."""
    return {re.sub(r"(?<!^)([A-Z])", lambda m: "_" + m[1].lower(), name): item for name, item in value.items() if item is not None}


def _target(message: dict[str, Any]) -> str:
    kind, target = message.get("target_type"), message.get("target_value")
    if kind is None or not target:
        raise Refused(MISSING, "target_type and target_value are required")
    if kind not in (REGISTRATION_ID, ALIAS) or isinstance(kind, bool):
        raise Refused(ILLEGAL, "target_type of a unicast is 2 or 5")
    if not isinstance(target, str) or _TARGET_BREAKERS.search(target):
        raise Refused(ILLEGAL, "target_value is one id")
    return target


def _check_type(name: str, value: Any) -> None:
    if name in _MAX_TEXT:
        if not isinstance(value, str) or len(value) > _MAX_TEXT[name]:
            raise Refused(ILLEGAL, f"{name} must be text of at most {_MAX_TEXT[name]} characters")
    elif name in _RANGES:
        low, high = _RANGES[name]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Refused(ILLEGAL, f"{name} must be a whole number from {low} to {high}")
    elif name in _BOOLEANS:
        if not isinstance(value, bool):
            raise Refused(ILLEGAL, f"{name} must be a boolean")
    elif name in _PAID:
        raise Refused(NO_RIGHT, f"{name} belongs to the value-added service, which is not opened for this app")
    elif name not in _OBJECTS:
        raise Refused(ILLEGAL, f"unknown key notification.{name}")


def _check_click(fields: dict[str, Any]) -> None:
    kind = fields.get("click_action_type", 0)
    if kind == 3:
        raise Refused(ILLEGAL, "click_action_type must be 0, 1, 2, 4 or 5")
    if kind in (1, 4) and not fields.get("click_action_activity"):
        raise Refused(MISSING, f"click_action_activity is required for click_action_type {kind}")
    if kind in (2, 5) and not fields.get("click_action_url"):
        raise Refused(MISSING, f"click_action_url is required for click_action_type {kind}")
    if kind == 2 and not fields["click_action_url"].lower().startswith(("http://", "https://")):
        raise Refused(ILLEGAL, "click_action_url is not an http(s) address")


def _check_times(fields: dict[str, Any]) -> None:
    if fields.get("show_time_type") == 1:
        start, end = fields.get("show_start_time"), fields.get("show_end_time")
        if start is None or end is None:
            raise Refused(MISSING, "show_start_time and show_end_time are required for show_time_type 1")
        if start >= end:
            raise Refused(ILLEGAL, "show_start_time must be before show_end_time")


def _check_class(fields: dict[str, Any], rights: OppoRights) -> None:
    category, level = fields.get("category", ""), fields.get("notify_level")
    if level is not None and not category:
        raise Refused(ILLEGAL, "notify_level requires category")
    if level is not None and level not in (SHADE, LOCK_SCREEN, STRONG):
        raise Refused(ILLEGAL, "notify_level must be 1, 2 or 16")
    if category and (rights.legacy or category not in rights.categories):
        raise Refused(CLASSIFICATION, f"category {category} is not granted to this app")
    if level == STRONG and (category != "IM" or not rights.strong):
        raise Refused(CLASSIFICATION, "notify_level 16 is not granted to this app and category")
    _check_template(fields, rights)


def _check_template(fields: dict[str, Any], rights: OppoRights) -> None:
    template_id = fields.get("private_msg_template_id")
    if not template_id:
        if rights.needs_template and is_private(fields, rights):
            raise Refused(NO_TEMPLATE, "private_msg_template_id is required")
        return
    template = rights.templates.get(template_id)
    if template is None:
        raise Refused(ILLEGAL, f"template {template_id} is unknown")
    for name, wanted in (("private_title_parameters", template.title), ("private_content_parameters", template.content)):
        given = _placeholders(name, fields.get(name))
        missing = sorted(wanted - set(given))
        if missing:
            raise Refused(ILLEGAL, f"no {missing[0]}")
        if set(given) - wanted:
            raise Refused(ILLEGAL, f"{name} has placeholders that the template does not have")


def _placeholders(name: str, value: Any) -> dict[str, str]:
    """An object of texts, or the same as JSON text; an empty one is a syntax error, leaving it out is not."""
    if value is None:
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict) or not value or not all(isinstance(v, str) for v in value.values()):
        raise Refused(ILLEGAL, f"{name}: syntax error")
    return value
