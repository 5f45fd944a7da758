"""What vivo push checks in a message: types, lengths, classes, receipts (vendor sheet, sections 3, 5 and 8).

Parameter codes are those of the reading that follows the order of the vendor's page (section 5, block A).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

UNKNOWN_FIELD, NO_USER = 10040, 10050
NOTIFY_TYPE, NO_TITLE, LONG_TITLE, NO_CONTENT, LONG_CONTENT, TTL, SKIP_TYPE, NO_SKIP_CONTENT, LONG_SKIP_CONTENT = range(10054, 10063)
BAD_LINK, BAD_INTENT, NETWORK_TYPE, MANY_PAIRS, LONG_PAIRS, OTHER_FIELD = range(10063, 10069)
CATEGORY, DISAGREE, TEST_TEXT, NO_REQUEST_ID, LONG_REQUEST_ID = 10096, 10097, 10104, 10303, 10304

SYSTEM: Final = frozenset({"IM", "ACCOUNT", "TODO", "DEVICE_REMINDER", "ORDER", "SUBSCRIPTION"})
OPERATIONAL: Final = frozenset({"NEWS", "CONTENT", "MARKETING", "SOCIAL"})
MIN_TTL, MAX_TTL = 60, 86_400
HOME, LINK, CUSTOM, PAGE = 1, 2, 3, 4

_FIELDS: Final = frozenset(
    {
        *("appId", "regId", "alias", "notifyType", "title", "content", "timeToLive", "skipType", "skipContent", "networkType"),
        *("classification", "category", "clientCustomMap", "extra", "requestId", "pushMode", "notifyId", "addBadge"),
        *("foregroundShow", "sendOnline", "profileId", "timedDisplay", "auditReview", "serverSdkVer"),
        *("tagExpression", "marketing"),  # the vendor's own library sends the tags of a tag push with every message, empty
    }
)
_ONE_USER: Final = frozenset({"regId", "alias", "profileId"})
_EXTRA: Final = frozenset({"callback", "callback.param", "callback.id"})


class Refused(Exception):
    """The request is refused with a vendor code and a reason."""

    def __init__(self, code: int, reason: str, **more: Any) -> None:
        super().__init__(reason)
        self.code, self.reason, self.more = code, reason, more


@dataclass(frozen=True, slots=True)
class VivoRights:
    """What the console grants an app, and how strict this host is."""

    categories: frozenset[str] = SYSTEM | OPERATIONAL
    half_width: bool = True  # Chinese characters count two
    test_filter: bool = False  # texts that look like tests are refused


@dataclass(frozen=True, slots=True)
class VivoMessage:
    """A checked message. Receipts are asked for with an address, or with the id of one in the console."""

    title: str
    content: str
    system: bool
    skip_type: int
    skip_content: str
    ttl_seconds: int
    custom: dict[str, str]
    notify_id: int | None
    test: bool
    add_badge: bool
    foreground_show: bool
    send_online: bool
    profile_id: str
    callback: str
    callback_id: str
    callback_param: str
    request_id: str


def read_message(body: dict[str, Any], rights: VivoRights, *, saved: bool = False) -> VivoMessage:
    """Check a message; ``saved``: for saveListPayload, which names no phone. Raises Refused."""
    unknown = sorted(set(body) - (_FIELDS - _ONE_USER if saved else _FIELDS))
    if unknown:
        raise Refused(UNKNOWN_FIELD, f"unknown field {unknown[0]}")
    integer(body, "notifyType", NOTIFY_TYPE, 1, 4, required=True)
    title = _text(body, "title", NO_TITLE, LONG_TITLE, 40, rights)
    content = _text(body, "content", NO_CONTENT, LONG_CONTENT, 100, rights)
    if rights.test_filter and (_looks_like_test(title) or _looks_like_test(content)):
        raise Refused(TEST_TEXT, "the text looks like a test")
    ttl = integer(body, "timeToLive", TTL, MIN_TTL, MAX_TTL, default=MAX_TTL)
    skip_type, skip_content = _skip(body)
    if integer(body, "networkType", NETWORK_TYPE, -1, 1, default=-1) == 0:
        raise Refused(NETWORK_TYPE, "networkType must be -1 or 1")
    extra = _extra(body)
    return VivoMessage(
        title=title,
        content=content,
        system=_is_system(body, rights),
        skip_type=skip_type,
        skip_content=skip_content,
        ttl_seconds=ttl,
        custom=_custom(body),
        notify_id=integer(body, "notifyId", OTHER_FIELD, 1, 2**31 - 1) if "notifyId" in body else None,
        test=integer(body, "pushMode", OTHER_FIELD, 0, 1) == 1,
        add_badge=_boolean(body, "addBadge"),
        foreground_show=_boolean(body, "foregroundShow", default=True),
        send_online=_boolean(body, "sendOnline"),
        profile_id=_string(body, "profileId", 64),
        callback=extra.get("callback", ""),
        callback_id=extra.get("callback.id", ""),
        callback_param=extra.get("callback.param", ""),
        request_id=request_id(body),
    )


def request_id(body: dict[str, Any]) -> str:
    """The required name of a request; libraries pass a time, as a number too. Raises Refused."""
    value = body.get("requestId")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise Refused(NO_REQUEST_ID, "requestId is required")
    if len(value) > 64:
        raise Refused(LONG_REQUEST_ID, "requestId has more than 64 characters")
    return value


def integer(body: dict[str, Any], name: str, code: int, low: int, high: int, *, default: int = 0, required: bool = False) -> int:
    """A whole number, or its digits as text: the vendor's own sample passes both. Raises Refused."""
    value = body.get(name)
    if value is None and not required:
        return default
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Refused(code, f"{name} must be a whole number from {low} to {high}")
    return value


def _text(body: dict[str, Any], name: str, empty: int, too_long: int, limit: int, rights: VivoRights) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Refused(empty, f"{name} is required")
    if _length(value, rights) > limit:
        raise Refused(too_long, f"{name} is longer than {limit}")
    return value


def _length(value: str, rights: VivoRights) -> int:
    """Chinese and full-width characters count two where half-width characters are counted; an emoji counts one."""
    if not rights.half_width:
        return len(value)
    return sum(2 if unicodedata.east_asian_width(c) in ("W", "F") and unicodedata.category(c) != "So" else 1 for c in value)


def _looks_like_test(value: str) -> bool:
    """Digits, Latin letters and symbols alone, the word itself, brackets and braces."""
    if re.search(r"测试|test|[\[\]{}]", value, re.IGNORECASE):
        return True
    return not any(unicodedata.east_asian_width(c) in ("W", "F") for c in value)


def _skip(body: dict[str, Any]) -> tuple[int, str]:
    kind = integer(body, "skipType", SKIP_TYPE, HOME, PAGE, required=True)
    content = body.get("skipContent", "")
    if kind == HOME:
        return kind, ""
    if not isinstance(content, str) or not content:
        raise Refused(NO_SKIP_CONTENT, f"skipContent is required for skipType {kind}")
    if len(content) > 1024:
        raise Refused(LONG_SKIP_CONTENT, "skipContent has more than 1024 characters")
    if kind == LINK and not content.lower().startswith(("http://", "https://")):
        raise Refused(BAD_LINK, "skipContent is not an http(s) address")
    if kind == PAGE and not (content.startswith("intent:") and "#Intent;" in content and content.endswith("end")):
        raise Refused(BAD_INTENT, "skipContent is not an intent URI")
    return kind, content


def _is_system(body: dict[str, Any], rights: VivoRights) -> bool:
    """System only with a category; a category alone decides; both have to agree."""
    classification = integer(body, "classification", OTHER_FIELD, 0, 1) if "classification" in body else None
    category = body.get("category")
    if category is None or category == "":  # libraries with a field for it send it empty where it was not set
        return False
    if not isinstance(category, str) or category not in rights.categories:
        raise Refused(CATEGORY, f"category {category} is unknown or not granted")
    if classification is not None and classification != (category in SYSTEM):
        raise Refused(DISAGREE, "category and classification disagree")
    return category in SYSTEM


def _custom(body: dict[str, Any]) -> dict[str, str]:
    custom = _texts(body, "clientCustomMap")
    if len(custom) > 10:
        raise Refused(MANY_PAIRS, "clientCustomMap has more than 10 pairs")
    if sum(len(k) + len(v) for k, v in custom.items()) > 1024:
        raise Refused(LONG_PAIRS, "clientCustomMap has more than 1024 characters")
    return custom


def _extra(body: dict[str, Any]) -> dict[str, str]:
    extra = _texts(body, "extra")
    if set(extra) - _EXTRA:
        raise Refused(OTHER_FIELD, f"extra has an unknown key {sorted(set(extra) - _EXTRA)[0]}")
    if "callback" in extra and "callback.id" in extra:
        raise Refused(OTHER_FIELD, "callback and callback.id exclude one another")
    if len(extra.get("callback", "")) > 128 or len(extra.get("callback.param", "")) > 64:
        raise Refused(OTHER_FIELD, "callback has at most 128 characters, callback.param 64")
    return extra


def _texts(body: dict[str, Any], name: str) -> dict[str, str]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise Refused(OTHER_FIELD, f"{name} must be an object of texts")
    return value


def _string(body: dict[str, Any], name: str, limit: int) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > limit:
        raise Refused(OTHER_FIELD, f"{name} must be text of at most {limit} characters")
    return value


def _boolean(body: dict[str, Any], name: str, *, default: bool = False) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise Refused(OTHER_FIELD, f"{name} must be a boolean")
    return value
